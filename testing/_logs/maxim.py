"""The one place that leans on maxim-py's inner workings; `tests/fake_logger/test_maxim.py` fails when they move.

maxim-py offers no way to look at what a logger would send, so three things are taken from inside it: how a log line is
encoded (`CustomEncoder`), what a writer and a logger hold (their constructors start threads and make folders, so the
in-memory ones set the same attributes by themselves), and the singleton behind `maxim.Maxim`.
"""

# pyright: reportMissingTypeStubs=false
# maxim-py and filetype are annotated, but have no py.typed.

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

import filetype
import httpx
import maxim.apis.maxim_apis
import maxim.logger.writer
from maxim.logger import Session as MaximSession
from maxim.logger import Trace as MaximTrace
from maxim.logger.components.types import CommitLog, CustomEncoder
from maxim.logger.logger import Logger
from maxim.logger.writer import LogWriter, LogWriterConfig
from maxim.maxim import Maxim

from maxim_gemini._core.commits import delivery_from
from maxim_gemini._core.spool import ROOT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from queue import Queue
    from types import ModuleType

    from maxim_gemini._core.delivery import Delivery
    from maxim_gemini.testing._json_types import JsonDict


__all__ = [
    "CommitLog",
    "LogWriter",
    "LogWriterConfig",
    "Logger",
    "Maxim",
    "MaximSession",
    "MaximTrace",
    "encoded",
]

_ENCODER: Final = CustomEncoder()

# maxim-py drops whatever is logged under an id that does not look like this.
_VALID_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")


def encoded(data: JsonDict | None) -> tuple[str, dict[str, str]]:
    """Return *data* as the JSON text that maxim-py would send, and why each key that can't be sent was left out.

    The same result as `CommitLog.serialize`, which removes the keys from the log itself.
    """
    try:
        return _ENCODER.encode(data), {}
    except Exception:
        # One value that can't be written must not take the others with it, so each is tried by itself.
        members = data or {}
        lost: dict[str, str] = {}
        for key, value in members.items():
            try:
                _ENCODER.encode({key: value})
            except Exception as error:
                lost[key] = f"{type(error).__name__}: {error}"
        return _ENCODER.encode({key: value for key, value in members.items() if key not in lost}), lost


def guessed_mime_type(content: bytes) -> str | None:
    """Return the MIME type by the first bytes, as maxim-py guesses it before an upload."""
    guess: Callable[[bytes], str | None] = cast("Any", filetype).guess_mime
    return guess(content)


@contextmanager
def maxim_hands_out(logger_for: Callable[[Maxim], Logger]) -> Generator[None]:
    """Let every `maxim.Maxim`, made before or inside, hand out that logger, and let one more be made inside.

    A `Maxim` made inside needs no key, waits for nothing when it is cleaned up, and is forgotten afterwards.
    """

    def logger(maxim: Maxim, _config: object = None) -> Logger:
        return logger_for(maxim)

    def cleanup(_maxim: Maxim) -> None:
        """Do nothing, where the real one first sleeps for two seconds."""

    before = vars(Maxim).get("_instance")
    key = {"MAXIM_API_KEY": os.environ.get("MAXIM_API_KEY", "no key needed")}
    with (
        patch.dict(os.environ, key),
        patch.object(Maxim, "logger", logger),
        patch.object(Maxim, "cleanup", cleanup),
    ):
        _forget_maxim(None)
        try:
            yield
        finally:
            _forget_maxim(before)


def _forget_maxim(successor: Maxim | None) -> None:
    current = vars(Maxim).get("_instance")
    if current is not None:
        atexit.unregister(current.cleanup)
        del cast("Any", Maxim)._instance
    if successor is not None:
        cast("Any", Maxim)._instance = successor


def real_logger(id: str, base_url: str, key: str, *, raise_exceptions: bool) -> Logger:
    """Return a real logger; it flushes on request, or when it has many logs."""
    return Logger({"id": id}, key, base_url, raise_exceptions=raise_exceptions)


class _Overlaid:
    """A module, some of its functions replaced: only maxim-py sees the replacements."""

    def __init__(self, module: ModuleType, **replaced: object) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextmanager
def without_waiting(waits: list[float]) -> Generator[None]:
    """Let maxim-py's client try again at once, and note in *waits* the seconds that it would have waited.

    Nor does it read the machine's certificates, which takes longer than all else and serves nothing that is mocked.
    """
    unverified = {"Client": partial(httpx.Client, verify=False), "put": partial(httpx.put, verify=False)}
    with (
        patch.object(maxim.apis.maxim_apis, "time", _Overlaid(time, sleep=waits.append)),
        patch.object(maxim.apis.maxim_apis, "httpx", _Overlaid(httpx, **unverified)),
    ):
        yield


