"""websockets, which the Live API, `live.music` and `interactions.connect` go over.

Patched: `connect.__await__`, through which every way of opening a connection goes (`await`, `async with`,
`async for`), whoever imported `connect` and when; and its `__init__`, which decides between TLS and none. The SDK
always asks for TLS, also where its base URL has none: a server on this machine that has none is spoken to without.

Names of websockets that are not documented: `process_event`, which gets every frame when it arrives, `protocol` and
`connection_lost`, which know how the connection ended. The messages are taken there, not where the application reads
them: what arrived before the application sent something can't be an answer to it, however late it is read.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from contextlib import contextmanager, suppress
from http.client import responses
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.datastructures import Headers
from websockets.exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidStatus,
)
from websockets.frames import Close as CloseFrame
from websockets.frames import Opcode
from websockets.http11 import Response as HandshakeResponse
from websockets.protocol import State

from maxim_gemini._core.patching import Patch
from maxim_gemini.testing.exceptions import TestKitError

from .exchange import Chunk, Response
from .gemini_hosts import host_of
from .routes import check_blocks, detour, is_plain_server, route_for
from .websocket import ABNORMAL, Close, GoesLive, Peer, PeerClosed, PeerMoved, Tap

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable
    from types import ModuleType

    from .websocket import Message

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OPTIONS: Final = "_maxim_gemini_options"


def patches(module: ModuleType) -> Iterable[Patch]:
    """Return what is patched in `websockets.asyncio.client`."""
    return (Patch(module.connect, "__init__", _plain_on_loopback), Patch(module.connect, "__await__", _routing))


def _plain_on_loopback(make: Callable[..., None]) -> Callable[..., None]:
    def make_plain(self: Any, uri: str, **options: Any) -> None:
        if uri.startswith("wss:") and host_of(uri) in _LOCAL:
            setattr(self, _OPTIONS, options)
            if is_plain_server(urlsplit(uri).port):
                uri, options = _without_tls(uri, options)
        make(self, uri, **options)

    return make_plain


def _without_tls(uri: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return f"ws{uri[3:]}", {name: value for name, value in options.items() if name != "ssl"}


def _routing(connect: Callable[[Any], Generator[Any, None, Any]]) -> Callable[[Any], Generator[Any, None, Any]]:
    def connect_routed(self: Any) -> Generator[Any, None, Any]:
        given: dict[str, str] = dict(self.additional_headers or ())
        try:
            side = _other_side(self.uri, given)
        except TestKitError as error:
            raise _shown_by_interactions(error) from None
        if isinstance(side, Response):
            raise InvalidStatus(_handshake_response(side))
        if isinstance(side, Peer):
            # Older versions close what they find here; newer ones set it themselves.
            self.connection = MemoryConnection(side, lambda: _opened(connect, self))
        elif side is None:
            self.connection = yield from _opened(connect, self)
        else:
            with _opening(side):
                self.connection = yield from _opened(connect, self)
            _watch(self.connection, side)
        return self.connection

    return connect_routed


def _other_side(uri: str, headers: dict[str, str]) -> Peer | Tap | Response | None:
    """Return who answers, or who watches, or a refusal; raise where the connection may not be opened."""
    lower = {name.lower(): value for name, value in headers.items()}
    if route := route_for("websockets", uri, lower):
        return route.opens_websocket(uri, headers)
    check_blocks(uri, "A websocket to")
    return None


def _opened(connect: Callable[[Any], Generator[Any, None, Any]], self: Any) -> Generator[Any, None, Any]:
    """Open a connection; to a server on this machine without TLS, if it has none."""
    try:
        return (yield from connect(self))
    except ssl.SSLError as error:
        if isinstance(error, ssl.SSLCertVerificationError):  # it has TLS, and is not trusted
            raise
        options = getattr(self, _OPTIONS, None)
        if options is None or not self.uri.startswith("wss:"):
            raise
    plain, options = _without_tls(self.uri, options)
    return (yield from connect(type(self)(plain, **options)))


@contextmanager
def _opening(tap: Tap) -> Generator[None]:
    """Tell *tap* why no connection is opened inside of the block."""
    try:
        yield
    except InvalidStatus as error:
        refusal = error.response
        body = bytes(refusal.body or b"")
        tap.refused(
            Response(refusal.status_code, tuple(refusal.headers.raw_items()), (Chunk(body),), refusal.reason_phrase)
        )
        raise
    except BaseException:
        tap.unopened()
        raise


def _handshake_response(response: Response) -> HandshakeResponse:
    reason = response.reason or responses.get(response.status, "")
    return HandshakeResponse(response.status, reason, Headers(response.headers), response.body)


def _shown_by_interactions(error: TestKitError) -> TestKitError:
    # `interactions.connect` replaces every error by one that says nothing, but for a `ValueError`.
    kind = type(error)
    error.__class__ = type(kind.__name__, (kind, ValueError), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    return error


# Connections that go to the network


def _watch(connection: Any, tap: Tap) -> None:
    """Let *tap* see all that passes over *connection*, a real one, from now on."""
    assemble = _Assembly(tap)
    process_event, send, connection_lost = connection.process_event, connection.send, connection.connection_lost

    def process_and_note(event: Any) -> None:
        assemble.add(event)
        process_event(event)

    async def note_and_send(message: Any, *args: Any, **kwargs: Any) -> None:
        whole = await _joined(message)
        tap.frame(whole, is_sent=True)  # before it is sent: an answer may come while `send` still waits
        try:
            await send(whole, *args, **kwargs)
        except ConnectionClosed:
            tap.unsent()
            raise

    def note_end(error: Exception | None) -> None:
        connection_lost(error)
        tap.end(_end_of(connection.protocol))

    for frame in tuple(getattr(connection.recv_messages.frames, "queue", ())):  # what came with the handshake
        assemble.add(frame)
    connection.process_event, connection.send = process_and_note, note_and_send
    connection.connection_lost = note_end
    if connection.protocol.state is State.CLOSED:
        tap.end(_end_of(connection.protocol))


class _Assembly:
    """Messages, put together of their fragments."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._pieces: list[bytes] = []
        self._is_text = False

    def add(self, frame: Any) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._pieces, self._is_text = [], frame.opcode is Opcode.TEXT
        self._pieces.append(bytes(frame.data))
        if frame.fin:
            data = b"".join(self._pieces)
            with suppress(UnicodeDecodeError):  # no application gets such a text
                self._tap.frame(data.decode() if self._is_text else data, is_sent=False)


