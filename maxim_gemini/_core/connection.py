"""One websocket, on its way to Maxim: frames are noted as they pass, and read by another thread.

So a logger that is slow, or raises, delays none of them.
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
"""Bytes of a connection's frames that may wait to be read: a logger that hangs must not take all memory."""

NORMAL: Final = (1000, 1001)
"""Codes with which a connection is closed that nothing is wrong with."""

_LEFT_BY_EXCEPTION: Final = 1011


class Frame(NamedTuple):
    """One message as it went over the websocket."""

    is_sent: bool
    """By the application; else it is Gemini's."""
    content: str | bytes
    at: Start


class Reader(Protocol):
    """What reads the frames of one connection, in order."""

    def begin(self) -> None:
        """Begin: the connection is about to be opened."""
        ...

    def take(self, frame: Frame) -> None:
        """Take in the next frame."""
        ...

    def close(self, outcome: Outcome, at: Start, code: int) -> None:
        """End what is open, as the connection was closed, or broke."""
        ...

    def end(self, outcome: Outcome, at: Start) -> None:
        """End what is open, as the application left the connection, or could not open it."""
        ...


def _was_left(error: Any) -> bool:
    """Return whether the application closed the connection; it does so with 1011 where it leaves it by an exception."""
    sent = error.sent
    if sent is None or error.rcvd_then_sent:
        return False
    return sent.code in NORMAL or (sent.code == _LEFT_BY_EXCEPTION and not sent.reason)


class ConnectionLog:
    """Takes note of one connection, as a context manager around it. Nothing here waits, and nothing raises."""

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
        else:  # an error of the application's own, or one of the connection's, which was noted when it came
            self.end(STOPPED_EARLY)

    def end(self, outcome: Outcome) -> None:
        """Take note that the application has left the connection."""
        at = Start()
        self._later("end a connection", lambda: self._reader.end(outcome, at))

    def watch(self, socket: Any, closed: type[Exception]) -> None:
        """Take note of what goes over *socket*, and of how it is closed: *closed* is then raised, with a code."""
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

    def _note(self, content: Any, *, is_sent: bool) -> None:
        if not isinstance(content, str | bytes):
            return
        if self._waiting > BACKLOG:
            self._log.warn("backlog", "Frames of a connection are not logged: the logger is too slow for them")
            return
        self._waiting += len(content)
        frame = Frame(is_sent, content, Start())
        self._later("read a frame", lambda: self._take(frame))

    def _take(self, frame: Frame) -> None:
        self._waiting -= len(frame.content)
        self._reader.take(frame)

    def _note_close(self, error: Any) -> None:
        close = error.rcvd or error.sent
        code, reason = (close.code, close.reason) if close else (1006, "")
        outcome = STOPPED_EARLY
        if code not in NORMAL and not _was_left(error):
            described = Outcome.of(ConnectionError(reason or f"The connection was closed with code {code}")).error
            outcome = Outcome(error={**(described or {}), "code": str(code), "type": "ConnectionClosed"})
        at = Start()
        self._later("end what a connection was used for", lambda: self._reader.close(outcome, at, code))

    def _later(self, step: str, do: Callable[[], None]) -> None:
        self._background.do(lambda: self._log.attempt(step, do))
