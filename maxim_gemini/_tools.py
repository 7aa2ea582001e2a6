"""Tool calls: functions that the SDK runs, and answers that the application gives later."""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from ._maxim import Log, is_valid_id, new_id
from ._parts import mapping, readable, words_of
from ._request import FunctionAnswer, answer_text, arguments_text, count_of, failure_in, result_text
from ._schemas import stands_for
from ._secrets import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from google.genai import types

    from ._response import Asked
    from ._scope import Scope

# Unanswered calls that are kept in mind where no chat bounds them.
_REMEMBERED: Final = 1024

# Ids that Gemini gave, and how often: one that came twice says nothing of whose call it is.
_REMEMBERED_IDS: Final = 65_536


class ToolCall:
    """A function that the model asked for."""

    __slots__ = ("asked_at", "call", "id", "is_done", "is_open", "session_id", "trace_id")

    def __init__(self, call_id: str, call: types.FunctionCall, scope: Scope) -> None:
        self.id = call_id
        self.call = call
        self.trace_id = scope.trace_id
        self.session_id = scope.labels.session_id
        self.asked_at = datetime.now(UTC)
        self.is_open = False
        self.is_done = False

    def begin(self, log: Log, at: datetime, description: str = "") -> None:
        """Tell Maxim of the call."""
        self.is_open = True
        config: Any = {
            "id": self.id,
            "name": self.call.name or "",
            "description": description,
            "args": arguments_text(self.call.args),
            "start_timestamp": at,
        }
        log.attempt("begin the tool call", lambda: log.logger.trace_add_tool_call(self.trace_id, config))

    def succeed(self, log: Log, value: Any) -> None:
        """Tell Maxim what the function returned."""
        self.is_done = True
        log.attempt("end the tool call", lambda: log.logger.tool_call_result(self.id, result_text(value, [])))

    def fail(self, log: Log, message: str, kind: str) -> None:
        """Tell Maxim how the function failed."""
        self.is_done = True
        error: Any = {"message": redacted(message), "code": "", "type": kind}
        log.attempt("end the tool call", lambda: log.logger.tool_call_error(self.id, error))

    def answer(self, log: Log, response: types.FunctionResponse) -> None:
        """Tell Maxim what the model is told."""
        if not self.is_open:
            self.begin(log, self.asked_at)
        if (failure := failure_in(response.response)) is not None:
            self.fail(log, readable(failure), "")
        else:
            self.succeed(log, answer_text(response, []))


class Conversation:
    """The function calls of one chat, or of all the single calls over one logger, that wait for an answer."""

    __slots__ = ("_ids", "_is_one_chat", "_times_given", "_waiting")

    def __init__(self, *, is_one_chat: bool = False) -> None:
        self._is_one_chat = is_one_chat
        self._ids: dict[int, tuple[types.FunctionCall, str]] = {}
        self._times_given: dict[str, int] = {}
        self._waiting: dict[str, ToolCall] = {}

    def known_id(self, call: types.FunctionCall) -> str | None:
        """Return the id under which Maxim knows *call*, if it is not Gemini's own."""
        known = self._ids.get(id(call))
        return known[1] if known and known[0] is call else None

    def new_id(self, log: Log, call: types.FunctionCall) -> str:
        """Return an id for *call*: Gemini's own, where it gave one that Maxim takes and has not had yet."""
        if call.id:
            self._times_given[call.id] = self._times_given.pop(call.id, 0) + 1
            _forget_the_oldest(self._times_given, _REMEMBERED_IDS)
            if is_valid_id(call.id) and log.is_new(call.id):
                return call.id
        call_id = new_id()
        self._ids[id(call)] = call, call_id
        _forget_the_oldest(self._ids)
        return call_id

    def wait(self, call: ToolCall) -> None:
        """Keep *call* in mind until its answer comes."""
        self._waiting[call.id] = call
        _forget_the_oldest(self._waiting)

    def take(self, answer: FunctionAnswer, scope: Scope) -> ToolCall | None:
        """Return the call that *answer* in *scope* answers, which then no longer waits."""
        match = self._match(answer, scope)
        return self._waiting.pop(match.id, None) if match else None

    def _match(self, answer: FunctionAnswer, scope: Scope) -> ToolCall | None:
        """Return the call that *answer* is for: the same object, else the same id, else one like it in the same place.

        Calls of other traces and sessions may be another user's, who may have called the same function with the same
        arguments, and whose model may have counted up the same ids.
        """
        call, response = answer
        waiting = list(self._waiting.values())
        near = waiting if self._is_one_chat else [one for one in waiting if _share_a_place(one, scope)]
        if call and (same_object := [one for one in waiting if one.call is call]):
            return same_object[0]
        if response.id:
            is_unique = self._times_given.get(response.id) == 1
            if same_id := [one for one in (waiting if is_unique else near) if one.call.id == response.id]:
                return same_id[0]
        # An id that Gemini never gave is the application's own (pydantic-ai's, say), for a call that came without one.
        unnamed = [one for one in near if not (response.id and one.call.id)]
        same_name = [one for one in unnamed if one.call.name == response.name]
        alike = [one for one in same_name if call and (one.call.args or {}) == (call.args or {})]
        return next(iter(alike or ([] if call else same_name)), None)


