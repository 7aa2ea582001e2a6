"""Whose request is it? Routes are bound to contexts; the libraries are patched while there is any route or block.

A route holds for the code inside its `with`, for the tasks that this code starts (they copy the context), for the
threads that it starts and for what it hands to a `ThreadPoolExecutor`, whoever's workers run it. A route that begins
outside of any event loop also holds for loops that run in its thread meanwhile, however old the contexts of their
tasks are: nothing but the code in the `with` can have started them. Other code is not touched, even at the same time
on another task or thread. One route can be given to everything that has none of its own (*everywhere*): a test
runner's routes, whose tests may have servers and workers that began before the test.

Below the routes there can be a block for the whole process: `blocked` refuses what would leave for Gemini's hosts and
went through no route. It acts below what other mocks replace (respx, vcrpy, pytest-httpx, responses), which go on
answering, and before the first byte:

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
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from maxim_gemini.testing.exceptions import RequestRefused

from .gemini_hosts import host_of, is_among, is_gemini_host, is_gemini_traffic
from .patching import Patch, Patches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from types import ModuleType

    from vcr.request import Request

    from .delivery import Delivery, Live
    from .exchange import Response


class Route:
    """Decides what happens to the requests of a context."""

    libraries: frozenset[str] = frozenset({"httpx2", "httpx", "aiohttp", "websockets"})
    """The libraries whose requests it takes."""

    def covers(self, url: str, headers: Mapping[str, str]) -> bool:
        """Return whether the request is this route's business; any other passes untouched."""
        return is_gemini_traffic(url, headers)

    def answer(self, request: Request) -> Response | Delivery | Live:
        """Answer *request* from memory, or let it go live and watch; what is raised here reaches the caller."""
        raise NotImplementedError

    def skips_wait(self, seconds: float) -> bool:
        """Return whether google-genai may go on without waiting *seconds* before it tries again."""
        return True

    def hides_credentials(self) -> bool:
        """Return whether google-genai gets made-up Google credentials instead of looking for real ones."""
        return True

    def opens_websocket(self, url: str) -> None:
        """Take note that a websocket of Gemini's is about to be opened; what is raised here prevents it."""

    def passed_by(self, url: str) -> None:
        """Take note of a request of Gemini's that went out past this open route, from code older than its block."""


@dataclass(slots=True, eq=False)
class _Lane:
    route: Route | None
    outer: _Lane | None
    is_open: bool = True


OUTSIDE: Final = _Lane(None, None)
"""The lane of work that was handed over from where there is none."""

THREAD: Final = "_maxim_gemini_lane"
"""The attribute of a thread that holds its lane: that of its starter, or of a block that it has opened."""

lane_of_context: ContextVar[_Lane | None] = ContextVar("maxim_gemini_lane", default=None)
_detour: ContextVar[bool] = ContextVar("maxim_gemini_detour", default=False)
_lane_of_native: dict[int, _Lane] = {}
"""The lane of a thread of the operating system, which its greenlets share: each of them has a context of its own."""

_open: list[_Lane] = []
_everywhere: list[_Lane] = []


@contextmanager
def routed(route: Route, *, everywhere: bool = False) -> Generator[Route]:
    """Send the requests of this context through *route*; with *everywhere*, those of contexts without a route, too."""
    lane = _Lane(route, current_lane())
    thread = None if _in_event_loop() else threading.current_thread()
    try:
        PATCHES.acquire(lane)
        _open.append(lane)
        lane_of_context.set(lane)
        if thread:
            setattr(thread, THREAD, lane)
            _lane_of_native[threading.get_native_id()] = lane
        if everywhere:
            _everywhere.append(lane)
        yield route
    finally:
        try:
            _close(lane, thread)
        finally:  # again, and to no effect, unless the first was interrupted
            _close(lane, thread)


def _close(lane: _Lane, thread: threading.Thread | None) -> None:
    # Blocks may end in another order than they began in, and in another context: what is not ours is left alone, and
    # a closed lane is passed over.
    lane.is_open = False
    for lanes in (_open, _everywhere):
        lanes[:] = [other for other in lanes if other is not lane]
    if lane_of_context.get() is lane:
        lane_of_context.set(_still_open(lane))
    if thread and getattr(thread, THREAD, None) is lane:
        setattr(thread, THREAD, _still_open(lane))
    for native, other in tuple(_lane_of_native.items()):
        if other is lane:
            _lane_of_native.pop(native)
            if outer := _still_open(lane):
                _lane_of_native[native] = outer
    PATCHES.release(lane)


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")  # not imported here: it takes long, in every run of pytest
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


