"""Block requests to Gemini for the whole process; and the patches of libraries, for blocks and for routes.

`blocked` refuses requests to Gemini's hosts that no route has handled. It is below the functions that other mocks
replace (respx, vcrpy, pytest-httpx, responses), so those still answer, and it refuses before the first byte is sent:

    block = Block("use the fixture maxim_gemini_recorder")
    with blocked(block):                     # costs next to nothing until an HTTP library is loaded
        with block.lifted(): ...             # a test that may send
        with block.lifted(hosts=...): ...    # a test that may send there
    block.refused                            # the errors, which an application may have swallowed

Every run of pytest loads this module. What only a request needs is imported for the first request.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from maxim_gemini._core.patching import Patch, Patches
from maxim_gemini.testing.exceptions import RequestRefused, TestKitError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import ModuleType


class Block:
    """Refuses requests to Gemini's hosts that no route has handled; *advice* says what to do instead."""

    def __init__(self, advice: str) -> None:
        self._advice = advice
        self._lifted: list[frozenset[str] | None] = []
        self.refused: list[RequestRefused] = []
        """The errors raised so far, in order."""

    @contextmanager
    def lifted(self, hosts: Iterable[str] | None = None) -> Generator[None]:
        """Let requests pass in a block: all, or those to *hosts*."""
        lifted = None if hosts is None else frozenset(hosts)
        self._lifted.append(lifted)  # a list, not a stack: blocks of several threads end in any order
        try:
            yield
        finally:
            self._lifted.remove(lifted)

    def refuses(self, url: str) -> bool:
        """Return whether a request to *url* would be refused."""
        from .gemini_hosts import host_of, is_among, is_gemini_host

        if not is_gemini_host(host_of(url)):
            return False
        return not any(hosts is None or is_among(url, hosts) for hosts in self._lifted)

    def check(self, url: str, doing: str, *, past_a_route: bool) -> None:
        """Raise `RequestRefused` if requests to *url* are refused; *doing* begins the message."""
        if self.refuses(url):
            from .gemini_hosts import host_of

            error = RequestRefused(
                f"{doing} {host_of(url)} was refused before anything was sent.\n{self._reason(past_a_route)}"
            )
            self.refused.append(error)
            raise error

    def _reason(self, past_a_route: bool) -> str:
        if not past_a_route:
            return self._advice
        return (
            "A recorder or mock is in use, but this request came from code that is older than its block (a thread, a "
            "task or a context from before): use the fixture, or everywhere=True.\n" + self._advice
        )


open_blocks: Final[list[Block]] = []
"""All blocks whose `with` has not ended."""


@contextmanager
def blocked(block: Block) -> Generator[Block]:
    """Let *block* check all requests of this process to Gemini's hosts."""
    try:
        PATCHES.acquire(block, strict=False)
        open_blocks.append(block)
        yield block
    finally:
        try:
            _unblock(block)
        finally:  # again, and to no effect, unless the first was interrupted
            _unblock(block)


def _unblock(block: Block) -> None:
    open_blocks[:] = [other for other in open_blocks if other is not block]
    PATCHES.release(block)


def _patches_of(file: str, function: str = "patches") -> Callable[[ModuleType], Iterable[Patch]]:
    return lambda module: getattr(import_module(f".{file}", __package__), function)(module)


PATCHES: Final = Patches(
    {
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
"""The patches of HTTP libraries, pools and google-genai, by module."""

THREADS: Final = Patches({"threading": _patches_of("threads")}, unsupported=TestKitError)
"""The patches of threads, which every process has loaded: only routes need them."""
