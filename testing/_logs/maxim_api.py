"""A mock of Maxim's ingestion API, for a real `maxim.logger.Logger` with its threads, flushes and uploads.

    with MaximApi() as api:
        logger = api.logger()
        logger.trace({"id": "t"}).end()
        api.flush()
        assert api.trace.id == "t"

The text on the wire is read back into the same views that `FakeLogger` has. Only requests to Maxim are answered; all
others pass through. The API can fail (`api.fail(429)`); `api.spilled` and `Post.replayed` show what maxim-py then keeps
on disk and sends again later.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self
from urllib.parse import unquote

import httpx

from maxim_gemini.testing._http.respx_routers import Router
from maxim_gemini.testing.exceptions import NotDelivered

from .commits import Commit
from .maxim import Logger, RealWriters, real_logger, without_waiting
from .received import Received
from .tree import Tree

if TYPE_CHECKING:
    from types import TracebackType

Endpoint = Literal["log", "repository", "upload-url", "upload"]
Failure = int | Literal["timeout", "refused", "disconnected"]

_STORAGE: Final = "https://storage.maxim.invalid"
_EXCEPTIONS: Final[dict[str, type[httpx.TransportError]]] = {
    "timeout": httpx.ReadTimeout,
    "refused": httpx.ConnectError,
    "disconnected": httpx.RemoteProtocolError,
}


class Post(NamedTuple):
    """One request with logs, and how it was answered: an HTTP status, or a way to fail."""

    repository: str
    text: str
    answer: Failure

    @property
    def lines(self) -> list[str]:
        """The logs, one for each line. Only a line feed ends a line: JSON may contain other line separators."""
        return _lines(self.text)

    @property
    def replayed(self) -> bool:
        """`True` if the logs came from a file that maxim-py kept after a failure: only those end with a line feed."""
        return self.text.endswith("\n")

    @property
    def accepted(self) -> bool:
        """`True` if the API accepted it."""
        return self.answer == 200


class Upload(NamedTuple):
    """A file uploaded to Maxim's storage."""

    key: str
    mime_type: str
    content: bytes