def _still_open(lane: _Lane | None) -> _Lane | None:
    while lane is not None and not lane.is_open:
        lane = lane.outer
    return lane


def current_lane() -> _Lane | None:
    """Return the lane of the present context, else that of the present thread."""
    return (
        _still_open(lane_of_context.get())
        or _still_open(getattr(threading.current_thread(), THREAD, None))
        or _still_open(_lane_of_native.get(threading.get_native_id()))
    )


def current_route() -> Route | None:
    """Return the route of the present context."""
    if _detour.get() or not _open:
        return None
    lane = current_lane()
    if (lane is None or lane.route is None) and _everywhere:
        lane = _everywhere[-1]
    return lane.route if lane else None


def route_for(library: str, url: str, headers: Mapping[str, str]) -> Route | None:
    """Return the route that decides about this request, sent by *library* from the present context."""
    if _detour.get() or not _open:
        return None
    route = current_route()
    if route is None:
        _tell_who_is_passed_by(url, headers)
    return route if route is not None and library in route.libraries and route.covers(url, headers) else None


def _tell_who_is_passed_by(url: str, headers: Mapping[str, str]) -> None:
    if any(block.refuses(url) for block in _blocks):
        return
    for lane in tuple(_open):
        if lane.route is not None and lane.route.covers(url, headers):
            lane.route.passed_by(url)


@contextmanager
def detour() -> Generator[None]:
    """Go round every route and block: what a library does inside a request that is already taken care of."""
    token = _detour.set(True)
    try:
        yield
    finally:
        _detour.reset(token)


class Block:
    """Refuses requests to Gemini's hosts that went through no route; *advice* says what to do instead."""

    def __init__(self, advice: str) -> None:
        self._advice = advice
        self._lifted: list[frozenset[str] | None] = []
        self.refused: list[RequestRefused] = []
        """What was raised so far, in order."""

    @contextmanager
    def lifted(self, hosts: Iterable[str] | None = None) -> Generator[None]:
        """Let requests pass meanwhile: all, or those to *hosts*."""
        lifted = None if hosts is None else frozenset(hosts)
        self._lifted.append(lifted)
        try:
            yield
        finally:
            self._lifted.remove(lifted)

    def refuses(self, url: str) -> bool:
        """Return whether a request to *url* would be refused."""
        if not is_gemini_host(host_of(url)):
            return False
        return not any(hosts is None or is_among(url, hosts) for hosts in self._lifted)

    def check(self, url: str, doing: str) -> None:
        """Raise `RequestRefused` if requests to *url* are; *doing* says what was about to happen."""
        if self.refuses(url):
            error = RequestRefused(f"{doing} {host_of(url)} was refused before anything was sent.\n{self._reason()}")
            self.refused.append(error)
            raise error

    def _reason(self) -> str:
        if not _open:
            return self._advice
        return (
            "A recorder or mock is in use, but this request came from code that is older than its block (a thread, a "
            "task or a context from before): use the fixture, or everywhere=True.\n" + self._advice
        )


_blocks: list[Block] = []


@contextmanager
def blocked(block: Block) -> Generator[Block]:
    """Have *block* check what would leave this process for Gemini's hosts."""
    try:
        PATCHES.acquire(block, strict=False)
        _blocks.append(block)
        yield block
    finally:
        try:
            _unblock(block)
        finally:  # again, and to no effect, unless the first was interrupted
            _unblock(block)


def _unblock(block: Block) -> None:
    _blocks[:] = [other for other in _blocks if other is not block]
    PATCHES.release(block)


def check_blocks(url: str, doing: str = "A request to") -> None:
    """Raise what an open block says about *url*, unless the present request is taken care of by a route."""
    if _blocks and not _detour.get():
        for block in tuple(_blocks):
            block.check(url, doing)


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
    }
)
"""All that is patched, by the module that it is in."""
