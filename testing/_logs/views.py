"""Typed, read-only views of sessions, traces, spans, generations, tool calls and retrievals."""

from __future__ import annotations

from typing import Any

from maxim_gemini.testing._json_types import (
    JsonDict,
    decoded,
    decoded_values,
    is_list,
    is_object,
    mapping,
    plain,
    sequence,
)

from .records import Error, Event, Feedback, FunctionCall
from .view import V, View, Views, view_of


class Holder:
    """An entity with others in it, at any depth: all of a kind, or the only one."""

    __slots__ = ()

    def _inside(self, kind: type[V]) -> Views[V]:
        raise NotImplementedError

    @property
    def spans(self) -> Views[Span]:
        """The spans in it, including those in other spans."""
        return self._inside(Span)

    @property
    def generations(self) -> Views[Generation]:
        """The requests to models in it."""
        return self._inside(Generation)

    @property
    def tool_calls(self) -> Views[ToolCall]:
        """The tool calls in it, whether they were run or only requested."""
        return self._inside(ToolCall)

    @property
    def retrievals(self) -> Views[Retrieval]:
        """The retrievals in it."""
        return self._inside(Retrieval)

    @property
    def span(self) -> Span:
        """The only span in it."""
        return self.spans.only

    @property
    def generation(self) -> Generation:
        """The only generation in it."""
        return self.generations.only

    @property
    def tool_call(self) -> ToolCall:
        """The only tool call in it."""
        return self.tool_calls.only

    @property
    def retrieval(self) -> Retrieval:
        """The only retrieval in it."""
        return self.retrievals.only


class TraceHolder(Holder):
    """A holder that also has traces."""

    __slots__ = ()

    @property
    def traces(self) -> Views[Trace]:
        """The traces in it."""
        return self._inside(Trace)

    @property
    def trace(self) -> Trace:
        """The only trace in it."""
        return self.traces.only


class _Scope(Holder, View):
    """An entity with others in it."""

    __slots__ = ()

    def _inside(self, kind: type[V]) -> Views[V]:
        below = (view_of(node) for child in self._node.children for node in child.walk())
        return Views([view for view in below if isinstance(view, kind)], f"{kind.kind.replace('_', ' ')} in {self}")

    @property
    def events(self) -> tuple[Event, ...]:
        """The events that were added to it."""
        return tuple(Event.of(commit.data) for commit in self._node.records("add-event"))

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """The feedback of people on it."""
        return tuple(Feedback.of(commit.data) for commit in self._node.records("add-feedback"))


class Session(TraceHolder, _Scope):
    """A session: a conversation."""

    kind = "session"
    _content = ("tags", "metadata", "metrics")
    __slots__ = ()


class Trace(_Scope):
    """A trace: one request of the application, and its answer."""

    kind = "trace"
    _content = ("input", "output", "tags", "metadata", "metrics")
    __slots__ = ()

    @property
    def session_id(self) -> str | None:
        """The id of its session; `None` if it has none."""
        parent = self._node.parent
        return parent.id if parent and parent.kind == "session" else None

    @property
    def input(self) -> str | None:
        """The input."""
        return self._node.data.get("input")

    @property
    def output(self) -> str | None:
        """The output."""
        return self._node.data.get("output")


class Span(_Scope):
    """A span: a part of a trace."""

    kind = "span"
    _content = ("input", "output", "tags", "metadata", "metrics")
    __slots__ = ()

    @property
    def input(self) -> str | None:
        """The input."""
        given = self._node.data.get("input")
        return given.get("value") if is_object(given) else given

    @property
    def output(self) -> str | None:
        """The output."""
        return self._node.data.get("output")


