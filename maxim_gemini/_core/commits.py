"""Commits to a writer of maxim-py's, and the queue that takes them.

Every client needs this. The delivery and the privacy policies are other modules, imported for a logger or a client that
has one.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from maxim.logger.components.types import CommitLog, Entity

if TYPE_CHECKING:
    from maxim.logger import Logger

    from .delivery import Delivery
    from .privacy import Screen
    from .values import JsonDict

# Looking up a member of an enumeration for each commit would be slow.
_GENERATION: Final = Entity.GENERATION
_TRACE: Final = Entity.TRACE

ATTACHING: Final = ("upload-attachment", "add-attachment")


class PlainLog(CommitLog):
    """A log whose data are JSON values and times only, which can be serialized faster."""


class Screened(CommitLog):
    """A commit to whose data the policy is applied when they are first read."""

    def __init__(self, log: CommitLog, screen: Screen) -> None:
        self._screen: Screen | None = screen
        self._lock = threading.Lock()
        self._data: dict[str, Any] | None = None
        super().__init__(log.entity, log.entity_id, log.action, log.data)

    @property
    def data(self) -> dict[str, Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The data as they may be logged."""
        with self._lock:
            if self._screen is not None and self._data is not None:
                self._data = self._ready(self._screen, self._data)
            self._screen = None
            return self._data

    @data.setter
    def data(self, data: dict[str, Any] | None) -> None:
        self._data = data

    @property
    def unscreened(self) -> dict[str, Any] | None:
        """The data before the mask, for their ids, which are never masked: reading them calls no mask."""
        return self._data

    def _ready(self, screen: Screen, data: dict[str, Any]) -> dict[str, Any]:
        if self.action in ATTACHING:
            return screen.attachment(data)
        entity = self.action.removeprefix("add-") if self.action.startswith("add-") else str(self.entity.value)
        return screen.data(entity.replace("-", "_"), data)


class Intake:
    """Replaces both queues of a writer. It looks empty to the writer, which then sends nothing itself."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.put = delivery.put
        # Called on each commit: `int()` returns 0 without a Python frame.
        self.qsize = int

    def empty(self) -> bool:
        return True


def delivery_from(writer: object) -> Delivery | None:
    """Return the delivery of *writer*; `None` if it has its own queues."""
    intake: object = getattr(writer, "queue", None)
    return intake.delivery if isinstance(intake, Intake) else None


class Methods:
    """The logs that every call writes, by the public methods of its logger."""

    __slots__ = ("_logger",)

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def begin_trace(self, config: Any) -> None:
        """Begin a trace."""
        self._logger.trace(config)

    def begin_generation(self, trace_id: str, config: Any) -> None:
        """Begin a generation in a trace."""
        self._logger.trace_add_generation(trace_id, config)

    def end_generation(self, generation_id: str, result: JsonDict, about: JsonDict, at: datetime | None = None) -> None:
        """Log the metadata and metrics in *about*, the result, and the end of a generation, now or *at* a time."""
        try:
            if metadata := about.get("metadata"):
                self._logger.generation_add_metadata(generation_id, metadata)
            if hasattr(self._logger, "generation_add_metric"):  # not in maxim-py 3.14.0
                for name, value in about.get("metrics", {}).items():
                    self._logger.generation_add_metric(generation_id, name, value)
        finally:
            self._logger.generation_result(generation_id, result)

    def end_trace(self, trace_id: str, answered: str, at: datetime | None = None) -> None:
        """Log the text that the model *answered* as output, and end the trace, now or *at* a time."""
        try:
            self._logger.trace_set_output(trace_id, answered)
        finally:
            self._logger.trace_end(trace_id)


class Commits(Methods):
    """The same logs, committed directly, as maxim-py's methods would commit them.

    Those methods make objects that are not used, check a result twice, and commit each metric separately.
    """

    __slots__ = ()

    def begin_trace(self, config: Any) -> None:
        """Begin a trace."""
        start = config.get("start_timestamp") or datetime.now(UTC)
        data: JsonDict = {"startTimestamp": start, "tags": config.get("tags", {})}
        for name, name_in_commit in (("name", "name"), ("session_id", "sessionId"), ("input", "input")):
            if value := config.get(name):
                data[name_in_commit] = value
        self._logger.writer.commit(PlainLog(_TRACE, config["id"], "create", data))

    def begin_generation(self, trace_id: str, config: Any) -> None:
        """Begin a generation in a trace."""
        data: JsonDict = {"startTimestamp": datetime.now(UTC), "tags": {}, **config}
        data["modelParameters"] = data.pop("model_parameters")
        if start := data.pop("start_timestamp", None):
            data["startTimestamp"] = start
        self._logger.writer.commit(PlainLog(_TRACE, trace_id, "add-generation", data))

    def end_generation(self, generation_id: str, result: JsonDict, about: JsonDict, at: datetime | None = None) -> None:
        """Log the metadata and metrics in *about*, the result, and the end of a generation, now or *at* a time."""
        commit = self._logger.writer.commit
        if about:
            commit(PlainLog(_GENERATION, generation_id, "update", about))
        commit(PlainLog(_GENERATION, generation_id, "result", {"result": result}))
        commit(PlainLog(_GENERATION, generation_id, "end", {"endTimestamp": at or datetime.now(UTC)}))

    def end_trace(self, trace_id: str, answered: str, at: datetime | None = None) -> None:
        """Log the text that the model *answered* as output, and end the trace, now or *at* a time."""
        commit = self._logger.writer.commit
        commit(PlainLog(_TRACE, trace_id, "update", {"output": answered}))
        commit(PlainLog(_TRACE, trace_id, "end", {"endTimestamp": at or datetime.now(UTC)}))
