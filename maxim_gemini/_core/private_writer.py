"""Stands between the wrapper and a logger's writer: what is committed leaves only as the policy has it.

Everything that the wrapper logs, on every surface, is a commit to this writer, if there is a policy. A text is masked
when the commit is read, which is when it is written down: by the thread that delivers, where there is one, so that a
slow mask costs the application nothing.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from maxim.logger import Logger
from maxim.logger.components.types import CommitLog, Entity

from .privacy import Screen
from .values import mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from .privacy import Privacy

REMEMBERED: Final = 65_536
"""Entities that are remembered with the trace they belong to; the oldest are forgotten."""

HELD_BYTES: Final = 64 * 1024 * 1024
"""The most that is held back of traces that are not in the sample, in case that they fail; about their text."""

_ATTACHING: Final = ("upload-attachment", "add-attachment")


class Screened(CommitLog):
    """A commit whose data is made ready, and masked, when it is first read."""

    def __init__(self, log: CommitLog, screen: Screen) -> None:
        self._screen: Screen | None = screen
        self._lock = threading.Lock()
        self._data: dict[str, Any] | None = None
        super().__init__(log.entity, log.entity_id, log.action, log.data)

    @property
    def data(self) -> dict[str, Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What may leave."""
        with self._lock:
            if self._screen is not None and self._data is not None:
                self._data = self._ready(self._screen, self._data)
            self._screen = None
            return self._data

    @data.setter
    def data(self, data: dict[str, Any] | None) -> None:
        self._data = data

    @property
    def unscreened(self) -> dict[str, Any] | None:
        """The data without waiting for a mask; its ids are those that leave."""
        return self._data

    def _ready(self, screen: Screen, data: dict[str, Any]) -> dict[str, Any]:
        if self.action in _ATTACHING:
            return screen.attachment(data)
        entity = self.action.removeprefix("add-") if self.action.startswith("add-") else str(self.entity.value)
        return screen.data(entity.replace("-", "_"), data)


class Sink(Protocol):
    """What gets every commit, whether it leaves or not."""

    def commit(self, log: CommitLog) -> None:
        """Take note of a commit."""
        ...


class PrivateWriter:
    """In the place of a logger's *writer*; the rest of a writer is the real one's."""

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
        """Commit what may leave of *log*, and of what was held back until now."""
        if log.action in _ATTACHING and not self._policy.logs_attachments:
            return
        passing = [log]
        if self._policy.sample < 1:
            self._sink.commit(log)  # what is held back was begun all the same
            passing = self._sample.passing(log, self._policy)
        for one in passing:
            self._writer.commit(self._screened(one))

    def _screened(self, log: CommitLog) -> CommitLog:
        if self._is_as_it_is:
            return log
        screened = Screened(log, self._screen)
        if self._policy.mask is not None:
            return screened
        # Nothing of it takes time, and a plain log is written down in a quicker way.
        return type(log)(log.entity, log.entity_id, log.action, screened.data)


class Nowhere:
    """In the place of the writer of a logger that has none: what can't be screened is not logged."""

    def __getattr__(self, name: str) -> Any:
        return None

    def commit(self, log: CommitLog) -> None:
        """Forget it."""


def private_logger(logger: Any, writer: PrivateWriter) -> Logger:
    """Return a logger of maxim-py's own that commits to *writer*.

    Methods that were put in place of *logger*'s own are not among what it does: they would see what is to be hidden.
    """
    private: Any = object.__new__(Logger)
    kept: dict[str, Any] = getattr(logger, "__dict__", {})
    private.__dict__ |= {name: value for name, value in kept.items() if not hasattr(Logger, name)}
    private.writer = writer
    return cast("Logger", private)


class Sample:
    """Which commits belong to a trace of the sample; all that log to one Maxim logger under one policy share it.

    Where errors are kept, what belongs to other traces is held back until they end, and passes if one of them fails.
    """

    def __init__(self) -> None:
        self._trace_of: OrderedDict[str, str] = OrderedDict()
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._held: OrderedDict[str, list[CommitLog]] = OrderedDict()
        self._sessions: OrderedDict[str, list[CommitLog]] = OrderedDict()
        self._passed: OrderedDict[str, None] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.RLock()  # a stream that the garbage collector drops may end while this thread holds it

    def place(self, entity_id: str, trace_id: str) -> None:
        """Remember that what another process, or another logger, began belongs to a trace."""
        with self._lock:
            _remember(self._trace_of, entity_id, trace_id)

    def keep(self, trace_id: str) -> None:
        """Let all pass that belongs to a trace, whether it is in the sample or not."""
        with self._lock:
            _remember(self._kept, trace_id, None)

    def passing(self, log: CommitLog, policy: Privacy) -> list[CommitLog]:
        """Return what passes now that *log* has come: nothing, *log*, or what was held back as well."""
        with self._lock:
            if log.entity is Entity.SESSION:
                return self._of_session(log)
            trace_id = log.entity_id
            if log.entity is not Entity.TRACE:  # what another logged, a span say, is unknown: it counts as a trace
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
        """Let what a session says wait for a trace of it that passes."""
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


def _size(value: Any) -> int:
    """Return about how many bytes a commit's data takes."""
    if isinstance(value, (str, bytes)):
        return len(value) + 50
    if isinstance(value, dict):
        return 200 + sum(map(_size, cast("dict[str, object]", value).values()))
    if isinstance(value, (list, tuple)):
        return 50 + sum(map(_size, cast("list[object]", value)))
    return 30
