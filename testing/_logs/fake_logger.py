"""A real Maxim logger in memory: nothing is sent, and everything that was logged can be inspected.

    logger = FakeLogger()
    client = MaximGeminiClient(genai.Client(), logger)
    ...
    assert logger.trace.output == "hi"
    logger.assert_complete()

It is a `maxim.logger.Logger`, so it can test any code that logs to Maxim, also your own.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid4

from .commits import Commit, Dropped
from .maxim import CommitLog, Logger, LogWriter, LogWriterConfig, Maxim, encoded, guessed_mime_type, maxim_hands_out
from .received import Received
from .tree import Node, Tree
from .views import Session, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from maxim_gemini.testing._json_types import JsonDict

    from .maxim import MaximSession, MaximTrace

_BASE_URL: Final = "https://fake.maxim.invalid"
_IMMUTABLE: Final = frozenset({str, int, float, bool, type(None), bytes, datetime, date, time, timedelta, UUID})


class _Mutable(Exception):
    """Raised for data that may change after the commit, and that only encoding can freeze."""


def _frozen(value: Any) -> Any:
    """Copy what may change later. That is cheaper than encoding, which is only done when somebody reads the data.

    Every commit passes here, so leaves are handled in the loop, without a call for each.
    """
    kind: type[object] = value.__class__
    if kind is dict:
        members: JsonDict = value.copy()
        for key, item in members.items():
            if item.__class__ not in _IMMUTABLE:
                members[key] = _frozen(item)
        return members
    if kind is list or kind is tuple:
        return [item if item.__class__ in _IMMUTABLE else _frozen(item) for item in value]
    if kind in _IMMUTABLE or isinstance(value, Enum):
        return value
    raise _Mutable


class _Entry(NamedTuple):
    """One commit, with its content at that moment, and the reason if it was dropped."""

    log: CommitLog
    action: str
    data: Any
    text: tuple[str, dict[str, str]] | None
    content: bytes | None = None
    dropped: str = ""

    def commit(self, index: int) -> Commit:
        text, lost = self.text or encoded(self.data)
        return Commit(
            self.log.entity.value,
            self.log.entity_id,
            self.action,
            text,
            index=index,
            lost=lost,
            content=self.content,
        )


def _entry(log: CommitLog, *, dropped: str = "") -> _Entry:
    try:
        return _Entry(log, log.action, _frozen(log.data), None, None, dropped)
    except (_Mutable, RuntimeError):  # too deep, or changed by another thread meanwhile
        return _Entry(log, log.action, None, encoded(log.data), dropped=dropped)


class _Inbox:
    """Replaces a writer's queue; passes on at once what is put into it.

    *queue* has what a real queue would have: all logs so far, because none is ever sent.
    """

    def __init__(self, take: Callable[[CommitLog], None], held: Callable[[], Sequence[CommitLog]]) -> None:
        self.put = take
        self._held = held

    @property
    def queue(self) -> Sequence[CommitLog]:
        return self._held()

    def qsize(self) -> int:
        return 0

    def empty(self) -> bool:
        return True


class MemoryWriter(LogWriter):
    """A Maxim log writer that keeps all logs in memory, without a thread, a folder or a connection.

    maxim-py's own `commit` decides what is kept, what is refused, and what the sinks get.
    """

    def __init__(self, config: LogWriterConfig) -> None:
        self.is_running = True
        self.id = str(uuid4())
        self.config = config
        self.is_debug = config.is_debug
        self.raise_exceptions = config.raise_exceptions
        # What maxim-py's constructor sets, which is not called because it starts threads and makes a folder.
        self.max_in_memory_logs = 100
        self.logs_dir = ""
        self.maxim_api: Any = None
        self.executor: Any = None
        self.upload_executor: Any = None
        self.sinks: list[LogWriter] = []
        self.queue: Any = _Inbox(self._keep, lambda: self.logs)
        self.upload_queue: Any = _Inbox(self._upload, tuple)
        self._this_call = threading.local()
        self._reading = threading.Lock()
        self.clear()

    def settle(self) -> None:
        """Wait for logs that wrappers write in the background; those wrappers are among the sinks."""
        for sink in self.sinks:
            if (settle := getattr(sink, "settle", None)) is not None:
                settle()

    def clear(self) -> None:
        """Forget all logs."""
        self.settle()
        with self._reading:
            self._entries: list[_Entry] = []
            self._commits: list[Commit] = []
            self._cached: Tree | None = None

    def add_sink(self, config: LogWriterConfig) -> None:
        """Pass all further logs to another writer in memory, too."""
        self.sinks.append(MemoryWriter(config))

    def commit(self, log: CommitLog) -> None:
        """Keep a log, or drop it as the real writer would; dropped logs are kept separately, with the reason."""
        # By thread: several may log at the same time, and only maxim-py knows whether it kept this log.
        self._this_call.kept = False
        try:
            super().commit(log)
        except Exception as error:
            self._entries.append(_entry(log, dropped=str(error) or type(error).__name__))
            raise
        if not self._this_call.kept:
            self._entries.append(_entry(log, dropped=_reason(log)))

    def flush(self, is_sync: bool = False) -> None:
        """Wait for logs that are written in the background; all others are there at once."""
        self.settle()

    def cleanup(self, is_sync: bool = False) -> None:
        """Note that the application has called `cleanup`."""
        self.is_running = False

    @property
    def logs(self) -> tuple[CommitLog, ...]:
        """The logs as maxim-py committed them, without those that were dropped."""
        self.settle()
        return tuple(entry.log for entry in self._entries if not entry.dropped)

    def tree(self) -> Tree:
        """Return the kept logs as entities."""
        self.settle()
        with self._reading:
            seen = len(self._commits)
            new = self._entries[seen:]
            if new or self._cached is None:
                self._commits += [entry.commit(seen + offset) for offset, entry in enumerate(new)]
                self._cached = _folded(self._entries, self._commits)
            return self._cached

    def _keep(self, log: CommitLog) -> None:
        self._this_call.kept = True
        self._entries.append(_entry(log))

    def _upload(self, log: CommitLog) -> None:
        """Add the log that an attachment gets once it is uploaded."""
        self._this_call.kept = True
        try:
            entry = _uploaded(log)
        except (OSError, TypeError) as error:
            entry = _entry(log, dropped=f"the attachment can't be uploaded: {error}")
        self._entries.append(entry)


def _folded(entries: list[_Entry], commits: list[Commit]) -> Tree:
    pairs = list(zip(entries, commits, strict=False))
    return Tree(
        (commit for entry, commit in pairs if not entry.dropped),
        (Dropped(commit, entry.dropped) for entry, commit in pairs if entry.dropped),
    )


def _reason(log: CommitLog) -> str:
    if log.action == "upload-attachment" and log.data is None:
        return "an attachment without data"
    return f"invalid id {log.entity_id!r}: only letters, digits, - and _ are allowed"


def _uploaded(log: CommitLog) -> _Entry:
    data: JsonDict = dict(log.data or {})
    content = data.pop("data", None)
    if "path" in data:
        content = Path(data.pop("path")).read_bytes()
    if data.get("type") != "url":
        if not isinstance(content, (bytes, bytearray)):
            raise TypeError(f"its data is {type(content).__name__}, not bytes")
        content = bytes(content)
        data["mimeType"] = guessed_mime_type(content) or data.get("mime_type") or "application/octet-stream"
    return _Entry(log, "add-attachment", None, encoded(data), content)


class OnlyTrace(Trace):
    """The logger's only trace. Called with a config, it begins another trace, as a logger's `trace` does."""

    __slots__ = ("_logger",)

    __func__ = staticmethod(Logger.trace)  # called, it is that method of the logger's, and nothing else

    def __init__(self, logger: FakeLogger) -> None:
        self._logger = logger

    @property
    def _node(self) -> Node:  # type: ignore[override]
        return self._logger.traces.only._node

    def __call__(self, config: Any) -> MaximTrace:
        """Begin a trace."""
        return Logger.trace(self._logger, config)

    def __repr__(self) -> str:
        return super().__repr__() if len(self._logger.traces) == 1 else "<no only trace>"


class OnlySession(Session):
    """The logger's only session. Called with a config, it begins another session, as a logger's `session` does."""

    __slots__ = ("_logger",)

    def __init__(self, logger: FakeLogger) -> None:
        self._logger = logger

    @property
    def _node(self) -> Node:  # type: ignore[override]
        return self._logger.sessions.only._node

    def __call__(self, config: Any) -> MaximSession:
        """Begin a session."""
        return Logger.session(self._logger, config)

    def __repr__(self) -> str:
        return super().__repr__() if len(self._logger.sessions) == 1 else "<no only session>"


class FakeLogger(Received, Logger):
    """A Maxim logger in memory, which shows what Maxim would have received.

    With *raise_exceptions* it raises an error for invalid logs, as a real logger does with that setting; by default it
    drops them, and `assert_complete` reports them.
    """

    writer: MemoryWriter

    def __init__(self, id: str = "fake-logger", *, is_debug: bool = False, raise_exceptions: bool = False) -> None:
        self._id = id
        self.config = {"id": id, "auto_flush": False}
        self.is_debug = is_debug
        self.raise_exceptions = raise_exceptions
        self.sinks: list[LogWriter] = []
        self.writer = MemoryWriter(LogWriterConfig(_BASE_URL, "no key", id, False, None, is_debug, raise_exceptions))

    @property
    def trace(self) -> OnlyTrace:  # pyright: ignore[reportIncompatibleMethodOverride]  # it can be called, too
        """The only trace. Call it with a config to begin one."""
        return OnlyTrace(self)

    @property
    def session(self) -> OnlySession:  # pyright: ignore[reportIncompatibleMethodOverride]  # it can be called, too
        """The only session. Call it with a config to begin one."""
        return OnlySession(self)

    @property
    def logs(self) -> tuple[CommitLog, ...]:
        """The raw commit logs of maxim-py."""
        return self.writer.logs

    def clear(self) -> None:
        """Forget everything that was logged so far."""
        self.writer.clear()

    def _tree(self) -> Tree:
        return self.writer.tree()

    def __repr__(self) -> str:
        return f"<FakeLogger {self.id}: {len(self.writer.logs)} commits>"


@contextmanager
def fake_maxim(logger: FakeLogger | None = None) -> Generator[FakeLogger]:
    """Let `maxim.Maxim(...).logger(...)` return a `FakeLogger` in a block, whatever application calls it.

    No key is needed and nothing is sent. A `Maxim` that was made outside of the block works as before afterwards.
    """
    fake = logger or FakeLogger()

    def logger_for(maxim: Maxim) -> Logger:
        if maxim.raise_exceptions:
            fake.raise_exceptions = fake.writer.raise_exceptions = True
        return fake

    with maxim_hands_out(logger_for):
        yield fake