def _share_a_place(call: ToolCall, scope: Scope) -> bool:
    session_id = scope.labels.session_id
    return call.trace_id == scope.trace_id or (session_id is not None and call.session_id == session_id)


def _forget_the_oldest(kept: dict[Any, Any], limit: int | None = None) -> None:
    while len(kept) > (limit or _REMEMBERED):
        kept.pop(next(iter(kept)), None)


class ToolRuns:
    """The function calls of one call of the application."""

    __slots__ = ("_conversation", "_log", "_scope", "_unsettled")

    def __init__(self, scope: Scope, conversation: Conversation) -> None:
        self._log = scope.log
        self._scope = scope
        self._conversation = conversation
        self._unsettled: list[ToolCall] = []

    def ask(self, asked: list[Asked]) -> None:
        """Take note of what the model asked for."""
        self._unsettled += [ToolCall(one.id, one.call, self._scope) for one in asked]

    def answered(self, answers: list[FunctionAnswer]) -> None:
        """Settle the calls that the next request answers: of this call, else of an earlier one."""
        for answer in answers:
            call = self._take(answer) or self._conversation.take(answer, self._scope)
            if call is not None and not call.is_done:
                call.answer(self._log, answer.response)

    def _take(self, answer: FunctionAnswer) -> ToolCall | None:
        for call in self._unsettled:
            if call.call is answer.call or (answer.call is None and call.call.name == answer.response.name):
                self._unsettled.remove(call)
                return call
        return None

    def ran(self, history: Any, contents: Any) -> None:
        """Take note of what something else ran: the calls and answers that *history* has beyond the *contents*."""
        heard, self._unsettled = self._unsettled, []
        for part in _parts_of_functions(history[count_of(contents) :]):
            if part.function_call is not None:
                self._unsettled.append(self._heard(part.function_call, heard))
            elif part.function_response is not None:
                self.answered([FunctionAnswer(None, part.function_response)])
        self._unsettled += heard

    def _heard(self, call: types.FunctionCall, heard: list[ToolCall]) -> ToolCall:
        for known in heard:
            if (known.call.name, known.call.args) == (call.name, call.args):
                heard.remove(known)
                return known
        return ToolCall(self._conversation.new_id(self._log, call), call, self._scope)

    def leave(self) -> None:
        """Hand what nobody ran over to the conversation: the application may answer it later."""
        unsettled, self._unsettled = self._unsettled, []
        for call in unsettled:
            if not call.is_done:
                call.begin(self._log, call.asked_at)
                self._conversation.wait(call)

    @contextmanager
    def running(self, name: str, arguments: dict[str, Any], function: Any = None) -> Generator[Callable[[Any], Any]]:
        """Record one run of the function *name*; what is handed out takes its value and gives it back."""
        call = self._log.attempt("begin the tool call", self._begin, name, arguments, function)
        if call is None:
            yield _itself
            return
        try:
            yield functools.partial(self._returned, call)
        except BaseException as error:
            call.fail(self._log, words_of(error), type(error).__name__)
            raise

    def _returned(self, call: ToolCall, value: Any) -> Any:
        if _is_failure(value):
            call.fail(self._log, readable(value), "")
        else:
            call.succeed(self._log, value)
        return value

    def _begin(self, name: str, arguments: dict[str, Any], function: Any) -> ToolCall | None:
        waiting = [one for one in self._unsettled if one.call.name == name and not one.is_open]
        alike = [one for one in waiting if (one.call.args or {}) == arguments]
        for call in alike or waiting:
            call.begin(self._log, datetime.now(UTC), (function and inspect.getdoc(function)) or "")
            return call
        return None


