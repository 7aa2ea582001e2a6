"""What Maxim would show: sessions, traces, spans, generations, tool calls, as typed, read-only views.

A view shows what had been received when it was made. Two views with the same content are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, SupportsIndex, TypeVar, overload

from maxim_gemini.testing._json_types import (
    JsonDict,
    decoded,
    decoded_values,
    filled,
    is_list,
    is_object,
    mapping,
    plain,
    sequence,
)
from maxim_gemini.testing.exceptions import NotTheOnlyOne

from .records import Attachment, Error, Evaluation, Event, Feedback, FunctionCall
from .tree import Node, instant

if TYPE_CHECKING:
    from datetime import timedelta

    from .commits import Commit

V = TypeVar("V", bound="View", covariant=True)


class Views(Sequence[V], Generic[V]):
    """Views in the order in which their entities began; looked up by position, by id or by name."""

    __slots__ = ("_views", "_what")

    def __init__(self, views: Sequence[V], what: str) -> None:
        self._views = tuple(views)
        self._what = what

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> V: ...
    @overload
    def __getitem__(self, key: slice) -> Views[V]: ...
    def __getitem__(self, key: SupportsIndex | str | slice) -> V | Views[V]:
        if isinstance(key, str):
            return next((view for view in self._views if view.id == key), None) or self.named(key).only
        return Views(self._views[key], self._what) if isinstance(key, slice) else self._views[key]

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[V]:
        return iter(self._views)

    def __eq__(self, other: object) -> bool:
        return self._views == tuple(other) if isinstance(other, (Views, tuple, list)) else NotImplemented  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    def __hash__(self) -> int:
        return hash(self._views)

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self._views))}]"

    def named(self, name: str) -> Views[V]:
        """Return those of that name."""
        return Views([view for view in self._views if view.name == name], f"{self._what} named {name!r}")

    @property
    def only(self) -> V:
        """The only one; `NotTheOnlyOne` lists what is there."""
        if len(self._views) != 1:
            raise NotTheOnlyOne(f"expected exactly one {self._what}, found {_listed(self._views)}")
        return self._views[0]


def _listed(views: Sequence[View]) -> str:
    if not views:
        return "none"
    shown = "".join(f"\n  {view!r}" for view in views[:20])
    return f"{len(views)}:{shown}" + ("\n  ..." if len(views) > 20 else "")


class View:
    """One entity."""

    kind: ClassVar[str]
    __slots__ = ("_node",)
    _node: Node

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def id(self) -> str:
        """Its id."""
        return self._node.id

    @property
    def name(self) -> str | None:
        """Its name."""
        return self._node.data.get("name")

    @property
    def tags(self) -> JsonDict:
        """Its tags, all text."""
        return plain(mapping(self._node.data.get("tags")))

    @property
    def metadata(self) -> JsonDict:
        """Its metadata, with the values that maxim-py sends as JSON text decoded."""
        return decoded_values(self._node.data.get("metadata"))

    @property
    def metrics(self) -> dict[str, float]:
        """Its metrics by name."""
        return plain(mapping(self._node.data.get("metrics")))

    @property
    def data(self) -> JsonDict:
        """Its fields, as they came over the wire."""
        return plain(self._node.data)

    @property
    def commits(self) -> tuple[Commit, ...]:
        """The commits that concern it, in order of arrival."""
        return tuple(self._node.commits)

    @property
    def parent(self) -> View | None:
        """What it is part of."""
        return view_of(self._node.parent) if self._node.parent else None

    @property
    def created(self) -> bool:
        """Whether it was created, and not only mentioned."""
        return bool(self._node.births)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return bool(self._node.ends)

    @property
    def started_at(self) -> datetime | None:
        """When it began."""
        return instant(self._node.data.get("startTimestamp"))

    @property
    def ended_at(self) -> datetime | None:
        """When it ended."""
        return instant(self._node.data.get("endTimestamp"))

    @property
    def duration(self) -> timedelta | None:
        """From its beginning to its end."""
        start, end = self.started_at, self.ended_at
        return end - start if start and end else None

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files, bytes and URLs beside it."""
        return tuple(Attachment.of(commit) for commit in self._node.records("add-attachment"))

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The evaluators requested."""
        return tuple(Evaluation.of(commit.data) for commit in self._node.records("evaluate"))

    @property
    def noted_errors(self) -> tuple[Error, ...]:
        """The errors that were added to it."""
        return tuple(Error.of(commit.data, str(self)) for commit in self._node.records("add-error"))

    @property
    def error(self) -> Error | None:
        """The error that it ended with; a generation and a tool call can have one."""
        return None

    @property
    def errors(self) -> tuple[Error, ...]:
        """The errors on it and on everything below it."""
        return tuple(error for node in self._node.walk() for error in _own_errors(view_of(node)))

    @property
    def children(self) -> Views[View]:
        """What is directly in it, in the order in which it began."""
        return Views([view_of(node) for node in self._node.children], f"child of {self}")

    def as_dict(self, *, clocks: bool = True) -> JsonDict:
        """Return it with all below it, as plain data for JSON without what is empty; with *clocks*, with its times."""
        return filled(dict(_entries(self, clocks=clocks)))

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.id}"

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<{self}{name}{'' if self.ended else ' (open)'}>"

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == other.as_dict() if isinstance(other, View) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.kind, self.id))


class Holder:
    """What holds entities: all of a kind, or the only one. What is in a span counts as being in what holds the span."""

    __slots__ = ()

    def _inside(self, kind: type[V]) -> Views[V]:
        raise NotImplementedError

    @property
    def spans(self) -> Views[Span]:
        """The spans in it, sub-spans included."""
        return self._inside(Span)

    @property
    def generations(self) -> Views[Generation]:
        """The requests to models in it."""
        return self._inside(Generation)

    @property
    def tool_calls(self) -> Views[ToolCall]:
        """The function calls in it, run or only requested."""
        return self._inside(ToolCall)

    @property
    def retrievals(self) -> Views[Retrieval]:
        """The look-ups of documents in it."""
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
    """What holds traces, too."""

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
    """An entity that holds others."""

    __slots__ = ()

    def _inside(self, kind: type[V]) -> Views[V]:
        below = (view_of(node) for child in self._node.children for node in child.walk())
        return Views([view for view in below if isinstance(view, kind)], f"{kind.kind.replace('_', ' ')} in {self}")

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened on it."""
        return tuple(Event.of(commit.data) for commit in self._node.records("add-event"))

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """What people thought of it."""
        return tuple(Feedback.of(commit.data) for commit in self._node.records("add-feedback"))


