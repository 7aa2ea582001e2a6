"""The only module of the kit that uses private names of maxim-py.

`tests/fake_logger/test_maxim.py` fails when they change.

maxim-py has no public way to see what a logger would send, so three private parts of it are used: the encoding of a log
line (`CustomEncoder`), the attributes of a writer and a logger (their constructors start threads and make folders, so
the ones in memory set the same attributes), and the singleton behind `maxim.Maxim`.
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
    """Return *data* as the JSON text that maxim-py would send, and the reason for each key that can't be sent.

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
    """Return the MIME type by the first bytes, as maxim-py does before an upload."""
    guess: Callable[[bytes], str | None] = cast("Any", filetype).guess_mime
    return guess(content)


@contextmanager
def maxim_hands_out(logger_for: Callable[[Maxim], Logger]) -> Generator[None]:
    """Let each `maxim.Maxim`, made before or in the block, return that logger; in the block, one more can be made.

    A `Maxim` made in the block needs no key, does not wait when it is cleaned up, and is forgotten afterwards.
    """

    def logger(maxim: Maxim, _config: object = None) -> Logger:
        return logger_for(maxim)

    def cleanup(_maxim: Maxim) -> None:
        """Do nothing; the real one sleeps for two seconds."""

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
    """Return a real logger, which flushes on request, or when it has many logs."""
    return Logger({"id": id}, key, base_url, raise_exceptions=raise_exceptions)


class _Overlaid:
    """A module with some functions replaced; only maxim-py sees the replacements."""

    def __init__(self, module: ModuleType, **replaced: object) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextmanager
def without_waiting(waits: list[float]) -> Generator[None]:
    """Let maxim-py's client retry at once, and add the seconds that it would have waited to *waits*.

    It also does not read the machine's certificates, which takes long and is not needed for a mock.
    """
    unverified = {"Client": partial(httpx.Client, verify=False), "put": partial(httpx.put, verify=False)}
    with (
        patch.object(maxim.apis.maxim_apis, "time", _Overlaid(time, sleep=waits.append)),
        patch.object(maxim.apis.maxim_apis, "httpx", _Overlaid(httpx, **unverified)),
    ):
        yield


def _try_to_send(delivery: Delivery) -> bool:
    """Wait until all logs are sent, or an attempt fails; return whether all are sent."""
    tried = delivery.retried
    while not (is_sent := delivery.flush(0.05)):
        if delivery.retried > tried or delivery.is_abandoned:
            break
    return is_sent


class _Committed:
    """A sink that keeps the logs of a writer."""

    def __init__(self) -> None:
        self.logs: list[tuple[str, str, str]] = []

    def commit(self, log: CommitLog) -> None:
        """Keep one log. maxim-py commits an attachment a second time, when it is uploaded."""
        if _VALID_ID.fullmatch(log.entity_id) and log.action != "add-attachment":
            action = "add-attachment" if log.action == "upload-attachment" else log.action
            self.logs.append((log.entity.value, log.entity_id, action))


class RealWriters:
    """The real log writers made in a block for one base URL; none flushes periodically."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._writers: list[Any] = []
        self._committed: list[_Committed] = []
        self._spool = Path()
        self._asleep: set[threading.Thread] = set()
        self._over = threading.Event()

    @contextmanager
    def watched(self) -> Generator[None]:
        """Register all writers that are made in the block, and clean them up at its end."""
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
        """Let each writer send its logs, and wait until its workers are done, or have failed."""
        for writer in self._writers:
            self._wait_for_threads(writer)
            if (delivery := delivery_from(writer)) is not None:
                _try_to_send(delivery)
            else:
                writer.flush(is_sync=True)

    def end_process(self, *, killed: bool) -> None:
        """Do the same as at the end of a process: keep logs on disk, and send nothing more."""
        for delivery in filter(None, map(delivery_from, self._writers)):
            if not killed and not _try_to_send(delivery):
                delivery.close(0)
            delivery.abandon()

    @property
    def committed(self) -> list[tuple[str, str, str]]:
        """Entity, id and action of each log that was committed to them."""
        return [log for committed in self._committed for log in committed.logs]

    @property
    def spills(self) -> list[Path]:
        """The files of logs that could not be sent, including those that are not retried."""
        folders = [Path(writer.logs_dir) for writer in self._writers]
        files = [file for folder in folders for kind in ("*.log", "*.failed") for file in folder.glob(kind)]
        return sorted([*files, *self._spool.rglob("*.log")])

    def _sleep(self, _seconds: float) -> None:
        self._asleep.add(threading.current_thread())
        self._over.wait()

    def _wait_for_threads(self, writer: Any) -> None:
        """Wait for the first periodic flush, and for the jobs of the workers."""
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
