"""A Maxim logger, as the wrapper uses it: it remembers the ids that were logged, and it never raises.

Only this module uses more of maxim-py than a logger's methods: a writer's `sinks` get every commit, its `queue`
holds earlier commits, and its `commit` accepts new ones; `test_maxim.py` and `test_commits.py` fail when they change.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import contextlib
import logging
import os
import random
import re
import threading
import weakref
from collections import deque
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, cast

from maxim.logger import FileDataAttachment, Logger, UrlAttachment
from maxim.logger.components.types import CommitLog, Entity
from maxim.logger.writer import LogWriter

from .background import Background
from .commits import Commits, Methods, Screened, delivery_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from .delivery import Delivery
    from .privacy import Privacy
    from .private_writer import Sample

__all__ = ["FileDataAttachment", "Ledger", "Log", "Logger", "UrlAttachment", "is_valid_id", "new_id"]

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

DELIVERY: Final = "MAXIM_GEMINI_DELIVERY"
"""Environment variable: `off` leaves the delivery of logs to maxim-py."""

POLICY: Final = ("MAXIM_GEMINI_CAPTURE", "MAXIM_GEMINI_SAMPLE")
"""Environment variables: the privacy policy of clients without one of their own."""

WARNINGS: Final = logging.getLogger("maxim_gemini")

# Ids that a ledger remembers: enough for every trace that is still in use; limits its memory to about 10 MB.
REMEMBERED: Final = 65_536

# Kinds of warnings that a ledger remembers. They have no natural limit: each may name another class of error.
WARNED: Final = 1024

# maxim-py drops whatever is logged under an id that does not look like this.
_VALID_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")

# Seconds for which another thread may hold the lock of a queue.
_MOMENT: Final = 0.1

_attaching: Final = threading.RLock()

# Needed for every commit; looking up a member of an enumeration each time would be slow.
_GENERATION: Final = Entity.GENERATION
_TOOL_CALL: Final = Entity.TOOL_CALL
_NAMED: Final = (Entity.TRACE, Entity.SESSION)


def is_valid_id(value: str) -> bool:
    """Return whether Maxim takes *value* as an id."""
    return _VALID_ID.fullmatch(value) is not None


# A generator of its own: an application may seed the shared one. After a fork, both processes need other numbers.
_random: Final = random.Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """Return a new id of 128 random bits, faster than `uuid4`, which asks the system each time."""
    return _random.getrandbits(128).to_bytes(16).hex()  # a format of the number takes three times the work


class Ledger:
    """The ids that one Maxim logger has logged so far: a sink of its writer, which gets every commit."""

    __slots__ = ("_lock", "_seen", "_shared", "_trace_of", "_warned", "logger", "postponed")

    def __init__(self, logger: Logger | None = None) -> None:
        self.logger: Callable[[], Logger | None] = lambda: None
        with contextlib.suppress(TypeError):  # a logger that is not maxim-py's may not support weak references
            self.logger = weakref.ref(cast("Logger", logger))
        self._seen: dict[str, None] = {}
        self._trace_of: dict[str, str] = {}
        self._warned: dict[str, None] = {}
        self._shared: dict[object, Any] = {}
        self.postponed: deque[Callable[[], None]] = deque()
        self._lock = threading.RLock()  # the garbage collector may end a stream in this thread while it has the lock

    @classmethod
    def of(cls, logger: Logger) -> Ledger:
        """Return the ledger of *logger*; all wrappers over one logger share it."""
        try:
            # Two wrappers that are made at the same time must share one ledger.
            with _attaching:
                writer: Any = logger.writer
                for sink in writer.sinks:
                    if isinstance(sink, cls):
                        return sink
                ledger = cls(logger)
                for log in list(getattr(writer.queue, "queue", ())):  # earlier commits that are not sent yet
                    ledger.commit(log)
                writer.sinks.append(ledger)
                return ledger
        except Exception:  # a logger that is not maxim-py's may have no writer
            return cls()

    def commit(self, log: CommitLog) -> None:
        """Remember the ids of a commit. It is called for each, so the most frequent kinds return first."""
        while self.postponed:
            with contextlib.suppress(IndexError):  # another thread may have taken the last one
                self.postponed.popleft()()
        entity = log.entity
        if entity is _GENERATION or entity is _TOOL_CALL:
            return
        # Only ids that may be used again are remembered: those of sessions, traces, spans and tool calls.
        data = log.unscreened if isinstance(log, Screened) else log.data
        if log.action == "add-tool-call" and data:
            self.claim(data["id"])
        elif log.action == "add-span" and data:
            self._span_begun(data["id"], log.entity_id)
        if log.entity_id not in self._seen and entity in _NAMED:
            self.claim(log.entity_id)

    def _span_begun(self, span_id: str, holder_id: str) -> None:
        with self._lock:
            self._trace_of[span_id] = self._trace_of.get(holder_id, holder_id)
            if len(self._trace_of) > REMEMBERED:
                del self._trace_of[next(iter(self._trace_of))]

    def trace_of(self, span_id: str) -> str | None:
        """Return the id of the trace that a span belongs to, at any depth."""
        return self._trace_of.get(span_id)

    def claim(self, entity_id: str) -> bool:
        """Remember *entity_id*; return whether it was new."""
        with self._lock:
            if entity_id in self._seen:
                return False
            self._seen[entity_id] = None
            if len(self._seen) > REMEMBERED:
                del self._seen[next(iter(self._seen))]
            return True

    def knows(self, entity_id: str) -> bool:
        """Return whether anything was logged about *entity_id*."""
        return entity_id in self._seen

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until background work has written its logs; return whether it has within *timeout* seconds."""
        background: Background | None = self._shared.get((Background, None))
        return background is None or background.settle(timeout)

    def shared(self, kind: type[R], key: object = None) -> R:
        """Return the object of class *kind* that belongs to this logger (and *key*); make it on first use."""
        known: R | None = self._shared.get((kind, key))
        if known is not None:
            return known
        with self._lock:
            shared: R = self._shared.setdefault((kind, key), kind())
            return shared

    def is_first(self, kind: str) -> bool:
        """Return whether there was no warning of this kind yet."""
        with self._lock:
            is_new = kind not in self._warned
            self._warned[kind] = None
            if len(self._warned) > WARNED:
                del self._warned[next(iter(self._warned))]
            return is_new