class Session(TraceHolder, _Scope):
    """A conversation."""

    kind = "session"
    __slots__ = ()


class Trace(_Scope):
    """One request of the application, and its answer."""

    kind = "trace"
    __slots__ = ()

    @property
    def session_id(self) -> str | None:
        """The id of the conversation that it belongs to."""
        parent = self._node.parent
        return parent.id if parent and parent.kind == "session" else None

    @property
    def input(self) -> str | None:
        """The input."""
        return self._node.data.get("input")

    @property
    def output(self) -> str | None:
        """What was answered."""
        return self._node.data.get("output")


class Span(_Scope):
    """A part of a trace."""

    kind = "span"
    __slots__ = ()

    @property
    def input(self) -> str | None:
        """The input."""
        given = self._node.data.get("input")
        return given.get("value") if is_object(given) else given

    @property
    def output(self) -> str | None:
        """What was answered."""
        return self._node.data.get("output")


class Generation(View):
    """One request to a model, and what came back."""

    kind = "generation"
    __slots__ = ()

    @property
    def model(self) -> str | None:
        """The model as requested."""
        return self._node.data.get("model")

    @property
    def provider(self) -> str | None:
        """Who runs the model."""
        return self._node.data.get("provider")

    @property
    def messages(self) -> list[JsonDict]:
        """What was sent, as Maxim's messages (`role`, `content`)."""
        return plain(sequence(self._node.data.get("messages")))

    @property
    def model_parameters(self) -> JsonDict:
        """The parameters, with the values that maxim-py sends as JSON text decoded."""
        return decoded_values(self._node.data.get("modelParameters"))

    @property
    def result(self) -> JsonDict | None:
        """What came back, as Maxim's result (`choices`, `usage`, `error`)."""
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
        """The functions that the first choice asks for."""
        return tuple(FunctionCall.of(call) for call in sequence(self._message.get("tool_calls")))

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended."""
        return self._choice.get("finish_reason")

    @property
    def usage(self) -> JsonDict:
        """The tokens counted (`prompt_tokens`, `completion_tokens`, `total_tokens`)."""
        return plain(mapping(self._result.get("usage")))

    @property
    def cost(self) -> JsonDict | None:
        """What it cost (`input`, `output`, `total`)."""
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
    """One function run."""

    kind = "tool_call"
    __slots__ = ()

    @property
    def description(self) -> str | None:
        """What the function is for."""
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
        """What it returned, as sent."""
        return plain(self._node.data.get("result"))

    @property
    def returned(self) -> Any:
        """What it returned, decoded."""
        return decoded(self._node.data.get("result"))

    @property
    def error(self) -> Error | None:
        """The error that it ended with."""
        error = self._node.data.get("error")
        return Error.of(error, str(self)) if error else None


class Retrieval(View):
    """One look-up of documents."""

    kind = "retrieval"
    __slots__ = ()

    @property
    def input(self) -> Any:
        """What was looked for."""
        return plain(self._node.data.get("input"))

    @property
    def output(self) -> list[Any]:
        """The documents found."""
        return plain(sequence(self._node.data.get("docs")))


class Unknown(View):
    """An entity of a kind that this library does not know yet."""

    __slots__ = ()

    @property
    def kind(self) -> str:  # type: ignore[override]  # the kind that the wire names
        """Its kind, as the wire names it."""
        return self._node.kind


_KINDS: Final[Mapping[str, type[View]]] = {
    kind.kind: kind for kind in (Session, Trace, Span, Generation, ToolCall, Retrieval)
}


def view_of(node: Node) -> View:
    """Return the view of an entity."""
    return _KINDS.get(node.kind, Unknown)(node)


def _own_errors(view: View) -> tuple[Error, ...]:
    return (*([view.error] if view.error else []), *view.noted_errors)


def _choices(result: JsonDict) -> list[Any]:
    """Return the choices of a result in either of Maxim's two forms: OpenAI's chat completions, and its responses."""
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


_CONTENT: Final[dict[str, tuple[str, ...]]] = {
    "session": ("tags", "metadata", "metrics"),
    "trace": ("input", "output", "tags", "metadata", "metrics"),
    "span": ("input", "output", "tags", "metadata", "metrics"),
    "generation": (
        *("provider", "model", "model_parameters", "messages", "result", "cost"),
        *("tags", "metadata", "metrics"),
    ),
    "tool_call": ("description", "arguments", "returned", "error", "tags", "metadata", "metrics"),
    "retrieval": ("input", "output", "tags", "metadata", "metrics"),
}
_RECORDS: Final = ("errors", "events", "feedback", "attachments", "evaluations")
_KNOWN_KEYS: Final = frozenset(
    (
        *("name", "tags", "metadata", "metrics", "input", "output", "docs", "startTimestamp", "endTimestamp"),
        *("model", "provider", "modelParameters", "messages", "result", "cost", "description", "args", "error"),
    )
)


def _entries(view: View, *, clocks: bool) -> Iterator[tuple[str, Any]]:
    yield "kind", view.kind
    yield "id", view.id
    yield "name", view.name
    yield "state", "never created" if not view.created else None if view.ended else "open"
    if clocks:
        yield from _times(view)
    for key in _CONTENT.get(view.kind, ()):
        yield key, _plain(getattr(view, key), clocks=clocks)
    yield "other", {key: value for key, value in view.data.items() if key not in _KNOWN_KEYS}
    for key in _RECORDS:
        records = view.noted_errors if key == "errors" else getattr(view, key, ())
        yield key, [_plain(record, clocks=clocks) for record in records]
    yield "children", [child.as_dict(clocks=clocks) for child in view.children]


def _times(view: View) -> Iterator[tuple[str, Any]]:
    yield "started_at", view.started_at and view.started_at.isoformat()
    yield "ended_at", view.ended_at and view.ended_at.isoformat()
    yield "duration", None if view.duration is None else view.duration.total_seconds()


def _plain(value: Any, *, clocks: bool) -> Any:
    if not is_dataclass(value) or isinstance(value, type):
        return value
    left_out = {"entity", "content"} if clocks else {"entity", "content", "at"}
    return filled({key: _for_json(item) for key, item in asdict(value).items() if key not in left_out})


def _for_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return [*value] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType]
