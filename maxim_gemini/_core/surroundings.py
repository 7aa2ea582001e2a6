"""What surrounds a call: the trace or span of the application's own that it is made in, or that nothing is traced.

A context variable holds it, so tasks and `asyncio.to_thread` inherit it. It is read once, when the call is made.
`labels_around` is all that a surface needs, and `is_suppressed`.
"""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .headers import Labels
from .logger import Log, logger_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Work:
    """A trace or span of the application's own. It ends when its block was left and the last call made in it has ended.

    So a stream that is read after the block, by a web framework perhaps, is still part of it. A span keeps what it
    stands in open, too: *outer*.
    """

    __slots__ = ("_finish", "_holds", "_lock", "_outer", "is_over", "labels", "log")

    def __init__(self, log: Log, labels: Labels) -> None:
        self.log = log
        self.labels = labels._replace(hold=None)
        self.is_over = False
        self._outer = labels.hold
        self._holds = 0
        self._finish: Callable[[], None] | None = None
        self._lock = threading.RLock()  # the garbage collector may release a hold while this thread takes one

    def hold(self) -> Held | None:
        """Return what keeps it open for one call; `None` where it is over."""
        with self._lock:
            if self.is_over:
                return None
            self._holds += 1
            return Held(self)

    def leave(self, finish: Callable[[], None]) -> None:
        """Have *finish* called once, now or when the last call has ended."""
        with self._lock:
            if self._finish is None:
                self._finish = finish
        self._end_if_due()

    def released(self) -> None:
        """Count a call that has ended."""
        with self._lock:
            self._holds -= 1
        self._end_if_due()

    def _end_if_due(self) -> None:
        with self._lock:
            finish = self._finish
            if self.is_over or self._holds or finish is None:
                return
            self.is_over = True
        finish()
        if self._outer is not None:
            self._outer.release()


class Held:
    """Keeps a trace or span open until the call that has it ends, or is dropped."""

    __slots__ = ("_is_released", "_work")

    def __init__(self, work: Work) -> None:
        self._work = work
        self._is_released = False

    def release(self) -> None:
        """Let go of it; it may be called again."""
        if not self._is_released:
            self._is_released = True
            self._work.released()

    def again(self) -> Held | None:
        """Return another one like it; `None` where the trace is over."""
        return self._work.hold()

    def __del__(self) -> None:
        if not self._is_released:
            self._work.log.when_free(self.release)


class Surroundings(NamedTuple):
    """What surrounds the code that runs now, inside of *outer*."""

    outer: Surroundings | None
    work: Work | None
    """The trace or span; none where nothing is traced."""
    maxims: tuple[Any, Any]
    """The trace and the span of maxim-py's own decorators when this began: what began later is inside of it."""
    owner: object
    """The block that began this, and takes it away."""


_current: Final[ContextVar[Surroundings | None]] = ContextVar("maxim_gemini_surroundings", default=None)


def current() -> Surroundings | None:
    """Return what surrounds the code that runs now."""
    return _current.get()


def enter(work: Work | None, owner: object) -> None:
    """Have what comes be made in *work*, or untraced without it, until *owner* is left."""
    _current.set(Surroundings(_current.get(), work, maxims_own(), owner))


def leave(owner: object) -> None:
    """Take away what *owner* began, wherever that is: blocks of generators and fixtures end in any order."""
    kept: list[Surroundings] = []
    one = _current.get()
    while one is not None and one.owner is not owner:
        kept.append(one)
        one = one.outer
    if one is None:  # in another context than the one that it was begun in
        return
    outer = one.outer
    for inner in reversed(kept):
        outer = inner._replace(outer=outer)
    _current.set(outer)


def restore(surroundings: Surroundings | None) -> None:
    """Put back what surrounded a generator when it stopped; decorators of maxim-py around its reader are outside."""
    _current.set(surroundings and surroundings._replace(maxims=maxims_own()))


def is_suppressed() -> bool:
    """Return whether nothing is to be traced here."""
    surroundings = _current.get()
    return surroundings is not None and surroundings.work is None


def labels_around(labels: Labels, log: Log) -> Labels:
    """Return *labels* of a call, in the innermost trace or span around it if they name none of their own.

    That is one of the same logger: ours, or one of maxim-py's own decorators. One that is over only gives its session.
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
    """Return the logger of the innermost trace around the code that runs now."""
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
    # maxim-py itself names the logger of the trace that was begun last, which may be over.
    log = Log(logger_of(writer) or sys.modules["maxim.decorators.trace"].current_logger())
    return log if log.writes_to(writer) else ours


def _begun_since(one: Surroundings | None) -> tuple[Any, Any]:
    """Return the trace and the span of maxim-py's decorators that were begun inside of *one*."""
    trace, span = maxims_own()
    if one is not None:
        trace, span = (None if it is known else it for it, known in zip((trace, span), one.maxims, strict=True))
    return trace, span


def maxims_own() -> tuple[Any, Any]:
    """Return the trace and the span of maxim-py's decorators that this runs in."""
    decorators: Any = sys.modules.get("maxim.decorators")  # what is not imported decorates nothing
    if decorators is None:
        return None, None
    try:
        return decorators.current_trace(), decorators.current_span()
    except AttributeError:  # half imported
        return None, None


def _of_maxim(maxims: tuple[Any, Any], log: Log) -> Labels | None:
    """Return where the innermost of maxim-py's own decorators has calls be made: its span, or its trace."""
    if maxims == (None, None):  # the usual case
        return None
    trace, span = (one if log.writes_to(getattr(one, "writer", None)) else None for one in maxims)
    if span is not None:
        trace_id = log.trace_of_span(span.id) or (span.id if trace is None else trace.id)
        # A trace that was begun in a span of another trace is the inner one.
        if trace is None or trace_id == trace.id or span.start_timestamp >= trace.start_timestamp:
            return Labels(trace_id, span_id=span.id)
    return None if trace is None else Labels(trace.id)
