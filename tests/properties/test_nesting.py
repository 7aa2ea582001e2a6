"""Any nesting of traces, spans and suppression over two loggers: a call is where a simple model puts it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import maxim.decorators
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sides import MODEL
from support.tally import count

from maxim_gemini import MaximGeminiClient, span, suppress, trace
from maxim_gemini.testing import FakeLogger

from .conftest import PROFILE

LOGGERS = st.sampled_from("ab")

BLOCKS = st.one_of(
    st.tuples(st.just("trace"), LOGGERS),
    st.tuples(st.just("maxim's trace"), LOGGERS),
    st.tuples(st.just("span"), st.just("")),
    st.tuples(st.just("maxim's span"), st.just("")),
    st.tuples(st.just("suppress"), st.just("")),
    st.tuples(st.just("call"), LOGGERS),
)
CALLS = st.lists(st.tuples(st.tuples(st.just("call"), LOGGERS), st.just(())), min_size=1, max_size=2)
PROGRAMS = st.recursive(
    CALLS, lambda below: st.lists(st.tuples(BLOCKS, below), min_size=1, max_size=4) | CALLS, max_leaves=20
)


class Model:
    """What surrounds a call, as a stack of blocks: of which kind, of which logger, and their names."""

    def __init__(self) -> None:
        self.stack: list[tuple[str, str, str]] = []

    def expected(self, logger: str) -> str | None:
        """Return the name of what holds a call over *logger*; `None` where it is not traced."""
        if any(kind == "suppress" for kind, _, _ in self.stack):
            return None
        return next((name for _, of, name in reversed(self.visible()) if of == logger), "Gemini call")

    def visible(self) -> list[tuple[str, str, str]]:
        """Return the blocks without those of maxim-py's that others of theirs hide: they show only the innermost."""
        last = {kind: name for kind, _, name in self.stack}
        return [one for one in self.stack if not one[0].startswith("maxim's") or last[one[0]] == one[2]]

    def innermost_of_maxim(self) -> str:
        """Return the logger of the span that maxim-py puts its next span into; else of its trace."""
        last = {kind: of for kind, of, _ in self.stack}
        return last.get("maxim's span") or last.get("maxim's trace", "")

    def innermost(self) -> str:
        """Return the logger of the innermost trace, which a span belongs to."""
        return next((of for _, of, _ in reversed(self.stack) if of), "")


class Run:
    def __init__(self, raw: Any) -> None:
        self.loggers = {name: FakeLogger() for name in "ab"}
        self.clients = {name: MaximGeminiClient(raw, logger) for name, logger in self.loggers.items()}
        self.model = Model()
        self.expected: list[tuple[str, str, str | None]] = []
        self.made = 0

    def run(self, program: Any) -> None:
        for (kind, logger), below in program:
            self.made += 1
            name = f"{kind} {self.made}"
            if kind == "call":
                self.clients[logger].models.generate_content(model=MODEL, contents=name)
                self.expected.append((logger, name, self.model.expected(logger)))
                continue
            self.block(kind, logger, name, below)

    def block(self, kind: str, logger: str, name: str, below: Any) -> None:
        if kind == "span":
            logger = self.model.innermost()
        elif kind == "maxim's span":
            logger = self.model.innermost_of_maxim()
            if not logger:
                return  # it would not run the function

        def inside() -> None:
            self.model.stack.append((kind, logger, name))
            self.run(below)
            self.model.stack.pop()

        with ExitStack() as stack:
            match kind:
                case "maxim's trace":
                    maxim.decorators.trace(logger=self.loggers[logger], name=name)(inside)()
                    return
                case "maxim's span":
                    maxim.decorators.span(logger=self.loggers[logger], name=name)(inside)()
                    return
                case "trace":
                    stack.enter_context(trace(self.loggers[logger], name=name))
                case "span":
                    stack.enter_context(span(name))
                case _:
                    stack.enter_context(suppress())
            inside()

    def check(self) -> None:
        for name, logger in self.loggers.items():
            made = {one.messages[0]["content"]: one.parent.name for one in logger.generations if one.parent}
            expected = {contents: holder for of, contents, holder in self.expected if of == name and holder is not None}
            assert made == expected
            logger.assert_complete()
        count("programs: nesting")
        count("invariants: the call is where the model puts it", len(self.expected))


@PROFILE
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # maxim-py's decorators make what it deprecates
@given(program=PROGRAMS)
def test_a_call_is_where_the_blocks_around_it_put_it(raw: Any, program: Any) -> None:
    run = Run(raw)
    run.run(program)
    run.check()