def _try_to_send(delivery: Delivery) -> bool:
    """Wait until all is sent, or an attempt fails; return whether all is."""
    tried = delivery.retried
    while not (is_sent := delivery.flush(0.05)):
        if delivery.retried > tried or delivery.is_abandoned:
            break
    return is_sent


class _Committed:
    """What a writer was given, as a sink of it."""

    def __init__(self) -> None:
        self.logs: list[tuple[str, str, str]] = []

    def commit(self, log: CommitLog) -> None:
        """Take note of one log that maxim-py sends; it commits an attachment once more, when it is uploaded."""
        if _VALID_ID.fullmatch(log.entity_id) and log.action != "add-attachment":
            action = "add-attachment" if log.action == "upload-attachment" else log.action
            self.logs.append((log.entity.value, log.entity_id, action))


class RealWriters:
    """The real log writers made inside the context for one base URL; none flushes by the clock."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._writers: list[Any] = []
        self._committed: list[_Committed] = []
        self._spool = Path()
        self._asleep: set[threading.Thread] = set()
        self._over = threading.Event()

    @contextmanager
    def watched(self) -> Generator[None]:
        """Take note of every writer that is made, and clean up after them."""
        begin = LogWriter.__init__

        def begin_and_note(writer: LogWriter, config: Any) -> None:
            begin(writer, config)
            if str(config.base_url) == self._base_url:
                self._writers.append(writer)
                self._committed.append(_Committed())
                writer.sinks.append(cast("Any", self._committed[-1]))

        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as spool,
            patch.dict(os.environ, {ROOT_VARIABLE: spool}),
            patch.object(LogWriter, "__init__", begin_and_note),
            patch.object(maxim.logger.writer, "time", _Overlaid(time, sleep=self._sleep)),
        ):
            self._spool = Path(spool)
            try:
                yield
            finally:
                self._close()

    def flush(self) -> None:
        """Have each send all that it has, and wait until its workers have nothing left to do, or could not do it."""
        for writer in self._writers:
            self._wait_for_threads(writer)
            if (delivery := delivery_from(writer)) is not None:
                _try_to_send(delivery)
            else:
                writer.flush(is_sync=True)

    def end_process(self, *, killed: bool) -> None:
        """Keep what a process keeps at its end, and send nothing more."""
        for delivery in filter(None, map(delivery_from, self._writers)):
            if not killed and not _try_to_send(delivery):
                delivery.close(0)
            delivery.abandon()

    @property
    def committed(self) -> list[tuple[str, str, str]]:
        """Entity, id and action of each log that they were given."""
        return [log for committed in self._committed for log in committed.logs]

    @property
    def spills(self) -> list[Path]:
        """The files that keep what could not be sent, given up ones included."""
        folders = [Path(writer.logs_dir) for writer in self._writers]
        files = [file for folder in folders for kind in ("*.log", "*.failed") for file in folder.glob(kind)]
        return sorted([*files, *self._spool.rglob("*.log")])

    def _sleep(self, _seconds: float) -> None:
        self._asleep.add(threading.current_thread())
        self._over.wait()

    def _wait_for_threads(self, writer: Any) -> None:
        """Wait until the first flush of the clock, and what it and others handed to the workers, is done."""
        clock: threading.Thread = writer._LogWriter__flush_thread
        # The clock's first flush comes at once, and would send in the middle of the test.
        while clock.is_alive() and clock not in self._asleep:
            time.sleep(0.0005)
        if writer.is_running:
            writer.executor.submit(int).result()  # maxim-py 3.14.0 has one worker, and counts nothing
            writer.upload_executor.submit(int).result()
        while getattr(writer, "_LogWriter__in_flight", 0):
            time.sleep(0.0005)
        # After a failed upload maxim-py puts the bare data back into its queue: its next flush fails, as it is no log.
        uploads: Queue[object] = writer.upload_queue
        for waiting in [uploads.get() for _ in range(uploads.qsize())]:
            if isinstance(waiting, CommitLog):
                uploads.put(waiting)

    def _close(self) -> None:
        for writer in self._writers:
            self._wait_for_threads(writer)
            if (delivery := delivery_from(writer)) is not None:
                _try_to_send(delivery)
                delivery.abandon()
            writer.cleanup(is_sync=True)
            shutil.rmtree(Path(writer.logs_dir).parent, ignore_errors=True)
        self._over.set()
