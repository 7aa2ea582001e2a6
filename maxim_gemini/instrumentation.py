"""Trace all google-genai clients of the process: `instrument()` and `uninstrument()`.

from maxim_gemini import instrument

instrument(Maxim().logger())      # before or after any client is made, by this application or by a framework
"""

from __future__ import annotations

import threading
from functools import cache, partial
from importlib import import_module
from inspect import getattr_static
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from ._core.headers import has_labels, headers_in
from ._core.logger import Log
from ._core.patching import Patch, Patches
from ._core.proxy import standing_in
from ._core.surroundings import is_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import ModuleType

    from ._core.logger import Logger
    from ._core.privacy import Privacy

_WHO: Final = frozenset({"x-goog-api-client", "user-agent"})


class InstrumentedCall(NamedTuple):
    """A call before it is traced: the argument of `skip`."""

    method: str
    """The method: `models.generate_content`, `chats.send_message`, `interactions.create`, `live.connect` and so on."""
    target: Any
    """The object of google-genai whose method is called."""
    arguments: Mapping[str, Any]
    """The arguments by name, as the caller gave them."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the client and of the call, with names in lower case."""
        merged: dict[str, str] = {}
        for headers in _headers_of(self):
            merged |= {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}
        return merged

    def made_by(self, library: str) -> bool:
        """Return whether *library*, such as `google-adk`, is in the call's `x-goog-api-client` or `user-agent`."""
        wanted = library.lower()
        return any(
            wanted in str(value).lower()
            for headers in _headers_of(self)
            for name, value in dict(headers or {}).items()
            if str(name).lower() in _WHO
        )


class _Tracing(NamedTuple):
    """The log for calls, and the function that skips some of them."""

    log: Log
    skip: Callable[[InstrumentedCall], bool] | None

    def skips(self, call: InstrumentedCall) -> bool:
        """Return whether *call* is not traced; if *skip* fails, it is traced."""
        return self.skip is not None and bool(self.log.attempt("call `skip`", self.skip, call))


class Instrumentation:
    """The result of `instrument()`. As a context manager, it restores the state before it at the end of the block."""

    def __init__(self, before: _Tracing | None) -> None:
        self._before = before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        _put(self._before)


_lock: Final = threading.RLock()
_tracing: _Tracing | None = None


def instrument(
    logger: Logger,
    *,
    skip: Callable[[InstrumentedCall], bool] | None = None,
    privacy: Privacy | None = None,
) -> Instrumentation:
    """Trace every google-genai client of the process, whoever makes it, before or after; return a context manager.

    Leaving that context manager, or `uninstrument()`, undoes it. Calls for which *skip* returns true are not traced;
    *privacy* is the policy for what may be logged. A second call replaces these settings. A wrapped client is traced
    once, by its own logger.

    Raises `TypeError` without a logger, or if *skip* is not callable.
    """
    if logger is None:  # pyright: ignore[reportUnnecessaryComparison]  # a missing setting, for example
        raise TypeError("instrument() needs a Maxim logger, such as Maxim().logger(), got None")
    if skip is not None and not callable(skip):
        raise TypeError(f"skip must be a function of an InstrumentedCall, got {skip!r}")
    return Instrumentation(_put(_Tracing(Log(logger, privacy), skip)))


instrument_google_genai = instrument
"""The same as `instrument`, with a name like those of maxim-py's functions."""


def uninstrument() -> None:
    """Undo `instrument()`: only wrapped clients are traced. Without a call of `instrument()` it does nothing."""
    _put(None)


def _put(tracing: _Tracing | None) -> _Tracing | None:
    """Set *tracing* for the process; return the value before."""
    global _tracing
    with _lock:
        before, _tracing = _tracing, tracing
        if tracing is None:
            _PATCHES.release(__name__)
        elif before is None:
            _PATCHES.acquire(__name__, strict=False)
        return before


