"""One call of the application: its trace, and the generations in it."""

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
        # A stream that is closed or dropped was left early. The garbage collector may be the one that closes it.
        if isinstance(error, GeneratorExit):
            self.abandon()
        else:
            self.end(SUCCESS if error is None else Outcome.of(error))

    def __del__(self) -> None:
        # The attribute is missing where `__init__` failed.
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
        # Counted first: `opaque.WholeCall` sees by it whether a remote call below was recorded.
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
            self.trace.release()
        self._generation = None

    def _end(self, outcome: Outcome) -> None:
        if (generation := self._generation) is not None:
            generation.end(outcome)
            # One that came when the last answer was complete: what the SDK, or a function, did with it.
            if outcome.error is not None and generation.ended is not None and generation.ended.error is None:
                self.trace.fail(outcome.error)
        if self._is_open is None and outcome.error is not None:  # an error before the request is one on the trace
            self._is_open = True
            self.trace.open(self._unsent().input)
            self.trace.fail(outcome.error)
        if self._is_open:
            # Before the trace ends: Maxim drops a tool call that is added later.
            self.tools.leave()
            self.trace.close(self._output, outcome.at)

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
