"""How a wrapper stands in for what it wraps, once for all eight classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from ._maxim import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._maxim import Logger

T = TypeVar("T")

# What a wrapper keeps for itself; every other attribute is the wrapped object's, for reading and for writing.
_OWN: Final = frozenset({"_wrapped", "_log", "_keep", "_cached", "_conversation"})


class Passed:
    """An attribute of the SDK's class that an instance takes from the object it wraps."""

    __slots__ = ("_inherited", "_name")

    def __init__(self, name: str, inherited: Any) -> None:
        self._name = name
        self._inherited = inherited

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return getattr(self._inherited, self._name)
        return getattr(instance._wrapped, self._name)


class Wrapper:
    """Passes every attribute that the wrapping class does not define itself through to the wrapped object.

    Put first among the bases, before the SDK's class that the wrapper is to be an instance of.
    """

    _wrapped: Any
    _log: Log
    _keep: Any
    _cached: dict[str, Any]

    def __init_subclass__(cls, *, sdk_class: type | None = None, **kwargs: Any) -> None:
        """Pass on what *sdk_class* offers and no wrapper defines, whatever this release of google-genai put there."""
        super().__init_subclass__(**kwargs)
        if sdk_class is None:  # what two wrappers have in common
            return
        ours = {name for kind in cls.__mro__ if issubclass(kind, Wrapper) for name in vars(kind)}
        for name in dir(sdk_class):
            if not name.startswith("__") and name not in ours:
                setattr(cls, name, Passed(name, sdk_class))

    def __getattr__(self, name: str) -> Any:
        """Read from the wrapped object."""
        if name in _OWN or name.startswith("__"):  # not set yet: a copy in the making
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._wrapped, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Write to the wrapped object."""
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            setattr(self._wrapped, name, value)

    def __delattr__(self, name: str) -> None:
        """Delete from the wrapped object."""
        delattr(self._wrapped, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._wrapped)})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wrapped!r})"

    def _once(self, name: str, wrapped: Any, kind: Callable[..., T]) -> T:
        """Return the wrapper around *wrapped*, the same one as long as that stays the same."""
        known = self._cached.get(name)
        if known is None or known[0] is not wrapped:
            known = self._cached[name] = (wrapped, kind(wrapped, self._log, keep=self._wrapped))
        return known[1]

    def _wrap(self, wrapped: Any, log: Log, keep: Any = None) -> None:
        """Stand in for *wrapped*, logging to *log*, and keep alive what it needs."""
        self._wrapped = wrapped
        self._log = log
        self._keep = keep
        self._cached: dict[str, Any] = {}


def logging_to(logger: Logger | Log) -> Log:
    """Return *logger* behind its guard."""
    return logger if isinstance(logger, Log) else Log(logger)
