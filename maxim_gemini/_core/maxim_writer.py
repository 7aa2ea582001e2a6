"""Replace the queues of maxim-py's log writer by a delivery, which sends with maxim-py's client of Maxim's API.

The writer itself stays: the logger, its traces and its sinks commit to it as before. It checks ids, calls the sinks,
names attachments, and puts each log into its queue, which is now the delivery's intake.
"""

# pyright: reportMissingTypeStubs=false
# maxim-py and filetype have annotations, but no py.typed.

from __future__ import annotations

import contextlib
import email.utils
import functools
import json
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

from .commits import Intake, PlainLog, Screened, delivery_from
from .delivery import Delivery
from .outbox import LARGE, CannotBeRead, Item, Limits
from .sender import Failure
from .spool import account, default_root

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from maxim.logger import Logger

    from .outbox import WhenFull

LONGEST_WAIT: Final = 300.0
"""Longest time in seconds that the backend can set by `Retry-After`."""

_ENCODER: Final = CustomEncoder()


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
    """Set how the logs of *logger* are delivered to Maxim, and return the delivery.

    A wrapped client uses the default settings without this function. *when_full* is what happens to logs beyond
    *memory_limit* bytes: `spill` writes them to disk (and drops the oldest beyond *disk_limit* bytes), `wait` makes
    threads wait that log, `drop_oldest` drops the oldest. With *journal* every log is on disk until it is sent, so that
    not even a killed process loses it. *folder* is where logs are kept on disk. *timeout* is the number of seconds that
    `flush` and the end of the process wait for the backend; logs that are not sent by then stay on disk, and the next
    process sends them. For a logger that does not send to Maxim, such as one of a test, it has no effect.

    Raises `ValueError` for an unknown *when_full*.
    """
    if when_full not in ("spill", "wait", "drop_oldest"):
        raise ValueError(f"when_full must be 'spill', 'wait' or 'drop_oldest', got {when_full!r}")
    delivery = take_over(getattr(logger, "writer", None))
    if delivery is None:
        return idle()
    limits = Limits(when_full=when_full, memory=memory_limit, disk=disk_limit, journal=journal)
    delivery.configure(limits, folder=Path(folder) if folder else default_root(), timeout=timeout)
    return delivery


@functools.cache
def idle() -> Delivery:
    """Return a delivery that is always empty."""
    return Delivery(cast("Any", None), "", folder=default_root())


def take_over(writer: object) -> Delivery | None:
    """Deliver the commits to *writer* and its sinks; `None` for anything but an unchanged writer of maxim-py's."""
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
    writer.queue = writer.upload_queue = Intake(delivery)
    writer.max_in_memory_logs = sys.maxsize  # so that no commit starts a flush
    for queue in waiting:
        while not queue.empty():
            delivery.put(queue.get())
    finish, add_sink = writer.cleanup, writer.add_sink

    def flush(is_sync: bool = False) -> None:
        """Wait until all is sent where maxim-py waits: if *is_sync*, and on Lambda, which freezes processes."""
        if is_sync or writer.is_running_on_lambda():
            delivery.flush()

    def cleanup(is_sync: bool = False) -> None:
        finish(is_sync=False)  # stops its threads
        for file in sorted(Path(writer.logs_dir).glob("*.log")):  # logs that it could not send before
            delivery.put(file)
        delivery.close()

    def add_sink_too(config: Any) -> None:
        add_sink(config)
        take_over(writer.sinks[-1])

    writer.flush, writer.cleanup, writer.add_sink = flush, cleanup, add_sink_too
    delivery.open()
    return delivery


class MaximTransport:
    """Serializes logs as maxim-py's writer does, and sends them by its client."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer: Any = writer
        self._is_closed = False
        self._prepare(writer.maxim_api)

    def _prepare(self, api: MaximAPI) -> None:
        """Turn off the client's own retries: the sender decides when to retry."""
        api.max_retries = 0
        api.base_delay = 0.0

    def open(self, *, anew: bool = False) -> None:
        """Open connections if they are closed, and new ones if *anew*: after a fork they belong to the parent."""
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
        """Return *log* as a line; unchanged if it is a file or an attachment, or has yet to be masked."""
        if isinstance(log, (Path, Screened)) or log.action == "upload-attachment":
            return log
        return line_of(log)

    def item(self, log: CommitLog | Path) -> Item:
        """Return a log that `written` left unchanged as an item; a path is a file of logs that the writer left."""
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
        """Upload a large log to Maxim's storage; return the line to send instead of it."""
        file_id = str(uuid.uuid4())
        key = f"{self._writer.repository_id}/large-logs/{file_id}"
        stored: str = self._writer.process_large_log(file_id, key, line.decode())
        return stored.encode()

    def upload(self, attachment: bytes) -> CommitLog:
        """Upload an attachment to Maxim's storage; return the log that refers to it."""
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
        """Return why sending failed. maxim-py keeps the HTTP error as the cause of its own error."""
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
    """Return what `log.serialize()` returns, but faster: that encodes all data twice, first to check them."""
    if type(log) is PlainLog:
        try:
            return _head(log).encode() + to_json(log.data) + b"}"
        except ValueError:  # a lone surrogate can't be encoded as UTF-8
            pass
    if isinstance(log, PlainLog) or (type(log) is CommitLog and log.action != "add-attachment"):
        with contextlib.suppress(Exception):
            return f"{_head(log)}{_ENCODER.encode(log.data)}}}".encode()
    return log.serialize().encode()


def _head(log: CommitLog) -> str:
    # `value` of an enumeration is a descriptor, which is slower than the attribute behind it.
    return f"{log.entity._value_}{{id={log.entity_id},action={log.action},data="


def _attachment(log: CommitLog, data: dict[str, Any]) -> bytes:
    """Return one line of JSON and, behind it, the content; a file's content is read later, when it is sent."""
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
    """Return the seconds to wait that a `Retry-After` header gives, as a number or as a date."""
    if not value:
        return None
    try:
        date = None if value.isdecimal() else email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = float(value) if date is None else date.timestamp() - time.time()
    return min(max(seconds, 0.0), LONGEST_WAIT)
