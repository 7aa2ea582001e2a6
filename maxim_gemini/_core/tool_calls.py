"""Tool calls: functions that the model requested, run by the SDK or answered by the application later."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from .logger import Log, is_valid_id, new_id
from .secrets import redacted
from .values import JsonDict, arguments_text, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from .trace import Trace

K = TypeVar("K")
V = TypeVar("V")

# Calls without an answer that are remembered.
_REMEMBERED: Final = 1024

# Ids given by Gemini whose count is remembered: an id that was given twice does not identify a call.
_REMEMBERED_IDS: Final = 65_536


class FunctionCall(Protocol):
    """A function call as the model wrote it."""

    @property
    def id(self) -> str | None:
        """The id given by Gemini, if any."""
        ...

    @property
    def name(self) -> str | None:
        """The function's name."""
        ...

    @property
    def args(self) -> Mapping[str, Any] | None:
        """The arguments, by name."""
        ...


class RequestedCall:
    """A function call of the model, with its id in Maxim."""

    __slots__ = ("call", "id")

    def __init__(self, id: str, call: FunctionCall) -> None:
        self.id = id
        self.call = call


class FunctionAnswer:
    """The answer of a function, as the application sends it; *call* is the function call in the contents before it."""

    __slots__ = ("call", "failure", "id", "kind", "name", "text")

    def __init__(
        self,
        call: FunctionCall | None,
        id: str | None,
        name: str | None,
        text: str,
        failure: str | None = None,
        kind: str = "",
    ) -> None:
        self.call = call
        self.id = id
        self.name = name
        self.text = text
        self.failure = failure
        """The error, if the function returned nothing else."""
        self.kind = kind
        """The name of the kind of error, if there is one."""


def in_openai_form(call_id: str, name: str | None, args: Mapping[str, object] | None) -> JsonDict:
    """Return a function call as Maxim shows it in a message."""
    return {"id": call_id, "type": "function", "function": {"name": name or "", "arguments": arguments_text(args)}}


class ToolCall:
    """A function that the model requested."""

    __slots__ = ("call", "holder", "id", "is_done", "is_open", "requested_at", "session_id", "trace_id")

    def __init__(self, call_id: str, call: FunctionCall, trace: Trace, requested_at: datetime | None = None) -> None:
        self.id = call_id
        self.call = call
        self.holder = trace.holder
        self.trace_id = trace.id
        self.session_id = trace.labels.session_id
        self.requested_at = requested_at or datetime.now(UTC)
        self.is_open = False
        self.is_done = False

    def begin(self, log: Log, at: datetime, description: str = "") -> None:
        """Log that the function is run, or was requested, *at* a time."""
        self.is_open = True
        config: Any = {
            "id": self.id,
            "name": self.call.name or "",
            "description": description,
            "args": arguments_text(self.call.args),
            "start_timestamp": at,
        }
        log.attempt("begin the tool call", self.holder.add, log, "tool_call", config)

    def succeed(self, log: Log, result: str) -> None:
        """Log what the function returned."""
        self.is_done = True
        log.attempt("end the tool call", lambda: log.logger.tool_call_result(self.id, result))

    def fail(self, log: Log, message: str, kind: str = "") -> None:
        """Log the error of the function."""
        self.is_done = True
        error: Any = {"message": redacted(message), "code": "", "type": kind}
        log.attempt("end the tool call", lambda: log.logger.tool_call_error(self.id, error))

    def answer(self, log: Log, answer: FunctionAnswer) -> None:
        """Log what the function returned, as the application sends it to the model."""
        if not self.is_open:
            self.begin(log, self.requested_at)
        if answer.failure is not None:
            self.fail(log, answer.failure, answer.kind)
        else:
            self.succeed(log, answer.text)


