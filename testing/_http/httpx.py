"""The HTTP edge of httpx2 and httpx. google-genai 1 and 2 use httpx, and 3 with `GOOGLE_GENAI_HTTP_CLIENT=httpx`.

Patched: `HTTPTransport.handle_request` and `AsyncHTTPTransport.handle_async_request`, the public methods through which
every request goes whose client has no transport of its own making. Redirects, cookies and hooks of the client above
them stay the library's. Below them, in httpcore, requests are refused that no route or mock
has taken: mocks stand between.
"""

from __future__ import annotations

import functools
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from maxim_gemini._core.patching import Patch

from .delivery import LEFT_BY_READER, Breakage, Delivery, Headers, Live, Piece, sleep, text_of
from .exchange import COMPLETE, Chunk, Response
from .routes import check_blocks, detour, route_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from types import ModuleType

    # httpx2 has the same names: httpx's types stand for those of both.
    import httpx
    from vcr.request import Request

    Handle = Callable[[httpx.HTTPTransport, httpx.Request], httpx.Response]
    AsyncHandle = Callable[[httpx.AsyncHTTPTransport, httpx.Request], Awaitable[httpx.Response]]
    Send = Callable[..., httpx.Response]
    AsyncSend = Callable[..., Awaitable[httpx.Response]]


def patches(library: ModuleType) -> Iterable[Patch]:
    """Return the patches of *library*."""
    return (
        Patch(library.HTTPTransport, "handle_request", functools.partial(_routing, library)),
        Patch(library.AsyncHTTPTransport, "handle_async_request", functools.partial(_async_routing, library)),
        Patch(library.Client, "send", functools.partial(_refusing, library)),
        Patch(library.AsyncClient, "send", functools.partial(_async_refusing, library)),
    )


