"""Open and close routes and blocks; the HTTP libraries are patched while there is any.

A route applies to the code inside its `with`, to the tasks that this code starts (they copy the context), to the
threads that it starts, and to work that it passes to a `ThreadPoolExecutor`. A route that begins outside of any event
loop also applies to event loops that run in its thread in the meantime, even if their tasks have older contexts: only
the code in the `with` can have started them. Other code is not affected, even at the same time in another task or
thread. A route with *everywhere* applies to all code without a route of its own: a test runner needs that, because
tests may use servers and workers that are older than the test.

Below the routes there can be a block for the whole process: `blocked` refuses requests to Gemini's hosts that no route
has handled. It is below the functions that other mocks replace (respx, vcrpy, pytest-httpx, responses), so those still
answer, and it refuses before the first byte is sent:

    block = Block("use the fixture maxim_gemini_recorder")
    with blocked(block):                     # costs next to nothing until an HTTP library is loaded
        with block.lifted(): ...             # a test that may send
        with block.lifted(hosts=...): ...    # a test that may send there
    block.refused                            # the errors, which an application may have swallowed
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from maxim_gemini._core.patching import Patch, Patches
from maxim_gemini.testing.exceptions import TestKitError

from . import routes
from .routes import Block, Lane, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import ModuleType

__all__ = ["PATCHES", "Block", "Route", "blocked", "plainly_served", "routed"]


@contextmanager
def routed(route: Route, *, everywhere: bool = False) -> Generator[Route]:
    """Use *route* for the requests of this context; with *everywhere*, for those of contexts without a route, too."""
    lane = Lane(route, routes.current_lane())
    thread = None if _in_event_loop() else threading.current_thread()
    try:
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


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")  # not imported here: it takes long, in every run of pytest
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


@contextmanager
def blocked(block: Block) -> Generator[Block]:
    """Let *block* check all requests of this process to Gemini's hosts."""
    try:
        PATCHES.acquire(block, strict=False)
        routes.add_block(block)
        yield block
    finally:
        try:
            _unblock(block)
        finally:  # again, and to no effect, unless the first was interrupted
            _unblock(block)


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


def _unblock(block: Block) -> None:
    routes.remove_block(block)
    PATCHES.release(block)


def _patches_of(file: str, function: str = "patches") -> Callable[[ModuleType], Iterable[Patch]]:
    return lambda module: getattr(import_module(f".{file}", __package__), function)(module)


PATCHES: Final = Patches(
    {
        "threading": _patches_of("threads"),
        "concurrent.futures.thread": _patches_of("threads", "pool_patches"),
        "httpx": _patches_of("httpx"),
        "httpx2": _patches_of("httpx"),
        "httpcore": _patches_of("httpx", "core_patches"),
        "httpcore2": _patches_of("httpx", "core_patches"),
        "aiohttp": _patches_of("aiohttp"),
        "requests.adapters": _patches_of("requests"),
        "websockets.asyncio.client": _patches_of("websockets"),
        "google.genai._api_client": _patches_of("sdk"),
        "google.genai._gaos.utils.retries": _patches_of("sdk", "retry_patches"),
    },
    unsupported=TestKitError,
)
"""The patches, by module."""