class Conversation:
    """The function calls without an answer, of one chat or of all single calls over one logger.

    Those of a chat are passed on to *beyond*, too: a framework may make a chat for each request, and answer in the next
    one, in the same trace or session.
    """

    __slots__ = ("_beyond", "_ids", "_is_one_chat", "_times_given", "_waiting")

    def __init__(self, *, is_one_chat: bool = False, beyond: Conversation | None = None) -> None:
        self._is_one_chat = is_one_chat
        self._beyond = beyond
        self._ids: dict[int, tuple[FunctionCall, str]] = {}
        self._times_given: dict[str, int] = {}
        self._waiting: dict[str, ToolCall] = {}

    def known_id(self, call: FunctionCall) -> str | None:
        """Return the id of *call* in Maxim, if it is not the one given by Gemini."""
        known = self._ids.get(id(call))
        return known[1] if known and known[0] is call else None

    def new_id(self, log: Log, call: FunctionCall) -> str:
        """Return an id for *call*: the one given by Gemini if it is valid and new in Maxim, otherwise a new one."""
        if call.id:
            # Removed and added again, so that the oldest is the one that was not given for the longest time.
            self._times_given[call.id] = self._times_given.pop(call.id, 0) + 1
            _forget_the_oldest(self._times_given, _REMEMBERED_IDS)
            if is_valid_id(call.id) and log.is_new(call.id):
                return call.id
        call_id = new_id()
        # The call is kept with its id: while the object lives, `id()` of no other object is the same.
        self._ids[id(call)] = call, call_id
        _forget_the_oldest(self._ids, _REMEMBERED)
        return call_id

    def wait(self, call: ToolCall) -> None:
        """Remember *call* until its answer comes."""
        self._waiting[call.id] = call
        _forget_the_oldest(self._waiting, _REMEMBERED)
        if self._beyond is not None:
            self._beyond.wait(call)

    def take(self, answer: FunctionAnswer, trace: Trace) -> ToolCall | None:
        """Return the call that *answer*, sent in *trace*, belongs to, and remove it from those that wait.

        It is the same object, or has the same id, or is alike and in the same trace or session. Without that condition
        it could be another user's call: of the same function, with the same arguments and the same counted id.
        """
        waiting = [one for one in self._waiting.values() if not one.is_done]
        session_id = trace.labels.session_id
        near = [
            one
            for one in waiting
            if self._is_one_chat
            or one.trace_id == trace.id
            or (session_id is not None and one.session_id == session_id)
        ]
        matches = [one for one in waiting if answer.call is not None and one.call is answer.call]
        if not matches and answer.id:
            # An id that Gemini gave only once identifies the call, even in another trace.
            is_unique = self._times_given.get(answer.id) == 1
            matches = [one for one in (waiting if is_unique else near) if one.call.id == answer.id]
        if not matches:
            # An id that Gemini never gave was made by the application, as pydantic-ai does, for a call without one.
            unnamed = [one for one in near if not (answer.id and one.call.id)]
            matches = [one for one in unnamed if one.call.name == answer.name]
            if answer.call is not None:
                args = answer.call.args or {}
                matches = [one for one in matches if (one.call.args or {}) == args]
        if matches:
            return self._waiting.pop(matches[0].id, None)
        return None if self._beyond is None else self._beyond.take(answer, trace)


def _forget_the_oldest(kept: dict[K, V], limit: int) -> None:
    while len(kept) > limit:
        # A dict keeps the order of insertion; another thread may have removed the first entry meanwhile.
        kept.pop(next(iter(kept)), None)


class ToolRuns:
    """The function calls in one call of the application.

    *describe* returns a function's return value as text, and whether the function failed.
    """

    __slots__ = ("_conversation", "_describe", "_log", "_trace", "_unsettled")

    def __init__(
        self, trace: Trace, conversation: Conversation, describe: Callable[[object], tuple[str, bool]]
    ) -> None:
        self._log = trace.log
        self._trace = trace
        self._conversation = conversation
        self._describe = describe
        self._unsettled: list[ToolCall] = []

    def expect(self, calls: list[RequestedCall], at: datetime | None = None) -> None:
        """Keep the functions that the model requests now, or requested *at* a time."""
        self._unsettled += [ToolCall(one.id, one.call, self._trace, at) for one in calls]

    def answered(self, answers: Sequence[FunctionAnswer]) -> None:
        """Log the answers in the next request, to functions that were requested in this call or in an earlier one."""
        for answer in answers:
            own = (
                one
                for one in self._unsettled
                if one.call is answer.call or (answer.call is None and one.call.name == answer.name)
            )
            if (call := next(own, None)) is not None:
                self._unsettled.remove(call)
            else:
                call = self._conversation.take(answer, self._trace)
            if call is not None and not call.is_done:
                call.answer(self._log, answer)

    def ran(self, run: Sequence[FunctionCall | FunctionAnswer]) -> None:
        """Log functions that other code ran: *run* has calls, some of which were expected, and their answers."""
        expected, self._unsettled = self._unsettled, []
        for one in run:
            if isinstance(one, FunctionAnswer):
                self.answered([one])
                continue
            alike = [call for call in expected if (call.call.name, call.call.args) == (one.name, one.args)]
            if alike:
                expected.remove(alike[0])
            else:
                alike = [ToolCall(self._conversation.new_id(self._log, one), one, self._trace)]
            self._unsettled.append(alike[0])
        self._unsettled += expected

    def leave(self) -> None:
        """Pass functions that were not run on to the conversation: the application may answer them later."""
        unsettled, self._unsettled = self._unsettled, []
        for call in unsettled:
            if not call.is_done:
                call.begin(self._log, call.requested_at)
                self._conversation.wait(call)

    @contextmanager
    def running(self, name: str, arguments: JsonDict, function: object = None) -> Generator[Callable[[Any], Any]]:
        """Record one run of the function *name*; yield a function that logs the return value and returns it."""
        call = self._log.attempt("begin the tool call", self._begin, name, arguments, function)

        def give_back(value: object) -> Any:
            if call is not None:
                self._log.attempt("end the tool call", self._end, call, value)
            return value

        try:
            yield give_back
        except BaseException as error:
            if call is not None:
                call.fail(self._log, words_of(error), type(error).__name__)
            raise

    def _begin(self, name: str, arguments: JsonDict, function: Any) -> ToolCall | None:
        waiting = [one for one in self._unsettled if one.call.name == name and not one.is_open]
        # The SDK may have converted the arguments (to a pydantic model, for example): then only the name is left.
        alike = [one for one in waiting if (one.call.args or {}) == arguments]
        for call in alike or waiting:
            call.begin(self._log, datetime.now(UTC), (function and inspect.getdoc(function)) or "")
            return call
        return None

    def _end(self, call: ToolCall, value: object) -> None:
        text, is_failure = self._describe(value)
        if is_failure:
            call.fail(self._log, text)
        else:
            call.succeed(self._log, text)
