"""The session of each interaction, and the interactions that are still running, in bounded memory."""

from __future__ import annotations

import os
import threading
from typing import Final, Generic, TypeVar

CallT = TypeVar("CallT")

REMEMBERED: Final = 65_536
"""Interactions of one logger whose session is remembered; the oldest are forgotten first."""

RUNNING: Final = 4_096
"""Background interactions of one logger that may be open; beyond that, the oldest is ended as abandoned."""


class Chains(Generic[CallT]):
    """The session of each interaction, by id, and the open calls of background interactions."""

    __slots__ = ("_lock", "_running", "_sessions")

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the garbage collector may end a stream in this thread while it has the lock
        self._sessions: dict[str, str] = {}
        self._running: dict[str, tuple[CallT, int]] = {}  # each with the id of the process that began it

    def session_of(self, interaction_id: str | None) -> str | None:
        """Return the id of an interaction's session, if this process knows it."""
        return None if interaction_id is None else self._sessions.get(interaction_id)

    def remember(self, interaction_id: str, session_id: str) -> None:
        """Remember the session of an interaction."""
        with self._lock:
            self._sessions.pop(interaction_id, None)
            self._sessions[interaction_id] = session_id
            if len(self._sessions) > REMEMBERED:
                del self._sessions[next(iter(self._sessions))]

    def run(self, interaction_id: str, call: CallT) -> CallT | None:
        """Keep *call* until its interaction ends; if there are too many, remove and return the oldest one."""
        with self._lock:
            self._running[interaction_id] = call, os.getpid()
            return self._running.pop(next(iter(self._running)))[0] if len(self._running) > RUNNING else None

    def running(self, interaction_id: str) -> CallT | None:
        """Return the open call of a background interaction."""
        return self._running.get(interaction_id, (None,))[0]

    def end(self, interaction_id: str) -> CallT | None:
        """Remove and return the open call of a background interaction, which has ended."""
        with self._lock:
            return self._running.pop(interaction_id, (None,))[0]

    def give_up(self) -> list[CallT]:
        """Remove and return all open calls of this process; those of a parent process stay the parent's."""
        with self._lock:
            ours = {name: call for name, (call, process) in self._running.items() if process == os.getpid()}
            for name in ours:
                del self._running[name]
        return list(ours.values())
