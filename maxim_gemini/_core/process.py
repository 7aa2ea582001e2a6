"""Close deliveries when the process ends or is terminated, and reset them when it forks."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from types import FrameType


class Delivery(Protocol):
    """Something that has to know when the process ends or forks."""

    timeout: float

    def finish(self) -> None: ...
    def close(self, timeout: float) -> object: ...
    def begin_again(self) -> None: ...


_watched: Final[weakref.WeakSet[Delivery]] = weakref.WeakSet()


def watch(delivery: Delivery) -> None:
    """Close *delivery* when the process ends, and reset it in a forked child."""
    _watched.add(delivery)
    atexit.unregister(_close_all)
    atexit.register(_close_all)  # functions that were registered last are called first
    # SIGTERM would end the process at once, unless the application handles it; only the main thread can set handlers.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
    _end_well_as_a_child()


def _close_all() -> None:
    for delivery in list(_watched):  # finish all before any is closed: a log of one may be delivered by another
        delivery.finish()
    # One limit for all, so that several loggers do not add up their timeouts.
    end = time.monotonic() + max((delivery.timeout for delivery in _watched), default=0)
    for delivery in list(_watched):
        delivery.close(max(0, min(delivery.timeout, end - time.monotonic())))


def _terminated(number: int, _frame: FrameType | None) -> None:
    try:
        _close_all()
    finally:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # end as without a handler


def _end_well_as_a_child() -> None:
    """Close at the end of a `multiprocessing` child, which calls no function registered with `atexit`.

    A child forgets the finalizers of its parent, so they are registered again after each fork.
    """
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_watched, _finalize)
        if sys.modules["multiprocessing"].parent_process() is not None:
            _finalize()


def _finalize(_watched: object = None) -> None:
    from multiprocessing.util import Finalize

    Finalize(None, _close_all, exitpriority=0)


def _after_fork() -> None:
    for delivery in list(_watched):
        delivery.begin_again()
    _end_well_as_a_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
