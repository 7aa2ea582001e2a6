"""Open and close routes; the HTTP libraries and threads are patched while there is any.

A route applies to the code inside its `with`, to the tasks that this code starts (they copy the context), to the
threads that it starts, and to work that it passes to a `ThreadPoolExecutor`. A route that begins outside of any event
loop also applies to event loops that run in its thread in the meantime, even if their tasks have older contexts: only
the code in the `with` can have started them. Other code is not affected, even at the same time in another task or
thread. A route with *everywhere* applies to all code without a route of its own: a test runner needs that, because
tests may use servers and workers that are older than the test.

Below the routes there can be a block for the whole process: see `blocking`.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import routes
from .blocking import PATCHES, THREADS
from .routes import Lane, Route

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Route", "plainly_served", "routed"]


@contextmanager
def routed(route: Route, *, everywhere: bool = False) -> Generator[Route]:
    """Use *route* for the requests of this context; with *everywhere*, for those of contexts without a route, too."""
    lane = Lane(route, routes.current_lane())
    thread = None if _in_event_loop() else threading.current_thread()
    try:
        THREADS.acquire(lane)
        PATCHES.acquire(lane)
        routes.open_lane(lane, thread=thread, everywhere=everywhere)
        yield route
    finally:
        try:
            _close(lane, thread)
        finally:  # again, and to no effect, unless the first was interrupted
            _close(lane, thread)


def _close(lane: Lane, thread: threading.Thread | None) -> None:
    routes.close_lane(lane, thread)
    PATCHES.release(lane)
    THREADS.release(lane)


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")  # not imported here: it takes long, in every run of pytest
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


@contextmanager
def plainly_served(port: int) -> Generator[None]:
    """Open websockets to *port* of this machine without TLS, although google-genai always asks for TLS."""
    user = object()
    try:
        PATCHES.acquire(user, strict=False)
        routes.add_plain_server(port)
        yield
    finally:
        routes.remove_plain_server(port)
        PATCHES.release(user)
