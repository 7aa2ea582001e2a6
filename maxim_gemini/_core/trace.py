"""The trace of one call of the application: the logger's own, or one that the caller ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .logger import Log, new_id

if TYPE_CHECKING:
    from datetime import datetime

    from .headers import Labels


class Holder(NamedTuple):
    """A trace or a span, in which other entities stand."""

    kind: str
    id: str

    def add(self, log: Log, entity: str, config: Any) -> None:
        """Begin a `generation`, `tool_call` or `retrieval` in it."""
        getattr(log.logger, f"{self.kind}_add_{entity}")(self.id, config)


class Trace:
    """Whose the trace of one call is, and what is to be logged on it: its own, or one that the caller ends.

    All that the call consists of share it. With *span_name* it stands in a span of the trace.
    """

    __slots__ = ("_session_name", "_span_name", "id", "is_local", "labels", "log", "name", "span_id")

    def __init__(
        self,
        log: Log,
        labels: Labels,
        name: str,
        trace_id: str = "",
        *,
        session_name: str = "Chat session",
        span_name: str | None = None,
    ) -> None:
        self.log = log
        self._session_name = session_name
        self._span_name = span_name
        self.span_id: str | None = None
        self.labels = labels
        self.name = name
        self.is_local = labels.trace_id is None
        self.id = trace_id or labels.trace_id or new_id()

    def renew(self) -> None:
        """Make room for what goes on after the end: another trace, where this one was ours."""
        if self.is_local:
            self.id = new_id()

    def open(self, text: str, start: datetime | None = None) -> None:
        """Begin the trace with its input if it is ours, announce it if the logger has not seen it."""
        tags = self.labels.trace_tags
        if self.is_local or self.log.is_new(self.id):
            config: Any = {"id": self.id}
            if self.is_local:
                config |= {"input": text, "name": self.name}
            if start is not None:
                config["start_timestamp"] = start
            if (session_id := self.labels.session_id) is not None:
                config["session_id"] = session_id
                if self.log.is_new(session_id):
                    session: Any = {"id": session_id, "name": self._session_name}
                    self.log.attempt("begin the session", lambda: self.log.logger.session(session))
            if tags:
                config["tags"] = dict(tags)
            self.log.attempt("begin the trace", self.log.commits.begin_trace, config)
        else:
            for tag in (tags or {}).items():
                self.log.attempt("tag the trace", lambda tag: self.log.logger.trace_add_tag(self.id, *tag), tag)
        if self._span_name is not None:
            self.span_id = new_id()
            span: Any = {"id": self.span_id, "name": self._span_name}
            self.log.attempt("begin the span", lambda: self.log.logger.trace_add_span(self.id, span))

    @property
    def holder(self) -> Holder:
        """What holds the generations and tool calls: the span if there is one, else the trace."""
        return Holder("trace", self.id) if self.span_id is None else Holder("span", self.span_id)

    def fail(self, error: Any) -> None:
        """Log an error that came before any request was made."""
        self.log.attempt("add the error", lambda: self.log.logger.trace_add_error(self.id, error))

    def close(self, text: str, at: datetime | None = None) -> None:
        """End the span, and the trace with its output if it is ours; the call guards it."""
        if (span_id := self.span_id) is not None:
            self.log.attempt("end the span", lambda: self.log.logger.span_end(span_id))
        if self.is_local:
            self.log.commits.end_trace(self.id, text, at)