def _itself(value: Any) -> Any:
    return value


def _parts_of_functions(history: list[types.Content]) -> list[types.Part]:
    """Return the calls and the answers since the user has last said something."""
    parts: list[types.Part] = []
    for content in reversed(history):
        found = [part for part in content.parts or () if part.function_call or part.function_response]
        if not found:
            break
        parts = found + parts
    return parts


def _is_failure(value: Any) -> bool:
    """Say whether *value* is how an MCP server says that a tool has failed."""
    return _is_from_mcp(value, "CallToolResult") and bool(getattr(value, "is_error", getattr(value, "isError", False)))


def _is_from_mcp(value: Any, name: str) -> bool:
    """Say whether *value* is one of mcp's own; what is not imported has no instances."""
    kind = getattr(sys.modules.get("mcp.types"), name, None) or getattr(sys.modules.get("mcp"), name, None)
    return kind is not None and type(value) is kind


def with_recorded_tools(config: Any, runs: ToolRuns) -> Any:
    """Return *config* with tools that record their runs; the same object where there is nothing to record."""
    if config is None:
        return None
    settings = mapping(config)
    tools: Any = getattr(config, "tools", None) if settings is None else settings.get("tools")
    if not isinstance(tools, list):
        return config
    recorded: list[Any] = [_recorded(tool, runs) if _is_recordable(tool) else tool for tool in tools]  # pyright: ignore[reportUnknownVariableType]
    if all(map(operator.is_, recorded, tools)):  # pyright: ignore[reportUnknownArgumentType]
        return config
    return config.model_copy(update={"tools": recorded}) if settings is None else {**settings, "tools": recorded}


def _is_recordable(tool: Any) -> bool:
    if isinstance(tool, (FunctionType, MethodType)):
        return inspect.isroutine(inspect.unwrap(tool))
    return _is_from_mcp(tool, "ClientSession")


def _recorded(tool: Any, runs: ToolRuns) -> Any:
    """Return what the SDK can't tell from *tool*: a function's name, signature, documentation and kind are the same."""
    if not callable(tool):
        return _recorded_session(tool, runs)
    if isinstance(tool, MethodType):  # the SDK copies a method together with its object, and must go on doing so
        return MethodType(_recorded_function(tool.__func__, runs), tool.__self__)
    return _recorded_function(tool, runs)


def _recorded_function(function: Callable[..., Any], runs: ToolRuns) -> Callable[..., Any]:
    recorded: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with runs.running(function.__name__, kwargs, function) as give_back:
                return give_back(await function(*args, **kwargs))

        recorded = run_async
    else:

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with runs.running(function.__name__, kwargs, function) as give_back:
                return give_back(function(*args, **kwargs))

        recorded = run
    stands_for(recorded, function)
    return recorded


def _recorded_session(session: Any, runs: ToolRuns) -> Any:
    """Return an MCP session that shares all that *session* holds, and records each tool that it calls."""

    class Recorded(type(session)):  # type: ignore[misc]
        async def call_tool(self, name: str, arguments: dict[str, Any] | None = None, *args: Any, **more: Any) -> Any:
            with runs.running(name, arguments or {}) as give_back:
                return give_back(await session.call_tool(name, arguments, *args, **more))

    recorded = object.__new__(Recorded)
    recorded.__dict__ = session.__dict__
    return recorded
