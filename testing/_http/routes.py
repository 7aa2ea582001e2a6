"""Find the route of a request. Routes belong to contexts; blocks apply to the whole process.

A lane is an open route, together with the context in which it was opened. The patched functions call this module.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from .blocking import open_blocks
from .gemini_hosts import is_gemini_traffic

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from vcr.request import Request

    from .delivery import Delivery, Live
    from .exchange import Response
    from .websocket import Network, Peer, Tap


class Route:
    """Decides what happens to the requests of a context."""

    libraries: frozenset[str] = frozenset({"httpx2", "httpx", "aiohttp", "websockets"})
    """The libraries whose requests it handles."""

    def covers(self, url: str, headers: Mapping[str, str]) -> bool:
        """Return whether the route handles the request; all others pass unchanged."""
        return is_gemini_traffic(url, headers)

    def answer(self, request: Request) -> Response | Delivery | Live:
        """Answer *request* from memory, or let it go live and record it; an error reaches the caller."""
        raise NotImplementedError

    def skips_wait(self, seconds: float) -> bool:
        """Return whether google-genai skips the wait of *seconds* before it tries again."""
        return True

    def hides_credentials(self) -> bool:
        """Return whether google-genai gets made-up credentials, and does not look for real ones."""
        return True

    def opens_websocket(self, url: str, headers: Mapping[str, str], network: Network) -> Peer | Tap | Response | None:
        """Return a peer that answers on a websocket, a tap that watches it in the network, or `None`.

        A response refuses the handshake. An error prevents it. A peer may need *network* later.
        """

    def passed_by(self, url: str) -> None:
        """Note that a Gemini request did not use this open route, because older code than its block sent it."""


class Lane:
    __slots__ = ("is_open", "outer", "route")

    def __init__(self, route: Route | None, outer: Lane | None) -> None:
        self.route = route
        self.outer = outer
        self.is_open = True


OUTSIDE: Final = Lane(None, None)
"""The lane of work that was passed on from code without a lane."""

THREAD: Final = "_maxim_gemini_lane"
"""The attribute of a thread with its lane: that of the thread that started it, or of a block that it opened."""

lane_of_context: ContextVar[Lane | None] = ContextVar("maxim_gemini_lane", default=None)
_detour: ContextVar[bool] = ContextVar("maxim_gemini_detour", default=False)
_lane_of_native: dict[int, Lane] = {}
"""The lane of an operating system thread, for its greenlets: each greenlet has a context of its own."""

_open: list[Lane] = []
_everywhere: list[Lane] = []


def open_lane(lane: Lane, *, thread: threading.Thread | None, everywhere: bool) -> None:
    """Set *lane* in this context, and for the whole *thread*."""
    _open.append(lane)
    lane_of_context.set(lane)
    if thread:
        setattr(thread, THREAD, lane)
        _lane_of_native[threading.get_native_id()] = lane
    if everywhere:
        _everywhere.append(lane)


def close_lane(lane: Lane, thread: threading.Thread | None) -> None:
    """Undo `open_lane`, from any context. May be called twice."""
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


def _still_open(lane: Lane | None) -> Lane | None:
    while lane is not None and not lane.is_open:
        lane = lane.outer
    return lane


def current_lane() -> Lane | None:
    """Return the lane of the current context, or else that of the current thread."""
    # A context goes before its thread: the tasks of one loop may belong to several blocks.
    return (
        _still_open(lane_of_context.get())
        or _still_open(getattr(threading.current_thread(), THREAD, None))
        or _still_open(_lane_of_native.get(threading.get_native_id()))
    )


def current_route() -> Route | None:
    """Return the route of the current context."""
    if _detour.get() or not _open:
        return None
    lane = current_lane()
    if (lane is None or lane.route is None) and _everywhere:
        lane = _everywhere[-1]
    return lane.route if lane else None


def route_for(library: str, url: str, headers: Mapping[str, str]) -> Route | None:
    """Return the route for this request, sent by *library* from the current context."""
    if _detour.get() or not _open:
        return None
    route = current_route()
    if route is not None:
        return route if library in route.libraries and route.covers(url, headers) else None
    if not any(block.refuses(url) for block in open_blocks):  # else the request does not get out
        # A copy: another thread may open or close a route meanwhile.
        for lane in tuple(_open):
            if lane.route is not None and lane.route.covers(url, headers):
                lane.route.passed_by(url)
    return None


@contextmanager
def detour() -> Generator[None]:
    """Bypass all routes and blocks, for what a library does inside a request that was handled already."""
    token = _detour.set(True)
    try:
        yield
    finally:
        _detour.reset(token)


_plain_servers: list[int] = []


def add_plain_server(port: int) -> None:
    """Note that the server on *port* of this machine has no TLS."""
    _plain_servers.append(port)


def remove_plain_server(port: int) -> None:
    """Undo `add_plain_server`. May be called twice."""
    if port in _plain_servers:
        _plain_servers.remove(port)


def is_plain_server(port: int | None) -> bool:
    """Return whether the server on *port* of this machine is known to have no TLS."""
    return port in _plain_servers


def check_blocks(url: str, doing: str = "A request to") -> None:
    """Let all blocks check *url*, unless a route has handled the current request."""
    if open_blocks and not _detour.get():
        for block in tuple(open_blocks):
            block.check(url, doing, past_a_route=bool(_open))
