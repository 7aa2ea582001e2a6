"""One turn of a live session: its trace, a generation for each answer of Gemini, and the functions in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._core.generation import Generation, Outcome, Request
from .._core.tool_calls import Conversation, ToolRuns
from .._core.trace import Trace
from .._core.values import as_text
from .answer import LiveAnswer
from .request import Input, results_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._core.generation import Message, Start
    from .._core.headers import Labels
    from .._core.logger import Log
    from .._core.tool_calls import FunctionAnswer
    from .frames import JsonDict

REMEMBERED: Final = 1024
"""Function calls of one connection that are remembered until their results come."""

SESSION_NAME: Final = "Live session"


class Connection:
    """Data that the turns of one connection share; *system* and *parameters* may change while it is open."""

    __slots__ = ("audio_seconds", "calls", "conversation", "labels", "log", "model", "parameters", "system")

    def __init__(
        self,
        log: Log,
        labels: Labels,
        model: str,
        system: Sequence[Message],
        parameters: dict[str, str],
        audio_seconds: float,
    ) -> None:
        self.log = log
        self.labels = labels
        self.model = model
        self.system = list(system)
        self.parameters = parameters
        self.audio_seconds = audio_seconds
        self.conversation = log.shared(Conversation)
        self.calls: dict[str, Any] = {}

    def known_id(self, call_id: str) -> str:
        """Return the id in Maxim of the latest function call with Gemini's *call_id*."""
        call = self.calls.get(call_id)
        return (call and self.conversation.known_id(call)) or call_id

    def id_of(self, call: Any) -> str:
        """Return an id in Maxim for a function call, and remember the call by Gemini's id."""
        if call.id:
            self.calls[call.id] = call
            if len(self.calls) > REMEMBERED:
                del self.calls[next(iter(self.calls))]
        return self.conversation.new_id(self.log, call)


class Results(NamedTuple):
    """The results of functions, and when they were sent."""

    messages: list[Message]
    at: Start


class Answering:
    """The current answer and its request. Both are logged when it ends: only then is the whole request known."""

    __slots__ = ("answer", "ended_at", "generation", "messages", "results", "results_at", "started_at")

    def __init__(self, generation: Generation, answer: LiveAnswer, messages: list[Message], started_at: Start) -> None:
        self.generation = generation
        self.answer = answer
        self.messages = messages
        self.started_at = started_at
        self.results: list[Message] = []
        """The results of the functions that it requests; after them, another answer begins."""
        self.results_at: Start | None = None
        self.ended_at: Start | None = None
        """When Gemini had generated all of it; it may be played for longer."""


