"""A queue of logs and attachments to send, in order: in memory up to a limit, and beyond it as `when_full` says."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .spool import Kept, Spool

LARGE: Final = 900 * 1024
"""Size in bytes from which on a log is uploaded to Maxim's storage; the same as in maxim-py."""

WhenFull = Literal["spill", "wait", "drop_oldest"]


class CannotBeRead(Exception):
    """The content to send can't be read any more."""


class Item:
    """Some lines of logs, or one attachment: in memory, on disk, or both."""

    __slots__ = ("content", "count", "is_alone", "is_large", "is_suspect", "kept", "kind", "size")

    def __init__(
        self, kind: str, content: bytes | None, count: int = 1, *, kept: Kept | None = None, is_large: bool = False
    ) -> None:
        self.kind = kind
        self.content = content
        self.count = count
        self.size = len(content) if content is not None else 0
        self.kept = kept
        self.is_large = is_large
        """`True` if it is one line that is uploaded to Maxim's storage first."""
        self.is_alone = False
        """`True` if it must be sent in a request of its own."""
        self.is_suspect = False
        """`True` if the backend fails on it while it accepts others."""

    @classmethod
    def of_lines(cls, lines: list[bytes], *, is_alone: bool = False) -> Item:
        """Return an item of several lines."""
        item = cls("log", b"\n".join(lines), len(lines))
        item.is_alone = is_alone
        return item

    def read(self) -> bytes:
        """Return the content; read it from disk if it is no longer in memory."""
        if self.content is not None:
            return self.content
        assert self.kept is not None
        try:
            return self.kept.read()
        except OSError as error:
            raise CannotBeRead(f"a file of logs that were kept on disk can't be read: {error}") from error


class Barrier:
    """A mark in the queue: once it has passed, all logs before it were sent or dropped.

    It passes when it came to the head of *queues* outboxes. A thread ends at the barrier that is the last one.
    """

    def __init__(self, queues: int, *, is_last: bool = False) -> None:
        self.is_last = is_last
        self._to_pass = queues
        self._lock = threading.Lock()
        self.passed = threading.Event()

    def pass_one(self) -> None:
        """Note that it came to the head of one more queue."""
        with self._lock:
            self._to_pass -= 1
            if self._to_pass == 0:
                self.passed.set()


class Counts:
    """Numbers of logs by what happened to them; each number is changed by one thread at a time."""

    __slots__ = ("dropped", "recovered", "retried", "sent", "spilled")

    def __init__(self) -> None:
        self.sent = self.retried = self.dropped = self.spilled = self.recovered = 0


class Limits(NamedTuple):
    """The number of bytes that may wait, and the policy when there are more."""

    when_full: WhenFull = "spill"
    memory: int = 16 * 1024 * 1024
    disk: int = 1024 * 1024 * 1024
    journal: bool = False