_METHODS: Final = (
    "trace",
    "trace_add_generation",
    "generation_add_metadata",
    "generation_add_metric",
    "generation_result",
    "trace_set_output",
    "trace_end",
)


def logger_of(writer: Any) -> Logger | None:
    """Return the logger that *writer* belongs to, if this package has used it before."""
    sinks: list[object] = getattr(writer, "sinks", [])
    return next((sink.logger() for sink in sinks if isinstance(sink, Ledger)), None)


def is_maxims_own(logger: Any) -> bool:
    """Return whether *logger* is maxim-py's own, with its own methods: replaced methods must be called."""
    try:
        for name in _METHODS:
            if hasattr(Logger, name) and getattr(logger, name).__func__ is not getattr(Logger, name):
                return False
        return isinstance(logger.writer, LogWriter)
    except Exception:  # a logger that is not maxim-py's may lack any of this
        return False


def _policy(privacy: Privacy | None) -> Privacy | None:
    """Return *privacy*, or else the policy of the environment; `None` if everything is logged as it is."""
    if privacy is None:
        if not any(map(os.environ.get, POLICY)):  # the usual case, which needs no module for policies
            return None
        from .privacy import Privacy

        privacy = Privacy.of_environment()
    return None if privacy.is_open else privacy


def _deliver(logger: Logger) -> None:
    """Deliver the logs of *logger* if it sends to Maxim, unless the environment says `off`."""
    writer: object = getattr(logger, "writer", None)
    if type(writer) is LogWriter and os.environ.get(DELIVERY, "").lower() not in ("off", "0", "false", "no"):
        from .maxim_writer import take_over  # not with this module: the loggers of tests send nothing

        take_over(writer)


