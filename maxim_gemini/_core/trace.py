"""The trace of one call of the application: a new one, or one that the caller has begun and will end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .logger import Log, new_id

if TYPE_CHECKING:
    from datetime import datetime

    from .headers import Labels


class Holder:
    """A trace or a span that contains other entities."""

    __slots__ = ("id", "kind")

    def __init__(self, kind: str, id: str) -> None:
        self.kind = kind
        self.id = id

    def add(self, log: Log, entity: str, config: Any) -> None:
        """Begin a `generation`, `tool_call` or `retrieval` in it."""
        getattr(log.logger, f"{self.kind}_add_{entity}")(self.id, config)

    def add_span(self, log: Log, config: Any) -> Any:
        """Begin a span in it."""
        return getattr(log.logger, "trace_add_span" if self.kind == "trace" else "span_add_sub_span")(self.id, config)


class Trace:
    """The trace of one call: a local one, which begins and ends with the call, or one of the caller's.

    All parts of the call share it. With *span_name* the call gets a span of its own in the trace.
    """

    __slots__ = ("_own_span_id", "_session_name", "_span_name", "id", "is_local", "labels", "log", "name", "span_id")

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
        self._own_span_id: str | None = None
        self.span_id = labels.span_id
        self.labels = labels
        self.name = name
        self.is_local = labels.trace_id is None
        self.id = trace_id or labels.trace_id or new_id()
        if labels.span_id is not None:
            log.place(labels.span_id, self.id)

    def renew(self) -> None:
        """Prepare for requests after the end: use a new trace if this one was local, or has ended."""
        hold = self.labels.hold
        if hold is not None:
            hold = hold.again()
            self.labels = self.labels._replace(hold=hold)
            if hold is None:
                self.is_local = True
                self.span_id = None
        if self.is_local:
            self.id = new_id()

    def open(self, text: str, start: datetime | None = None) -> None:
        """Begin the trace: with its input if it is local; without one if it is the caller's and new to this logger."""
        tags = self.labels.trace_tags
        # A second `create` would reset the start time and the tags of a trace that the caller has begun.
        if self.is_local or self.log.is_new(self.id):
            config: Any = {"id": self.id}
            if self.is_local:
                config |= {"input": text, "name": self.name}
            if start is not None:
                config["start_timestamp"] = start
            if (session_id := self.labels.session_id) is not None:
                config["session_id"] = session_id
                begin_session(self.log, session_id, self._session_name)
            if tags:
                config["tags"] = dict(tags)
            self.log.attempt("begin the trace", self.log.commits.begin_trace, config)
        else:
            for tag in (tags or {}).items():
                self.log.attempt("tag the trace", lambda tag: self.log.logger.trace_add_tag(self.id, *tag), tag)
        if self._span_name is not None:
            span: Any = {"id": new_id(), "name": self._span_name}
            self.log.attempt("begin the span", self.holder.add_span, self.log, span)
            self.span_id = self._own_span_id = span["id"]

    @property
    def holder(self) -> Holder:
        """The parent of the generations and tool calls: the innermost span if there is one, else the trace."""
        return Holder("trace", self.id) if self.span_id is None else Holder("span", self.span_id)

    def fail(self, error: Any) -> None:
        """Log an error that belongs to no generation: from before the first request, or after the last answer."""
        self.log.attempt("add the error", lambda: self.log.logger.trace_add_error(self.id, error))

    def close(self, text: str, at: datetime | None = None) -> None:
        """End the call's own span, and the trace with its output if it is local. Unlike `open`, it may raise."""
        if (span_id := self._own_span_id) is not None:
            self.log.attempt("end the span", lambda: self.log.logger.span_end(span_id))
        if self.is_local:
            self.log.commits.end_trace(self.id, text, at)

    def release(self) -> None:
        """Let a `trace()` block around the call end: this call will begin nothing more in it."""
        if self.labels.hold is not None:
            self.labels.hold.release()


def begin_session(log: Log, session_id: str, name: str) -> None:
    """Begin the session if it is new to this logger."""
    if log.is_new(session_id):
        session: Any = {"id": session_id, "name": name}
        log.attempt("begin the session", lambda: log.logger.session(session))
