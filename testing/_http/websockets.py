"""websockets, which the Live API, `live.music` and `interactions.connect` go over.

Patched: `connect.__await__`, which every way of opening a connection uses (`await`, `async with`, `async for`), however
`connect` was imported; and its `__init__`, which decides whether TLS is used. The SDK always asks for TLS, even if its
base URL has none: for a server on this machine without TLS, the connection is opened without it.

Names of websockets that are not documented: `process_event`, which gets every frame when it arrives, `protocol` and
`connection_lost`, which know how the connection ended. The messages are taken there, not where the application reads
them: what arrived before the application sent something can't be an answer to it, however late it is read.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager, suppress
from http.client import responses
from types import coroutine
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.http11 import Response as Handshake
from websockets.protocol import State

from maxim_gemini._core.patching import Patch
from maxim_gemini.testing.exceptions import TestKitError

from .exchange import Chunk, Response
from .gemini_hosts import host_of
from .memory_websocket import MemoryConnection, joined, shown_by_interactions
from .routes import check_blocks, is_plain_server, route_for
from .websocket import ABNORMAL, Close, Peer, PeerClosed, Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import ModuleType

    from websockets.asyncio.client import ClientConnection, connect
    from websockets.frames import Frame

    from .websocket import Message

    Connect = Callable[[connect], Generator[Any, None, ClientConnection]]

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PLAIN: Final = "_maxim_gemini_plain"
"""The attribute of a `connect` that has its address and options without TLS, where that is to be tried, too."""


def patches(module: ModuleType) -> Iterable[Patch]:
    """Return what is patched in `websockets.asyncio.client`."""
    return (Patch(module.connect, "__init__", _plain_on_loopback), Patch(module.connect, "__await__", _routing))


def _plain_on_loopback(make: Callable[..., None]) -> Callable[..., None]:
    def make_plain(self: connect, uri: str, **options: Any) -> None:
        if uri.startswith("wss:") and host_of(uri) in _LOCAL:
            plain = f"ws{uri[3:]}", {name: value for name, value in options.items() if name != "ssl"}
            if is_plain_server(urlsplit(uri).port):
                uri, options = plain
            else:
                setattr(self, _PLAIN, plain)
        make(self, uri, **options)

    return make_plain


def _routing(open_connection: Connect) -> Connect:
    def open_routed(self: connect) -> Generator[Any, None, ClientConnection]:
        return _Opening(self, open_connection).run().__await__()

    return open_routed


class _Opening:
    """A connection that an application opens. Its route decides once who is at the other side.

    A peer in memory: the application gets a `MemoryConnection`. If the peer leaves its client to the real server, it
    calls `go_live`. A tap: the real connection, watched. A response: the refusal of the handshake. Nobody, or no route:
    the real connection, as if there were no test kit.
    """

    def __init__(self, attempt: connect, open_connection: Connect) -> None:
        self._attempt = attempt
        self._open_connection = open_connection

    async def run(self) -> ClientConnection:
        """Return what the application gets."""
        connection: ClientConnection
        match self._other_side():
            case Peer() as peer:
                connection = MemoryConnection(peer)
            case Tap() as tap:
                connection = await self._watched(tap)
            case Response() as refusal:
                raise InvalidStatus(_handshake_of(refusal))
            case None:
                connection = await self._real()
        self._attempt.connection = connection  # older versions close what they find here; newer ones set it themselves
        return connection

    async def go_live(self, tap: Tap) -> Peer:
        """Open the real connection for a peer in memory."""
        return _Server(await self._watched(tap))

    def _other_side(self) -> Peer | Tap | Response | None:
        uri, headers = self._attempt.uri, dict(Headers(self._attempt.additional_headers or ()).raw_items())
        try:
            if route := route_for("websockets", uri, {name.lower(): value for name, value in headers.items()}):
                return route.opens_websocket(uri, headers, self.go_live)
            check_blocks(uri, "A websocket to")
        except TestKitError as error:
            raise shown_by_interactions(error) from None
        return None

    async def _watched(self, tap: Tap) -> ClientConnection:
        """Open the real connection, and let *tap* see all that passes over it, or why there is none."""
        try:
            connection = await self._real()
        except InvalidStatus as error:
            tap.refused(_response_of(error.response))
            raise
        except BaseException:  # a time limit of the application cancels it
            tap.unopened()
            raise
        _watch(connection, tap)
        return connection

    async def _real(self) -> ClientConnection:
        """Open the real connection; to a server on this machine without TLS, if it has none."""
        try:
            return await _awaited(self._open_connection(self._attempt))
        except ssl.SSLError as error:
            plain = getattr(self._attempt, _PLAIN, None)
            # A certificate that is not trusted: the server has TLS.
            if plain is None or isinstance(error, ssl.SSLCertVerificationError):
                raise
        uri, options = plain
        return await _awaited(self._open_connection(type(self._attempt)(uri, **options)))


@coroutine
def _awaited(steps: Generator[Any, None, ClientConnection]) -> Generator[Any, None, ClientConnection]:
    return (yield from steps)


def _handshake_of(response: Response) -> Handshake:
    reason = response.reason or responses.get(response.status, "")
    return Handshake(response.status, reason, Headers(response.headers), response.body)


def _response_of(handshake: Handshake) -> Response:
    body = Chunk(bytes(handshake.body or b""))
    return Response(handshake.status_code, tuple(handshake.headers.raw_items()), (body,), handshake.reason_phrase)


# Real connections


class _Server(Peer):
    """The server of a real connection, for a peer in memory that leaves its client to it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def take(self, message: Message) -> None:
        with self._closing():
            await self._connection.send(message)

    async def give(self) -> Message:
        with self._closing():
            return await self._connection.recv()

    async def leave(self, close: Close) -> None:
        await self._connection.close(close.code, close.reason)

    @contextmanager
    def _closing(self) -> Generator[None]:
        try:
            yield
        except ConnectionClosed:
            raise PeerClosed(_end_of(self._connection)) from None


