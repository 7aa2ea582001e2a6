"""A plugin for google-adk: an ADK session is a session, an invocation is a trace, and an agent is a span of it.

from google.adk.apps import App
from maxim_gemini.adk import MaximAdkPlugin

app = App(name="support", root_agent=agent, plugins=[MaximAdkPlugin(Maxim().logger())])

It records the requests of agents to their models, of any provider, and the tools that they run. Only this module of the
package needs google-adk, which is therefore not a dependency.
"""

from __future__ import annotations

import weakref
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from google.genai import types

from ._core import surroundings
from ._core.generation import STOPPED_EARLY, SUCCESS, Generation, Outcome, Request
from ._core.headers import NO_LABELS, Labels, checked_id
from ._core.logger import Log, new_id
from ._core.secrets import redacted
from ._core.surroundings import Work
from ._core.tool_calls import Conversation
from ._core.trace import Holder, Trace, begin_session
from ._core.values import arguments_text, readable, words_of
from ._generate_content.messages import read_request, system_of
from ._generate_content.parameters import read_parameters
from ._generate_content.result import ContentAnswer

if TYPE_CHECKING:
    from datetime import datetime

    from ._core.logger import Logger
    from ._core.privacy import Privacy
    from ._core.tool_calls import RequestedCall

try:
    _BasePlugin: Any = import_module("google.adk.plugins.base_plugin").BasePlugin
except ImportError as error:
    raise ImportError(f"maxim_gemini.adk needs google-adk: pip install google-adk ({error})") from None


class _Requested:
    """The functions that a model requested, each with its id in the generation's result."""

    def __init__(self) -> None:
        self._waiting: list[RequestedCall] = []

    def expect(self, calls: list[RequestedCall], at: datetime | None = None) -> None:
        """Keep the functions that the model requested. The time is not needed: ADK reports when a tool runs."""
        self._waiting += calls

    def take(self, name: str, arguments: dict[str, object]) -> str:
        """Return the id of a function that is run; a new one if no model requested it."""
        alike = [one for one in self._waiting if (one.call.name, dict(one.call.args or {})) == (name, arguments)]
        if not alike:
            return new_id()
        self._waiting.remove(alike[0])
        return alike[0].id


