"""One call of `interactions.create`: trace, generations, tools that Google ran, and the span of an agent."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .._core.call import Call
from .._core.generation import SUCCESS, Outcome, Request
from .._core.logger import new_id
from .._core.secrets import redacted
from .._core.values import arguments_text, as_text, mapping
from .chains import Chains
from .request import read_parameters, read_request
from .result import InteractionAnswer, ServerTool, documents_of, function_calls, server_tools

if TYPE_CHECKING:
    from .._core.generation import Generation, Start
    from .._core.logger import Log
    from .._core.tool_calls import Conversation
    from .._core.trace import Trace
    from .steps import JsonDict

R = TypeVar("R")

RUNNING: Final = frozenset({"in_progress", "queued"})
"""Statuses of a background interaction that is still running."""

ABANDONED: Final = Outcome("abandoned")


class InteractionCall(Call):
    """One call; *body* has the fields of the request as the application gave them."""

    __slots__ = ("_answer", "_body", "_conversation", "_last", "is_streamed")

    def __init__(self, trace: Trace, conversation: Conversation, body: JsonDict) -> None:
        unsent = partial(_read, body, trace.log)
        super().__init__(trace, conversation, set(), describe=_described, unsent=unsent)
        self._body = body
        self._conversation = conversation
        self._answer: InteractionAnswer | None = None
        self._last: Generation | None = None
        self.is_streamed = False

    def send(self, *, streamed: bool, continues: bool) -> Generation:
        """Begin the generation of one remote call, which is made next."""
        self._settle(SUCCESS)
        self.is_streamed = streamed
        request = _read(self._body, self.log)
        if continues:  # the functions were answered in the first request
            request.answers.clear()
        return self._open(request, continues=continues)

    def ask(self, fields: JsonDict, start: Start) -> Generation:
        """Begin the generation of *fields*, sent over a connection at *start*; its answer continues the last one."""
        self._settle(SUCCESS)
        self.configure(fields)
        self.is_streamed = True
        return self._open(_read(self._body, self.log), continues=self._last is not None, start=start)

    def _open(self, request: Request, *, continues: bool, start: Start | None = None) -> Generation:
        parameters = self.log.attempt("read the parameters", read_parameters, self._body) or {}
        model = str(self._body.get("model") or self._body.get("agent") or "")
        answer = InteractionAnswer(partial(self._conversation.new_id, self.log))
        self._last = self.begin(
            model, request, parameters, answer, streamed=self.is_streamed, continues=continues, start=start
        )
        self._answer = answer
        return self._last

    @property
    def generation(self) -> Generation | None:
        """The generation of the latest remote call."""
        return self._last

    def add(self, response: Any, at: Start | None = None) -> None:
        """Add an interaction that was read again, or an event of it, that arrives now or has arrived *at* a time."""
        if self._last is not None:
            self._last.add(response, at)

    def configure(self, fields: JsonDict) -> None:
        """Set *fields* of the following requests."""
        self._body = {**self._body, **fields}

    def learn(self, head: JsonDict) -> None:
        """Set fields of the interaction that are in none of its events."""
        if self._answer is not None:
            self._answer.add(head)

    @property
    def waits_for_functions(self) -> bool:
        """`True` if the application has to run functions."""
        return self._answer is not None and bool(function_calls(self._answer.interaction))

    def resume(self) -> None:
        """Prepare for a stream that continues an earlier one of the same interaction."""
        if self._answer is not None:
            self._answer.steps.resume()

    def received(self, response: R) -> R:
        """Record the whole answer of a remote call, and return it."""
        self.log.attempt("read the answer", self._receive, response)
        return response

    def _receive(self, response: Any) -> None:
        interaction = response
        if not hasattr(response, "status"):
            try:
                interaction = _body_of(response)
            except ValueError as error:  # the application gets the SDK's error if it parses the response
                message = f"the response is no JSON object: {error}"
                self._settle(Outcome(error={"message": message, "code": "", "type": "ValueError"}))
                return
        if interaction is None or self._last is None:
            return
        self._last.add(interaction)
        # A background interaction is still running, and is settled by a later call.
        if self._head().get("status") not in RUNNING:
            self._settle(SUCCESS)

    def goes_on(self) -> bool:
        """Return whether the interaction runs in the background; keep it until a later call shows that it has ended."""
        head = self._head()
        if head.get("status") not in RUNNING or not head.get("id"):
            return False
        self._remember(head)
        self.trace.release()  # it may run for hours, or never be read again
        self._body, self._unsent = {}, Request  # the call is kept, and its input may be large
        self._attached.clear()
        chains = self._chains
        if not chains.end_with_logger:
            chains.end_with_logger = True
            self.log.before_cleanup(chains.abandon)
        oldest = chains.run(str(head["id"]), self)
        if oldest is not None:
            oldest.end(ABANDONED)
        return True

    def end(self, outcome: Outcome) -> None:
        """End the generation and the call."""
        self._settle(outcome)
        super().end(outcome)

    def _settle(self, outcome: Outcome) -> None:
        """End the generation, log the tools that Google ran, and remember the interaction's session."""
        answer, self._answer = self._answer, None
        if answer is None or self._last is None:
            return
        self._last.end(outcome)
        interaction = answer.interaction
        self._remember(interaction.head)
        for tool in self.log.attempt("read the tools that Google ran", server_tools, interaction) or ():
            self.log.attempt("log a tool that Google ran", self._log_tool, tool)
        for kind in answer.steps.unknown:
            self.log.remark(f"unknown {kind}", "Unknown part of an interaction: %s", kind)

    def _head(self) -> JsonDict:
        return self._answer.interaction.head if self._answer else {}

    def _remember(self, head: JsonDict) -> None:
        session_id = self.trace.labels.session_id
        if session_id and head.get("id"):
            self._chains.remember(str(head["id"]), session_id)

    @property
    def _chains(self) -> InteractionChains:
        return self.log.shared(InteractionChains)

    def _log_tool(self, tool: ServerTool) -> None:
        logger, holder, run_id = self.log.logger, self.trace.holder, new_id()
        if tool.is_retrieval:
            config: Any = {"id": run_id, "name": tool.name}
            holder.add(self.log, "retrieval", config)
            logger.retrieval_input(run_id, redacted(arguments_text(tool.arguments)))
            logger.retrieval_output(run_id, [redacted(text) for text in documents_of(tool.output)])
            return
        arguments = redacted(arguments_text(tool.arguments))
        config = {"id": run_id, "name": tool.name, "description": "Run by Google", "args": arguments}
        holder.add(self.log, "tool_call", config)
        output = redacted(as_text("" if tool.output is None else tool.output))
        if tool.is_error:
            error: Any = {"message": output, "code": "", "type": ""}
            logger.tool_call_error(run_id, error)
        else:
            logger.tool_call_result(run_id, output)


class InteractionChains(Chains[InteractionCall]):
    """The interactions of one logger."""

    __slots__ = ("end_with_logger",)

    def __init__(self) -> None:
        super().__init__()
        self.end_with_logger = False
        """`True` if `abandon` is registered to run before the logger is cleaned up."""

    def abandon(self) -> None:
        """End the calls of all interactions that are still running: nothing will read their end."""
        for call in self.give_up():
            call.end(ABANDONED)


def _body_of(response: Any) -> JsonDict | None:
    """Return the JSON object in a raw response; `None` for a stream, and for a body that is not read yet.

    Raises:
        ValueError: the body is something else.
    """
    content = None
    with suppress(Exception):
        content = response.http_response.content
    if not isinstance(content, bytes):
        return None
    if (body := mapping(json.loads(content))) is None:
        raise ValueError("it has no fields")
    return body


def _read(body: JsonDict, log: Log) -> Request:
    request = log.attempt("read the request", read_request, body)
    return request or Request({"role": "user", "content": "[input that could not be read]"})


def _described(value: object) -> tuple[str, bool]:
    return as_text(value), False
