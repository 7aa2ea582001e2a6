"""A connection of websockets to a peer in memory: what an application can do with one, without a network."""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self, cast

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConcurrencyError, ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close as CloseFrame
from websockets.protocol import State

from maxim_gemini.testing.exceptions import TestKitError

from .websocket import ABNORMAL, Close, PeerClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable

    from .websocket import Message, Peer


class MemoryConnection(ClientConnection):
    """Open until either side closes it; from then on `_end` says how that was."""

    def __init__(self, peer: Peer) -> None:  # pyright: ignore[reportMissingSuperCall]
        # Not websockets' own `__init__`, which needs a protocol and a transport: what reads those is overridden below.
        self._peer = peer
        self._end: Close | None = None
        self._over = asyncio.Event()
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
        whole = await joined(message)
        if text is not None:
            whole = _as_text(whole) if text else _as_bytes(whole)
        if self._end is not None:
            raise _closed(self._end)
        with self._peer_errors():
            await self._peer.take(whole)

    async def recv(self, decode: bool | None = None) -> Any:
        if self._is_receiving:
            raise ConcurrencyError("cannot call recv while another coroutine is already running recv or recv_streaming")
        self._is_receiving = True
        try:
            with self._peer_errors():
                message = await self._peer.give()
        finally:
            self._is_receiving = False
        if decode is None:
            return message
        return _as_text(message) if decode else _as_bytes(message)

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Any]:
        yield await self.recv(decode)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        # Ended first: a reader that the peer lets go meanwhile must see this close, and not one of its own.
        if self._end is None:
            close = Close(code, reason, "client")
            self._ended(close)
            await self._peer.leave(close)

    async def wait_closed(self) -> None:
        await self._over.wait()

    async def ping(self, data: Any = None) -> Any:
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(0.0)
        return answered

    async def pong(self, data: Any = b"") -> None:
        """Send what no server answers."""

    @contextmanager
    def _peer_errors(self) -> Generator[None]:
        """Raise the errors of the peer as an application gets them."""
        try:
            yield
        except PeerClosed as closed:
            raise _closed(self._ended(closed.close)) from None
        except TestKitError as error:
            raise shown_by_interactions(error) from None

    def _ended(self, close: Close) -> Close:
        """Take the end, of which the first counts; return it."""
        self._end = self._end or close
        self._over.set()
        return self._end


def shown_by_interactions(error: TestKitError) -> TestKitError:
    """Make *error* one that the application gets from `interactions.connect`, too."""
    # That replaces every error by one that says nothing, but for a `ValueError`.
    kind = type(error)
    error.__class__ = type(kind.__name__, (kind, ValueError), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    return error


async def joined(message: Any) -> Message:
    """Return a message in one piece: websockets takes it in fragments, too."""
    if isinstance(message, str | bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(cast("bytearray", message))
    if hasattr(message, "__aiter__"):
        fragments: list[Any] = [fragment async for fragment in cast("AsyncIterable[Any]", message)]
    else:
        fragments = list(cast("Iterable[Any]", message))
    return type(fragments[0])().join(fragments) if fragments else ""


def _as_text(message: Message) -> str:
    return message if isinstance(message, str) else message.decode()


def _as_bytes(message: Message) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _closed(close: Close) -> ConnectionClosed:
    """Return what websockets raises on a connection that ended so."""
    if close.code == ABNORMAL:
        return ConnectionClosedError(None, None)
    frame = CloseFrame(close.code, close.reason)
    kind = ConnectionClosedOK if close.code in (1000, 1001) else ConnectionClosedError
    return kind(frame, frame, close.by == "server")
