"""Take the place of the queues of maxim-py's log writer, and send by its own client of Maxim's API.

Whatever holds the writer (the logger, its sessions and traces, its sinks) goes on committing to it: it checks the ids,
calls the sinks and names the attachments as always, and puts the log into its queue, which is ours.
"""

# pyright: reportMissingTypeStubs=false
# maxim-py and filetype are annotated, but have no py.typed.

from __future__ import annotations

import contextlib
import email.utils
import functools
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import filetype
import httpx
from maxim.apis import MaximAPI
from maxim.logger.components.types import CommitLog, CustomEncoder, Entity
from maxim.logger.writer import LogWriter
from pydantic_core import to_json

from .delivery import Delivery
from .outbox import LARGE, CannotBeRead, Item, Limits
from .private_writer import Screened
from .sender import Failure
from .spool import account, default_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from maxim.logger import Logger

    from .outbox import WhenFull

SWITCH: Final = "MAXIM_GEMINI_DELIVERY"
"""The environment variable that leaves everything to maxim-py, if it is `off`."""

LONGEST_WAIT: Final = 300.0
"""The most seconds that a backend can make us wait with `Retry-After`."""

_ENCODER: Final = CustomEncoder()


class PlainLog(CommitLog):
    """A log whose data is what JSON knows, and times: it can be written down in a quicker way."""


class _Intake:
    """In the place of both queues of a writer; to its own methods it is always empty."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.put = delivery.put
        # Read on each commit: `int()` is 0, and costs no frame of Python.
        self.qsize = int

    def empty(self) -> bool:
        return True


def deliver(
    logger: Logger,
    *,
    when_full: WhenFull = "spill",
    memory_limit: int = 16 * 1024 * 1024,
    disk_limit: int = 1024 * 1024 * 1024,
    journal: bool = False,
    folder: str | os.PathLike[str] | None = None,
    timeout: float = 10.0,
) -> Delivery:
    """Deliver all that *logger* logs, with these settings; every wrapped client has it done with the usual ones.

    *when_full* says what to do with logs beyond *memory_limit* bytes: `spill` them to disk (to *disk_limit* bytes, then
    drop the oldest), let the threads that log `wait`, or `drop_oldest`. With *journal* all logs are on disk until they
    are sent, so that not even a killed process loses them. *folder* is where they are kept. *timeout* is the
    number of seconds that the end of the process waits for the backend; what is not sent by then is kept on disk, and
    sent by the next process. With a logger that sends nothing to Maxim, in a test say, there is nothing to do.
    """
    if when_full not in ("spill", "wait", "drop_oldest"):
        raise ValueError(f"when_full must be 'spill', 'wait' or 'drop_oldest', got {when_full!r}")
    delivery = take_over(getattr(logger, "writer", None))
    if delivery is None:
        return idle()
    limits = Limits(when_full=when_full, memory=memory_limit, disk=disk_limit, journal=journal)
    delivery.configure(limits, folder=Path(folder) if folder else default_root(), timeout=timeout)
    return delivery


def delivery_of(logger: object) -> Delivery:
    """Return what delivers the logs of *logger*; one that stays empty if that is not our business."""
    return delivery_from(getattr(logger, "writer", None)) or idle()


def delivery_from(writer: object) -> Delivery | None:
    """Return what delivers the logs that are committed to *writer*, if it is ours."""
    intake: object = getattr(writer, "queue", None)
    return intake.delivery if isinstance(intake, _Intake) else None


@functools.cache
def idle() -> Delivery:
    """Return a delivery without anything to deliver."""
    return Delivery(cast("Any", None), "", folder=default_root())


def deliver_by_default(logger: object) -> None:
    """Deliver what *logger* logs if it is maxim-py's own and sends to Maxim, and the environment does not forbid it."""
    if os.environ.get(SWITCH, "").lower() not in ("off", "0", "false", "no"):
        take_over(getattr(logger, "writer", None))


def take_over(writer: object) -> Delivery | None:
    """Deliver what is committed to *writer* and its sinks, if it is just what maxim-py made."""
    if type(writer) is not LogWriter:
        return None
    for sink in writer.sinks:
        take_over(sink)
    return delivery_from(writer) or _take_over(writer)


def _take_over(writer: Any) -> Delivery:
    config = writer.config
    name = account(str(config.base_url), str(config.api_key), str(config.repository_id))
    delivery = Delivery(MaximTransport(writer), name, folder=default_root())
    waiting = (writer.queue, writer.upload_queue)
    writer.queue = writer.upload_queue = _Intake(delivery)
    writer.max_in_memory_logs = sys.maxsize  # a commit never flushes by itself
    for queue in waiting:
        while not queue.empty():
            delivery.put(queue.get())
    finish, add_sink = writer.cleanup, writer.add_sink

    def flush(is_sync: bool = False) -> None:
        """Wait until all is sent, where maxim-py would: if asked to, and on Lambda, which freezes its processes."""
        if is_sync or writer.is_running_on_lambda():
            delivery.flush()

    def cleanup(is_sync: bool = False) -> None:
        finish(is_sync=False)  # ends its threads
        for file in sorted(Path(writer.logs_dir).glob("*.log")):  # what it could not send before
            delivery.put(file)
        delivery.close()

    def add_sink_too(config: Any) -> None:
        add_sink(config)
        take_over(writer.sinks[-1])

    writer.flush, writer.cleanup, writer.add_sink = flush, cleanup, add_sink_too
    delivery.open()
    return delivery


