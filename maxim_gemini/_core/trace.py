"""One call of the application: its trace, whose it is, and the generations in it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from .generation import STOPPED_EARLY, SUCCESS, Generation, Outcome
from .logger import Log, new_id
from .tool_calls import ToolRuns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime
    from types import TracebackType

    from .generation import Answer, Request, Start
    from .headers import Labels
    from .tool_calls import Conversation


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
            for key, value in (tags or {}).items():
                self.log.attempt("tag the trace", self._tag, key, value)
        if self._span_name is not None:
            self.span_id = new_id()
            span: Any = {"id": self.span_id, "name": self._span_name}
            self.log.attempt("begin the span", lambda: self.log.logger.trace_add_span(self.id, span))

    @property
    def holder(self) -> Holder:
        """What holds the generations and tool calls: the span if there is one, else the trace."""
        return Holder("trace", self.id) if self.span_id is None else Holder("span", self.span_id)

    def _tag(self, key: str, value: str) -> None:
        self.log.logger.trace_add_tag(self.id, key, value)

    def fail(self, error: Any) -> None:
        """Log an error that came before any request was made."""
        self.log.attempt("add the error", lambda: self.log.logger.trace_add_error(self.id, error))

    def close(self, text: str) -> None:
        """End the span, and the trace with its output if it is ours; the call guards it."""
        if (span_id := self.span_id) is not None:
            self.log.attempt("end the span", lambda: self.log.logger.span_end(span_id))
        if self.is_local:
            self.log.commits.end_trace(self.id, text)


class Call:
    """One call of the application: its trace, one generation for each remote call, and the functions run in between.

    *describe* gives what a function returned as text, and whether it failed; *unsent* the request, for the input of the
    trace where none was ever sent.
    """

    __slots__ = (
        "__weakref__",
        "_attached",
        "_generation",
        "_is_open",
        "_text_before",
        "_unsent",
        "generations",
        "log",
        "tools",
        "trace",
    )

    def __init__(
        self,
        trace: Trace,
        conversation: Conversation,
        attached: set[str | bytes | None],
        *,
        describe: Callable[[object], tuple[str, bool]],
        unsent: Callable[[], Request],
    ) -> None:
        self.log = trace.log
        self.trace = trace
        self.tools = ToolRuns(trace, conversation, describe)
        self.generations = 0
        self._attached = attached
        self._unsent = unsent
        self._generation: Generation | None = None
        self._text_before = ""
        self._is_open: bool | None = None  # None: nothing has happened yet

    def __enter__(self) -> Call:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, GeneratorExit):
            self.abandon()
        else:
            self.end(SUCCESS if error is None else Outcome.of(error))

    def __del__(self) -> None:
        if getattr(self, "_is_open", False) is not False:
            with suppress(Exception):
                self.abandon()

    @contextmanager
    def ending_on_error(self) -> Generator[None]:
        """End the call if what is done inside fails; else it goes on."""
        try:
            yield
        except BaseException as error:
            self.end(Outcome.of(error))
            raise

    def begin(
        self,
        model: str,
        request: Request,
        parameters: dict[str, str],
        answer: Answer,
        *,
        streamed: bool = False,
        start: Start | None = None,
        continues: bool = False,
    ) -> Generation:
        """Begin a generation: *request* is about to be sent, or was at *start*; it may go on with the last answer."""
        if self._generation is not None:
            self._generation.end(SUCCESS)  # where the SDK went on without reading it to its end
            self._text_before = self._output if continues else ""
        if self._is_open is False:  # the application has ended its chat, and reads on
            self.trace.renew()
            self._is_open = None
        self.generations += 1
        self._generation = Generation(self.trace, model, answer, self.tools, self._attached, streamed=streamed)
        self.log.attempt("begin the generation", self._begin, self._generation, request, parameters, start)
        return self._generation

    def _begin(self, generation: Generation, request: Request, parameters: dict[str, str], start: Start | None) -> None:
        if self._is_open is None:
            self._is_open = True
            self.trace.open(request.input, start.at if start else None)
        if request.answers:
            self.tools.answered(request.answers)
        generation.open(self.trace, request, parameters, start)

    @property
    def _output(self) -> str:
        return self._text_before + (self._generation.answer.text if self._generation else "")

    def end(self, outcome: Outcome) -> None:
        """End what is still open: the generation, then the trace. It may be called again, and does nothing then."""
        if self._is_open is False:
            return
        self.log.attempt("end the call", self._end, outcome)
        if self._is_open:  # what has not begun may still begin: a chat ends, and its stream is read later
            self._is_open = False
        self._generation = None

    def _end(self, outcome: Outcome) -> None:
        if self._generation is not None:
            self._generation.end(outcome)
        if self._is_open is None and outcome.error is not None:  # an error before the request is one on the trace
            self._is_open = True
            self.trace.open(self._unsent().input)
            self.trace.fail(outcome.error)
        if self._is_open:
            self.tools.leave()
            self.trace.close(self._output)

    def abandon(self) -> None:
        """End the call as one whose rest is not read: closed, or dropped, at the hands of the garbage collector."""
        if self._is_open is not False:
            self.log.when_free(lambda: self.end(STOPPED_EARLY))


class NoCall:
    """Stands in for a call that could not begin: the SDK's call goes on without a trace."""

    def __enter__(self) -> NoCall:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def ending_on_error(self) -> NoCall:
        """Do nothing."""
        return self