def _watch(connection: ClientConnection, tap: Tap) -> None:
    """Let *tap* see all that passes over *connection* from now on."""
    messages = _Messages(tap)
    process_event, send, connection_lost = connection.process_event, connection.send, connection.connection_lost

    def note_and_process(event: Any) -> None:
        messages.add(event)
        process_event(event)

    async def note_and_send(message: Any, *args: Any, **kwargs: Any) -> None:
        whole = await joined(message)
        tap.frame(whole, is_sent=True)  # before it is sent: an answer may come while `send` still waits
        try:
            await send(whole, *args, **kwargs)
        except ConnectionClosed:
            tap.unsent()
            raise

    def note_end(error: Exception | None) -> None:
        connection_lost(error)
        tap.end(_end_of(connection))

    for frame in tuple(getattr(connection.recv_messages.frames, "queue", ())):  # what came with the handshake
        messages.add(frame)
    vars(connection).update(process_event=note_and_process, send=note_and_send, connection_lost=note_end)
    if connection.protocol.state is State.CLOSED:
        tap.end(_end_of(connection))


class _Messages:
    """Messages of the server for a tap, assembled from their frames."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._pieces: list[bytes] = []
        self._is_text = False

    def add(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._pieces, self._is_text = [], frame.opcode is Opcode.TEXT
        self._pieces.append(bytes(frame.data))
        if frame.fin:
            data = b"".join(self._pieces)
            with suppress(UnicodeDecodeError):  # no application gets such a text
                self._tap.frame(data.decode() if self._is_text else data, is_sent=False)


def _end_of(connection: ClientConnection) -> Close:
    protocol = connection.protocol
    received, sent = protocol.close_rcvd, protocol.close_sent
    if received is not None and (sent is None or protocol.close_rcvd_then_sent):
        return Close(received.code, received.reason, "server")
    return Close(ABNORMAL) if sent is None else Close(sent.code, sent.reason, "client")
