"""One connection to the Live API, on its way to Maxim: frames are noted as they pass, and read by another thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from .._core.generation import CANCELLED, STOPPED_EARLY, Outcome, Start
from .frames import Frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .._core.logger import Log
    from .session import LiveSession

BACKLOG: Final = 64 * 1024 * 1024
"""Bytes of a connection's frames that may wait to be read: a logger that hangs must not take all memory."""


class Recording:
    """Takes note of one connection, as a context manager around it. Nothing here waits, and nothing raises."""

    def __init__(self, log: Log, session: LiveSession, *, ends_session: bool) -> None:
        self.is_connected = False
        self._log = log
        self._session = session
        self._ends_session = ends_session
        self._background = log.background
        self._waiting = 0
        self._left_out = 0

    def __enter__(self) -> Recording:
        self._later("begin the live session", self._session.begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            outcome = CANCELLED
        elif error is not None and not self.is_connected:
            outcome = Outcome.of(error)
        else:  # an error of the application's own, or one of the connection's, which was noted when it came
            outcome = STOPPED_EARLY
        at = Start()
        self._later("end the live session", lambda: self._session.end(outcome, at, ends_session=self._ends_session))

    def sent(self, content: Any) -> None:
        """Take note of a frame that the application is about to send."""
        self._note(content, is_sent=True)

    def received(self, content: Any) -> None:
        """Take note of a frame of Gemini's."""
        self._note(content, is_sent=False)

    def _note(self, content: Any, *, is_sent: bool) -> None:
        if not isinstance(content, str | bytes):
            return
        if self._waiting > BACKLOG:
            self._left_out += 1
            self._log.warn("live backlog", "Frames of a live session are not logged: the logger is too slow for them")
            return
        self._waiting += len(content)
        frame = Frame(is_sent, content, Start())
        self._later("read a live message", lambda: self._take(frame))

    def _take(self, frame: Frame) -> None:
        self._waiting -= len(frame.content)
        self._session.take(frame)

    def closed(self, code: int, reason: str, *, is_clean: bool) -> None:
        """Take note of how the connection was closed."""
        if is_clean:
            outcome = STOPPED_EARLY
        else:
            message = reason or f"The connection was closed with code {code}"
            outcome = Outcome.of(ConnectionError(message))
            outcome = outcome._replace(error={**(outcome.error or {}), "code": str(code), "type": "ConnectionClosed"})
        at = Start()
        self._later("end the live turns", lambda: self._session.close(outcome, at, code, reason))

    def _later(self, step: str, do: Callable[[], None]) -> None:
        self._background.do(lambda: self._log.attempt(step, do))
