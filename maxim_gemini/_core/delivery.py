"""Deliver all logs: in order, in the background, until Maxim has accepted them.

    commit -> line -> intake -> collector -> outbox of logs        -> sender   -> Maxim
                                          -> outbox of attachments -> uploader -> storage, and one more log for each

The caller serializes each log to a line, which takes two microseconds. Thousands of dictionaries that wait for another
thread would cost an event loop much more, because the garbage collector visits all of them again and again.
One thread collects the lines, and one sends them: the logs of a trace arrive in the order in which they were written,
and batches grow when the backend is slow.
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
"""Seconds for which the first log of a batch waits for others."""

ENOUGH: Final = 2_000
"""Number of logs that are sent at once, without waiting for more."""

REASONS: Final = 100
"""Reasons that are counted separately: the number of different error messages has no limit."""

CROWDED: Final = 20_000
"""Logs that may wait for the collector; threads that log more have to wait until there are fewer."""


class Bell:
    """Wakes one thread early. Unlike an event, it is safe in a signal handler that interrupts `ring` itself."""

    def __init__(self) -> None:
        # A plain lock, locked until `ring` is called: releasing it takes no other lock.
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> None:
        """Wait until it rings; return at once if it rang since the last wait."""
        self._lock.acquire(timeout=seconds)

    def ring(self) -> None:
        """Wake the thread that waits."""
        with contextlib.suppress(RuntimeError):  # it is ringing already
            self._lock.release()


class Transport(Protocol):
    """A way to serialize a log and to send it."""

    def written(self, log: Any) -> Any:
        """Return *log* as a line; unchanged if its content has to be read or made first, as that of an attachment."""
        ...

    def item(self, log: Any) -> Item:
        """Return a log that `written` left unchanged, in the form in which it is kept and sent."""
        ...

    def push(self, lines: bytes) -> None:
        """Send lines of logs."""
        ...

    def store(self, line: bytes) -> bytes:
        """Upload a large log to Maxim's storage; return the line to send instead of it."""
        ...

    def upload(self, attachment: bytes) -> Any:
        """Upload an attachment to Maxim's storage; return the log that refers to it."""
        ...

    def failure(self, error: Exception) -> Failure:
        """Return why sending failed."""
        ...

    def open(self, *, anew: bool = False) -> None:
        """Open connections if they are closed, and new ones if *anew*: after a fork they belong to the parent."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Source(Protocol):
    """Something that writes logs in the background."""

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until its pending logs are written; return whether they were within *timeout* seconds."""
        ...


