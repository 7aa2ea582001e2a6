"""The base of everything that answers requests: it keeps the requests, and the errors for the end of the test."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from maxim_gemini.testing.exceptions import ScriptError, TestKitError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .live_channel import Channel, InThread
    from .render import Answer
    from .request import GeminiRequest

KEEP_REQUESTS: Final = 10_000
KEEP_BYTES: Final = 2**30


class RequestLog:
    """The latest requests: at most *keep_requests*, with bodies of *keep_bytes* in all."""

    def __init__(self, *, keep_requests: int = KEEP_REQUESTS, keep_bytes: int = KEEP_BYTES) -> None:
        if keep_requests < 1 or keep_bytes < 1:
            raise ValueError(f"keep_requests and keep_bytes must be 1 or more, got {keep_requests} and {keep_bytes}")
        self.keep_requests = keep_requests
        self.keep_bytes = keep_bytes
        self.count = 0
        """All requests so far."""
        self._kept: deque[GeminiRequest] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, request: GeminiRequest) -> int:
        """Keep *request*, dropping the oldest where there is no room; return its number, counted from 1."""
        with self._lock:
            self.count += 1
            self._kept.append(request)
            self._bytes += len(request.body)
            while len(self._kept) > self.keep_requests or (self._bytes > self.keep_bytes and len(self._kept) > 1):
                self._bytes -= len(self._kept.popleft().body)
            return self.count

    def all(self) -> list[GeminiRequest]:
        """Return all requests; raise `ScriptError` if some were dropped, because indices would be wrong."""
        with self._lock:
            kept = list(self._kept)
        if len(kept) < self.count:
            raise ScriptError(
                f"{self.count:,} requests came, and only the latest {len(kept):,} were kept (keep_requests="
                f"{self.keep_requests:,}, keep_bytes={self.keep_bytes:,}): raise these two, or look at them earlier"
            )
        return kept

    def since(self, count: int) -> list[GeminiRequest]:
        """Return the requests after the first *count* that are still kept."""
        with self._lock:
            return list(self._kept)[max(0, len(self._kept) - (self.count - count)) :]

    @property
    def shown(self) -> str:
        """The latest requests in one line."""
        latest = self.since(self.count - 20)
        earlier = f"{self.count - len(latest):,} earlier, " if self.count > len(latest) else ""
        return earlier + ", ".join(map(repr, latest)) or "none"


class Player(ABC):
    """Answers requests from a script or a cassette. Safe to use from several threads."""

    def __init__(self, log: RequestLog | None = None) -> None:
        self.log = log or RequestLog()
        self.errors: list[BaseException] = []
        """The errors that requests got instead of an answer, including those that the application swallowed."""

    def take(self, request: GeminiRequest) -> Callable[[], Answer]:
        """Choose the answer to *request*, and return a function that writes it, which may take time.

        Both raise errors, and keep them for `check`.
        """
        with self._keeping_errors():
            write = self._take(request, self.log.add(request))

        def written() -> Answer:
            with self._keeping_errors():
                return write()

        return written

    def answer(self, request: GeminiRequest) -> Answer:
        """Return the answer to *request*."""
        return self.take(request)()

    def refusal(self, request: GeminiRequest) -> Answer | None:
        """Return the refusal of the handshake *request*, if it is refused."""
        with self._keeping_errors():
            refused = self._refusal(request)
        if refused is not None:
            self.log.add(request)
        return refused

    def failed(self, error: BaseException) -> None:
        """Keep *error* for `check`."""
        if error not in self.errors:
            self.errors.append(error)

    def check(self) -> None:
        """Raise the first error of the test itself, or else all errors of the test kit as one."""
        for error in self.errors:
            if not isinstance(error, TestKitError):
                raise error
        if self.errors:
            raise type(self.errors[0])("\n".join(map(str, self.errors)))

    def _refusal(self, request: GeminiRequest) -> Answer | None:  # noqa: B027  (most refuse nothing)
        """Return the refusal of the handshake *request*, if it is refused."""

    @abstractmethod
    async def hold(self, channel: Channel, request: GeminiRequest, in_thread: InThread) -> None:
        """Serve the live session that *request* opens until it ends; keep errors for `check`."""

    @abstractmethod
    def _take(self, request: GeminiRequest, ordinal: int) -> Callable[[], Answer]: ...

    @contextmanager
    def _keeping_errors(self) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            self.errors.append(error)
            raise