@dataclass(slots=True)
class _Fault:
    failure: Failure
    on: Endpoint | None
    times: int | None

    def applies_to(self, endpoint: Endpoint) -> bool:
        if self.on not in (None, endpoint) or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class MaximApi(Received):
    """A mock of Maxim's ingestion API at *base_url*, in a `with` block, for all real loggers of the process.

    *key* is the API key that it accepts, by default any; *repositories* are the log repositories that exist, by default
    all.
    """

    def __init__(
        self,
        *,
        base_url: str = "https://app.getmaxim.ai",
        key: str | None = None,
        repositories: frozenset[str] | set[str] | None = None,
    ) -> None:
        self.base_url = base_url
        self.key = key
        self.repositories = repositories
        self.posts: list[Post] = []
        self.uploads: dict[str, Upload] = {}
        self.waits: list[float] = []
        """The seconds that maxim-py would have waited before each retry."""
        self._delay = 0.0
        self._faults: list[_Fault] = []
        self._writers = RealWriters(base_url)
        self._lock = threading.Lock()
        self._open = ExitStack()
        self.router = Router(assert_all_called=False)
        api = f"{base_url}/api/sdk"
        self.router.get(f"{api}/v3/log-repositories").mock(side_effect=self._repository)
        self.router.post(f"{api}/v3/log").mock(side_effect=self._log)
        self.router.get(f"{api}/v1/log-repositories/attachments/upload-url").mock(side_effect=self._upload_url)
        self.router.put(url__startswith=f"{_STORAGE}/").mock(side_effect=self._upload)
        self.router.route(url__startswith=base_url).mock(side_effect=_unknown)

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for context in (without_waiting(self.waits), self.router, self._writers.watched()):
                opened.enter_context(context)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The real loggers stop, and what they keep on disk is removed.
        self._open.__exit__(kind, error, traceback)

    def __repr__(self) -> str:
        return f"<MaximApi {self.base_url}: {len(self.posts)} posts, {len(self.uploads)} uploads>"

    def logger(self, id: str = "log-repository", *, raise_exceptions: bool = False) -> Logger:
        """Return a new real logger that posts to this mock, as those of the application do."""
        return real_logger(id, self.base_url, self.key or "any key", raise_exceptions=raise_exceptions)

    def flush(self) -> None:
        """Let all real loggers of the block send their logs, and wait until they have."""
        self._writers.flush()

    def restart(self, *, killed: bool = False) -> None:
        """Simulate the end of the process for real loggers; new loggers then send what the old ones kept on disk.

        The loggers of wrapped clients write the logs in memory to disk at that point, unless the process is *killed*.
        """
        self._writers.end_process(killed=killed)

    def assert_delivered(self) -> None:
        """Fail unless every log of every real logger has arrived, exactly once."""
        __tracebackhide__ = True
        self.flush()
        given, arrived = Counter(self._writers.committed), Counter((c.entity, c.id, c.action) for c in self.commits)
        missing, more = given - arrived, arrived - given
        if missing or more:
            lines = [f"{missing.total()} of {given.total()} logs did not arrive, {more.total()} arrived too often:"]
            for verb, logs in (("missing", missing), ("too many", more)):
                lines += [f"  {verb}: {entity} {id}: {action}" for entity, id, action in islice(logs.elements(), 10)]
                lines += [f"  ... and {logs.total() - 10} more"] if logs.total() > 10 else []
            raise NotDelivered("\n".join(lines))

    def fail(self, failure: Failure, *, on: Endpoint | None = None, times: int | None = None) -> None:
        """Answer with an HTTP status, or break the connection, *times* times or until `recover()`."""
        self._faults.append(_Fault(failure, on, times))

    def slow(self, seconds: float) -> None:
        """Delay all answers by *seconds*."""
        self._delay = seconds

    def recover(self) -> None:
        """Stop failing and delaying."""
        self._faults.clear()
        self._delay = 0.0

    @property
    def spilled(self) -> tuple[Commit, ...]:
        """The logs that real loggers keep on disk, to send them later."""
        texts = [file.read_text(encoding="utf-8") for file in self._writers.spills]
        lines = [(batch, line) for batch, text in enumerate(texts) for line in _lines(text)]
        return tuple(Commit.parse(line, index=index, batch=batch) for index, (batch, line) in enumerate(lines))

    def _tree(self) -> Tree:
        with self._lock:
            accepted = [(batch, post) for batch, post in enumerate(self.posts) if post.accepted]
        lines = [(batch, self._whole(line)) for batch, post in accepted for line in post.lines]
        commits = [Commit.parse(line, index=index, batch=batch) for index, (batch, line) in enumerate(lines)]
        for commit in commits:
            if commit.action == "add-attachment" and (upload := self.uploads.get(str(commit.data.get("key")))):
                commit.content = upload.content
        return Tree(commits)

    def _whole(self, line: str) -> str:
        """Return a line from storage if it was too large to be posted."""
        if not line.startswith("storage{"):
            return line
        key = str(Commit.parse(line).data.get("key"))
        return self.uploads[key].content.decode() if key in self.uploads else line

    def _log(self, request: httpx.Request) -> httpx.Response:
        repository = request.url.params.get("id", "")
        failure = self._failure("log", request) or self._missing(repository)
        with self._lock:
            self.posts.append(Post(repository, request.content.decode(), failure or 200))
        return _answer(request, failure, {"data": {"id": repository}})

    def _repository(self, request: httpx.Request) -> httpx.Response:
        repository = request.url.params.get("loggerId", "")
        failure = self._failure("repository", request) or self._missing(repository)
        return _answer(request, failure, {"data": {"id": repository}})

    def _upload_url(self, request: httpx.Request) -> httpx.Response:
        failure = self._failure("upload-url", request)
        return _answer(request, failure, {"data": {"url": f"{_STORAGE}/{request.url.params.get('key', '')}"}})

    def _upload(self, request: httpx.Request) -> httpx.Response:
        failure = self._failure("upload")
        if failure is None:
            key = unquote(request.url.path.removeprefix("/"))
            with self._lock:
                self.uploads[key] = Upload(key, request.headers.get("content-type", ""), request.content)
        return _answer(request, failure, {})

    def _failure(self, endpoint: Endpoint, request: httpx.Request | None = None) -> Failure | None:
        time.sleep(self._delay)
        with self._lock:
            fault = next((fault for fault in self._faults if fault.applies_to(endpoint)), None)
        if fault is not None:
            return fault.failure
        wrong_key = request is not None and self.key not in (None, request.headers.get("x-maxim-api-key"))
        return 401 if wrong_key else None

    def _missing(self, repository: str) -> Failure | None:
        return 404 if self.repositories is not None and repository not in self.repositories else None


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _answer(request: httpx.Request, failure: Failure | None, body: object) -> httpx.Response:
    if isinstance(failure, str):
        raise _EXCEPTIONS[failure](f"{failure}, as the test set it", request=request)
    if failure is None:
        return httpx.Response(200, json=body)
    return httpx.Response(failure, json={"error": {"message": f"HTTP {failure}, as the test set it"}})


def _unknown(request: httpx.Request) -> httpx.Response:
    message = f"the mocked Maxim API has no route for {request.method} {request.url.path}"
    return httpx.Response(404, json={"error": {"message": message}})
