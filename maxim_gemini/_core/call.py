"""One call of the application: its trace and its generations."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .generation import STOPPED_EARLY, SUCCESS, Generation, Outcome
from .tool_calls import ToolRuns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from .generation import Answer, Request, Start
    from .tool_calls import Conversation
    from .trace import Trace


class Call:
    """One call of the application: its trace, a generation for each remote call, and the functions run in between.

    *describe* returns a function's return value as text, and whether the function failed. *unsent* returns the request
    of a call that failed before it was sent; it is the input of the trace then.
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
        # The stream was closed or dropped before its end, possibly by the garbage collector.
        if isinstance(error, GeneratorExit):
            self.abandon()
        else:
            self.end(SUCCESS if error is None else Outcome.of(error))

    def __del__(self) -> None:
        # `__init__` may have failed before the attribute was set.
        if getattr(self, "_is_open", False) is not False:
            with suppress(Exception):
                self.abandon()

    @contextmanager
    def ending_on_error(self) -> Generator[None]:
        """End the call if the block fails; otherwise it stays open, for a stream to end it."""
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
        """Begin a generation for *request*, sent next or at *start*. Its answer *continues* the last one, or is new."""
        if self._generation is not None:
            self._generation.end(SUCCESS)  # the SDK did not read the last answer to its end
            self._text_before = self._output if continues else ""
        if self._is_open is False:  # the application reads a stream of a chat that it has ended
            self.trace.renew()
            self._is_open = None
        # Counted before anything can fail: `opaque.WholeCall` checks whether a remote call inside it was recorded.
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
        """End the generation and the trace. A second call does nothing."""
        if self._is_open is False:
            return
        self.log.attempt("end the call", self._end, outcome)
        if self._is_open:  # a call that has not begun may still begin: its stream may be read after the end of its chat
            self._is_open = False
            self.trace.release()
        self._generation = None

    def _end(self, outcome: Outcome) -> None:
        if (generation := self._generation) is not None:
            generation.end(outcome)
            # An error after the last answer was complete: the SDK, or a function, failed to process it.
            if outcome.error is not None and generation.ended is not None and generation.ended.error is None:
                self.trace.fail(outcome.error)
        if self._is_open is None and outcome.error is not None:  # an error before any request
            self._is_open = True
            self.trace.open(self._unsent().input)
            self.trace.fail(outcome.error)
        if self._is_open:
            # Before the trace ends: Maxim drops tool calls that are added to an ended trace.
            self.tools.leave()
            self.trace.close(self._output, outcome.at)

    def abandon(self) -> None:
        """End the call as stopped early: its stream was closed, or dropped and garbage-collected."""
        if self._is_open is not False:
            self.log.when_free(lambda: self.end(STOPPED_EARLY))


class NoCall:
    """Replaces a call that could not begin, so that the SDK's call continues without a trace."""

    def __enter__(self) -> NoCall:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def ending_on_error(self) -> NoCall:
        """Do nothing."""
        return self