class _Method(NamedTuple):
    """A method of google-genai that one of the wrappers traces."""

    surface: str
    name: str
    owner: type
    wrapper: Callable[[], Any]
    positional: tuple[str, ...] = ()
    """The names of its positional arguments."""
    required: frozenset[str] = frozenset()
    known: frozenset[str] | None = None
    """The names of all its arguments; for others, the SDK raises its own error."""

    def traced(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a replacement of *original*, which runs on the application's object as if that were wrapped."""

        def call(target: Any, *args: Any, **named: Any) -> Any:
            tracing = _tracing
            # For unusual arguments the SDK raises its own error, with its own message.
            if tracing is None or type(target) is not self.owner or not self._is_usual(args, named):
                return original(target, *args, **named)
            wrapper = tracing.log.attempt("wrap the client", self._wrapped, tracing, original, target, args, named)
            return original(target, *args, **named) if wrapper is None else getattr(wrapper, self.name)(*args, **named)

        return call

    def read(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a replacement of *original*, the function of a property."""

        def get(target: Any) -> Any:
            tracing = _tracing
            if tracing is None or type(target) is not self.owner:
                return original(target)
            wrapper = tracing.log.attempt("wrap the client", self._around, tracing, original(target), target)
            return original(target) if wrapper is None else getattr(wrapper, self.name)

        return get

    def _is_usual(self, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
        given = {*self.positional[: len(args)], *named}
        is_known = named.keys().isdisjoint(_OURS) if self.known is None else given <= self.known
        return is_known and len(args) <= len(self.positional) and self.required <= given

    def _wrapped(
        self,
        tracing: _Tracing,
        original: Callable[..., Any],
        target: Any,
        args: tuple[Any, ...],
        named: dict[str, Any],
    ) -> Any:
        """Return a wrapper around *target* for one call; `None` if the call is not traced."""
        if _is_traced_above(target):
            return None
        arguments = {**dict(zip(self.positional, args, strict=False)), **named}
        call = InstrumentedCall(f"{self.surface}.{self.name}", target, arguments)
        # A wrapper would not trace it, either. It is only needed to remove headers, and if the call may show the end of
        # an interaction that was begun outside of `suppress()`.
        if is_suppressed() and self.name not in ("get", "cancel") and not any(map(has_labels, _headers_of(call))):
            return None
        if tracing.skips(call):
            return None
        if self.surface == "live":
            target_without_labels = _room("_live.sdk").unlabelled(target)
            return self._around(tracing, partial(original, target_without_labels), target)
        return self._around(tracing, partial(original, target), target)

    def _around(self, tracing: _Tracing, method: Any, target: Any) -> Any:
        wrapper = standing_in(self.wrapper(), target, tracing.log, self.name, method)
        if self.surface == "chats":
            tracing.log.shared(_room("_generate_content.chats").KnownChats).resume(target, wrapper)
        return wrapper


_OURS: Final = frozenset({"trace_id", "session_id", "generation_name", "audio_seconds"})


def _is_traced_above(target: Any) -> bool:
    """Return whether *target* is called inside a method that a wrapper records as a whole."""
    above = _room("_generate_content.call").models_above()
    return above is not None and (above is target or above is _room("_generate_content.sdk").models_of(target))


def _headers_of(call: InstrumentedCall) -> Iterator[Any]:
    sdk = _room("_generate_content.sdk")
    target = sdk.models_of(call.target) or call.target
    yield sdk.headers_of(target)
    if call.method.startswith("interactions"):
        yield _room("_interactions.sdk").headers_of(target)
        yield call.arguments.get("extra_headers")
    yield headers_in(sdk.config_of(call.target))
    yield headers_in(call.arguments.get("config"))


@cache
def _room(module: str) -> Any:
    """Import a module on first use: when the SDK is patched, it is still being imported itself."""
    return import_module(f".{module}", __package__)


def _ours(module: str, name: str) -> Callable[[], Any]:
    """Return a function that returns a wrapper class, and imports its module on first use."""
    return cache(lambda: getattr(_room(module), name))


def _models_patches(module: ModuleType) -> Iterable[Patch]:
    for owner, wrapper in (
        (module.Models, _ours("client", "MaximGeminiModels")),
        (module.AsyncModels, _ours("async_client", "MaximGeminiAsyncModels")),
    ):
        for name in ("generate_content", "generate_content_stream"):
            required = frozenset({"model", "contents"})
            method = _Method("models", name, owner, wrapper, required=required, known=required | {"config"})
            yield Patch(owner, name, method.traced)


def _chat_patches(module: ModuleType) -> Iterable[Patch]:
    for owner, wrapper in (
        (module.Chat, _ours("client", "MaximGeminiChatSession")),
        (module.AsyncChat, _ours("async_client", "MaximGeminiAsyncChatSession")),
    ):
        for name in ("send_message", "send_message_stream"):
            known = ("message", "config")
            method = _Method("chats", name, owner, wrapper, known, frozenset({"message"}), frozenset(known))
            yield Patch(owner, name, method.traced)


def _interactions_patches(module: ModuleType) -> Iterable[Patch]:
    for owner, wrapper in (
        (module.GeminiNextGenInteractions, _ours("interactions", "MaximGeminiInteractions")),
        (module.AsyncGeminiNextGenInteractions, _ours("interactions", "MaximGeminiAsyncInteractions")),
    ):
        yield Patch(owner, "create", _Method("interactions", "create", owner, wrapper).traced)
        for name in ("get", "cancel"):
            method = _Method("interactions", name, owner, wrapper, ("id",), frozenset({"id"}))
            yield Patch(owner, name, method.traced)
        for name in ("with_raw_response", "with_streaming_response"):
            getter = SimpleNamespace(fget=getattr_static(owner, name).fget, __name__=f"{owner.__name__}.{name}")
            yield Patch(getter, "fget", _Method("interactions", name, owner, wrapper).read)
    if hasattr(module.AsyncGeminiNextGenInteractions, "connect"):  # not before google-genai 3.5
        owner, wrapper = module.AsyncGeminiNextGenInteractions, _ours("interactions", "MaximGeminiAsyncInteractions")
        method = _Method("interactions", "connect", owner, wrapper, ("id",), frozenset({"id"}))
        yield Patch(owner, "connect", method.traced)


def _live_patches(module: ModuleType) -> Iterable[Patch]:
    if "waiting_for_input" not in module.types.LiveServerContent.model_fields:
        return  # google-genai 1, which has another Live API
    required = frozenset({"model"})
    wrapper = _ours("live", "MaximGeminiAsyncLive")
    method = _Method("live", "connect", module.AsyncLive, wrapper, required=required, known=required | {"config"})
    yield Patch(module.AsyncLive, "connect", method.traced, is_wrapper=True)


_PATCHES: Final = Patches(
    {
        "google.genai.models": _models_patches,
        "google.genai.chats": _chat_patches,
        "google.genai._gaos.google_genai": _interactions_patches,
        "google.genai.live": _live_patches,
    }
)