class Delivery:
    """The delivery of one Maxim logger's logs, and the state of it.

    *account* identifies the account and repository that the logs kept on disk in *folder* belong to. *timeout* is the
    number of seconds for which `flush` and the end of the process wait for the backend.
    """

    def __init__(
        self, transport: Transport, account: str, *, limits: Limits | None = None, folder: Path, timeout: float = 10.0
    ) -> None:
        self.timeout = timeout
        self.folder = folder
        self.before_close: list[Callable[[], object]] = []
        """Functions that are called before it is closed, and may still write logs."""
        self._limits = limits or Limits()
        self._transport = transport
        self._account = account
        self._sources: list[Source] = []
        self._begin()

    def open(self) -> None:
        """Watch for the end of the process and its forks, and send the logs that an ended process has left."""
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
        """Start empty, in a forked child: the parent sends the logs that wait."""
        self._spool.forget()  # its lock and its files are the parent's, as are the connections
        self._transport.open(anew=True)
        self._begin()

    def configure(self, limits: Limits, *, folder: Path, timeout: float) -> None:
        """Change the settings; files that are on disk already are not moved."""
        self.timeout = timeout
        self._limits = self._logs.limits = self._attachments.limits = limits
        if folder != self.folder:
            self.folder = folder
            self._spool.move(folder)

    # ------------------------------------------------------------------------------------------------------------------

    def put(self, log: Any) -> None:
        """Add a log: serialize it here, and leave the rest to other threads."""
        waiting = self._intake.qsize()
        if waiting >= CROWDED and not self._wait_to_enter():
            self._lose_one("they are written faster than they can be collected")
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
        """Wait for the collector. An event loop must not stop: it is only slowed down, at five times as many logs."""
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
        """Make `flush` wait for a source that writes logs in the background."""
        if source not in self._sources:
            self._sources.append(source)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all logs so far are sent; return whether they were within *timeout* seconds."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        if not all(source.settle(max(0, end - time.monotonic())) for source in self._sources):
            return False
        return self._pass_barrier(end) and self._pass_barrier(end)  # the second is for the logs that attachments add

    def _pass_barrier(self, end: float) -> bool:
        if not self._is_running:
            # Without a thread there may still be logs that it has left in the outboxes.
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
        """Write the last logs, those of work that is still open at the end."""
        for do in list(self.before_close):
            do()

    def close(self, timeout: float | None = None) -> bool:
        """Wait until all logs are sent; keep the rest on disk for the next process; return whether all were sent."""
        self.finish()
        complete = self.flush(timeout)
        if complete:
            self._spool.tidy()
            self._stop()
        else:
            # The threads keep running: the backend may be back before the process ends.
            if lost := self._logs.keep_all() + self._attachments.keep_all():
                self.warn("kept", f"{lost} logs are not sent yet, and could not be written to {self._spool.path}")
            elif waiting := self.queued:
                where = self._spool.path
                self.warn("kept", f"{waiting} logs are not sent yet; the next process that logs to Maxim sends {where}")
        return complete

    def abandon(self) -> None:
        """Stop at once: logs on disk stay there for the next delivery, logs in memory are lost."""
        self.is_abandoned = True
        self._ring()
        self._stop()
        while self._thread is not None and self._thread.is_alive():
            self._logs.discard()
            self._attachments.discard()
            self._thread.join(0.001)
        self._spool.forget()

    def _stop(self) -> None:
        # A barrier, so that the threads end behind all logs that were added before.
        with self._starting:
            if self._is_running:
                self._is_running = False
                self._intake.put(Barrier(queues=2, is_last=True))

    # ------------------------------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Number of logs that wait to be sent, in memory or on disk."""
        return self._in_hand + self._intake.qsize() + len(self._logs) + len(self._attachments)

    @property
    def sent(self) -> int:
        """Number of logs that Maxim has accepted."""
        return self._counts.sent

    @property
    def retried(self) -> int:
        """Number of requests that were repeated."""
        return self._counts.retried

    @property
    def dropped(self) -> int:
        """Number of logs that are lost; `reasons` says why."""
        return self._counts.dropped

    @property
    def spilled(self) -> int:
        """Number of logs that were written to disk to be sent later."""
        return self._counts.spilled

    @property
    def recovered(self) -> int:
        """Number of logs that earlier processes had left on disk."""
        return self._counts.recovered

    @property
    def reasons(self) -> dict[str, int]:
        """Number of lost logs for each reason."""
        return dict(self._reasons)

    def __repr__(self) -> str:
        names = ("queued", "sent", "retried", "dropped", "spilled", "recovered")
        return f"<Delivery {' '.join(f'{name}={getattr(self, name)}' for name in names)}>"

    def _lose(self, count: int, why: str) -> None:
        # Messages of errors may hold ids and addresses, so that no two are the same.
        if len(self._reasons) >= REASONS:
            why = "other reasons"
        self._reasons[why] = self._reasons.get(why, 0) + count
        self.warn("lost", f"Logs are lost: {why}. See `client.delivery` for their number; this warning is given once.")

    def _lose_one(self, why: str) -> None:
        self._counts.dropped += 1
        self._lose(1, why)

    def _lose_unwritten(self, error: Exception) -> None:
        self._lose_one(f"one could not be serialized ({type(error).__name__}: {error})")

    def warn(self, kind: str, message: str) -> None:
        """Warn once for each kind of problem."""
        if kind not in self._warned:
            self._warned.add(kind)
            WARNINGS.warning("%s", message)

    # ------------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._starting:  # several threads may log at once for the first time
            if self._is_running or self.is_abandoned:
                return
            self._is_running = True
            # All threads start now: a process that is about to end can't start any (since Python 3.12).
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
        with self._turn:  # threads that were stopped earlier finish first
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
        """Run *step* and survive a fault of this package: one failed step must not end the thread."""
        try:
            return bool(step())
        except Exception as error:
            self.warn(f"fault: {type(error)}", f"The delivery of logs failed: {type(error).__name__}: {error}")
            time.sleep(0.1)
            return False

    def _recover(self) -> None:
        """Take over the files that ended processes have left."""
        self._spool.tidy()
        for kept in self._spool.adopt():
            with contextlib.suppress(OSError, ValueError):  # another program's file, or one that is gone already
                (self._logs if kept.kind == "log" else self._attachments).put_recovered(kept)

    def _rest(self, who: str, seconds: float, when_awaited: float, enough: int = sys.maxsize) -> None:
        """Wait *seconds*, or *when_awaited* while a `flush` waits; return early if more than *enough* logs arrive."""
        begin = time.monotonic()
        while not self.is_abandoned and self._intake.qsize() <= enough:
            left = begin + (when_awaited if self._awaited else seconds) - time.monotonic()
            if left <= 0:
                return
            self._bells[who].wait(left)

    def _collect(self) -> bool:
        """Move logs from the intake into the outboxes; return whether the last barrier was among them."""
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
        """Return an item of its own: a large line, or a log that is no line yet; `None` if it is lost."""
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
        """Return whether waiting for room must stop: too many logs wait before it, or a `flush` waits for the end."""
        return self.is_abandoned or bool(self._awaited) or self._intake.qsize() > CROWDED

    def _send_logs(self, items: list[Item]) -> None:
        for item in items:
            if item.is_large:
                item.content, item.is_large = self._transport.store(item.read()), False
        self._transport.push(b"\n".join(item.read() for item in items))

    def _send_attachment(self, items: list[Item]) -> None:
        for item in items:
            self._intake.put(self._transport.written(self._transport.upload(item.read())))
