"""The HTTP edge of aiohttp, which google-genai uses for async calls if it is installed.

Patched: `BaseConnector.connect`, where a request asks for a connection, and `ClientResponse.start`, where its answer's
body begins; both are public. An answer from memory uses a connection without a network: aiohttp's own protocol parses
its head, aiohttp's own session follows its redirects. Bodies, from memory or from the network, are read by a
`StreamReader` that gets its next piece when its reader has used the last one, so that pieces stay as they are, and
nothing is read ahead.

Private names: `StreamReader._wait`, where alone a reader waits; `Connection` and `ResponseHandler`, the classes
of a connection, which the public API hands out, but not for building.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from maxim_gemini._core.patching import Patch

from .delivery import Breakage, Delivery, Live, sleep, text_of
from .exchange import COMPLETE
from .routes import check_blocks, detour, route_for

if TYPE_CHECKING:
    from types import ModuleType


# As `Any`: where aiohttp is absent, so are its types. This file is loaded only with aiohttp.
aiohttp: Any = importlib.import_module("aiohttp")
StreamReader: Any = aiohttp.StreamReader

Connect = Callable[..., Awaitable[Any]]


def patches(module: ModuleType) -> Iterable[Patch]:
    """Return the patches of aiohttp."""
    library: Any = module
    return (
        Patch(library.BaseConnector, "connect", _routing),
        Patch(library.ClientResponse, "start", _reading),
    )


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_answers: WeakKeyDictionary[Any, Delivery | Live] = WeakKeyDictionary()
"""The requests of connections that the edge has made."""


def _routing(connect: Connect) -> Connect:
    async def connect_routed(self: object, req: Any, *args: Any, **kwargs: Any) -> Any:
        headers = {name.lower(): value for name, value in req.headers.items()}
        route = route_for("aiohttp", str(req.url), headers)
        if route is None:
            check_blocks(str(req.url))
            return await connect(self, req, *args, **kwargs)
        from vcr.request import Request  # not with this module: it is loaded with aiohttp, also without any recording

        body = req.body
        if not isinstance(body, bytes):
            body = await body.as_bytes() if hasattr(body, "as_bytes") else body._value  # before aiohttp 3.12
        answer = route.answer(Request(req.method.upper(), str(req.url), body or None, dict(req.headers)))
        if isinstance(answer, Live):
            with detour():
                connection = await connect(self, req, *args, **kwargs)
        else:
            answer = answer if isinstance(answer, Delivery) else Delivery.of(answer)
            connection = _connection(req, answer)
        _answers[connection] = answer
        return connection

    return connect_routed


def _reading(start: Connect) -> Connect:
    async def start_reading(self: Any, connection: Any) -> Any:
        answer = _answers.pop(connection, None)
        patience = connection.protocol.read_timeout
        await start(self, connection)
        if isinstance(answer, Live):
            headers = [(text_of(name), text_of(value)) for name, value in self.raw_headers]
            answer.head(self.status, headers, text_of((self.reason or "").encode("utf-8", "surrogateescape")))
            await _watch(self, answer)
        elif answer is not None:
            self.content = _Fetching(_playing(answer, self.content, patience), self._timer)
        return self

    return start_reading


async def _watch(response: Any, live: Live) -> None:
    if response.content.at_eof():  # no body is to come: the answer is whole without being read
        live.end(COMPLETE)
        return
    fetch = _watching(response.content, live)
    if response.status in _REDIRECTS:  # its body is left unread by aiohttp, and read by other libraries
        body = b""
        while data := await fetch():
            body += data
        fetch = _whole(body)
    response.content = _Fetching(fetch, response._timer)


Fetch = Callable[[], Awaitable[bytes]]


def _watching(content: Any, live: Live) -> Fetch:
    async def fetch() -> bytes:
        try:
            data: bytes = await content.readany()
        except BaseException as error:
            live.end_with(error)
            raise
        if data:
            live.piece(data)
        else:
            live.end(COMPLETE)
        return data

    return fetch


def _whole(body: bytes) -> Fetch:
    pieces = iter((body, b""))

    async def fetch() -> bytes:
        return next(pieces, b"")

    return fetch


def _playing(delivery: Delivery, content: Any, patience: float | None) -> Fetch:
    pieces = iter(delivery.pieces)

    async def fetch() -> bytes:
        for piece in pieces:
            if patience is not None and piece.wait > patience:
                await sleep(patience)
                raise _error("timeout")
            await sleep(piece.wait)
            if piece.data:
                return piece.data
        if breakage := delivery.breakage():
            raise _error(breakage)
        content.feed_eof()  # gives the connection back
        return b""

    return fetch


def _error(breakage: Breakage) -> Exception:
    error: Exception
    match breakage:
        case "timeout":
            error = aiohttp.SocketTimeoutError("Timeout on reading data from socket")
        case "reset":
            error = aiohttp.ClientOSError(104, "Connection reset by peer")
        case "disconnect":
            error = aiohttp.ClientPayloadError("Response payload is not completed: <TransferEncodingError: 400>")
    return error


class _Fetching(StreamReader):  # type: ignore[misc]  # its type is not there where aiohttp is not
    """A body that gets its next piece when its reader waits for one."""

    def __init__(self, fetch: Fetch, timer: object) -> None:
        StreamReader.__init__(self, _Unhindered(), 2**16, timer=timer, loop=asyncio.get_running_loop())
        self._fetch = fetch

    async def _wait(self, func_name: str) -> None:
        with self._timer:
            data = await self._fetch()
        if data:
            self.feed_data(data)
        else:
            self.feed_eof()


class _Unhindered:
    """The protocol of a body that never reads ahead, so that nothing has to be paused."""

    connected = True
    _reading_paused = False  # read by aiohttp before 3.14

    def pause_reading(self) -> None: ...

    def resume_reading(self, **_: Any) -> None: ...


def _connection(req: Any, delivery: Delivery) -> Any:
    loop = asyncio.get_running_loop()
    protocol = importlib.import_module("aiohttp.client_proto").ResponseHandler(loop)
    protocol.connection_made(_Memory(protocol, _head(delivery), loop))
    return _connection_class()(_Nowhere(), req.connection_key, protocol, loop)


@functools.cache
def _connection_class() -> Any:
    class Connection(importlib.import_module("aiohttp.connector").Connection):  # type: ignore[misc]
        """A connection that is released without reading its answer, as a real one is after a short answer."""

        def __del__(self, *_: Any) -> None: ...

    return Connection


def _head(delivery: Delivery) -> bytes:
    lines = [f"HTTP/1.1 {delivery.status} {delivery.reason}", *(f"{k}: {v}" for k, v in delivery.headers_sent)]
    return "".join(f"{' '.join(line.splitlines())}\r\n" for line in [*lines, ""]).encode("utf-8", "surrogateescape")


class _Memory(asyncio.Transport):
    """A transport without a network: when the request is written to it, it returns the head of the answer."""

    def __init__(self, protocol: Any, head: bytes, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._protocol = protocol
        self._head = head
        self._loop = loop
        self._closing = False

    def write(self, data: Any) -> None:
        if self._head:
            self._loop.call_soon(self._protocol.data_received, self._head)
            self._head = b""

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"")

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class _Nowhere:
    """The connector to which a connection without a network is released."""

    force_close = False

    def _release(self, key: object, protocol: Any, *, should_close: bool = False) -> None:
        protocol.close()
