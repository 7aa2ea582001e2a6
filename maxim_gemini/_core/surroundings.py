"""The blocks around a call: `trace()`, `span()` and `suppress()`, and maxim-py's decorators.

A context variable holds them, so tasks and `asyncio.to_thread` inherit them. They are read once, when the call is made.
Surfaces only need `labels_around` and `is_suppressed`.
"""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from .headers import Labels
from .logger import Log, logger_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Work:
    """A trace or span of a block. It ends when the block was left and the last call in it has ended.

    So a stream that is read after the block, by a web framework for example, is still part of it. A span also keeps the
    trace or span around it open.
    """

    __slots__ = ("_finish", "_holds", "_lock", "_outer", "is_over", "labels", "log")

    def __init__(self, log: Log, labels: Labels) -> None:
        self.log = log
        self.labels = labels._replace(hold=None)
        self.is_over = False
        self._outer = labels.hold
        self._holds = 0
        self._finish: Callable[[], None] | None = None
        self._lock = threading.RLock()  # the garbage collector may release a hold in this thread while it has the lock

    def hold(self) -> Held | None:
        """Return an object that keeps it open for one call; `None` if it has ended."""
        with self._lock:
            if self.is_over:
                return None
            self._holds += 1
            return Held(self)

    def leave(self, finish: Callable[[], None]) -> None:
        """Leave the block: call *finish*, once, now or when the last call has ended."""
        with self._lock:
            if self._finish is None:
                self._finish = finish
        self._end_if_due()

    def released(self) -> None:
        """Note that one of the calls has ended."""
        with self._lock:
            self._holds -= 1
        self._end_if_due()

    def _end_if_due(self) -> None:
        with self._lock:
            finish = self._finish
            if self.is_over or self._holds or finish is None:
                return
            self.is_over = True
        # Outside of the lock: it logs, and the logger may take locks of its own.
        finish()
        if self._outer is not None:
            self._outer.release()


class Held:
    """Keeps a trace or span open until it is released or garbage-collected."""

    __slots__ = ("_is_released", "_work")

    def __init__(self, work: Work) -> None:
        self._work = work
        self._is_released = False

    def release(self) -> None:
        """Stop keeping it open. A second call does nothing."""
        if not self._is_released:
            self._is_released = True
            self._work.released()

    def again(self) -> Held | None:
        """Return another hold on the same trace or span; `None` if that has ended."""
        return self._work.hold()

    def __del__(self) -> None:
        if not self._is_released:
            self._work.log.when_free(self.release)


class Surroundings:
    """One block around the running code, inside the blocks of *outer*."""

    __slots__ = ("maxims", "outer", "owner", "work")

    def __init__(self, outer: Surroundings | None, work: Work | None, maxims: tuple[Any, Any], owner: object) -> None:
        self.outer = outer
        self.work = work
        """The trace or span; `None` in `suppress()`."""
        self.maxims = maxims
        """The trace and span of maxim-py's decorators when the block began: later ones are inside it."""
        self.owner = owner
        """The block that entered this, and will leave it."""


_current: Final[ContextVar[Surroundings | None]] = ContextVar("maxim_gemini_surroundings", default=None)


def current() -> Surroundings | None:
    """Return the innermost block around the running code."""
    return _current.get()


def enter(work: Work | None, owner: object) -> None:
    """Begin a block of *owner*: later calls belong to *work*, or are not traced if it is `None`."""
    _current.set(Surroundings(_current.get(), work, maxims_own(), owner))


def leave(owner: object) -> None:
    """End the block of *owner*, even if it is not the innermost: those of generators and fixtures end in any order."""
    kept: list[Surroundings] = []
    one = _current.get()
    while one is not None and one.owner is not owner:
        kept.append(one)
        one = one.outer
    if one is None:  # begun in another context
        return
    # The inner blocks stay, now inside the block around this one.
    outer = one.outer
    for inner in reversed(kept):
        outer = Surroundings(outer, inner.work, inner.maxims, inner.owner)
    _current.set(outer)


def restore(block: Surroundings | None) -> None:
    """Set the blocks that a generator had when it stopped; maxim-py's decorators around its reader count as outside."""
    _current.set(block and Surroundings(block.outer, block.work, maxims_own(), block.owner))


def is_suppressed() -> bool:
    """Return whether `suppress()` is the innermost block."""
    surroundings = _current.get()
    return surroundings is not None and surroundings.work is None


def labels_around(labels: Labels, log: Log) -> Labels:
    """Return *labels* of a call; if they name no trace, with the innermost trace or span around the call.

    It must be of the same logger, and may be one of maxim-py's decorators. If it has ended, only its session counts.
    """
    if labels.trace_id is not None:
        return labels
    one = _current.get()
    while one is not None:
        work = one.work
        if work is not None and work.log.shares(log):
            if theirs := _of_maxim(_begun_since(one), log):
                return labels.over(theirs)
            if (hold := work.hold()) is not None:
                return labels.over(work.labels._replace(hold=hold))
            labels = labels.over(Labels(session_id=work.labels.session_id))
        one = one.outer
    theirs = _of_maxim(maxims_own(), log)
    return labels if theirs is None else labels.over(theirs)


def logger_around() -> Log | None:
    """Return the logger of the innermost trace around the running code."""
    one = _current.get()
    ours = one.work.log if one is not None and one.work is not None else None
    begun: list[Any] = [it for it in _begun_since(one) if it is not None]
    begun.sort(key=lambda it: it.start_timestamp)
    if not begun:
        return ours
    writer = begun[-1].writer
    while one is not None:
        if one.work is not None and one.work.log.writes_to(writer):
            return one.work.log
        one = one.outer
    # maxim-py itself only knows the logger of the trace that was begun last, which may have ended.
    log = Log(logger_of(writer) or sys.modules["maxim.decorators.trace"].current_logger())
    return log if log.writes_to(writer) else ours


def _begun_since(one: Surroundings | None) -> tuple[Any, Any]:
    """Return the trace and span of maxim-py's decorators that began inside the block *one*."""
    trace, span = maxims_own()
    if one is not None:
        trace, span = (None if it is known else it for it, known in zip((trace, span), one.maxims, strict=True))
    return trace, span


def maxims_own() -> tuple[Any, Any]:
    """Return the trace and span of maxim-py's decorators around the running code."""
    decorators: Any = sys.modules.get("maxim.decorators")  # nothing can be decorated by a module that is not imported
    if decorators is None:
        return None, None
    try:
        return decorators.current_trace(), decorators.current_span()
    except AttributeError:  # the module is being imported
        return None, None


def _of_maxim(maxims: tuple[Any, Any], log: Log) -> Labels | None:
    """Return the labels of the innermost of maxim-py's decorators: of its span, or its trace."""
    if maxims == (None, None):  # the usual case
        return None
    trace, span = (one if log.writes_to(getattr(one, "writer", None)) else None for one in maxims)
    if span is not None:
        trace_id = log.trace_of_span(span.id) or (span.id if trace is None else trace.id)
        # A trace that was begun in a span of another trace is the inner one.
        if trace is None or trace_id == trace.id or span.start_timestamp >= trace.start_timestamp:
            return Labels(trace_id, span_id=span.id)
    return None if trace is None else Labels(trace.id)