async def _joined(message: Any) -> Message:
    """Return a message that may be given in fragments."""
    if isinstance(message, str | bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(cast("bytearray", message))
    if hasattr(message, "__aiter__"):
        fragments: list[Any] = [fragment async for fragment in cast("AsyncIterable[Any]", message)]
    else:
        fragments = list(cast("Iterable[Any]", message))
    return type(fragments[0])().join(fragments) if fragments else ""


def _end_of(protocol: Any) -> Close:
    received, sent = protocol.close_rcvd, protocol.close_sent
    if received is None and sent is None:
        return Close(ABNORMAL)
    if received is not None and (sent is None or protocol.close_rcvd_then_sent):
        return Close(received.code, received.reason, "server")
    return Close(sent.code, sent.reason, "client")


# Connections to a peer in memory


class MemoryConnection(ClientConnection):
    """A connection of websockets to a peer in memory: what an application can do with one, without a network."""

    def __init__(self, peer: Peer, open_live: Callable[[], Generator[Any, None, Any]]) -> None:  # pyright: ignore[reportMissingSuperCall]
        self._peer = peer
        self._open_live = open_live
        self._end: Close | None = None
        self._over = asyncio.Event()
        self._moved = asyncio.Event()
        self._is_receiving = False
        self.id = uuid.uuid4()
        self.logger = logging.getLogger("websockets.client")
        self.latency = 0.0
        self.request = self.response = None

    def __repr__(self) -> str:
        return f"<MemoryConnection {self.state.name}>"

    @property
    def local_address(self) -> Any:
        return ("127.0.0.1", 0)

    @property
    def remote_address(self) -> Any:
        return ("127.0.0.1", 0)

    @property
    def state(self) -> State:
        return State.OPEN if self._end is None else State.CLOSED

    @property
    def subprotocol(self) -> None:
        return None

    @property
    def close_code(self) -> int | None:
        return None if self._end is None else self._end.code

    @property
    def close_reason(self) -> str | None:
        return None if self._end is None else self._end.reason

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        await self.close(1000 if exc_type is None else 1011)

    async def __aiter__(self) -> AsyncIterator[Any]:
        with suppress(ConnectionClosedOK):
            while True:
                yield await self.recv()

    async def send(self, message: Any, *, text: bool | None = None) -> None:
        whole = await _joined(message)
        if text is not None:
            whole = whole.decode() if text and isinstance(whole, bytes) else whole
            whole = whole.encode() if not text and isinstance(whole, str) else whole
        if self._end is not None:
            raise _closed(self._end)
        try:
            await self._peer.take(whole)
        except GoesLive as leaving:
            with detour(), _opening(leaving.tap):
                real = await _Awaited(self._open_live)
            _watch(real, leaving.tap)
            # The application has the recorded answers to what it sent so far: the server gets the same messages, and
            # its own answers to them are read and dropped.
            live = _LivePeer(real)
            for earlier in leaving.before:
                await live.take(earlier)
            for _ in range(leaving.given):
                await live.give()
            self._peer = live
            self._moved.set()
            await live.take(whole)
        except PeerClosed as closed:
            raise self._ended(closed.close) from None
        except TestKitError as error:
            raise _shown_by_interactions(error) from None

    async def _given(self) -> Message:
        try:
            return await self._peer.give()
        except PeerMoved:
            await self._moved.wait()
            return await self._peer.give()

    async def recv(self, decode: bool | None = None) -> Any:
        if self._is_receiving:
            raise ConcurrencyError("cannot call recv while another coroutine is already running recv or recv_streaming")
        self._is_receiving = True
        try:
            message = await self._given()
        except PeerClosed as closed:
            raise self._ended(closed.close) from None
        except TestKitError as error:
            raise _shown_by_interactions(error) from None
        finally:
            self._is_receiving = False
        if decode is None:
            return message
        if decode:
            return message if isinstance(message, str) else message.decode()
        return message.encode() if isinstance(message, str) else message

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Any]:
        yield await self.recv(decode)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._end is None:
            self._end = Close(code, reason, "client")
            self._over.set()
            await self._peer.leave(self._end)

    async def wait_closed(self) -> None:
        await self._over.wait()

    async def ping(self, data: Any = None) -> Any:
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(0.0)
        return answered

    async def pong(self, data: Any = b"") -> None:
        """Send what no server answers."""

    def _ended(self, close: Close) -> ConnectionClosed:
        self._end = self._end or close
        self._over.set()
        return _closed(self._end)


class _Awaited:
    """Makes an awaitable of a generator."""

    def __init__(self, awaited: Callable[[], Generator[Any, None, Any]]) -> None:
        self._awaited = awaited

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited()


class _LivePeer(Peer):
    """A real connection behind one that was meant to be answered from memory."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def take(self, message: Message) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed:
            raise PeerClosed(_end_of(self._connection.protocol)) from None

    async def give(self) -> Message:
        try:
            return await self._connection.recv()
        except ConnectionClosed:
            raise PeerClosed(_end_of(self._connection.protocol)) from None

    async def leave(self, close: Close) -> None:
        await self._connection.close(close.code, close.reason)


def _closed(close: Close) -> ConnectionClosed:
    """Return what websockets raises on a connection that ended so."""
    if close.code == ABNORMAL:
        return ConnectionClosedError(None, None)
    frame = CloseFrame(close.code, close.reason)
    kind = ConnectionClosedOK if close.code in (1000, 1001) else ConnectionClosedError
    return kind(frame, frame, close.by == "server")
