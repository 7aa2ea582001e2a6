"""Every google-genai client of the process: `instrument()` and `uninstrument()`.

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
    """A call that is about to be traced, for `skip` to look at."""

    method: str
    """Its method, such as `models.generate_content`, `chats.send_message`, `interactions.create` or `live.connect`."""
    target: Any
    """The object of google-genai that it is called on."""
    arguments: Mapping[str, Any]
    """Its arguments by name, as they were given."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the client and of the call, with names in lower case."""
        merged: dict[str, str] = {}
        for headers in _headers_of(self):
            merged |= {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}
        return merged

    def made_by(self, library: str) -> bool:
        """Return whether *library* made the call, such as `google-adk`: it says so in `x-goog-api-client`."""
        wanted = library.lower()
        return any(
            wanted in str(value).lower()
            for headers in _headers_of(self)
            for name, value in dict(headers or {}).items()
            if str(name).lower() in _WHO
        )


class _Tracing(NamedTuple):
    """Where calls are logged, and which are left out."""

    log: Log
    skip: Callable[[InstrumentedCall], bool] | None

    def skips(self, call: InstrumentedCall) -> bool:
        """Return whether *call* is left out; one that can't be judged is traced."""
        return self.skip is not None and bool(self.log.attempt("ask what to skip", self.skip, call))


class Instrumentation:
    """What `instrument()` did. As a context manager, it puts back what was before."""

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
    """Trace every google-genai client of the process, whoever made it and when; return a context manager to undo it.

    Calls for which *skip* returns true are left out; *privacy* is what may be logged. Calling it again changes the
    logger. A client that is wrapped is traced once, by its own logger.
    """
    if logger is None:  # pyright: ignore[reportUnnecessaryComparison]  # a setting that is missing, perhaps
        raise TypeError("instrument() needs a logger of Maxim, such as Maxim().logger(), got None")
    if skip is not None and not callable(skip):
        raise TypeError(f"skip must be a function of an InstrumentedCall, got {skip!r}")
    return Instrumentation(_put(_Tracing(Log(logger, privacy), skip)))


instrument_google_genai = instrument
"""The same, under a name like those of maxim-py."""


def uninstrument() -> None:
    """Trace no client but those that are wrapped; it may be called again, and does nothing then."""
    _put(None)


def _put(tracing: _Tracing | None) -> _Tracing | None:
    """Trace by *tracing* from now on; return what was before."""
    global _tracing
    with _lock:
        before, _tracing = _tracing, tracing
        if tracing is None:
            _PATCHES.release(__name__)
        elif before is None:
            _PATCHES.acquire(__name__, strict=False)
        return before


class _Method(NamedTuple):
    """A method of google-genai's that is traced by one of our wrappers."""

    surface: str
    name: str
    owner: type
    wrapper: Callable[[], Any]
    positional: tuple[str, ...] = ()
    """The names of its positional arguments."""
    required: frozenset[str] = frozenset()
    known: frozenset[str] | None = None
    """All arguments that it has; what has others is the SDK's to refuse."""

    def traced(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return what stands in for *original*: it runs on the user's object as if that were wrapped."""

        def call(target: Any, *args: Any, **named: Any) -> Any:
            tracing = _tracing
            if tracing is None or type(target) is not self.owner or not self._is_usual(args, named):
                return original(target, *args, **named)
            wrapper = tracing.log.attempt("wrap the client", self._wrapped, tracing, original, target, args, named)
            return original(target, *args, **named) if wrapper is None else getattr(wrapper, self.name)(*args, **named)

        return call

    def read(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return the same for the function of a property."""

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
        """Return *target* as if it were wrapped; `None` where the call is not to be traced."""
        if _is_traced_above(target):
            return None
        arguments = {**dict(zip(self.positional, args, strict=False)), **named}
        call = InstrumentedCall(f"{self.surface}.{self.name}", target, arguments)
        # A wrapper would come to the same; it is needed for headers that must not be sent, and where the call may show
        # the end of an interaction that was begun outside.
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
    """Return whether a wrapper records the call that this one is a part of: a tracer's own method is below it."""
    above = _room("_generate_content.opaque").models_above()
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
    """Return a module that is imported when it is first needed: the SDK is just being imported when it is patched."""
    return import_module(f".{module}", __package__)


def _ours(module: str, name: str) -> Callable[[], Any]:
    """Return what gives a wrapper, from a module that is imported when it is first needed."""
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
        return  # google-genai 1, whose Live API is another
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
