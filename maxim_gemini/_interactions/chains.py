"""Which interactions belong together, and which of them still run; bounded memory."""

from __future__ import annotations

import os
import threading
from typing import Final, Generic, TypeVar

CallT = TypeVar("CallT")

REMEMBERED: Final = 65_536
"""Interactions of one logger whose session is remembered; the oldest is forgotten first."""

RUNNING: Final = 4_096
"""Background interactions of one logger that may be open; the oldest is given up first."""


class Chains(Generic[CallT]):
    """Interactions by id: the session of each, and the open calls of those in the background."""

    __slots__ = ("_lock", "_running", "_sessions")

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a stream that the garbage collector drops may come while this thread holds it
        self._sessions: dict[str, str] = {}
        self._running: dict[str, tuple[CallT, int]] = {}  # with the process that began it

    def session_of(self, interaction_id: str | None) -> str | None:
        """Return the session that an interaction of this process belongs to."""
        return None if interaction_id is None else self._sessions.get(interaction_id)

    def remember(self, interaction_id: str, session_id: str) -> None:
        """Remember which session an interaction belongs to."""
        with self._lock:
            self._sessions.pop(interaction_id, None)
            self._sessions[interaction_id] = session_id
            if len(self._sessions) > REMEMBERED:
                del self._sessions[next(iter(self._sessions))]

    def run(self, interaction_id: str, call: CallT) -> CallT | None:
        """Keep *call* until its interaction ends; return the oldest one where there are too many."""
        with self._lock:
            self._running[interaction_id] = call, os.getpid()
            return self._running.pop(next(iter(self._running)))[0] if len(self._running) > RUNNING else None

    def running(self, interaction_id: str) -> CallT | None:
        """Return the open call of a background interaction."""
        return self._running.get(interaction_id, (None,))[0]

    def end(self, interaction_id: str) -> CallT | None:
        """Return the open call of a background interaction, once: it has ended."""
        with self._lock:
            return self._running.pop(interaction_id, (None,))[0]

    def give_up(self) -> list[CallT]:
        """Return all open calls, once: they are not waited for any longer. Those of a parent process are its own."""
        with self._lock:
            ours = {name: call for name, (call, process) in self._running.items() if process == os.getpid()}
            for name in ours:
                del self._running[name]
        return list(ours.values())
