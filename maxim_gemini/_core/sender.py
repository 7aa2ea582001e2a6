"""Send the items of an outbox in order; repeat each request until the backend accepts it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from .outbox import Barrier, Item

if TYPE_CHECKING:
    from collections.abc import Callable

    from .outbox import Outbox

BATCH_SIZE: Final = 5 * 1024 * 1024
"""Bytes that one request has at most; the same as in maxim-py."""

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0

SUSPICIOUS: Final = 5
"""Number of server errors in a row after which one log of the batch is suspected to be the cause."""

LOOK_AROUND: Final = 60.0
"""Seconds without work after which the thread looks for files of ended processes."""


class Failure(NamedTuple):
    """Why sending failed."""

    kind: Literal["unreachable", "busy", "server error", "forbidden", "refused", "impossible"]
    """`refused`: would be refused again. `impossible`: can't even be read. All others may succeed later."""
    message: str
    retry_after: float | None = None


class Sender:
    """The steps of one thread, which sends the items of one outbox."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        send: Callable[[list[Item]], None],
        failure: Callable[[Exception], Failure],
        rest: Callable[[float, float], None],
        warn: Callable[[str, str], None],
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._failure = failure
        self._rest = rest
        self._warn = warn
        self._failures = 0

    def step(self, when_idle: Callable[[], None]) -> bool:
        """Send the next items; return whether the last barrier was reached."""
        work = self._outbox.take(BATCH_SIZE, timeout=LOOK_AROUND)
        if isinstance(work, Barrier):
            work.pass_one()
            return work.is_last
        if work is None:
            when_idle()
        else:
            self._try_to_send(work)
        return False

    def _try_to_send(self, items: list[Item]) -> None:
        failure = self._attempt(items)
        if failure is None:
            self._outbox.done(items, sent=True)
        elif failure.kind == "impossible":
            self._outbox.done(items, lost=failure.message)
        elif failure.kind == "refused":
            if len(items) > 1 or items[0].count > 1:  # find the log that is refused; all others are sent
                self._outbox.done(items, replaced_by=halves(items))
            else:
                self._outbox.done(items, lost=f"Maxim refused it: {failure.message}")
        elif failure.kind != "server error" or self._failures < SUSPICIOUS or not self._find_the_cause(items):
            self._outbox.put_back()
            self._outbox.counts.retried += 1
            delay = failure.retry_after
            if delay is None:  # random, so that processes that failed at the same time do not retry at the same time
                delay = min(FIRST_DELAY * 2 ** min(self._failures - 1, 16), LONGEST_DELAY) * random.uniform(0.5, 1)
            self._rest(delay, delay if failure.retry_after else min(delay, FIRST_DELAY))

    def _attempt(self, items: list[Item]) -> Failure | None:
        try:
            self._send(items)
        except Exception as error:
            failure = self._failure(error)
        else:  # the next failure is the first of a new row
            self._failures = 0
            return None
        self._failures += 1
        if failure.kind == "forbidden":
            self._warn("forbidden", f"Maxim does not accept the logs: {failure.message}. They wait; check the API key.")
        return failure

    def _find_the_cause(self, items: list[Item]) -> bool:
        """Send each half of *items*, which keep failing: if one is accepted, the cause is a log in the other half.

        Only then does the order change: some of these logs can't be sent at all.
        """
        if len(items) == 1 and items[0].count == 1:
            if items[0].is_suspect:
                self._outbox.done(items, lost="the backend fails on it, and accepts others")
            return items[0].is_suspect
        first, second = halves(items)
        for half, other in ((second, first), (first, second)):
            failures = self._failures
            if self._attempt([half]) is None:
                self._failures = SUSPICIOUS  # the next step splits the other half without waiting for more failures
                other.is_suspect = True
                self._outbox.done(items, replaced_by=[other])
                self._outbox.counts.sent += half.count
                return True
            self._failures = failures
        return False


def halves(items: list[Item]) -> tuple[Item, Item]:
    """Return the lines of *items* as two items."""
    lines = [line for item in items for line in item.read().splitlines()]
    middle = len(lines) // 2
    return Item.of_lines(lines[:middle], is_alone=True), Item.of_lines(lines[middle:], is_alone=True)
