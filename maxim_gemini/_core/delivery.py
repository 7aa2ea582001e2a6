"""Deliver all that was logged: in order, in the background, until Maxim has taken it.

    commit -> line -> intake -> collector -> outbox of logs        -> sender   -> Maxim
                                          -> outbox of attachments -> uploader -> storage, and one more log for each

The caller writes each log down as a line: that takes two microseconds, and thousands of dictionaries that wait for
another thread cost an event loop much more, since the garbage collector goes through all of them again and again.
One thread puts the lines together, and one sends them: what belongs to a trace arrives in the order in which it was
logged, and batches grow by themselves when the backend is slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from . import process
from .outbox import LARGE, Barrier, Counts, Item, Limits, Outbox
from .sender import BATCH_SIZE, Sender
from .spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .sender import Failure

WARNINGS: Final = logging.getLogger("maxim_gemini")

LINGER: Final = 1.0
"""Seconds that the first log waits for others."""

ENOUGH: Final = 2_000
"""Logs that wait for no others."""

REASONS: Final = 100
"""Reasons that are counted apart: there may be any number of error messages."""

CROWDED: Final = 20_000
"""Logs that may wait to be written down; threads that log more wait until there are fewer."""


class Bell:
    """Wakes one thread early; unlike an event it may be rung by a signal's handler in the midst of being rung."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> None:
        """Wait until it rings, if it did not before."""
        self._lock.acquire(timeout=seconds)

    def ring(self) -> None:
        """Wake who waits."""
        with contextlib.suppress(RuntimeError):  # it rings already
            self._lock.release()


class Transport(Protocol):
    """How to write a log down, and how to send it."""

    def written(self, log: Any) -> Any:
        """Return *log* as a line; what has content elsewhere as it is."""
        ...

    def item(self, log: Any) -> Item:
        """Return what has content elsewhere as it is kept and sent."""
        ...

    def push(self, lines: bytes) -> None:
        """Send lines of logs."""
        ...

    def store(self, line: bytes) -> bytes:
        """Put a large log into the storage; return the line to send in its place."""
        ...

    def upload(self, attachment: bytes) -> Any:
        """Put an attachment into the storage; return the log of it."""
        ...

    def failure(self, error: Exception) -> Failure:
        """Return why something could not be sent."""
        ...

    def open(self, *, anew: bool = False) -> None:
        """Open connections, if they are closed, or belong to the parent process."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Source(Protocol):
    """What logs in the background."""

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until it has logged all that it has to; return whether it has, within *timeout* seconds."""
        ...


