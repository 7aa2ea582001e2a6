"""Replace functions of other libraries while a block is open.

A function stays the same object and gets other code. So it does not matter which other tools replace the attribute
that holds it, before or after, and in which order all of them undo it: a call that reaches the function runs the
replacement, and afterwards the function is unchanged. If the attribute holds no Python function (but a module, or a
mock), the attribute itself is replaced, and restored unless another tool has replaced it since.

Libraries that are loaded already are patched when the block begins, others when the application loads them: a block
imports nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import threading
import warnings
from contextlib import suppress
from importlib.abc import MetaPathFinder
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from . import forwarding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec

_MISSING: Final = object()


class Patch:
    """A function to replace: *wrap* gets the original, with its own signature, and returns the replacement."""

    __slots__ = ("below_others", "is_wrapper", "name", "owner", "wrap")

    def __init__(
        self, owner: Any, name: str, wrap: Callable[[Any], Any], *, below_others: bool = False, is_wrapper: bool = False
    ) -> None:
        self.owner = owner
        self.name = name
        self.wrap = wrap
        self.below_others = below_others
        """Only patch the library's own function; leave it if it was replaced, by a mock for example."""
        self.is_wrapper = is_wrapper
        """Patch this function itself, not the function that it wraps."""


def make(patch: Patch) -> Replaced | None:
    """Return a replacement to put in place; `None` if *patch* is in place already, or does not apply."""
    value = inspect.getattr_static(patch.owner, patch.name, _MISSING)
    if value is _MISSING:
        raise AttributeError(f"{_full_name(patch.owner)} has no attribute {patch.name!r}")
    if inspect.getattr_static(value, forwarding.REPLACEMENT, False):
        return None
    function: Any = value
    if not patch.is_wrapper:
        with suppress(ValueError):  # through wrapt, `functools.wraps`, static methods; unless a loop
            function = inspect.unwrap(value)
    if patch.below_others and _package(getattr(function, "__globals__", {}).get("__name__")) != _package(
        patch.owner.__module__
    ):
        return None
    if not isinstance(function, FunctionType):
        return _Attribute(patch, value)
    return None if _is_ours(function) else _Code(function, patch.wrap)


def _package(module: object) -> str:
    return str(module).partition(".")[0]


def _full_name(owner: Any) -> str:
    return f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else str(owner.__name__)


