"""How a wrapper stands in for what it wraps, once for all eight classes."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .logger import Log

W = TypeVar("W", bound="Wrapper")

# What a wrapper keeps for itself; every other attribute is the wrapped object's, for reading and for writing.
_OWN: Final = frozenset({"_wrapped", "_log", "_keep", "_cached", "_conversation", "_replaced", "_audio_seconds"})


class _Omitted:
    """Stands for an argument that was not given: a mock is called as the application called the wrapper."""

    def __repr__(self) -> str:
        return "None"


OMITTED: Final[Any] = _Omitted()


class Passed:
    """An attribute of the SDK's class that an instance takes from the object it wraps."""

    __slots__ = ("_inherited", "_name")

    def __init__(self, name: str, inherited: object) -> None:
        self._name = name
        self._inherited = inherited

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return getattr(self._inherited, self._name)
        return getattr(instance._wrapped, self._name)


class Replaced(NamedTuple):
    """A method of the wrapped object as it was before something else was put in its place, through the wrapper."""

    method: Any
    is_the_instances: bool
    """Whether it was set on the object itself; else its class has it."""


class Wrapper:
    """Passes every attribute that the wrapping class does not define itself through to the wrapped object.

    Put first among the bases, before the SDK's class that the wrapper is to be an instance of.
    """

    _traced: ClassVar[frozenset[str]] = frozenset()
    _wrapped: Any
    _log: Log
    _keep: Any
    _cached: dict[str, Wrapper]
    _replaced: dict[str, Replaced]

    def __init_subclass__(cls, *, sdk_class: type | None = None, **kwargs: Any) -> None:
        """Pass on what *sdk_class* offers and no wrapper defines, whatever this release of google-genai put there."""
        super().__init_subclass__(**kwargs)
        if sdk_class is None:  # what two wrappers have in common
            return
        # What no wrapper defines is passed on by its name, so that what the next release adds works, too.
        ours = {name for kind in cls.__mro__ if issubclass(kind, Wrapper) for name in vars(kind)}
        cls._traced = frozenset(name for name, value in vars(cls).items() if name[0] != "_" and callable(value))
        for name in dir(sdk_class):
            if not name.startswith("__") and name not in ours:
                setattr(cls, name, Passed(name, sdk_class))

    def __getattr__(self, name: str) -> Any:
        """Read from the wrapped object."""
        if name in _OWN or name.startswith("__"):  # not set yet: a copy in the making
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._wrapped, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Write to the wrapped object."""
        if name in _OWN:
            object.__setattr__(self, name, value)
        elif name not in self._traced:
            setattr(self._wrapped, name, value)
        elif isinstance(value, MethodType) and value.__self__ is self and value.__func__ is getattr(type(self), name):
            self._restore(name)  # pytest's monkeypatch puts back what it has read
        else:
            self._replace(name, value)

    def __delattr__(self, name: str) -> None:
        """Delete from the wrapped object."""
        if name in self._replaced:
            self._restore(name)
        else:
            delattr(self._wrapped, name)

    def _replace(self, name: str, value: object) -> None:
        """Put *value* in place of a traced method: here, where it is read, and on the wrapped object.

        What it replaces is kept. The wrapper's own method, which *value* may call, then goes on to that: on the wrapped
        object it would find *value* again.
        """
        if name not in self._replaced:
            # A restored attribute of the object itself would hide that of its class, should that be replaced later.
            is_the_instances = name in getattr(self._wrapped, "__dict__", ())
            self._replaced[name] = Replaced(getattr(self._wrapped, name, None), is_the_instances)
        setattr(self._wrapped, name, value)
        object.__setattr__(self, name, value)

    def _restore(self, name: str) -> None:
        replaced = self._replaced.pop(name, None)
        value = vars(self).pop(name, None)
        if replaced is None or getattr(self._wrapped, name, None) is not value:
            return  # somebody has put another one over it, and will take it away
        if replaced.is_the_instances:
            setattr(self._wrapped, name, replaced.method)
            return
        delattr(self._wrapped, name)
        if not hasattr(self._wrapped, name):  # a mock, which makes its attributes when they are read
            setattr(self._wrapped, name, replaced.method)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._wrapped)})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wrapped!r})"

    def _once(self, name: str, wrapped: object, kind: type[W]) -> W:
        """Return the wrapper around *wrapped*, the same one as long as that stays the same."""
        known = self._cached.get(name)
        if known is None or known._wrapped is not wrapped:
            known = self._cached[name] = kind._around(wrapped, self._log, self._wrapped)
        return cast("W", known)

    def _part(self, wrapped: object, kind: type[W]) -> W:
        """Return a wrapper around *wrapped*, a part of what is wrapped here."""
        return kind._around(wrapped, self._log, self)

    @classmethod
    def _around(cls, wrapped: object, log: Log, keep: object) -> Self:
        """Return a wrapper that another wrapper hands out, which keeps alive what it needs."""
        wrapper = cls.__new__(cls)
        wrapper._wrap(wrapped, log, keep)
        return wrapper

    def _wrap(self, wrapped: object, log: Log, keep: object = None) -> None:
        """Stand in for *wrapped*, logging to *log*, and keep alive what it needs."""
        self._wrapped = wrapped
        self._log = log
        self._keep = keep
        self._cached = {}
        self._replaced = {}


def standing_in(kind: type[W], wrapped: Any, log: Log, name: str, method: Any) -> W:
    """Return a wrapper of *kind* for one call on *wrapped*, whose own *method* of that *name* leads to the wrapper."""
    wrapper = kind._around(wrapped, log, None)  # pyright: ignore[reportPrivateUsage]  # of this module
    wrapper._replaced = {name: Replaced(method, is_the_instances=False)}  # pyright: ignore[reportPrivateUsage]
    return wrapper


class Unrecorded:
    """The methods of what is wrapped, where a call could not begin: it goes on without a trace."""

    def __init__(self, wrapped: object, replaced: Mapping[str, Replaced]) -> None:
        self._wrapped = wrapped
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        replaced = self._replaced.get(name)
        return replaced.method if replaced else getattr(self._wrapped, name)
