"""The base of all wrappers: attributes that a wrapper does not define are those of the wrapped object."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .logger import Log

W = TypeVar("W", bound="Wrapper")

# Attributes of the wrapper itself; every other attribute is read from, and written to, the wrapped object.
_OWN: Final = frozenset({"_wrapped", "_log", "_keep", "_cached", "_conversation", "_replaced", "_audio_seconds"})


class _Omitted:
    """Default of an argument that was not given: the wrapped method, perhaps a mock, must not get it, either."""

    def __repr__(self) -> str:
        return "None"


OMITTED: Final[Any] = _Omitted()


class Passed:
    """A descriptor for an attribute of the SDK's class: instances read it from the wrapped object."""

    __slots__ = ("_inherited", "_name")

    def __init__(self, name: str, inherited: object) -> None:
        self._name = name
        self._inherited = inherited

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return getattr(self._inherited, self._name)
        return getattr(instance._wrapped, self._name)


class Replaced:
    """The original of a method of the wrapped object that the application has replaced through the wrapper."""

    __slots__ = ("is_the_instances", "method")

    def __init__(self, method: Any, *, is_the_instances: bool) -> None:
        self.method = method
        self.is_the_instances = is_the_instances
        """`True` if it was an attribute of the object itself, and not of its class."""


class Wrapper:
    """Passes every attribute that the wrapping class does not define through to the wrapped object.

    It has to be the first base class, before the SDK's class whose instance the wrapper has to be.
    """

    _traced: ClassVar[frozenset[str]] = frozenset()
    _wrapped: Any
    _log: Log
    _keep: Any
    _cached: dict[str, Wrapper]
    _replaced: dict[str, Replaced]

    def __init_subclass__(cls, *, sdk_class: type | None = None, **kwargs: Any) -> None:
        """Pass all attributes of *sdk_class* through that no wrapper defines, in whatever release of google-genai."""
        super().__init_subclass__(**kwargs)
        if sdk_class is None:  # a base of several wrappers
            return
        # By name, because the SDK's class is a base, too: its own attributes would be found before `__getattr__`.
        ours = {name for kind in cls.__mro__ if issubclass(kind, Wrapper) for name in vars(kind)}
        cls._traced = frozenset(name for name, value in vars(cls).items() if name[0] != "_" and callable(value))
        for name in dir(sdk_class):
            if not name.startswith("__") and name not in ours:
                setattr(cls, name, Passed(name, sdk_class))

    def __getattr__(self, name: str) -> Any:
        """Read from the wrapped object."""
        if name in _OWN or name.startswith("__"):  # not set yet, while `copy` makes the object
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._wrapped, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Write to the wrapped object."""
        if name in _OWN:
            object.__setattr__(self, name, value)
        elif name not in self._traced:
            setattr(self._wrapped, name, value)
        elif isinstance(value, MethodType) and value.__self__ is self and value.__func__ is getattr(type(self), name):
            self._restore(name)  # pytest's monkeypatch restores the value that it has read
        else:
            self._replace(name, value)

    def __delattr__(self, name: str) -> None:
        """Delete from the wrapped object."""
        if name in self._replaced:
            self._restore(name)
        else:
            delattr(self._wrapped, name)

    def _replace(self, name: str, value: object) -> None:
        """Replace a traced method by *value*, on this wrapper and on the wrapped object.

        The original is kept. If *value* calls the wrapper's own method, that calls the original: on the wrapped object
        it would find *value* again.
        """
        if name not in self._replaced:
            # To restore a method of the class as an attribute of the object would hide later changes of the class.
            is_the_instances = name in getattr(self._wrapped, "__dict__", ())
            self._replaced[name] = Replaced(getattr(self._wrapped, name, None), is_the_instances=is_the_instances)
        setattr(self._wrapped, name, value)
        object.__setattr__(self, name, value)

    def _restore(self, name: str) -> None:
        replaced = self._replaced.pop(name, None)
        value = vars(self).pop(name, None)
        if replaced is None or getattr(self._wrapped, name, None) is not value:
            return  # it was replaced once more; who did that will restore it
        if replaced.is_the_instances:
            setattr(self._wrapped, name, replaced.method)
            return
        delattr(self._wrapped, name)
        if not hasattr(self._wrapped, name):  # a mock, whose attributes are made when they are read
            setattr(self._wrapped, name, replaced.method)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._wrapped)})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wrapped!r})"

    def _once(self, name: str, wrapped: object, kind: type[W]) -> W:
        """Return the wrapper around *wrapped*; the same one as before if *wrapped* is the same object."""
        known = self._cached.get(name)
        if known is None or known._wrapped is not wrapped:
            known = self._cached[name] = kind._around(wrapped, self._log, self._wrapped)
        return cast("W", known)

    def _part(self, wrapped: object, kind: type[W]) -> W:
        """Return a wrapper around *wrapped*, a part of the wrapped object."""
        return kind._around(wrapped, self._log, self)

    @classmethod
    def _around(cls, wrapped: object, log: Log, keep: object) -> Self:
        """Return a new wrapper, which keeps *keep* alive, without calling `__init__`."""
        wrapper = cls.__new__(cls)
        wrapper._wrap(wrapped, log, keep)
        return wrapper

    def _wrap(self, wrapped: object, log: Log, keep: object = None) -> None:
        """Wrap *wrapped*, log to *log*, and keep *keep* alive: the SDK's clients close when they are dropped."""
        self._wrapped = wrapped
        self._log = log
        self._keep = keep
        self._cached = {}
        self._replaced = {}


def standing_in(kind: type[W], wrapped: Any, log: Log, name: str, method: Any) -> W:
    """Return a wrapper for one call on *wrapped*; its own method *name* calls *method*, the original."""
    wrapper = kind._around(wrapped, log, None)  # pyright: ignore[reportPrivateUsage]  # of this module
    wrapper._replaced = {name: Replaced(method, is_the_instances=False)}  # pyright: ignore[reportPrivateUsage]
    return wrapper


class Unrecorded:
    """Calls the wrapped object's methods without a trace, for a call that could not begin."""

    def __init__(self, wrapped: object, replaced: Mapping[str, Replaced]) -> None:
        self._wrapped = wrapped
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        replaced = self._replaced.get(name)
        return replaced.method if replaced else getattr(self._wrapped, name)