class MaximTransport:
    """How a writer of maxim-py writes a log down, and how it sends it."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer: Any = writer
        self._is_closed = False
        self._prepare(writer.maxim_api)

    def _prepare(self, api: MaximAPI) -> None:
        """Let it try once: how to go on is decided here."""
        api.max_retries = 0
        api.base_delay = 0.0

    def open(self, *, anew: bool = False) -> None:
        """Open connections, if they are closed, or belong to the parent process."""
        if self._is_closed or anew:
            config = self._writer.config
            self._writer.maxim_api = MaximAPI(config.base_url, config.api_key)
            self._prepare(self._writer.maxim_api)
            self._is_closed = False

    def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        self._writer.maxim_api.connection_pool.client.close()

    def written(self, log: CommitLog | Path) -> bytes | CommitLog | Path:
        """Return *log* as a line; as it is what has content elsewhere, and what waits for a mask."""
        if isinstance(log, (Path, Screened)) or log.action == "upload-attachment":
            return log
        return line_of(log)

    def item(self, log: CommitLog | Path) -> Item:
        """Return what is no line yet as it is kept and sent; a path is a file that the writer left."""
        if isinstance(log, Path):
            content = log.read_bytes().rstrip(b"\n")
            log.unlink()
            return Item.of_lines(content.split(b"\n"))
        if log.action != "upload-attachment":
            line = line_of(log)
            return Item("log", line, is_large=True) if len(line) >= LARGE else Item.of_lines([line])
        data = dict(log.data or {})
        if data.get("type") != "url":
            return Item("attachment", _attachment(log, data))
        return Item.of_lines([line_of(CommitLog(log.entity, log.entity_id, "add-attachment", data))])

    def push(self, lines: bytes) -> None:
        """Send lines of logs."""
        self._writer.maxim_api.push_logs(self._writer.repository_id, lines.decode())

    def store(self, line: bytes) -> bytes:
        """Put a large log into the storage; return the line to send in its place."""
        file_id = str(uuid.uuid4())
        key = f"{self._writer.repository_id}/large-logs/{file_id}"
        stored: str = self._writer.process_large_log(file_id, key, line.decode())
        return stored.encode()

    def upload(self, attachment: bytes) -> CommitLog:
        """Put an attachment into the storage; return the log of it."""
        head, _, content = attachment.partition(b"\n")
        about: dict[str, Any] = json.loads(head)
        data: dict[str, Any] = about["data"]
        if data["type"] == "file":
            content = _read(data.pop("path"))
        guess = cast("Callable[[bytes], str | None]", cast("Any", filetype).guess_mime)
        mime_type = data["mimeType"] = guess(content) or data.get("mime_type") or "application/octet-stream"
        target = self._writer.maxim_api.get_upload_url(data["key"], mime_type, len(content))
        self._writer.maxim_api.upload_to_signed_url(target["url"], content, mime_type)
        return CommitLog(Entity(about["entity"]), about["id"], "add-attachment", data)

    def failure(self, error: Exception) -> Failure:
        """Return why something could not be sent: maxim-py keeps the HTTP error as the cause of its own."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, httpx.HTTPStatusError):
                return _http_failure(cause.response, str(error))
            if isinstance(cause, httpx.TransportError):
                return Failure("unreachable", str(error))
            if isinstance(cause, CannotBeRead):
                return Failure("impossible", str(error))
            cause = cause.__cause__
        return Failure("server error", str(error))


def line_of(log: CommitLog) -> bytes:
    """Return what `serialize` returns, which encodes all data twice, to find out first whether it can be encoded."""
    if type(log) is PlainLog:
        try:
            return _head(log).encode() + to_json(log.data) + b"}"
        except ValueError:  # half a character can't be written as UTF-8
            pass
    if isinstance(log, PlainLog) or (type(log) is CommitLog and log.action != "add-attachment"):
        with contextlib.suppress(Exception):
            return f"{_head(log)}{_ENCODER.encode(log.data)}}}".encode()
    return log.serialize().encode()


def _head(log: CommitLog) -> str:
    # An enumeration's `value` is found by a descriptor, which is slow.
    return f"{log.entity._value_}{{id={log.entity_id},action={log.action},data="


def _attachment(log: CommitLog, data: dict[str, Any]) -> bytes:
    """Return a head of one line, and the content; that of a file is read when it is sent."""
    content = data.pop("data", b"") if data.get("type") == "file_data" else b""
    if data.get("type") not in ("file", "file_data") or ("path" not in data and not content):
        raise ValueError(f"attachment without content: {data}")
    about = {"entity": log.entity.value, "id": log.entity_id, "data": data}
    return json.dumps(about, cls=CustomEncoder).encode() + b"\n" + content


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CannotBeRead(f"the attachment can't be read: {error}") from error


def _http_failure(response: httpx.Response, message: str) -> Failure:
    status = response.status_code
    message = f"HTTP {status}, {message}"
    if status in (401, 403, 404):
        return Failure("forbidden", message)
    if status in (408, 425, 429, 502, 503, 504):
        return Failure("busy", message, _seconds(response.headers.get("retry-after")))
    return Failure("server error" if status >= 500 else "refused", message)


def _seconds(value: str | None) -> float | None:
    """Return the seconds that a `Retry-After` asks for, written as such or as a date."""
    if not value:
        return None
    try:
        date = None if value.isdecimal() else email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = float(value) if date is None else date.timestamp() - time.time()
    return min(max(seconds, 0.0), LONGEST_WAIT)