def _refusing(library: ModuleType, send: Send) -> Send:
    def send_unless_refused(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        _check_closed(library, self, request)
        return send(self, request, **options)

    return send_unless_refused


def _async_refusing(library: ModuleType, send: AsyncSend) -> AsyncSend:
    async def send_unless_refused(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        _check_closed(library, self, request)
        return await send(self, request, **options)

    return send_unless_refused


def _check_closed(library: ModuleType, client: httpx.Client | httpx.AsyncClient, request: httpx.Request) -> None:
    """Refuse a request of a closed client to Gemini: httpx's own error would hide that the test needs a recorder.

    google-genai closes its client when it is garbage-collected, as in `genai.Client().models.generate_content(...)`.
    """
    if client.is_closed and route_for(library.__name__, str(request.url), request.headers) is None:
        check_blocks(str(request.url))


def core_patches(core: ModuleType) -> Iterable[Patch]:
    """Return the patches of httpcore, or of httpcore2."""
    return (
        Patch(core.ConnectionPool, "handle_request", _checking, below_others=True),
        Patch(core.AsyncConnectionPool, "handle_async_request", _async_checking, below_others=True),
    )


def _checking(handle_request: Callable[..., Any]) -> Callable[..., Any]:
    def handle_checked_request(self: object, request: object) -> Any:
        check_blocks(_address(request))
        return handle_request(self, request)

    return handle_checked_request


def _async_checking(handle_async_request: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_checked_request(self: object, request: object) -> Any:
        check_blocks(_address(request))
        return await handle_async_request(self, request)

    return handle_checked_request


def _address(request: Any) -> str:
    host = request.url.host.decode("ascii")
    return f"{request.url.scheme.decode('ascii')}://{f'[{host}]' if ':' in host else host}"


def _routing(library: ModuleType, handle_request: Handle) -> Handle:
    def handle_routed_request(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        route = route_for(library.__name__, str(request.url), request.headers)
        if route is None:
            return handle_request(self, request)
        answer = route.answer(_sent(request, request.read()))
        if not isinstance(answer, Live):
            return _played(library, answer, request, library.SyncByteStream, _Played)
        with detour():  # or the check in httpcore below would refuse it
            response = handle_request(self, request)
        return _watched(library, response, answer, library.SyncByteStream, _Watched)

    return handle_routed_request


def _async_routing(library: ModuleType, handle_async_request: AsyncHandle) -> AsyncHandle:
    async def handle_routed_request(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        route = route_for(library.__name__, str(request.url), request.headers)
        if route is None:
            return await handle_async_request(self, request)
        answer = route.answer(_sent(request, await request.aread()))
        if not isinstance(answer, Live):
            return _played(library, answer, request, library.AsyncByteStream, _AsyncPlayed)
        with detour():
            response = await handle_async_request(self, request)
        return _watched(library, response, answer, library.AsyncByteStream, _AsyncWatched)

    return handle_routed_request


def _sent(request: httpx.Request, body: bytes) -> Request:
    from vcr.request import Request  # not with this module: it is loaded with httpx, in runs without any recording

    return Request(request.method.upper(), str(request.url), body or None, dict(request.headers.items()))


# From memory


def _played(
    library: ModuleType, answer: Response | Delivery, request: httpx.Request, base: type, kind: type
) -> httpx.Response:
    delivery = answer if isinstance(answer, Delivery) else Delivery.of(answer)
    timeouts: dict[str, float | None] = request.extensions.get("timeout") or {}
    reason = {"reason_phrase": delivery.reason.encode()} if delivery.reason else {}
    response: httpx.Response = library.Response(
        delivery.status,
        headers=[(name.encode(), value.encode()) for name, value in delivery.headers_sent],
        stream=_as(base, kind)(library, delivery, timeouts.get("read")),
        extensions={"http_version": b"HTTP/1.1", **reason},
    )
    return response


class _Body:
    """A body from memory; its reader has a timeout of *patience* seconds."""

    def __init__(self, library: ModuleType, delivery: Delivery, patience: float | None) -> None:
        self._library = library
        self._delivery = delivery
        self._patience = patience

    def _silence(self, piece: Piece) -> float:
        return piece.wait if self._patience is None else min(piece.wait, self._patience)

    def _check_patience(self, piece: Piece) -> None:
        if self._patience is not None and piece.wait > self._patience:
            raise self._library.ReadTimeout("The read operation timed out")

    def _finish(self) -> None:
        if breakage := self._delivery.breakage():
            raise _error(self._library, breakage)


class _Played(_Body):
    def __iter__(self) -> Iterator[bytes]:
        for piece in self._delivery.pieces:
            if piece.wait:
                time.sleep(self._silence(piece))
                self._check_patience(piece)
            yield piece.data
        self._finish()


class _AsyncPlayed(_Body):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._delivery.pieces:
            await sleep(self._silence(piece))  # without a silence, too: as at a socket, other tasks may go on
            self._check_patience(piece)
            yield piece.data
        self._finish()


def _error(library: ModuleType, breakage: Breakage) -> Exception:
    error: Exception
    match breakage:
        case "timeout":
            error = library.ReadTimeout("The read operation timed out")
        case "reset":
            error = library.ReadError("[Errno 104] Connection reset by peer")
        case "disconnect":
            error = library.RemoteProtocolError(
                "peer closed connection without sending complete message body (incomplete chunked read)"
            )
    return error


# Live


def _watched(library: ModuleType, response: httpx.Response, live: Live, base: type, kind: type) -> httpx.Response:
    headers = tuple((text_of(name), text_of(value)) for name, value in response.headers.raw)
    reason: bytes | None = response.extensions.get("reason_phrase")
    reason_phrase = response.reason_phrase if reason is None else text_of(reason)
    live.head(response.status_code, headers, reason_phrase, functools.partial(_decoded, library))
    response.stream = _as(base, kind)(response.stream, live)
    return response


class _Watched:
    def __init__(self, stream: httpx.SyncByteStream, live: Live) -> None:
        self._stream = stream
        self._live = live

    def __iter__(self) -> Iterator[bytes]:
        try:
            for data in self._stream:
                self._live.piece(data)
                yield data
        except BaseException as error:
            self._live.end_with(error)
            raise
        self._live.end(COMPLETE)

    def close(self) -> None:
        self._live.end(LEFT_BY_READER)
        self._stream.close()


class _AsyncWatched:
    def __init__(self, stream: httpx.AsyncByteStream, live: Live) -> None:
        self._stream = stream
        self._live = live

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._stream:
                self._live.piece(data)
                yield data
        except BaseException as error:
            self._live.end_with(error)
            raise
        self._live.end(COMPLETE)

    async def aclose(self) -> None:
        self._live.end(LEFT_BY_READER)
        await self._stream.aclose()


def _decoded(library: ModuleType, headers: Headers, chunks: Iterable[Chunk]) -> tuple[Chunk, ...]:
    """Decode the body with the library's own decoders, as far as it was received."""
    arrived = [0.0]

    def raw() -> Iterator[bytes]:
        for chunk in chunks:
            arrived[0] = chunk.at
            yield chunk.data

    encodings = [(name, value) for name, value in headers if name.lower() == "content-encoding"]
    response = library.Response(200, headers=encodings, content=raw())
    decoded: list[Chunk] = []
    # A stream that broke off ends in the middle of its encoding.
    with suppress(library.DecodingError):  # cut off in the middle: what could be decoded stays
        decoded.extend(Chunk(data, arrived[0]) for data in response.iter_bytes() if data)
    return tuple(decoded)


@functools.cache
def _as(base: type, kind: type) -> Any:
    # The clients insist on streams of their library's own class.
    return type(kind.__name__, (kind, base), {})
