"""Record the frames of one websocket: queued as they pass, and interpreted by another thread.

So a logger that is slow, or raises, delays no frame.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from .generation import CANCELLED, STOPPED_EARLY, Outcome, Start

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .logger import Log

BACKLOG: Final = 64 * 1024 * 1024
"""Bytes of one connection's frames that may wait: a logger that hangs must not use up the memory."""

NORMAL: Final = (1000, 1001)
"""Close codes that are no error."""

_LEFT_BY_EXCEPTION: Final = 1011


class Frame(NamedTuple):
    """One message as it went over the websocket."""

    is_sent: bool
    """`True` if the application sent it; otherwise Gemini did."""
    content: str | bytes
    at: Start


class Reader(Protocol):
    """Interprets the frames of one connection, in order."""

    def begin(self) -> None:
        """Begin; the connection is opened next."""
        ...

    def take(self, frame: Frame) -> None:
        """Interpret the next frame."""
        ...

    def close(self, outcome: Outcome, at: Start, code: int) -> None:
        """End what is open: the connection was closed, or broke."""
        ...

    def end(self, outcome: Outcome, at: Start) -> None:
        """End what is open: the application left the connection, or could not open it."""
        ...


def _was_left(error: Any) -> bool:
    """Return whether the application closed the connection; websockets sends 1011 if its block raised."""
    sent = error.sent
    # A close that was received first was answered automatically: the server closed.
    if sent is None or error.rcvd_then_sent:
        return False
    return sent.code in NORMAL or (sent.code == _LEFT_BY_EXCEPTION and not sent.reason)


class ConnectionLog:
    """Records one connection, as a context manager around it. Nothing here waits, and nothing raises."""

    def __init__(self, log: Log, reader: Reader) -> None:
        self.is_connected = False
        self._log = log
        self._reader = reader
        self._background = log.background
        self._waiting = 0

    def __enter__(self) -> ConnectionLog:
        self._later("begin a connection", self._reader.begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.end(CANCELLED)
        elif error is not None and not self.is_connected:
            self.end(Outcome.of(error))
        else:  # an error of the application, or of the connection, which is recorded already
            self.end(STOPPED_EARLY)

    def end(self, outcome: Outcome) -> None:
        """Record that the application has left the connection."""
        at = Start()
        self._later("end a connection", lambda: self._reader.end(outcome, at))

    def watch(self, socket: Any, closed: type[Exception]) -> None:
        """Record the frames of *socket*, and its close, at which its methods raise *closed* with a code."""
        send, receive = socket.send, socket.recv

        async def sending(message: Any, *args: Any, **kwargs: Any) -> Any:
            self._note(message, is_sent=True)
            try:
                return await send(message, *args, **kwargs)
            except closed as error:
                self._note_close(error)
                raise

        async def receiving(*args: Any, **kwargs: Any) -> Any:
            try:
                frame = await receive(*args, **kwargs)
            except closed as error:
                self._note_close(error)
                raise
            self._note(frame, is_sent=False)
            return frame

        socket.send, socket.recv = sending, receiving
        self.is_connected = True

    def _note(self, content: object, *, is_sent: bool) -> None:
        if not isinstance(content, str | bytes):
            return
        if self._waiting > BACKLOG:
            self._log.warn("backlog", "Frames of a connection are not logged, because the logger is too slow")
            return
        self._waiting += len(content)
        # With its time, because it is read later.
        frame = Frame(is_sent, content, Start())
        self._later("read a frame", lambda: self._take(frame))

    def _take(self, frame: Frame) -> None:
        self._waiting -= len(frame.content)
        self._reader.take(frame)

    def _note_close(self, error: Any) -> None:
        close = error.rcvd or error.sent
        # 1006 stands for a connection that broke: no side sends it.
        code, reason = (close.code, close.reason) if close else (1006, "")
        outcome = STOPPED_EARLY
        if code not in NORMAL and not _was_left(error):
            described = Outcome.of(ConnectionError(reason or f"The connection was closed with code {code}")).error
            outcome = Outcome(error={**(described or {}), "code": str(code), "type": "ConnectionClosed"})
        at = Start()
        self._later("end the traces of a connection", lambda: self._reader.close(outcome, at, code))

    def _later(self, step: str, do: Callable[[], None]) -> None:
        self._background.do(lambda: self._log.attempt(step, do))