class Outbox:
    """A queue between the thread that fills it and the one that sends."""

    def __init__(self, spool: Spool, counts: Counts, limits: Limits, lose: Callable[[int, str], None]) -> None:
        self.limits = limits
        self.counts = counts
        self._spool = spool
        self._lose = lose
        self._items: deque[Item | Barrier] = deque()
        self._in_memory = 0
        self._on_disk = 0
        self._taken: list[Item] = []
        self._changed = threading.Condition(threading.RLock())  # a signal handler may interrupt the thread that has it

    def __len__(self) -> int:
        """The number of logs in it."""
        with self._changed:
            return sum(item.count for item in self._items if isinstance(item, Item))

    @property
    def is_full(self) -> bool:
        """`True` if more bytes are in memory than the limit allows."""
        return self._in_memory > self.limits.memory

    def put(self, item: Item | Barrier, *, make_room: bool = True) -> None:
        """Add *item* at the end; make room if there is too much in memory then."""
        with self._changed:
            self._items.append(item)
            if isinstance(item, Item):
                self._in_memory += item.size
                if self.limits.journal:
                    self._keep(item)
                if make_room and self.is_full:
                    self._make_room(item)
            self._changed.notify_all()

    def put_recovered(self, kept: Kept) -> None:
        """Add a file that an ended process left."""
        with self._changed:
            self._on_disk += kept.path.stat().st_size
            self.counts.recovered += kept.count
            self._items.append(Item(kept.kind, None, kept.count, kept=kept))
            self._changed.notify_all()

    def wait_for_room(self, is_urgent: Callable[[], bool]) -> bool:
        """Wait until there is room, or it is urgent; return whether there is room."""
        with self._changed:
            while self.is_full and not is_urgent():
                self._changed.wait(0.05)
            return not self.is_full

    def take(self, size: int, timeout: float) -> list[Item] | Barrier | None:
        """Return the next items, up to *size* bytes, or a barrier, which is removed; `None` if it stays empty."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout)
            if not self._items:
                return None
            first = self._items[0]
            if isinstance(first, Barrier):
                self._items.popleft()
                return first
            # They stay at the head until `done`: if the process ends during the request, they are kept with the others.
            self._taken = self._run(first, size)
            return self._taken

    def _run(self, first: Item, size: int) -> list[Item]:
        """Return the first item, and those behind it that fit into the same request."""
        run = [first]
        if not _joins_others(first):
            return run
        size -= first.size
        for item in islice(self._items, 1, None):
            if isinstance(item, Barrier) or not _joins_others(item) or item.size >= size:
                break
            run.append(item)
            size -= item.size + 1  # and the line end between two
        return run

    def put_back(self) -> None:
        """Leave the items that were taken at the head: they could not be sent yet."""
        with self._changed:
            self._taken = []

    def done(
        self, items: Sequence[Item], *, sent: bool = False, replaced_by: Sequence[Item] = (), lost: str = ""
    ) -> None:
        """Remove the items that were taken: they were sent, are *replaced_by* others, or are *lost* for this reason."""
        with self._changed:
            taken, self._taken = self._taken, []
            if not taken:  # everything was discarded meanwhile
                return
            for item in items:
                self._items.popleft()
                self._forget(item)
                if sent and item.kind == "log":  # an attachment adds a log, which is counted
                    self.counts.sent += item.count
                if lost:
                    self._give_up(item, lost)
            for item in reversed(replaced_by):
                self._items.appendleft(item)
                self._in_memory += item.size
                if self.limits.journal:
                    self._keep(item)
            self._changed.notify_all()

    def _give_up(self, item: Item, why: str) -> None:
        self.counts.dropped += item.count
        self._lose(item.count, why)

    def _forget(self, item: Item) -> None:
        if item.content is not None:
            self._in_memory -= item.size
        if item.kept is not None:
            with contextlib.suppress(OSError):  # the folder for temporary files may have been cleared
                self._on_disk -= item.kept.path.stat().st_size
                item.kept.remove()

    def _make_room(self, newest: Item) -> None:
        if self.limits.when_full != "drop_oldest" and self._keep(newest):
            if newest.content is not None:
                newest.content = None
                self._in_memory -= newest.size
            return
        # Never the newest itself: if all older ones are being sent now, their memory is free soon.
        while self.is_full and self._drop_oldest("the queue is full", newest=newest):
            pass

    def _keep(self, item: Item) -> bool:
        """Write an item to disk if it is not there yet; return whether it is there."""
        if item.kept is not None:
            return True
        content = item.read() + (b"\n" if item.kind == "log" else b"")
        while self._on_disk + len(content) > self.limits.disk:
            if not self._drop_oldest("the disk limit is reached", on_disk=True):
                return False
        try:
            item.kept = self._spool.write(item.kind, content, item.count)
        except OSError:
            return False
        self._on_disk += len(content)
        self.counts.spilled += item.count
        return True

    def _drop_oldest(self, why: str, *, newest: Item | None = None, on_disk: bool = False) -> bool:
        for item in self._items:
            # An item that was taken may have been delivered by now: it must not count as lost.
            if item is newest or isinstance(item, Barrier) or item in self._taken:
                continue
            if item.kept if on_disk else item.content:
                self._items.remove(item)
                self._forget(item)
                self._give_up(item, why)
                return True
        return False

    def discard(self) -> None:
        """Drop all items in memory; files on disk stay there."""
        with self._changed:
            self._items = deque(item for item in self._items if isinstance(item, Barrier))
            self._taken = []
            self._in_memory = 0

    def keep_all(self) -> int:
        """Write all items to disk for the next process; return how many logs could not be written."""
        # They stay in the queue, too: the backend may be back before the process ends.
        with self._changed:
            waiting = [item for item in self._items if isinstance(item, Item)]
            return sum(item.count for item in waiting if not self._keep(item))


def _joins_others(item: Item) -> bool:
    return item.kind == "log" and item.content is not None and not item.is_large and not item.is_alone
