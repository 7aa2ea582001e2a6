"""`GeminiMock`: a respx router for Gemini, on httpx2 and httpx; the same script on aiohttp, through the HTTP edge."""

from __future__ import annotations

import importlib
import importlib.util
import time
from contextlib import ExitStack, contextmanager
from math import inf
from typing import TYPE_CHECKING, Final, Self

import httpx

from maxim_gemini.testing._http.delivery import Delivery, Piece, sleep
from maxim_gemini.testing._http.exchange import COMPLETE
from maxim_gemini.testing._http.gemini_hosts import is_gemini_traffic
from maxim_gemini.testing._http.respx_routers import Router, register
from maxim_gemini.testing._http.routing import Route, routed
from maxim_gemini.testing.exceptions import ScriptError

from .live_peer import ScriptedPeer
from .model import Disconnect, Hold, Pause
from .render import BROKEN, Answer, Sent
from .request import GeminiRequest
from .script import Answering, Script, Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
    from types import ModuleType, TracebackType

    import respx
    from vcr.request import Request

    from maxim_gemini.testing._http.exchange import Response
    from maxim_gemini.testing._http.websocket import Network, Peer

_TICK: Final = 0.002
"""Seconds between two looks at a gate."""
_CLOSED: Final = "peer closed connection without sending complete message body (incomplete chunked read)"
_CORES: Final = {"httpcore2": "httpx2", "httpcore": "httpx"}
"""respx's mockers and the libraries that they serve; google-genai's own choice comes first."""


class GeminiMock(Scripted):
    """A mock of Gemini in this process: answers requests from a script, and shows them."""

    __test__ = False

    def __init__(self, *replies: Answering, strict: bool = True) -> None:
        self._player = Script(*replies)
        self.routers: dict[str, respx.MockRouter] = {}
        """The respx routers by HTTP library; you can add routes of your own."""
        self._strict = strict
        self._open: ExitStack | None = None

    def __repr__(self) -> str:
        return f"<GeminiMock {self.script.log.count} requests, {len(self.script.unused)} replies left>"

    @property
    def router(self) -> respx.MockRouter:
        """The respx router of the HTTP library that google-genai uses by default."""
        if not self.routers:
            raise ScriptError("this mock is not in use: take its router inside `with GeminiMock(...) as mock:`")
        return next(iter(self.routers.values()))

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for core, library in _CORES.items():
                if importlib.util.find_spec(core):
                    self.routers[library] = opened.enter_context(_router(core, self._answer))
            # Everywhere, as respx does: its routers serve the whole process.
            opened.enter_context(routed(_OtherRoute(self.script), everywhere=True))
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()
        self._open, self.routers = None, {}
        if error is not None:
            self.explain(error)
        elif self._strict:
            self.check()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _answer(self, request: GeminiRequest) -> Answer:
        return self.script.answer(request)


@contextmanager
def _router(core: str, answer: Callable[[GeminiRequest], Answer]) -> Generator[respx.MockRouter]:
    """Open a respx router on *core* that answers Gemini's requests; requests that no route matches pass through."""
    errors = importlib.import_module(core)
    register(core)
    router = Router(assert_all_called=False, using=core)

    def respond(request: httpx.Request) -> httpx.Response | None:
        if not is_gemini_traffic(str(request.url), request.headers):
            return None
        sent = GeminiRequest.of(request.method, str(request.url), request.headers.items(), request.content)
        answered = answer(sent)
        heads = list(answered.headers)
        # Before the head: a client then gets an error, and no response.
        if answered.sent and isinstance(answered.sent[0], Disconnect):
            raise _broken(errors, "Server disconnected without sending a response.")
        return httpx.Response(answered.status, headers=heads, stream=_Stream(answered, errors))

    router.route(name="gemini").mock(side_effect=respond)
    with router:
        yield router


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer, piece by piece; it fails with the errors of the HTTP library."""

    def __init__(self, answer: Answer, errors: ModuleType) -> None:
        self._sent = answer.sent
        self._errors = errors

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._sent:
            match piece:
                case bytes():
                    yield piece
                case Pause(seconds=seconds):
                    time.sleep(_bearable(seconds, self._errors))
                case Hold(gate=gate):
                    gate.pass_through()
                case Disconnect():
                    raise _broken(self._errors)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._sent:
            match piece:
                case bytes():
                    yield piece
                case Pause(seconds=seconds):
                    await sleep(_bearable(seconds, self._errors))
                case Hold(gate=gate):
                    gate.reach()
                    while not gate.is_open:  # threads open it: there is no event to wait for
                        await sleep(_TICK)
                case Disconnect():
                    raise _broken(self._errors)


def _bearable(seconds: float, errors: ModuleType) -> float:
    """Return *seconds*; for an endless stall, raise the HTTP library's timeout at once."""
    if seconds == inf:
        raise errors.ReadTimeout("The read operation timed out")
    return seconds


def _broken(errors: ModuleType, message: str = _CLOSED) -> Exception:
    return errors.RemoteProtocolError(message)  # type: ignore[no-any-return]


class _OtherRoute(Route):
    """The route for aiohttp and websockets, which respx does not support."""

    libraries = frozenset({"aiohttp", "websockets"})

    def __init__(self, script: Script) -> None:
        self._script = script

    def answer(self, request: Request) -> Delivery:
        """Answer *request* from the script."""
        sent = GeminiRequest.of(request.method, request.uri, request.headers.items(), request.body)
        answer = self._script.answer(sent)
        stalls = any(isinstance(piece, Pause) and piece.seconds == inf for piece in answer.sent)
        breaks = any(isinstance(piece, Disconnect) for piece in answer.sent)
        ended = "ReadTimeout" if stalls else BROKEN if breaks else COMPLETE
        return Delivery(answer.status, answer.headers, _Pieces(answer.sent), ended=ended)

    def opens_websocket(self, url: str, headers: Mapping[str, str], network: Network) -> Peer | Response:
        """Return a websocket that the script answers, or its refusal."""
        refusal = self._script.refusal(GeminiRequest.of("WEBSOCKET", url, headers.items(), None))
        if refusal is not None:
            return refusal.response()
        return ScriptedPeer(self._script, url, headers)

    def skips_wait(self, seconds: float) -> bool:
        """Return `False`: with a mock, google-genai really waits."""
        return False

    def hides_credentials(self) -> bool:
        """Return `False`: with a mock, google-genai looks for real credentials."""
        return False


class _Pieces:
    """The pieces of an answer for the HTTP edge; waiting at a gate is many short waits."""

    def __init__(self, sent: tuple[Sent, ...]) -> None:
        self._sent = sent

    def __iter__(self) -> Iterator[Piece]:
        wait = 0.0
        for piece in self._sent:
            match piece:
                case bytes():
                    yield Piece(piece, wait)
                    wait = 0.0
                case Pause(seconds=seconds):
                    wait += 0 if seconds == inf else seconds
                case Hold(gate=gate):
                    gate.reach()
                    while not gate.is_open:
                        yield Piece(b"", _TICK)
                case Disconnect():
                    return