class Turn:
    """One turn, from the user's first text or sound to the end of Gemini's answers."""

    def __init__(self, connection: Connection, at: Start, brings: Iterable[Message] = ()) -> None:
        self.input = Input(connection.audio_seconds, brings)
        self.is_open = False
        self.is_speaking = False
        """`True` if the application has marked the beginning of the user's speech, but not its end yet."""
        self.usage: JsonDict | None = None
        """The latest token counts: Gemini counts a whole turn."""
        self.reason: str | None = None
        """The reason for which the turn was complete, if Gemini gave one."""
        self._connection = connection
        self._log = connection.log
        self._trace = Trace(self._log, connection.labels, "Live turn", session_name=SESSION_NAME)
        self._tools = ToolRuns(self._trace, connection.conversation, lambda value: (as_text(value), False))
        self._started_at = self._last_sent_at = at
        self._requested_at: Start | None = at if self.input.messages else None
        self._now: Answering | None = None
        self._text_at_first = ""
        self._output: list[str] = []
        self._rounds: list[Message] = []

    def open(self, at: Start | None = None) -> None:
        """Begin the trace, once: at the time of the first input, or *at* a more exact one."""
        if not self.is_open:
            self.is_open = True
            self._text_at_first = self.input.text
            self._trace.open(self._text_at_first, (at or self._started_at).at)

    # What the application sends ---------------------------------------------------------------------------------------

    def note_voice(self, at: Start) -> None:
        """Note that the application has sent input."""
        self._last_sent_at = at

    def note_end_of_request(self, at: Start) -> None:
        """Note that the application has sent its whole request."""
        self._requested_at = self._last_sent_at = at

    def return_results(self, tool_response: object, at: Start) -> None:
        """Add the results of functions."""
        request = results_of(tool_response)
        for message in request.messages:
            if call_id := message.get("tool_call_id"):
                message["tool_call_id"] = self._connection.known_id(call_id)
        if self._now is None:
            self.input.messages += request.messages
            self.note_end_of_request(at)
        else:
            self._now.results_at = at
            self._now.results += request.messages
        for answer in request.answers:
            answer.call = self._connection.calls.get(answer.id or "")
        self.settle(request.answers)

    def settle(self, answers: list[FunctionAnswer]) -> None:
        """Log the results of function calls, of this turn or of an earlier one."""
        self.open()
        self._log.attempt("log the results of functions", self._tools.answered, answers)

    # What Gemini answers ----------------------------------------------------------------------------------------------

    @property
    def answer(self) -> LiveAnswer | None:
        """The current answer; `None` if Gemini has not begun one."""
        return None if self._now is None else self._now.answer

    def add(self, message: JsonDict, at: Start) -> None:
        """Add a message with a piece of an answer; after results of functions, it begins another answer."""
        self.open()
        # The answer that requested the functions ended when their results were sent.
        if self._now is not None and (results_at := self._now.results_at) is not None:
            self._finish(self._now, Outcome(at=results_at.at))
            self._requested_at = results_at
        self._answering(at).generation.add(message, at)

    def _answering(self, at: Start) -> Answering:
        if self._now is None:
            answer = LiveAnswer(self._connection.id_of, self._connection.audio_seconds)
            model, attached = self._connection.model, set[str | bytes | None]()
            generation = Generation(self._trace, model, answer, self._tools, attached, streamed=True)
            messages = [*self._connection.system, *self.input.messages, *self._rounds]
            requested_at = self._requested_at or (self._last_sent_at if self.input.messages else at)
            self._now = Answering(generation, answer, messages, requested_at)
        return self._now

    def generated(self, at: Start) -> None:
        """Note that Gemini has generated the whole answer."""
        if self._now is not None:
            self._now.ended_at = at

    # The end ----------------------------------------------------------------------------------------------------------

    def fail(self, error: dict[str, str]) -> None:
        """Log an error after which the turn continues."""
        self.open()
        self._trace.fail(error)

    def end(self, outcome: Outcome, at: Start) -> Results | None:
        """End the answer and the trace; return results of functions that Gemini has not answered in this turn."""
        self.open()
        unanswered = None
        if self._now is not None and self._now.results_at is not None:
            unanswered = Results(self._now.results, self._now.results_at)
        self._log.attempt("end the live turn", self._end, outcome, at)
        return unanswered

    def _end(self, outcome: Outcome, at: Start) -> None:
        is_a_request = self._requested_at is not None or self.input.is_media_only or self.usage is not None
        # A request without an answer is a generation, too: it may have cost tokens, or failed.
        if self._now is None and is_a_request:
            self._answering(self._last_sent_at)
        if self._now is not None:
            ended = self._now.ended_at or at
            self._now.answer.usage = self.usage
            self._finish(self._now, Outcome(outcome.manner, outcome.error, ended.at))
        elif outcome.error is not None:
            self._trace.fail(outcome.error)
        self._tools.leave()
        # The transcription of the user's speech may come after the trace has begun.
        text = self.input.text
        if text != self._text_at_first and self._trace.is_local:
            self._log.attempt("set the input", lambda: self._log.logger.trace_set_input(self._trace.id, text))
        self._trace.close("".join(self._output), at.at)

    def _finish(self, now: Answering, outcome: Outcome) -> None:
        """Log the answer, which ends now, with its request."""
        self._now = None
        answer = now.answer
        if outcome.is_success and answer.finish_reason is None:
            answer.finish_reason = "tool_calls" if answer.has_calls else self.reason or "STOP"
        self.input.describe_media()
        request = Request(*map(dict, now.messages))
        request.attachments, about = self.input.release_media()
        answer.about |= about
        parameters = self._connection.parameters
        self._log.attempt("begin the generation", now.generation.open, self._trace, request, parameters, now.started_at)
        now.generation.end(outcome)
        self._output.append(answer.text)
        self._rounds += [answer.message(), *now.results]
