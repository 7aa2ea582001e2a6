"""Whose request is it? Routes are bound to contexts; the libraries are patched while there is any route.

A route holds for the code inside its `with`, for the tasks that this code starts (they copy the context), for the
threads that it starts and for what it hands to a `ThreadPoolExecutor`, whoever's workers run it. Code outside is not
touched, even at the same time on another task or thread. One route can be given to everything that has none of its own
(*everywhere*): a test runner's routes, whose tests may have servers and workers that began before the test.

The patches are made once, counted, and undone exactly. A patched function finds the route of the context it runs in;
where there is none, it is the original.
"""

from __future__ import annotations

import functools
import importlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from maxim_gemini.testing.exceptions import TestKitError

from .gemini_hosts import is_gemini_traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from vcr.request import Request

    from .delivery import Delivery, Live
    from .exchange import Response

_LIBRARIES: Final = ("httpx2", "httpx", "aiohttp", "sdk")
_MISSING: Final = object()


class Route:
    """Decides what happens to the requests of a context."""

    libraries: frozenset[str] = frozenset({"httpx2", "httpx", "aiohttp"})
    """The HTTP libraries whose requests it takes."""

    def covers(self, url: str, headers: Mapping[str, str]) -> bool:
        """Say whether the request is this route's business; any other passes untouched."""
        return is_gemini_traffic(url, headers)

    def answer(self, request: Request) -> Response | Delivery | Live:
        """Answer *request* from memory, or let it go live and watch; what is raised here reaches the caller."""
        raise NotImplementedError

    def skips_wait(self, seconds: float) -> bool:
        """Say whether google-genai may go on without waiting *seconds* before it tries again."""
        return True

    def hides_credentials(self) -> bool:
        """Say whether google-genai gets made-up Google credentials instead of looking for real ones."""
        return True

    def opens_live_session(self, url: str) -> None:
        """Hear that a websocket of the Live API is about to be opened; what is raised here prevents it."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One replaced function of a library: *wrap* makes the replacement from the original."""

    owner: Any
    name: str
    wrap: Callable[[Any], Any]


@dataclass(slots=True)
class _Lane:
    route: Route
    outer: _Lane | None
    is_open: bool = True


_lane: ContextVar[_Lane | None] = ContextVar("maxim_gemini_lane", default=None)
_detour: ContextVar[bool] = ContextVar("maxim_gemini_detour", default=False)
_everywhere: list[_Lane] = []


@contextmanager
def routed(route: Route, *, everywhere: bool = False) -> Generator[Route]:
    """Send the requests of this context through *route*; with *everywhere*, those of contexts without a route, too."""
    _patches.acquire()
    lane = _Lane(route, _lane.get())
    token = _lane.set(lane)
    if everywhere:
        _everywhere.append(lane)
    try:
        yield route
    finally:
        lane.is_open = False
        if everywhere:
            _everywhere.remove(lane)
        with suppress(ValueError):  # left in another context than entered, where a closed lane is passed over
            _lane.reset(token)
        _patches.release()


def route_for(library: str, url: str, headers: Mapping[str, str]) -> Route | None:
    """Return the route that has a say in this request, sent by *library* from the present context."""
    route = current_route()
    if route is not None:
        _patches.catch_up()
    return route if route is not None and library in route.libraries and route.covers(url, headers) else None


def current_route() -> Route | None:
    """Return the route of the present context."""
    if _detour.get():
        return None
    lane = _lane.get()
    while lane is not None and not lane.is_open:
        lane = lane.outer
    if lane is None and _everywhere:
        lane = _everywhere[-1]
    return lane.route if lane else None


@contextmanager
def detour() -> Generator[None]:
    """Go round every route: what a library does inside a request that is already taken care of."""
    token = _detour.set(True)
    try:
        yield
    finally:
        _detour.reset(token)


class _Patches:
    """The patches of all libraries: made by the first route, undone by the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._is_late = False
        self._made: list[tuple[Patch, Any, Any]] = []

    def acquire(self) -> None:
        with self._lock:
            if self._users == 0:
                try:
                    for patch in _all_patches():
                        self._make(patch)
                except BaseException:
                    self._undo()
                    raise
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._undo()

    def catch_up(self) -> None:
        """Patch what was not loaded when the first route began."""
        if self._is_late:
            return
        with self._lock:
            late = [] if self._is_late else list(_patches_of("sdk", "late_patches"))
            for patch in late:
                self._make(patch)
            self._is_late = self._is_late or bool(late)

    def _make(self, patch: Patch) -> None:
        before = _own(patch)
        if before is _MISSING:
            raise TestKitError(
                f"{_called(patch.owner)} has no {patch.name!r}: this version of the library is not supported; "
                "pin the one that worked, or update maxim-gemini"
            )
        replacement = patch.wrap(before)
        setattr(patch.owner, patch.name, replacement)
        self._made.append((patch, before, replacement))

    def _undo(self) -> None:
        self._is_late = False
        while self._made:
            patch, before, replacement = self._made.pop()
            # Somebody who patched over us keeps their patch; ours, below it, does nothing without a route.
            if _own(patch) is replacement:
                setattr(patch.owner, patch.name, before)


_patches: Final = _Patches()


def _own(patch: Patch) -> Any:
    return cast("dict[str, Any]", vars(patch.owner)).get(patch.name, _MISSING)


def _all_patches() -> Iterable[Patch]:
    yield from _thread_patches()
    for library in _LIBRARIES:
        yield from _patches_of(library)


def _patches_of(library: str, which: str = "patches") -> Iterable[Patch]:
    found: Iterable[Patch] = getattr(importlib.import_module(f".{library}", __package__), which)()
    return found


def _called(owner: Any) -> str:
    return f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else str(owner.__name__)


# Threads begin with an empty context (until Python 3.14), so the lane is handed over to them.


def _thread_patches() -> Iterable[Patch]:
    yield Patch(threading.Thread, "start", _starting_in_lane)
    yield Patch(ThreadPoolExecutor, "submit", _submitting_in_lane)


def _starting_in_lane(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @functools.wraps(start)
    def start_in_lane(self: threading.Thread) -> None:
        lane, run = _lane.get(), self.run
        if lane is not None:

            def run_in_lane() -> None:
                del self.run
                _lane.set(lane)
                run()

            self.run = run_in_lane  # type: ignore[method-assign]
        start(self)

    return start_in_lane


def _submitting_in_lane(submit: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(submit)
    def submit_in_lane(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, _carrying(_lane.get(), fn), *args, **kwargs)

    return submit_in_lane


def _carrying(lane: _Lane | None, fn: Callable[..., Any]) -> Callable[..., Any]:
    # A worker is somebody's thread: it had its starter's lane, and now works for the one who submitted.
    @functools.wraps(fn, updated=())
    def run_in_lane(*args: Any, **kwargs: Any) -> Any:
        token = _lane.set(lane)
        try:
            return fn(*args, **kwargs)
        finally:
            _lane.reset(token)

    return run_in_lane