class Log:
    """One Maxim logger behind a guard: whatever it does, the application's call continues."""

    __slots__ = ("_ledger", "_sample", "_target", "commits", "logger", "privacy")

    def __init__(self, logger: Logger, privacy: Privacy | None = None) -> None:
        self.privacy = _policy(privacy)
        self._sample: Sample | None = None
        self._target = logger
        self._ledger = Ledger.of(logger)
        is_own = is_maxims_own(logger)
        self.logger = logger if self.privacy is None else self._private(logger, self.privacy, is_own=is_own)
        self.commits = Commits(self.logger) if is_own or self.logger is not logger else Methods(logger)
        self.attempt("take over the delivery", _deliver, logger)

    def _private(self, logger: Logger, policy: Privacy, *, is_own: bool) -> Logger:
        """Return a logger that applies the *policy*, and writes to the same writer as *logger*."""
        from .private_writer import Nowhere, PrivateWriter, Sample, private_logger

        has_writer = isinstance(getattr(logger, "writer", None), LogWriter)
        if not is_own:
            done = "they are bypassed" if has_writer else "nothing is logged"
            self.warn("privacy", f"Methods of this logger that are not maxim-py's would see private content: {done}")
        writer: Any = logger.writer if has_writer else Nowhere()
        self._sample = self._ledger.shared(Sample, policy)
        return private_logger(logger, PrivateWriter(writer, policy, self._sample, self._ledger, self.warn))

    @property
    def delivery(self) -> Delivery:
        """The delivery of the logs; one that is always empty if maxim-py delivers its logs itself."""
        from .maxim_writer import idle

        return delivery_from(getattr(self._target, "writer", None)) or idle()

    def attempt(self, step: str, do: Callable[[*Ts], R], *args: *Ts) -> R | None:
        """Call *do*; if it fails, warn once for each *step* and class of error, and return `None`.

        *do* itself has to look up the logger's method: a logger that is not maxim-py's may not have it.
        """
        try:
            return do(*args)
        except Exception as error:
            self.warn(f"{step}: {type(error).__name__}", "Could not %s: %s: %.500s", step, type(error).__name__, error)
            return None

    def warn(self, kind: str, message: str, *args: object) -> None:
        """Warn once for each *kind* and logger; *args* may hold content, which the policy hides here, too."""
        with contextlib.suppress(Exception):  # not even a broken log handler may fail the application's call
            if self._ledger.is_first(kind):
                if args and self.privacy is not None and self.privacy.hides_text:
                    message, args = "%s (details are withheld by the privacy policy)", (kind,)
                WARNINGS.warning(message, *args)

    def remark(self, kind: str, message: str, *args: object) -> None:
        """Log something unknown at debug level, once for each *kind* and logger."""
        with contextlib.suppress(Exception):
            if self._ledger.is_first(kind):
                WARNINGS.debug(message, *args)

    def when_free(self, do: Callable[[], None]) -> None:
        """Call *do* now or, while the writer's queues are locked, at the next commit.

        The garbage collector may interrupt a thread inside a queue, whose lock that thread can't take again.
        """
        writer: Any = getattr(self._target, "writer", None)
        for name in ("queue", "upload_queue"):
            lock = getattr(getattr(writer, name, None), "mutex", None)
            if lock is not None:
                # Another thread holds it only for a moment. If it stays locked, this thread itself has it.
                if not lock.acquire(timeout=_MOMENT):
                    self._ledger.postponed.append(do)
                    return
                lock.release()
        do()

    @property
    def background(self) -> Background:
        """The thread that writes logs away from the event loop, in order; a flush waits for it."""
        if (delivery := delivery_from(getattr(self._target, "writer", None))) is not None:
            delivery.wait_for(self._ledger)
        return self.shared(Background)

    def shares(self, other: Log) -> bool:
        """Return whether *other* uses the same logger."""
        return self._ledger is other._ledger

    def writes_to(self, writer: object) -> bool:
        """Return whether logs from here go to *writer*."""
        return writer is not None and getattr(self._target, "writer", None) is writer

    def keeps(self, trace_id: str) -> bool:
        """Return whether the policy's sample includes the whole trace."""
        return self.privacy is None or self.privacy.keeps(trace_id)

    def place(self, span_id: str | None, trace_id: str) -> None:
        """Register the trace of a span that was begun elsewhere, so that the sample treats both alike."""
        if span_id is not None and self._sample is not None:
            self._sample.place(span_id, trace_id)

    def keep(self, trace_id: str) -> None:
        """Log the whole trace, whatever the sample, because the process that began it does."""
        if self._sample is not None:
            self._sample.keep(trace_id)

    def trace_of_span(self, span_id: str) -> str | None:
        """Return the id of the trace of a span that this logger has begun."""
        return self._ledger.trace_of(span_id)

    def before_cleanup(self, do: Callable[[], object]) -> None:
        """Call *do* before the logger is cleaned up, and before the process ends."""

        def arrange() -> None:
            writer: Any = self.logger.writer
            if (delivery := delivery_from(writer)) is not None:
                delivery.before_close.append(guarded)
                return
            cleanup = writer.cleanup

            def clean_up(*args: object, **named: object) -> object:
                guarded()
                return cleanup(*args, **named)

            writer.cleanup = clean_up

        guarded = partial(self.attempt, "end what is open", do)
        self.attempt("note what to do at the end", arrange)

    def is_new(self, entity_id: str) -> bool:
        """Remember *entity_id*; return whether it is new to this logger."""
        return self._ledger.claim(entity_id)

    def knows(self, entity_id: str) -> bool:
        """Return whether this logger has seen *entity_id*."""
        return self._ledger.knows(entity_id)

    def shared(self, kind: type[R]) -> R:
        """Return the object of class *kind* that all wrappers over this logger share."""
        return self._ledger.shared(kind)


class _Nothing:
    """A logger that logs nothing."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self


@cache
def silent_log() -> Log:
    """Return a log that discards everything, for calls that are not traced but must not send `x-maxim-*` headers."""
    from .privacy import EVERYTHING

    return Log(cast("Any", _Nothing()), EVERYTHING)