class _Code:
    """A function with the code of `forward`, in which a constant is the replacement to call."""

    def __init__(self, function: FunctionType, wrap: Callable[[Any], Any]) -> None:
        before = function.__code__
        original = FunctionType(
            before, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        original.__kwdefaults__ = function.__kwdefaults__
        replacement = wrap(original)
        is_async = inspect.iscoroutinefunction(function)
        template = (forwarding.forward_async if is_async else forwarding.forward).__code__
        self._function: Any = function
        self._before = before
        self._signature = inspect.signature(function)
        # The new code must name the same free variables: a function's closure can't be changed.
        self._code = template.replace(
            co_name=before.co_name,
            co_qualname=before.co_qualname,
            co_freevars=before.co_freevars,
            co_consts=tuple(replacement if const == forwarding.REPLACEMENT else const for const in template.co_consts),
        )

    def put(self) -> None:
        # The new code takes any arguments, but other code may inspect the function's signature.
        self._function.__signature__ = self._signature
        _exchange(self._function, self._code)

    def undo(self) -> None:
        # If another tool has replaced the code since, that calls the code of here, and goes on to do so.
        if self._function.__code__ is self._code:
            _exchange(self._function, self._before)
        if self._function.__code__ is self._before:
            self._function.__dict__.pop("__signature__", None)


def _exchange(function: Any, code: CodeType) -> None:
    """Set the code of *function*. Python 3.13 and newer warn if a generator gets the code of a plain function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        function.__code__ = code


def _is_ours(function: FunctionType) -> bool:
    return function.__code__.co_filename == forwarding.forward.__code__.co_filename


class _Attribute:
    """An attribute with another value."""

    def __init__(self, patch: Patch, before: object) -> None:
        self._owner = patch.owner
        self._name = patch.name
        self._was_own = patch.name in vars(patch.owner)
        self._before = before
        self._value = patch.wrap(before if isinstance(before, ModuleType) else _bound(before))
        setattr(self._value, forwarding.REPLACEMENT, True)

    def put(self) -> None:
        setattr(self._owner, self._name, self._value)

    def undo(self) -> None:
        if inspect.getattr_static(self._owner, self._name, None) is not self._value:
            return
        if self._was_own:
            setattr(self._owner, self._name, self._before)
        else:
            delattr(self._owner, self._name)


Replaced = _Code | _Attribute


def _bound(value: Any) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = value.__get__(self, type(self)) if hasattr(value, "__get__") else value
        return bound(*args, **kwargs)

    return call


class Patches:
    """The patches of all libraries: made for the first user, and undone after the last.

    *libraries* maps the name of each module to a function that returns its patches. If something can't be patched,
    *unsupported* is raised.
    """

    def __init__(
        self,
        libraries: Mapping[str, Callable[[ModuleType], Iterable[Patch]]],
        unsupported: type[Exception] = RuntimeError,
    ) -> None:
        self._libraries = libraries
        self._unsupported = unsupported
        self._lock = threading.RLock()
        self._users: dict[object, bool] = {}
        self._made: list[Replaced] = []
        self._finder = _Finder(libraries, self._loaded)

    def acquire(self, user: object, *, strict: bool = True) -> None:
        """Patch all libraries that are loaded, now or later; if one can't be patched, raise if *strict*, else warn."""
        with self._lock:
            self._users[user] = strict
            if self._finder not in sys.meta_path:
                sys.meta_path.insert(0, self._finder)
        for name in self._libraries:
            if name in sys.modules:
                self._patch(importlib.import_module(name), strict=strict)  # waits for a thread that is loading it now

    def release(self, user: object) -> None:
        """Undo all patches if *user* was the last one; may be called twice, and before `acquire` has returned."""
        with self._lock:
            self._users.pop(user, None)
            if self._users:
                return
            if self._finder in sys.meta_path:
                sys.meta_path.remove(self._finder)
            while self._made:
                self._made[-1].undo()
                self._made.pop()

    def _loaded(self, module: ModuleType) -> None:
        if self._users:
            self._patch(module, strict=any(self._users.values()))

    def _patch(self, module: ModuleType, *, strict: bool) -> None:
        try:
            # Not under the lock: this may import, and a thread that holds the import lock may wait for this one.
            patches = [*self._libraries[module.__name__](module)]
            with self._lock:
                if self._users:
                    for replaced in map(make, patches):
                        if replaced is not None:
                            self._made.append(replaced)  # first: an interrupt must not leave a patch in place
                            replaced.put()
        except (AttributeError, ImportError) as error:
            unsupported = self._unsupported(
                f"{error}: this version of {module.__name__.partition('.')[0]} is not supported; "
                "pin a version that worked, or update maxim-gemini"
            )
            if strict:
                raise unsupported from error
            warnings.warn(str(unsupported), stacklevel=2)


class _Finder(MetaPathFinder):
    """Finds modules by the other finders, and calls *loaded* when one of *names* was loaded."""

    def __init__(self, names: Iterable[str], loaded: Callable[[ModuleType], None]) -> None:
        self._names = frozenset(names)
        self._loaded = loaded
        self._searching = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # `find_spec` asks all finders again, this one included.
        searching: set[str] = self._searching.__dict__.setdefault("names", set())
        if fullname not in self._names or fullname in searching:
            return None
        searching.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            searching.discard(fullname)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            loader = cast("Any", spec.loader)
            execute = loader.exec_module

            def execute_and_patch(module: ModuleType) -> None:
                # The loader is restored first, because other code may use it again.
                del loader.exec_module
                execute(module)
                self._loaded(module)

            loader.exec_module = execute_and_patch
        return spec