class Generation(View):
    """A generation: one request to a model, and the answer."""

    kind = "generation"
    _content = (
        *("provider", "model", "model_parameters", "messages", "result", "cost"),
        *("tags", "metadata", "metrics"),
    )
    __slots__ = ()

    @property
    def model(self) -> str | None:
        """The name of the requested model."""
        return self._node.data.get("model")

    @property
    def provider(self) -> str | None:
        """The provider of the model."""
        return self._node.data.get("provider")

    @property
    def messages(self) -> list[JsonDict]:
        """The messages of the request, in Maxim's form (`role`, `content`)."""
        return plain(sequence(self._node.data.get("messages")))

    @property
    def model_parameters(self) -> JsonDict:
        """The parameters; values that maxim-py sends as JSON text are decoded."""
        return decoded_values(self._node.data.get("modelParameters"))

    @property
    def result(self) -> JsonDict | None:
        """The result, in Maxim's form (`choices`, `usage`, `error`)."""
        return plain(self._node.data.get("result"))

    @property
    def choices(self) -> list[JsonDict]:
        """The candidates, as Maxim's choices (`message`, `finish_reason`)."""
        return plain(_choices(self._result))

    @property
    def text(self) -> str | None:
        """The text of the first choice."""
        return _text(self._message.get("content"))

    @property
    def tool_calls(self) -> tuple[FunctionCall, ...]:
        """The function calls that the first choice requests."""
        return tuple(FunctionCall.of(call) for call in sequence(self._message.get("tool_calls")))

    @property
    def finish_reason(self) -> str | None:
        """The finish reason of the first choice."""
        return self._choice.get("finish_reason")

    @property
    def usage(self) -> JsonDict:
        """The token counts (`prompt_tokens`, `completion_tokens`, `total_tokens`)."""
        return plain(mapping(self._result.get("usage")))

    @property
    def cost(self) -> JsonDict | None:
        """The cost (`input`, `output`, `total`)."""
        return plain(self._node.data.get("cost"))

    @property
    def error(self) -> Error | None:
        """The error that it ended with."""
        error = self._result.get("error")
        return Error.of(error, str(self)) if error else None

    @property
    def _result(self) -> JsonDict:
        return mapping(self._node.data.get("result"))

    @property
    def _choice(self) -> JsonDict:
        choices = _choices(self._result)
        return mapping(choices[0]) if choices else {}

    @property
    def _message(self) -> JsonDict:
        return mapping(self._choice.get("message"))


class ToolCall(View):
    """A tool call: a function that a model requested."""

    kind = "tool_call"
    _content = ("description", "arguments", "returned", "error", "tags", "metadata", "metrics")
    __slots__ = ()

    @property
    def description(self) -> str | None:
        """The description of the function."""
        return self._node.data.get("description")

    @property
    def args(self) -> str | None:
        """The arguments as sent, usually JSON text."""
        return self._node.data.get("args")

    @property
    def arguments(self) -> Any:
        """The arguments, decoded."""
        return decoded(self.args)

    @property
    def result(self) -> Any:
        """The return value as sent, usually JSON text."""
        return plain(self._node.data.get("result"))

    @property
    def returned(self) -> Any:
        """The return value, decoded."""
        return decoded(self._node.data.get("result"))

    @property
    def error(self) -> Error | None:
        """The error that it ended with."""
        error = self._node.data.get("error")
        return Error.of(error, str(self)) if error else None


class Retrieval(View):
    """A retrieval: one search for documents."""

    kind = "retrieval"
    _content = ("input", "output", "tags", "metadata", "metrics")
    __slots__ = ()

    @property
    def input(self) -> Any:
        """The query."""
        return plain(self._node.data.get("input"))

    @property
    def output(self) -> list[Any]:
        """The documents that were found."""
        return plain(sequence(self._node.data.get("docs")))


def _choices(result: JsonDict) -> list[Any]:
    """Return the choices of a result in one of Maxim's two forms: OpenAI's chat completions, or its responses."""
    if "output" not in result:
        return sequence(result.get("choices"))
    items = [mapping(item) for item in sequence(result["output"])]
    parts = [part for item in items if item.get("type") == "message" for part in sequence(item.get("content"))]
    calls = [
        {"id": item.get("call_id"), "type": "function", "function": item}
        for item in items
        if item.get("type") == "function_call"
    ]
    message = {"role": "assistant", "content": _text(parts) if parts else None, "tool_calls": calls}
    return [{"index": 0, "message": message, "finish_reason": result.get("status")}]


def _text(content: object) -> str | None:
    if is_list(content):
        return "".join(str(mapping(part).get("text", "")) for part in content)
    return content if isinstance(content, str) else None
