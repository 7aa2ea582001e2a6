"""How an answer travels: out of memory piece by piece, or from the network past a watcher.

Pure but for the clock: no HTTP library is known here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, NoReturn

from maxim_gemini.testing._clock import monotonic

from . import wire
from .exchange import COMPLETE, Chunk, Response

LEFT_BY_READER: Final = "closed by the reader"
"""How an answer ended whose reader closed it, dropped it or was cancelled."""

Breakage = Literal["disconnect", "reset", "timeout"]
"""The ways in which a connection fails under a reader, common to all HTTP libraries."""

_READERS_OWN: Final = frozenset({LEFT_BY_READER, "CancelledError", "GeneratorExit", "KeyboardInterrupt"})
_RESETS: Final = frozenset({"ReadError", "ClientOSError", "ClientConnectionResetError", "ConnectionResetError"})
_FRAMING: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})

Headers = tuple[tuple[str, str], ...]
Decoder = Callable[[Headers, Iterable[Chunk]], tuple[Chunk, ...]]


async def sleep(seconds: float) -> None:
    """Wait, in any event loop, for *seconds* of real time: a test may have frozen the clock of its loop."""
    import anyio.lowlevel  # not with this module: a block of a whole process loads no library
    import anyio.to_thread

    if not seconds:
        return await anyio.lowlevel.checkpoint()
    over = threading.Event()
    try:
        await anyio.to_thread.run_sync(over.wait, seconds, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
    finally:
        over.set()  # or the thread of a wait that was cancelled would go on


def text_of(header: bytes) -> str:
    """Return the text of a header's name or value, or of a reason: UTF-8, as servers of today write it, or Latin-1."""
    try:
        return header.decode("utf-8")
    except UnicodeDecodeError:
        return header.decode("latin-1")


class Piece(NamedTuple):
    """Bytes that reach the reader at once, *wait* seconds after the piece before."""

    data: bytes
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer from memory, cut into the pieces in which it will arrive."""

    status: int
    headers: Headers
    pieces: Iterable[Piece]
    reason: str = ""
    ended: str = COMPLETE
    overrun: Callable[[], NoReturn] | None = None
    """Called where a reader goes on past the end of an answer that its recorded reader had left."""

    @classmethod
    def of(cls, response: Response) -> Delivery:
        """Deliver *response* at once, in the pieces that it has."""
        pieces = tuple(Piece(chunk.data) for chunk in response.chunks)
        return cls(response.status, response.headers, pieces, response.reason, response.ended)

    @property
    def headers_sent(self) -> Headers:
        """The headers without those that describe how the body was packed: it is no longer."""
        return tuple((name, value) for name, value in self.headers if name.lower() not in _FRAMING)

    def breakage(self) -> Breakage | None:
        """Say how the connection fails after the last piece, or `None`; raise where the recording goes no further."""
        if self.ended == COMPLETE:
            return None
        if self.ended in _READERS_OWN:
            return self.overrun() if self.overrun else None
        if "Timeout" in self.ended:
            return "timeout"
        return "reset" if self.ended in _RESETS else "disconnect"


class Live:
    """A request that goes to the network; what comes back is kept as it passes, and handed to *keep* when it ends.

    The edge calls `head` once, `piece` for each read, and `end`, of which the first call counts.
    """

    def __init__(self, keep: Callable[[Response], None]) -> None:
        self._keep = keep
        self._sent_at = monotonic()
        self._head: tuple[int, Headers, str] | None = None
        self._decode: Decoder | None = None
        self._pieces: list[Chunk] = []
        self._ended = False
        self._lock = threading.Lock()

    def head(self, status: int, headers: Iterable[tuple[str, str]], reason: str, decode: Decoder | None = None) -> None:
        """Take the answer's head; *decode* undoes the encoding of a body that arrives encoded."""
        self._head = (status, tuple(headers), reason)
        self._decode = decode

    def piece(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if data:
            self._pieces.append(Chunk(bytes(data), monotonic() - self._sent_at))

    def end(self, how: str = COMPLETE) -> None:
        """Take the end of the answer: whole, left by its reader, or the name of what broke it."""
        with self._lock:
            first, self._ended = not self._ended, True
        if first and self._head is not None:
            self._keep(self._response(*self._head, how))

    def end_with(self, error: BaseException) -> None:
        """Take *error* as the end: what a reader does to itself is its leaving."""
        name = type(error).__name__
        self.end(LEFT_BY_READER if name in _READERS_OWN else name)

    def _response(self, status: int, headers: Headers, reason: str, ended: str) -> Response:
        chunks = self._decode(headers, self._pieces) if self._decode else tuple(self._pieces)
        packed = {name.lower() for name, _ in headers} & {"content-encoding", "transfer-encoding"}
        dropped = _FRAMING if packed else frozenset[str]()
        kept = tuple((name, value) for name, value in headers if name.lower() not in dropped)
        if ended == LEFT_BY_READER and self._was_whole(headers, chunks):
            ended = COMPLETE
        return Response(status, kept, chunks, reason, ended)

    def _was_whole(self, headers: Headers, chunks: tuple[Chunk, ...]) -> bool:
        """Return whether there was nothing left to read: many readers don't wait for the end of what they know."""
        named = {name.lower(): value for name, value in headers}
        if "content-encoding" not in named and named.get("content-length") == str(sum(len(c.data) for c in chunks)):
            return True
        is_stream = named.get("content-type", "").lower().startswith("text/event-stream")
        return is_stream and wire.is_done(b"".join(chunk.data for chunk in chunks))
