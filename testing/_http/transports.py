"""What the edges of httpx and of httpx2, its fork, have in common: all but the library's name.

Patched: `HTTPTransport.handle_request` and `AsyncHTTPTransport.handle_async_request`, the public methods through which
every request goes whose client has no transport of its own making. Redirects, cookies and hooks of the client above
them stay the library's.
"""

from __future__ import annotations

import functools
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vcr.request import Request

from .delivery import LEFT_BY_READER, Breakage, Delivery, Headers, Live, Piece, sleep
from .exchange import COMPLETE, Chunk, Response
from .routing import Patch, detour, route_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

Library = Any
"""`httpx` or `httpx2`: two modules with the same names."""


def patches(library: Library) -> Iterable[Patch]:
    """Yield the patches of *library*."""
    yield Patch(library.HTTPTransport, "handle_request", functools.partial(_routing, library))
    yield Patch(library.AsyncHTTPTransport, "handle_async_request", functools.partial(_async_routing, library))


def _routing(library: Library, handle_request: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handle_request)
    def handle_routed_request(self: Any, request: Any) -> Any:
        route = route_for(library.__name__, str(request.url), request.headers)
        if route is None:
            return handle_request(self, request)
        answer = route.answer(_sent(request, request.read()))
        if not isinstance(answer, Live):
            return _played(library, answer, request, library.SyncByteStream, _Played)
        with detour():
            response = handle_request(self, request)
        return _watched(library, response, answer, library.SyncByteStream, _Watched)

    return handle_routed_request


def _async_routing(library: Library, handle_async_request: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handle_async_request)
    async def handle_routed_request(self: Any, request: Any) -> Any:
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


def _sent(request: Any, body: bytes) -> Request:
    return Request(request.method.upper(), str(request.url), body or None, dict(request.headers.items()))


# From memory


def _played(library: Library, answer: Response | Delivery, request: Any, base: Any, kind: Any) -> Any:
    delivery = answer if isinstance(answer, Delivery) else Delivery.of(answer)
    timeouts: dict[str, float | None] = request.extensions.get("timeout") or {}
    reason = {"reason_phrase": delivery.reason.encode("ascii", "replace")} if delivery.reason else {}
    return library.Response(
        delivery.status,
        headers=list(delivery.headers_sent),
        stream=_as(base, kind)(library, delivery, timeouts.get("read")),
        extensions={"http_version": b"HTTP/1.1", **reason},
    )


class _Body:
    """A body out of memory, read by one who has *patience* for so many seconds of silence."""

    def __init__(self, library: Library, delivery: Delivery, patience: float | None) -> None:
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
            await sleep(self._silence(piece))
            self._check_patience(piece)
            yield piece.data
        self._finish()


def _error(library: Library, breakage: Breakage) -> Exception:
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


def _watched(library: Library, response: Any, live: Live, base: Any, kind: Any) -> Any:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
    live.head(response.status_code, headers, response.reason_phrase, functools.partial(_decoded, library))
    response.stream = _as(base, kind)(response.stream, live)
    return response


class _Watched:
    def __init__(self, stream: Any, live: Live) -> None:
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
    def __init__(self, stream: Any, live: Live) -> None:
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


def _decoded(library: Library, headers: Headers, chunks: Iterable[Chunk]) -> tuple[Chunk, ...]:
    """Undo the body's encoding with the library's own decoders, as far as the body goes."""
    arrived = [0.0]

    def raw() -> Iterator[bytes]:
        for chunk in chunks:
            arrived[0] = chunk.at
            yield chunk.data

    response = library.Response(200, headers=list(headers), content=raw())
    decoded: list[Chunk] = []
    with suppress(library.DecodingError):  # cut off in the middle: what could be decoded stays
        decoded.extend(Chunk(data, arrived[0]) for data in response.iter_bytes() if data)
    return tuple(decoded)


@functools.cache
def _as(base: Any, kind: Any) -> Any:
    # The clients insist on streams of their library's own class.
    return type(kind.__name__, (kind, base), {})
