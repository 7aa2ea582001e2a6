"""A writer between the wrapper and a logger's own writer, which applies a privacy policy to every commit.

With a policy, everything that the wrapper logs, on every surface, is a commit to this writer. Texts are masked when a
commit is serialized, which a thread of the delivery does if there is one: a slow mask does not delay the application.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from maxim.logger import Logger
from maxim.logger.components.types import Entity

from .commits import ATTACHING, Screened
from .privacy import Screen
from .values import mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from maxim.logger.components.types import CommitLog

    from .privacy import Privacy

REMEMBERED: Final = 65_536
"""Entities whose trace is remembered; the oldest are forgotten first."""

HELD_BYTES: Final = 64 * 1024 * 1024
"""Bytes, roughly, of commits that are held back for traces outside the sample, in case that they fail."""


class Sink(Protocol):
    """Gets every commit, whether it is logged or held back."""

    def commit(self, log: CommitLog) -> None:
        """Get a commit."""
        ...


class PrivateWriter:
    """Replaces a logger's *writer*: changes `commit`, and passes all other attributes through."""

    def __init__(
        self, writer: Any, policy: Privacy, sample: Sample, sink: Sink, warn: Callable[[str, str], None]
    ) -> None:
        self._writer = writer
        self._sink = sink
        self._policy = policy
        self._sample = sample
        self._screen = Screen(policy, warn)
        self._is_as_it_is = policy.capture == "all" and policy.mask is None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def commit(self, log: CommitLog) -> None:
        """Commit *log* as it may be logged, together with held back commits that it releases."""
        if log.action in ATTACHING and not self._policy.logs_attachments:
            return
        passing = [log]
        if self._policy.sample < 1:
            self._sink.commit(log)  # what is held back counts as begun, too
            passing = self._sample.passing(log, self._policy)
        for one in passing:
            self._writer.commit(self._screened(one))

    def _screened(self, log: CommitLog) -> CommitLog:
        if self._is_as_it_is:
            return log
        screened = Screened(log, self._screen)
        if self._policy.mask is not None:
            return screened
        # Without a mask, this is quick; and a plain log can be serialized faster than a screened one.
        return type(log)(log.entity, log.entity_id, log.action, screened.data)


class Nowhere:
    """Replaces the writer of a logger that has none: nothing is logged, because no policy can be applied."""

    def __getattr__(self, name: str) -> Any:
        return None

    def commit(self, log: CommitLog) -> None:
        """Discard it."""


def private_logger(logger: Any, writer: PrivateWriter) -> Logger:
    """Return a logger like *logger*, with maxim-py's own methods, that commits to *writer*.

    Methods that replace maxim-py's own in *logger* are not used: they would see private content.
    """
    private: Any = object.__new__(Logger)
    kept: dict[str, Any] = getattr(logger, "__dict__", {})
    private.__dict__ |= {name: value for name, value in kept.items() if not hasattr(Logger, name)}
    private.writer = writer
    return cast("Logger", private)


class Sample:
    """Decides which commits are in the sample; shared by all wrappers over one logger with the same policy.

    With `keep_errors`, commits of the other traces are held back until these end, and are logged if an error is among
    them.
    """

    def __init__(self) -> None:
        self._trace_of: OrderedDict[str, str] = OrderedDict()
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._held: OrderedDict[str, list[CommitLog]] = OrderedDict()
        self._sessions: OrderedDict[str, list[CommitLog]] = OrderedDict()
        self._passed: OrderedDict[str, None] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.RLock()  # the garbage collector may end a stream in this thread while it has the lock

    def place(self, entity_id: str, trace_id: str) -> None:
        """Remember the trace of an entity that another process, or another logger, has begun."""
        with self._lock:
            _remember(self._trace_of, entity_id, trace_id)

    def keep(self, trace_id: str) -> None:
        """Log the whole trace, whether it is in the sample or not."""
        with self._lock:
            _remember(self._kept, trace_id, None)

    def passing(self, log: CommitLog, policy: Privacy) -> list[CommitLog]:
        """Return the commits to log now: none, *log*, or *log* behind those that were held back."""
        with self._lock:
            if log.entity is Entity.SESSION:
                return self._of_session(log)
            trace_id = log.entity_id
            if log.entity is not Entity.TRACE:  # an entity that somebody else began is unknown, and counts as a trace
                trace_id = self._trace_of.get(trace_id, trace_id)
            data = log.data or {}
            if log.action.startswith("add-") and isinstance(data.get("id"), str):
                _remember(self._trace_of, data["id"], trace_id)
            if policy.keeps(trace_id) or trace_id in self._kept:
                return [*self._session_of(data), log]
            if not policy.keep_errors:
                return []
            return self._hold(trace_id, log)

    def _of_session(self, log: CommitLog) -> list[CommitLog]:
        """Hold back the commit of a session until one of its traces is logged."""
        if log.entity_id in self._passed:
            return [log]
        waiting = self._sessions.get(log.entity_id, [])
        _remember(self._sessions, log.entity_id, [*waiting, log])
        return []

    def _session_of(self, data: dict[str, Any]) -> list[CommitLog]:
        session_id = data.get("sessionId")
        if not isinstance(session_id, str) or session_id in self._passed:
            return []
        _remember(self._passed, session_id, None)
        return self._sessions.pop(session_id, [])

    def _hold(self, trace_id: str, log: CommitLog) -> list[CommitLog]:
        if _is_error(log):
            _remember(self._kept, trace_id, None)
            passing: list[CommitLog] = []
            for one in [*self._let_go(trace_id), log]:
                passing += [*self._session_of(one.data or {}), one]
            return passing
        if log.entity is Entity.TRACE and log.action == "end":
            self._let_go(trace_id)
            return []
        self._held.setdefault(trace_id, []).append(log)
        self._held_bytes += _size(log.data)
        # The oldest traces first: one that never ends must not keep the memory of all others.
        while self._held_bytes > HELD_BYTES:
            self._let_go(next(iter(self._held)))
        return []

    def _let_go(self, trace_id: str) -> list[CommitLog]:
        held = self._held.pop(trace_id, [])
        self._held_bytes -= sum(_size(log.data) for log in held)
        return held


def _remember(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
    kept[key] = value
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _is_error(log: CommitLog) -> bool:
    if log.action in ("error", "add-error"):
        return True
    result = mapping((log.data or {}).get("result")) if log.action == "result" else None
    return bool(result and result.get("error"))


def _size(value: object) -> int:
    """Return roughly how many bytes the data of a commit take."""
    if isinstance(value, (str, bytes)):
        return len(value) + 50
    if isinstance(value, dict):
        return 200 + sum(map(_size, cast("dict[str, object]", value).values()))
    if isinstance(value, (list, tuple)):
        return 50 + sum(map(_size, cast("list[object]", value)))
    return 30