class Delivery:
    """What became of the logs of one Maxim logger.

    *account* names the account and repository for which logs are kept on disk in *folder*; *timeout* is the number of
    seconds that the end of the process, and `flush`, wait for the backend.
    """

    def __init__(
        self, transport: Transport, account: str, *, limits: Limits | None = None, folder: Path, timeout: float = 10.0
    ) -> None:
        self.timeout = timeout
        self.folder = folder
        self.before_close: list[Callable[[], object]] = []
        """What is called before it is closed, and may still log."""
        self._limits = limits or Limits()
        self._transport = transport
        self._account = account
        self._sources: list[Source] = []
        self._begin()

    def open(self) -> None:
        """Be there for the end of the process and for its forks, and send what an ended process left."""
        process.watch(self)
        if self._spool.has_any():
            self._start()

    def _begin(self) -> None:
        self._counts = Counts()
        self._reasons: dict[str, int] = {}
        self._warned: set[str] = set()
        self._intake: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._spool = Spool(self.folder, self._account)
        self._logs = Outbox(self._spool, self._counts, self._limits, self._lose)
        self._attachments = Outbox(self._spool, self._counts, self._limits, self._lose)
        self._turn = threading.Lock()
        self._starting = threading.RLock()
        self._awaited: set[Barrier] = set()
        self._bells = {name: Bell() for name in ("collect", "send", "upload")}
        self._in_hand = 0
        self._is_running = False
        self.is_abandoned = False
        self._thread: threading.Thread | None = None

    def begin_again(self) -> None:
        """Begin with nothing, in a forked child: what waits is sent by the parent."""
        self._spool.forget()  # its lock and its files are the parent's, as are the connections
        self._transport.open(anew=True)
        self._begin()

    def configure(self, limits: Limits, *, folder: Path, timeout: float) -> None:
        """Change the settings; what is on disk already stays where it is."""
        self.timeout = timeout
        self._limits = self._logs.limits = self._attachments.limits = limits
        if folder != self.folder:
            self.folder = folder
            self._spool.move(folder)

    # ------------------------------------------------------------------------------------------------------------------

    def put(self, log: Any) -> None:
        """Take a log; all but writing it down is done by other threads."""
        waiting = self._intake.qsize()
        if waiting >= CROWDED and not self._wait_to_enter():
            self._lose_one("logs came faster than they can be put together")
            return
        try:
            self._intake.put(self._transport.written(log))
        except Exception as error:
            self._lose_unwritten(error)
            return
        if waiting == ENOUGH:  # not at every log above: a bell takes a lock, and once is enough to wake the collector
            self._bells["collect"].ring()
        if not self._is_running:
            self._start()

    def _wait_to_enter(self) -> bool:
        """Let the collector work: threads wait for it; an event loop is slowed down, at five times as many."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            while self._intake.qsize() >= CROWDED and self._is_running:
                time.sleep(0.001)
        else:
            if self._intake.qsize() >= 5 * CROWDED:
                time.sleep(0.0005)
        return self._intake.qsize() < 10 * CROWDED

    def wait_for(self, source: Source) -> None:
        """Have a flush wait for what logs in the background."""
        if source not in self._sources:
            self._sources.append(source)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was logged so far is sent; return whether it is, within *timeout* seconds."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        if not all(source.settle(max(0, end - time.monotonic())) for source in self._sources):
            return False
        return self._pass_barrier(end) and self._pass_barrier(end)  # each attachment adds a log

    def _pass_barrier(self, end: float) -> bool:
        if not self._is_running:
            if self._intake.empty():
                return not len(self._logs) + len(self._attachments)
            self._start()
            if not self._is_running:
                return False
        barrier = Barrier(queues=2)
        self._awaited.add(barrier)
        try:
            self._intake.put(barrier)
            self._ring()
            return barrier.passed.wait(max(0, end - time.monotonic()))
        finally:
            self._awaited.discard(barrier)

    def _ring(self) -> None:
        for bell in self._bells.values():
            bell.ring()

    def finish(self) -> None:
        """Have logged what is left to be logged at the end."""
        for do in list(self.before_close):
            do()

    def close(self, timeout: float | None = None) -> bool:
        """Wait until all is sent; keep on disk what is not, for the next process."""
        self.finish()
        complete = self.flush(timeout)
        if complete:
            self._spool.tidy()
            self._stop()
        else:
            # The threads go on: the backend may come back before the end.
            if lost := self._logs.keep_all() + self._attachments.keep_all():
                self.warn("kept", f"{lost} logs wait in memory only: {self._spool.path} can't be written to")
            elif waiting := self.queued:
                where = self._spool.path
                self.warn("kept", f"{waiting} logs are not sent yet; the next process that logs sends {where}")
        return complete

    def abandon(self) -> None:
        """Stop at once; what is on disk stays there for the next delivery, and what is in memory is lost."""
        self.is_abandoned = True
        self._ring()
        self._stop()
        while self._thread is not None and self._thread.is_alive():
            self._logs.discard()
            self._attachments.discard()
            self._thread.join(0.001)
        self._spool.forget()

    def _stop(self) -> None:
        with self._starting:
            if self._is_running:
                self._is_running = False
                self._intake.put(Barrier(queues=2, is_last=True))

    # ------------------------------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Logs that wait to be sent, in memory or on disk."""
        return self._in_hand + self._intake.qsize() + len(self._logs) + len(self._attachments)

    @property
    def sent(self) -> int:
        """Logs that Maxim has taken."""
        return self._counts.sent

    @property
    def retried(self) -> int:
        """Requests that had to be made again."""
        return self._counts.retried

    @property
    def dropped(self) -> int:
        """Logs that are lost; `reasons` has more."""
        return self._counts.dropped

    @property
    def spilled(self) -> int:
        """Logs that were written to disk, to be sent later."""
        return self._counts.spilled

    @property
    def recovered(self) -> int:
        """Logs that ended processes had left on disk."""
        return self._counts.recovered

    @property
    def reasons(self) -> dict[str, int]:
        """How many logs are lost for each reason."""
        return dict(self._reasons)

    def __repr__(self) -> str:
        names = ("queued", "sent", "retried", "dropped", "spilled", "recovered")
        return f"<Delivery {' '.join(f'{name}={getattr(self, name)}' for name in names)}>"

    def _lose(self, count: int, why: str) -> None:
        if len(self._reasons) >= REASONS:
            why = "other reasons"
        self._reasons[why] = self._reasons.get(why, 0) + count
        self.warn("lost", f"Logs are lost: {why}. See `client.delivery` for their number; this is the only warning.")

    def _lose_one(self, why: str) -> None:
        self._counts.dropped += 1
        self._lose(1, why)

    def _lose_unwritten(self, error: Exception) -> None:
        self._lose_one(f"one could not be written down ({type(error).__name__}: {error})")

    def warn(self, kind: str, message: str) -> None:
        """Warn once of each kind of trouble."""
        if kind not in self._warned:
            self._warned.add(kind)
            WARNINGS.warning("%s", message)

    # ------------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._starting:  # several threads may log at once for the first time
            if self._is_running or self.is_abandoned:
                return
            self._is_running = True
            # All of them now: a process that is about to end can't start any more (since Python 3.12).
            is_ready = threading.Event()
            workers = [
                threading.Thread(target=self._work, args=(is_ready, *work), name="maxim-gemini", daemon=True)
                for work in (
                    ("send", self._logs, self._send_logs, self._recover),
                    ("upload", self._attachments, self._send_attachment, lambda: None),
                )
            ]
            self._thread = threading.Thread(
                target=self._run, args=(is_ready, workers), name="maxim-gemini", daemon=True
            )
            try:
                for thread in (*workers, self._thread):
                    thread.start()
            except RuntimeError:  # the interpreter is shutting down
                self._is_running, self._thread = False, None

    def _run(self, is_ready: threading.Event, workers: list[threading.Thread]) -> None:
        """Collect, and let the *workers* send, until the last barrier."""
        with self._turn:  # those that were stopped before finish first
            self._guarded(self._transport.open)
            self._guarded(self._recover)
            is_ready.set()
            while not self._guarded(self._collect):
                pass
            for worker in workers:
                worker.join()
            self._spool.tidy()
            self._guarded(self._transport.close)

    def _work(
        self,
        is_ready: threading.Event,
        name: str,
        outbox: Outbox,
        send: Callable[[list[Item]], None],
        when_idle: Callable[[], None],
    ) -> None:
        is_ready.wait()
        rest = functools.partial(self._rest, name)
        sender = Sender(outbox, send=send, failure=self._transport.failure, rest=rest, warn=self.warn)
        while not self._guarded(lambda: sender.step(when_idle)):
            pass

    def _guarded(self, step: Callable[[], bool | None]) -> bool:
        """Go on after a fault of ours: one bad step must not end the thread."""
        try:
            return bool(step())
        except Exception as error:
            self.warn(f"fault: {type(error)}", f"The delivery of logs had trouble: {type(error).__name__}: {error}")
            time.sleep(0.1)
            return False

    def _recover(self) -> None:
        """Take over what ended processes left."""
        self._spool.tidy()
        for kept in self._spool.adopt():
            with contextlib.suppress(OSError, ValueError):  # somebody else's file, or already gone
                (self._logs if kept.kind == "log" else self._attachments).put_recovered(kept)

    def _rest(self, who: str, seconds: float, when_awaited: float, enough: int = sys.maxsize) -> None:
        """Wait; only as long as *when_awaited* if somebody waits for us, and until *enough* logs wait."""
        begin = time.monotonic()
        while not self.is_abandoned and self._intake.qsize() <= enough:
            left = begin + (when_awaited if self._awaited else seconds) - time.monotonic()
            if left <= 0:
                return
            self._bells[who].wait(left)

    def _collect(self) -> bool:
        """Move what was logged into the outboxes; return whether it was the last."""
        self._in_hand = 0
        log = self._intake.get()
        self._in_hand = 1
        self._rest("collect", LINGER, 0, enough=ENOUGH)
        lines: list[bytes] = []
        size, largest = 0, min(BATCH_SIZE, self._limits.memory)
        while True:
            if isinstance(log, bytes) and len(log) < LARGE:
                if size + len(log) >= largest:
                    self._put_lines(lines)
                    size = 0
                lines.append(log)
                size += len(log) + 1
            elif (item := log if isinstance(log, Barrier) else self._item(log)) is not None:
                self._put_lines(lines)
                size = 0
                self._put(item)
                if isinstance(item, Barrier) and item.is_last:
                    return True
            try:
                log = self._intake.get_nowait()
                self._in_hand += 1
            except queue.Empty:
                self._put_lines(lines)
                return False

    def _item(self, log: Any) -> Item | None:
        """Return what does not go with others."""
        try:
            return Item("log", log, is_large=True) if isinstance(log, bytes) else self._transport.item(log)
        except Exception as error:
            self._lose_unwritten(error)
            return None

    def _put_lines(self, lines: list[bytes]) -> None:
        if lines:
            self._put(Item.of_lines(lines))
            self._in_hand = 0
            lines.clear()

    def _put(self, item: Item | Barrier) -> None:
        if isinstance(item, Barrier):
            self._logs.put(item)
            self._attachments.put(item)
            return
        outbox = self._logs if item.kind == "log" else self._attachments
        has_room = outbox.limits.when_full == "wait" and outbox.wait_for_room(self._is_urgent)
        outbox.put(item, make_room=not has_room)

    def _is_urgent(self) -> bool:
        """Return whether nothing may wait for room: an event loop goes on logging, or somebody waits for the end."""
        return self.is_abandoned or bool(self._awaited) or self._intake.qsize() > CROWDED

    def _send_logs(self, items: list[Item]) -> None:
        for item in items:
            if item.is_large:
                item.content, item.is_large = self._transport.store(item.read()), False
        self._transport.push(b"\n".join(item.read() for item in items))

    def _send_attachment(self, items: list[Item]) -> None:
        for item in items:
            self._intake.put(self._transport.written(self._transport.upload(item.read())))