class _Model:
    """A request to a model that has not ended yet."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.partial: list[Any] = []
        """The pieces of a streamed answer, for a stream that breaks off: the last response repeats all of them."""

    def end(self, outcome: Outcome) -> None:
        for response in self.partial:
            self.generation.add(response)
        self.generation.end(outcome)


class _Agent:
    """A running agent, with its span."""

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.requested = _Requested()
        self.model: _Model | None = None


class _Run:
    """One invocation: a new trace, or part of the trace around it."""

    def __init__(self, log: Log, context: Any) -> None:
        self._log = log
        self._around = surroundings.labels_around(NO_LABELS, log)
        self._is_over = False
        self._conversation = Conversation(is_one_chat=True)
        self._agents: dict[str, _Agent] = {}
        self.output: str | None = None
        session = context.session
        session_id = checked_id(log, "the id of ADK's session", session.id)
        self.labels = self._around
        if self._around.trace_id is None:
            self.labels = Labels(new_id(), session_id)
            self._begin(context, session_id)
        assert self.labels.trace_id is not None
        self.holder = (
            Holder("trace", self.labels.trace_id)
            if self.labels.span_id is None
            else Holder("span", self.labels.span_id)
        )

    def _begin(self, context: Any, session_id: str | None) -> None:
        """Begin a new trace: there is none around the invocation."""
        log, trace_id = self._log, self.labels.trace_id
        config: dict[str, object] = {"id": trace_id, "name": context.app_name}
        if context.user_content is not None:
            config["input"] = read_request(context.user_content, None, self._conversation.known_id).input
        if session_id is not None:
            begin_session(log, session_id, context.app_name)
            config["session_id"] = session_id
        log.commits.begin_trace(config)
        about = {"user_id": context.user_id, "invocation_id": context.invocation_id}
        log.attempt("add the metadata", lambda: log.logger.trace_add_metadata(str(trace_id), about))

    def begin_agent(self, agent: Any, context: Any) -> None:
        above = self._agents.get(agent.parent_agent.name) if agent.parent_agent is not None else None
        span: dict[str, str] = {"id": new_id(), "name": f"Agent: {agent.name}"}
        (above.holder if above is not None else self.holder).add_span(self._log, span)
        self._agents[_key(context)] = _Agent(Holder("span", span["id"]))

    def end_agent(self, context: Any, outcome: Outcome) -> None:
        agent = self._agents.pop(_key(context), None)
        if agent is not None:
            self._end_agent(agent, outcome)

    def _end_agent(self, agent: _Agent, outcome: Outcome) -> None:
        logger = self._log.logger
        if agent.model is not None:
            agent.model.end(outcome if outcome is not SUCCESS else STOPPED_EARLY)
        if outcome.error is not None:
            error: Any = outcome.error
            self._log.attempt("add the error", lambda: logger.span_add_error(agent.holder.id, error))
        logger.span_end(agent.holder.id)

    def agent_of(self, context: Any) -> _Agent:
        """Return the running agent; without one, models and tools belong to the trace itself."""
        return self._agents.get(_key(context)) or self._agents.setdefault("", _Agent(self.holder))

    def begin_model(self, context: Any, request: Any) -> None:
        agent = self.agent_of(context)
        if agent.model is not None:
            agent.model.end(SUCCESS)
        labels = self.labels._replace(hold=None, span_id=agent.holder.id if agent.holder.kind == "span" else None)
        answer = ContentAnswer(partial(self._conversation.new_id, self._log))
        trace = Trace(self._log, labels, "")
        generation = Generation(trace, str(request.model or ""), answer, agent.requested, set(), streamed=False)
        agent.model = _Model(generation)
        read = self._log.attempt(
            "read the request", read_request, request.contents, system_of(request.config), self._conversation.known_id
        )
        unread = Request({"role": "user", "content": "[request that could not be read]"})
        parameters = self._log.attempt("read the config", read_parameters, request.config, request.config) or {}
        generation.open(trace, read or unread, parameters, None)

    def answer_model(self, context: Any, answer: Any) -> None:
        model = self.agent_of(context).model
        if model is None:
            return
        response = _response_of(answer)
        if answer.partial:
            model.partial.append(response)
            return
        model.partial.clear()
        model.generation.add(response)
        self.end_model(context, _outcome_of(answer))

    def end_model(self, context: Any, outcome: Outcome) -> None:
        agent = self.agent_of(context)
        model, agent.model = agent.model, None
        if model is not None:
            model.end(outcome)

    def begin_tool(self, tool: Any, arguments: dict[str, object], context: Any) -> str:
        agent = self.agent_of(context)
        call_id = agent.requested.take(tool.name, arguments)
        config = {
            "id": call_id,
            "name": tool.name,
            "description": tool.description or "",
            "args": redacted(arguments_text(arguments)),
        }
        agent.holder.add(self._log, "tool_call", config)
        # Calls that the tool makes with traced clients, and agents that it runs, belong to this agent's span.
        span_id = agent.holder.id if agent.holder.kind == "span" else None
        surroundings.enter(Work(self._log, self.labels._replace(span_id=span_id, hold=None)), context)
        return call_id

    def end(self, outcome: Outcome) -> None:
        """End everything that is still open. A second call does nothing."""
        if self._is_over:
            return
        self._is_over = True
        log, trace_id = self._log, self.labels.trace_id
        # ADK does not call the plugin at the end of agents that were cancelled.
        for agent in list(self._agents.values()):
            if agent.holder.kind == "span" and agent.holder != self.holder:
                log.attempt("end the agent", self._end_agent, agent, outcome)
            elif agent.model is not None:
                agent.model.end(outcome)
        self._agents.clear()
        if self._around.trace_id is not None:
            if self._around.hold is not None:
                self._around.hold.release()
            return
        if outcome.error is not None:
            error: Any = outcome.error
            log.attempt("add the error", lambda: log.logger.trace_add_error(str(trace_id), error))
        if self.output is not None:
            log.attempt("set the output", log.logger.trace_set_output, str(trace_id), self.output)
        log.attempt("end the trace", log.logger.trace_end, str(trace_id))


class MaximAdkPlugin(_BasePlugin):  # type: ignore[misc]
    """Traces all agents of an ADK app in Maxim. Pass it to the app, or to the runner, as one of its plugins.

    An ADK session is a session, an invocation is a trace, and an agent is a span of it, with a generation for each
    request to its model and a tool call for each tool that it ran. Calls that a tool makes with a traced client belong
    to the agent's span. *name* is the plugin's name in ADK; *privacy* is the policy for what may be logged.

    Raises `ImportError` when the module is imported without google-adk.
    """

    def __init__(self, logger: Logger, name: str = "maxim_gemini", *, privacy: Privacy | None = None) -> None:
        super().__init__(name=name)  # pyright: ignore[reportUnknownMemberType]  # google-adk may not be installed
        self._log = Log(logger, privacy)
        self._runs: dict[str, _Run] = {}
        self._tools: dict[int, str] = {}

    def _run_of(self, context: Any) -> _Run | None:
        return self._runs.get(context.invocation_id)

    async def before_run_callback(self, *, invocation_context: Any) -> None:
        """Begin a trace. A live run is not traced here, but by its connection, which knows its turns."""
        if invocation_context.live_request_queue is None and not surroundings.is_suppressed():
            self._log.attempt("begin the trace", self._begin_run, invocation_context)

    def _begin_run(self, context: Any) -> None:
        run = self._runs[context.invocation_id] = _Run(self._log, context)
        # ADK calls nothing when an invocation is cancelled: it is only garbage-collected.
        weakref.finalize(context, self._abandon, context.invocation_id, run).atexit = False

    def _abandon(self, invocation_id: str, run: _Run) -> None:
        if self._runs.get(invocation_id) is run:
            del self._runs[invocation_id]
        self._log.when_free(lambda: run.end(STOPPED_EARLY))

    async def on_event_callback(self, *, invocation_context: Any, event: Any) -> None:
        """Keep the final answer as the trace's output."""
        self._log.attempt("read an event", self._read, invocation_context, event)

    def _read(self, context: Any, event: Any) -> None:
        run = self._run_of(context)
        if run is not None and event.content is not None and not event.partial and event.is_final_response():
            texts = [part.text for part in event.content.parts or () if part.text and not part.thought]
            run.output = "".join(texts) or run.output

    async def after_run_callback(self, *, invocation_context: Any) -> None:
        """End the trace."""
        self._end_run(invocation_context, SUCCESS)

    async def on_run_error_callback(self, *, invocation_context: Any, error: Exception) -> None:
        """End the trace with its error."""
        self._end_run(invocation_context, Outcome.of(error))

    def _end_run(self, context: Any, outcome: Outcome) -> None:
        run = self._runs.pop(context.invocation_id, None)
        if run is not None:
            self._log.attempt("end the trace", run.end, outcome)

    async def before_agent_callback(self, *, agent: Any, callback_context: Any) -> None:
        """Begin the agent's span."""
        if (run := self._run_of(callback_context)) is not None:
            self._log.attempt("begin the agent", run.begin_agent, agent, callback_context)

    async def after_agent_callback(self, *, agent: Any, callback_context: Any) -> None:
        """End the agent's span."""
        if (run := self._run_of(callback_context)) is not None:
            self._log.attempt("end the agent", run.end_agent, callback_context, SUCCESS)

    async def on_agent_error_callback(self, *, agent: Any, callback_context: Any, error: Exception) -> None:
        """End the agent's span with the error."""
        if (run := self._run_of(callback_context)) is not None:
            self._log.attempt("end the agent", run.end_agent, callback_context, Outcome.of(error))

    async def before_model_callback(self, *, callback_context: Any, llm_request: Any) -> None:
        """Begin a generation."""
        if (run := self._run_of(callback_context)) is not None:
            self._log.attempt("begin the generation", run.begin_model, callback_context, llm_request)

    async def after_model_callback(self, *, callback_context: Any, llm_response: Any) -> None:
        """Record an answer, or a piece of one; the last piece ends the generation."""
        if (run := self._run_of(callback_context)) is not None:
            self._log.attempt("read the answer", run.answer_model, callback_context, llm_response)

    async def on_model_error_callback(self, *, callback_context: Any, llm_request: Any, error: Exception) -> None:
        """End the generation with the error."""
        if (run := self._run_of(callback_context)) is not None:
            self._log.attempt("end the generation", run.end_model, callback_context, Outcome.of(error))

    async def before_tool_callback(self, *, tool: Any, tool_args: dict[str, object], tool_context: Any) -> None:
        """Begin a tool call."""
        if (run := self._run_of(tool_context)) is not None:
            call_id = self._log.attempt("begin the tool call", run.begin_tool, tool, tool_args, tool_context)
            if call_id is not None:
                self._tools[id(tool_context)] = call_id

    async def after_tool_callback(
        self, *, tool: Any, tool_args: dict[str, object], tool_context: Any, result: Any
    ) -> None:
        """End the tool call with the tool's result."""
        surroundings.leave(tool_context)
        if (call_id := self._tools.pop(id(tool_context), None)) is not None:
            text = redacted(readable(result))
            self._log.attempt("end the tool call", lambda: self._log.logger.tool_call_result(call_id, text))

    async def on_tool_error_callback(
        self, *, tool: Any, tool_args: dict[str, object], tool_context: Any, error: Exception
    ) -> None:
        """End the tool call with the error."""
        surroundings.leave(tool_context)
        if (call_id := self._tools.pop(id(tool_context), None)) is not None:
            described: Any = {"message": redacted(words_of(error)), "code": "", "type": type(error).__name__}
            self._log.attempt("end the tool call", lambda: self._log.logger.tool_call_error(call_id, described))


def _key(context: Any) -> str:
    """Return the key of a running agent; several may run at the same time."""
    return f"{getattr(context, 'agent_name', '')}"


def _response_of(answer: Any) -> types.GenerateContentResponse:
    """Convert a response of ADK to one of google-genai."""
    about = {
        name: value
        for name in ("finish_reason", "grounding_metadata", "citation_metadata", "avg_logprobs", "logprobs_result")
        if (value := getattr(answer, name, None)) is not None
    }
    candidates = [types.Candidate(content=answer.content, **about)] if answer.content or about else []
    return types.GenerateContentResponse(
        candidates=candidates,
        usage_metadata=answer.usage_metadata,
        model_version=getattr(answer, "model_version", None),
    )


def _outcome_of(answer: Any) -> Outcome:
    if answer.error_code is None or answer.content is not None or answer.finish_reason is not None:
        return SUCCESS
    code = str(answer.error_code)
    return Outcome(error={"message": redacted(answer.error_message or code), "code": code, "type": code})
