"""Threads and pools: work that is passed to them keeps the route of the code that passed it.

A thread begins with an empty context (until Python 3.14), so it is marked with the lane of its starter; its `run`,
which others replace, is left alone. A pool's worker serves many: each piece of work brings its own lane.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from maxim_gemini._core.patching import Patch

from .routes import OUTSIDE, THREAD, current_lane, lane_of_context

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable
    from types import ModuleType


def patches(module: ModuleType) -> Iterable[Patch]:
    """Return the patches of `threading`."""
    return (Patch(module.Thread, "start", _starting_in_lane),)


def pool_patches(module: ModuleType) -> Iterable[Patch]:
    """Return the patches of `concurrent.futures.thread`."""
    return (Patch(module.ThreadPoolExecutor, "submit", _submitting_in_lane),)


def _starting_in_lane(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    def start_in_lane(self: threading.Thread) -> None:
        if (lane := current_lane()) is not None:
            setattr(self, THREAD, lane)
        start(self)

    return start_in_lane


def _submitting_in_lane(submit: Callable[..., Any]) -> Callable[..., Any]:
    def submit_in_lane(self: object, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        lane = current_lane() or OUTSIDE

        @functools.wraps(fn, updated=())
        def run_in_lane(*args: Any, **kwargs: Any) -> Any:
            token = lane_of_context.set(lane)
            try:
                return fn(*args, **kwargs)
            finally:
                lane_of_context.reset(token)

        return submit(self, run_in_lane, *args, **kwargs)

    return submit_in_lane
