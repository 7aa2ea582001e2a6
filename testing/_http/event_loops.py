"""Detect waits in an event loop that can never end.

A replay that waits for the client does not know what the application will do. But nothing can be sent any more if no
callback is ready, no timer is running, no socket is open, no task waits for a thread and, if the loop is in another
thread, the main thread waits, too. This is checked from outside of the loop, every 50 ms, by a clock that no test
stops.

Timers that only end waits (`asyncio.timeout`, `wait_for`, anyio's scopes) count if they end within a second: an
application may listen for a moment, and then send. Longer ones are guards against hanging.

Private names of asyncio, none of which has a public equivalent: `_ready`, `_scheduled`, `_selector` and `_ssock` of
loops, and `_cancelled` and `_callback` of handles. A loop without them (uvloop) is not checked.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from typing import Any, Final

from maxim_gemini.testing._clock import monotonic

_LOOK: Final = 0.05
"""Seconds between two checks."""
_LOOKS: Final = 4
"""Number of checks in a row at which nothing can happen: another thread may be about to call."""
PATIENCE: Final = 5.0
"""Seconds after which a wait ends although something may still happen, such as a task that never ends."""
_GUARD: Final = 1.0
"""Seconds from which on a time limit counts as a guard against hanging."""
_LIMITS: Final = frozenset({"Timeout", "CancelScope"})
_END_WAITS: Final = frozenset(
    {("asyncio.timeouts", "_on_timeout"), ("asyncio.tasks", "wait_for"), ("anyio._backends._asyncio", "_timeout")}
)
"""The functions that cancel at a time limit: of `asyncio.timeout`, Python 3.11's `wait_for` and anyio's scopes."""
_THREADS: Final = frozenset({"to_thread", "run_sync", "run_sync_in_worker_thread", "wrap_future"})
_WAITING: Final = frozenset({"threading.py", "queue.py", "selectors.py"})


class Abandoned(Exception):
    """A message can't come any more, or has not come for a long time."""


class News(asyncio.Future[None]):
    """Notifies of actions of the client."""

    timed_out = False
    """`True` if a time limit of the application ended the wait."""

    def cancel(self, msg: object = None) -> bool:
        """Note what cancels the wait."""
        # Nothing but the stack tells a time limit from a task that somebody cancels.
        frame = inspect.currentframe()
        while frame is not None:
            self.timed_out |= (frame.f_globals.get("__name__"), frame.f_code.co_name) in _END_WAITS
            frame = frame.f_back
        return super().cancel(msg)


async def wait_for_client(news: News) -> None:
    """Wait for *news*; raise `Abandoned` if there can't be any."""
    wait = _Wait(asyncio.get_running_loop(), news)
    _WATCH.add(wait)
    try:
        await news
    finally:
        _WATCH.remove(wait)


class _Wait:
    def __init__(self, loop: asyncio.AbstractEventLoop, news: News) -> None:
        self.loop = loop
        self._news = news
        self._began = monotonic()
        self._looks = 0

    def look(self) -> None:
        """Check the loop, from inside of it."""
        if self._news.done():
            return
        self._looks = 0 if _may_happen(self.loop) else self._looks + 1
        if self._looks >= _LOOKS or monotonic() - self._began > PATIENCE:
            self._news.set_exception(Abandoned())


class _Watch:
    """A thread that checks all waits of the process, as long as there are any."""

    def __init__(self) -> None:
        self._waits: list[_Wait] = []
        self._lock = threading.Lock()
        self._runs = False

    def add(self, wait: _Wait) -> None:
        with self._lock:
            self._waits.append(wait)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="maxim-gemini websockets", daemon=True).start()

    def remove(self, wait: _Wait) -> None:
        with self._lock:
            self._waits = [other for other in self._waits if other is not wait]

    def _run(self) -> None:
        pause, idle = threading.Event(), 0
        while True:
            pause.wait(_LOOK)
            with self._lock:
                waits = list(self._waits)
                idle = 0 if waits else idle + 1
                if idle > _LOOKS:
                    self._runs = False
                    return
            for wait in waits:
                try:
                    wait.loop.call_soon_threadsafe(wait.look)
                except RuntimeError:  # the loop was closed
                    self.remove(wait)


_WATCH: Final = _Watch()


def _may_happen(loop: Any) -> bool:
    if not hasattr(loop, "_scheduled"):
        return True
    selector: Any = getattr(loop, "_selector", None)
    files = selector.get_map() if hasattr(selector, "get_map") else None
    own = loop._ssock.fileno() if getattr(loop, "_ssock", None) else -1  # by which another thread wakes the loop
    return (
        any(not handle._cancelled and not _is_look(handle) for handle in loop._ready)
        or any(not _only_guards(timer, loop.time()) for timer in loop._scheduled if not timer._cancelled)
        or any(file != own for file in files or ())
        or any(_waits_for_a_thread(task) for task in asyncio.all_tasks(loop))
        or _main_thread_is_busy()
    )


def _is_look(handle: Any) -> bool:
    """Return whether *handle* is only there because of the check itself."""
    owner = getattr(handle._callback, "__self__", None)
    return isinstance(owner, _Wait) or getattr(handle._callback, "__name__", "") == "_read_from_self"


def _only_guards(timer: Any, now: float) -> bool:
    callback = timer._callback
    owner = type(getattr(callback, "__self__", None)).__name__
    limits = owner in _LIMITS or getattr(callback, "__name__", "") == "_release_waiter"
    return limits and timer.when() - now > _GUARD


def _waits_for_a_thread(task: asyncio.Task[Any]) -> bool:
    awaited: Any = task.get_coro()
    while awaited is not None:
        code = getattr(awaited, "cr_code", None) or getattr(awaited, "gi_code", None)
        if code is not None and code.co_name in _THREADS:
            return True
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return False


def _main_thread_is_busy() -> bool:
    main = threading.main_thread()
    if main is threading.current_thread():
        return False
    frame = sys._current_frames().get(main.ident or 0)  # pyright: ignore[reportPrivateUsage]  (public, by its documentation)
    return frame is not None and frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2] not in _WAITING
