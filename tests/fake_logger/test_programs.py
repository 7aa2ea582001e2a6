"""Random programs of logger calls: the views agree with a simple model, and so does `assert_complete`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.maxim_flows import answer, generation_config

from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing._logs.commits import Commit
from maxim_gemini.testing._logs.snapshots import snapshot
from maxim_gemini.testing._logs.tree import Tree
from maxim_gemini.testing._logs.views import Generation, ToolCall, Trace

SCOPES = ("trace", "span")
texts = st.text(max_size=12)
picks = st.integers(min_value=0, max_value=1_000_000)
keys = st.sampled_from(["env", "user", "k"])


@dataclass
class Entity:
    """What the model knows of one entity."""

    kind: str
    id: str
    handle: Any
    parent: str | None = None
    said: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    ends: int = 0

    def __repr__(self) -> str:
        return f"{self.kind} {self.id}"


class LoggerProgram(RuleBasedStateMachine):
    """Everything is logged twice: to a FakeLogger, and into `self.entities` and `self.faults`."""

    def __init__(self) -> None:
        super().__init__()
        self.logger = FakeLogger()
        self.entities: list[Entity] = []
        self.faults = 0

    def new(self, kind: str, handle: Any, parent: Entity | None = None) -> None:
        if parent is not None and parent.kind in SCOPES and parent.ends:
            self.faults += 1
        self.entities.append(Entity(kind, handle.id, handle, parent.id if parent else None))

    def next_id(self) -> str:
        return f"id-{len(self.entities)}"

    def pick(self, number: int, *kinds: str) -> Entity:
        among = [entity for entity in self.entities if entity.kind in kinds]
        return among[number % len(among)]

    def has(self, *kinds: str) -> bool:
        return any(entity.kind in kinds for entity in self.entities)

    @rule()
    def begin_session(self) -> None:
        self.new("session", self.logger.session({"id": self.next_id()}))

    @rule()
    def begin_trace(self) -> None:
        self.new("trace", self.logger.trace({"id": self.next_id()}))

    @precondition(lambda self: self.has("session"))
    @rule(number=picks)
    def begin_trace_in_session(self, number: int) -> None:
        session = self.pick(number, "session")
        self.new("trace", session.handle.trace({"id": self.next_id()}), session)

    @precondition(lambda self: self.has(*SCOPES))
    @rule(number=picks)
    def begin_span(self, number: int) -> None:
        scope = self.pick(number, *SCOPES)
        self.new("span", scope.handle.span({"id": self.next_id()}), scope)

    @precondition(lambda self: self.has(*SCOPES))
    @rule(number=picks, by_id=st.booleans())
    def begin_generation(self, number: int, by_id: bool) -> None:
        scope = self.pick(number, *SCOPES)
        config = generation_config(self.next_id())
        add = getattr(self.logger, f"{scope.kind}_add_generation")
        self.new("generation", add(scope.id, config) if by_id else scope.handle.generation(config), scope)

    @precondition(lambda self: self.has(*SCOPES))
    @rule(number=picks)
    def begin_tool_call(self, number: int) -> None:
        scope = self.pick(number, *SCOPES)
        config = {"id": self.next_id(), "name": "f", "description": "", "args": "{}"}
        self.new("tool_call", scope.handle.tool_call(config), scope)

    @precondition(lambda self: self.has("generation"))
    @rule(number=picks, text=texts)
    def give_result(self, number: int, text: str) -> None:
        generation = self.pick(number, "generation")
        # A result after the end, and the second end that comes with it.
        self.faults += 2 if generation.ends else 0
        generation.handle.result(answer(text))
        generation.said, generation.ends = text, generation.ends + 1

    @precondition(lambda self: self.has("tool_call"))
    @rule(number=picks, text=texts)
    def give_tool_result(self, number: int, text: str) -> None:
        call = self.pick(number, "tool_call")
        self.faults += 2 if call.ends else 0
        call.handle.result(text)
        call.said, call.ends = text, call.ends + 1

    @precondition(lambda self: self.has("trace"))
    @rule(number=picks, text=texts, by_id=st.booleans())
    def give_output(self, number: int, text: str, by_id: bool) -> None:
        trace = self.pick(number, "trace")
        self.faults += bool(trace.ends)
        if by_id:
            self.logger.trace_set_output(trace.id, text)
        else:
            trace.handle.set_output(text)
        trace.said = text

    @precondition(lambda self: self.has("session", *SCOPES, "generation"))
    @rule(number=picks)
    def end(self, number: int) -> None:
        entity = self.pick(number, "session", *SCOPES, "generation")
        self.faults += bool(entity.ends and entity.kind != "session")
        entity.handle.end()
        entity.ends += 1

    @precondition(lambda self: self.entities)
    @rule(number=picks, key=keys, value=st.text(min_size=1, max_size=5))
    def tag(self, number: int, key: str, value: str) -> None:
        entity = self.pick(number, "session", *SCOPES, "generation", "tool_call")
        entity.handle.add_tag(key, value)
        entity.tags[key] = value

    @precondition(lambda self: self.entities)
    @rule(number=picks, key=keys, value=st.lists(st.integers(), max_size=2) | st.integers() | st.none())
    def add_metadata(self, number: int, key: str, value: Any) -> None:
        entity = self.pick(number, "session", *SCOPES, "generation", "tool_call")
        entity.handle.add_metadata({key: value})
        entity.metadata[key] = value

    @rule()
    def log_with_an_invalid_id(self) -> None:
        self.logger.trace_end("not valid")
        self.faults += 1

    @rule(number=picks)
    def end_what_never_began(self, number: int) -> None:
        self.logger.span_end(f"never-{len(self.logger.logs)}-{number}")
        self.faults += 1

    @invariant()
    def the_views_show_what_was_logged(self) -> None:
        shown = [
            view
            for kind in ("sessions", "traces", "spans", "generations", "tool_calls")
            for view in getattr(self.logger, kind)
        ]
        views = {view.id: view for view in shown if view.created}
        assert views.keys() == {entity.id for entity in self.entities}
        for entity in self.entities:
            view = views[entity.id]
            assert view.kind == entity.kind
            assert (view.parent.id if view.parent else None) == entity.parent
            assert (view.tags, view.metadata) == (entity.tags, entity.metadata)
            assert view.ended == bool(entity.ends)
            assert _said(view) == entity.said

    @invariant()
    def the_lines_on_the_wire_say_the_same(self) -> None:
        lines = [commit.line for commit in self.logger.commits]
        read = Tree(Commit.parse(line, index=index) for index, line in enumerate(lines))
        kept = {key: value for key, value in self.logger.snapshot().items() if key != "dropped"}
        assert snapshot(read) == kept

    @invariant()
    def assert_complete_is_silent_exactly_where_all_is_closed(self) -> None:
        still_open = [entity for entity in self.entities if entity.kind != "session" and not entity.ends]
        assert len(self.logger.problems()) == self.faults + len(still_open)
        sessions = [entity for entity in self.entities if entity.kind == "session" and not entity.ends]
        assert len(self.logger.problems(strict=True)) == self.faults + len(still_open) + len(sessions)


def _said(view: Any) -> Any:
    if isinstance(view, Trace):
        return view.output
    if isinstance(view, Generation):
        return view.text
    return view.result if isinstance(view, ToolCall) else None


LoggerProgram.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLoggerProgram = LoggerProgram.TestCase
