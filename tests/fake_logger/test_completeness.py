"""A wrong trace can't be overlooked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.maxim_flows import COMPLETE, Flow, answer, call, generation_config

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, GeminiMock, reply
from maxim_gemini.testing._logs.commits import Commit
from maxim_gemini.testing._logs.completeness import problems
from maxim_gemini.testing._logs.tree import Tree
from maxim_gemini.testing.exceptions import IncompleteTrace

if TYPE_CHECKING:
    from collections.abc import Callable

    from maxim.logger import Logger

TOOL: Any = {"id": "tool", "name": "f", "description": "", "args": "{}"}


def open_trace(logger: Logger) -> None:
    logger.trace({"id": "t"})


def open_span(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.span({"id": "s"})
    trace.end()


def open_generation(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.generation(generation_config("g"))
    trace.end()


def open_tool_call(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.tool_call(TOOL)
    trace.end()


def answered_but_open_tool_call(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.generation(generation_config("g1")).result(answer(None, call(id="tool")))
    trace.tool_call(TOOL)
    reply = {"role": "tool", "tool_call_id": "tool", "content": "{}"}
    trace.generation(generation_config("g2", reply)).result(answer())
    trace.end()


def open_retrieval(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.retrieval({"id": "r"})
    trace.end()


def trace_ended_twice(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.end()
    trace.end()


def generation_ended_twice(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    generation = trace.generation(generation_config("g"))
    generation.result(answer())
    generation.end()
    trace.end()


def result_after_the_end(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    generation = trace.generation(generation_config("g"))
    generation.end()
    generation.writer.commit(_result("g"))
    trace.end()


def _result(id: str) -> Any:
    from maxim.logger.components.types import CommitLog, Entity

    return CommitLog(Entity.GENERATION, id, "result", {"result": answer()})


def output_after_the_end(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.end()
    trace.set_output("late")


def child_after_the_end(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.end()
    trace.generation(generation_config("g")).result(answer())


def trace_created_twice(logger: Logger) -> None:
    logger.trace({"id": "t"})
    logger.trace({"id": "t"}).end()


def generation_on_a_trace_never_created(logger: Logger) -> None:
    logger.trace_add_generation("t", generation_config("g")).result(answer())


def result_of_a_generation_never_created(logger: Logger) -> None:
    logger.generation_result("g", answer())


def invalid_id(logger: Logger) -> None:
    logger.trace({"id": "t 1"})


def invalid_id_of_a_child(logger: Logger) -> None:
    trace = logger.trace({"id": "t"})
    trace.generation(generation_config("g 1")).result(answer())
    trace.end()


def unserialisable(logger: Logger) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    trace = logger.trace({"id": "t"})
    generation = trace.generation(generation_config("g"))
    generation.writer.commit(_update("g", circle))
    generation.result(answer())
    trace.end()


def _update(id: str, odd: Any) -> Any:
    from maxim.logger.components.types import CommitLog, Entity

    return CommitLog(Entity.GENERATION, id, "update", {"odd": odd})


def unserialisable_from_the_start(logger: Logger) -> None:
    circle: list[Any] = []
    circle.append(circle)
    trace = logger.trace({"id": "t"})
    trace.generation(generation_config("g", {"role": "user", "content": "Hi", "odd": circle})).result(answer())
    trace.end()


WRONG: dict[Callable[[Logger], None], str] = {
    open_trace: "trace t: never ended (commit 0: trace t create)",
    open_span: "span s: never ended (commit 1: trace t add-span)",
    open_generation: "generation g: never ended (commit 1: trace t add-generation)",
    open_tool_call: "tool call tool: never ended (commit 1: trace t add-tool-call)",
    answered_but_open_tool_call: "tool call tool: never ended (commit 4: trace t add-tool-call)",
    open_retrieval: "retrieval r: never ended (commit 1: trace t add-retrieval)",
    trace_ended_twice: "trace t: ended twice (commit 2: trace t end)",
    generation_ended_twice: "generation g: ended twice (commit 4: generation g end)",
    result_after_the_end: "generation g: result after its end (commit 3: generation g result)",
    output_after_the_end: "trace t: output after its end (commit 2: trace t update)",
    child_after_the_end: "trace t: generation g began after its end (commit 2: trace t add-generation)",
    trace_created_twice: "trace t: created twice, which resets its start time and tags (commit 1: trace t create)",
    generation_on_a_trace_never_created: "trace t: never created (commit 0: trace t add-generation)",
    result_of_a_generation_never_created: "generation g: never created (commit 0: generation g result)",
    invalid_id: "trace t 1: dropped: invalid id 't 1': only letters, digits, - and _ are allowed "
    "(commit 0: trace t 1 create)",
    invalid_id_of_a_child: "generation g 1: invalid id, so that later commits about it are dropped: "
    "letters, digits, - and _ only (commit 1: trace t add-generation)",
    unserialisable: "generation g: 'odd' can't be serialised and is left out: ValueError: Circular reference detected "
    "(commit 2: generation g update)",
    unserialisable_from_the_start: "generation g: 'messages' can't be serialised and is left out: ValueError: "
    "Circular reference detected (commit 1: trace t add-generation)",
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "complaint"), WRONG.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_wrong_is_named_with_entity_id_and_commit(wrong: Callable[[Logger], None], complaint: str) -> None:
    logger = FakeLogger()
    wrong(logger)
    assert complaint in [str(problem) for problem in logger.problems()]
    with pytest.raises(IncompleteTrace) as caught:
        logger.assert_complete()
    assert complaint in str(caught.value)
    assert "✗" in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [flow for flow in WRONG if flow is not invalid_id_of_a_child], ids=lambda flow: flow.__name__
)
def test_nothing_but_the_offender_is_blamed(wrong: Callable[[Logger], None]) -> None:
    logger = FakeLogger()
    wrong(logger)
    assert len(logger.problems()) == 1


@pytest.mark.parametrize("flow", COMPLETE, ids=lambda flow: flow.__name__)
def test_what_is_right_passes(flow: Flow) -> None:
    logger = FakeLogger()
    flow(logger)
    assert logger.problems() == []
    logger.assert_complete()


def _call_that_waits(logger: Logger, **trace: Any) -> Any:
    config: Any = {"id": "t", **trace}
    begun = logger.trace(config)
    reply = {"role": "tool", "tool_call_id": "tool", "content": "{}"}
    begun.generation(generation_config("g1", reply)).result(answer(None, call(id="tool")))
    begun.tool_call(TOOL)
    begun.end()
    return reply


def test_a_result_that_came_before_a_call_does_not_answer_it() -> None:
    logger = FakeLogger()
    _call_that_waits(logger)
    logger.assert_complete()


@pytest.mark.parametrize("session", ["theirs", None])
def test_a_result_in_another_session_does_not_answer_a_call_of_the_same_id(session: str | None) -> None:
    logger = FakeLogger()
    reply = _call_that_waits(logger, session_id="ours")
    trace = logger.trace({"id": "t2", **({"session_id": session} if session else {})})
    trace.generation(generation_config("g2", reply)).result(answer())
    trace.end()
    logger.assert_complete()


@pytest.mark.parametrize("sessions", [("ours", "ours"), (None, "ours"), (None, None)])
def test_a_result_in_a_later_trace_answers_a_call(sessions: tuple[str | None, str | None]) -> None:
    logger = FakeLogger()
    first, second = ({"session_id": name} if name else {} for name in sessions)
    reply = _call_that_waits(logger, **first)
    trace = logger.trace({"id": "t2", **second})
    trace.generation(generation_config("g2", reply)).result(answer())
    trace.end()
    assert "tool call tool: never ended" in str(logger.problems()[0])


def test_the_failure_shows_the_tree_with_the_offender_marked() -> None:
    logger = FakeLogger()
    trace = logger.trace({"id": "t", "name": "Ask"})
    trace.generation(generation_config("g"))
    trace.end()
    with pytest.raises(AssertionError) as caught:
        logger.assert_complete()
    text = str(caught.value)
    assert text.startswith(
        "what Maxim received is not complete:\n"
        "  generation g: never ended (commit 1: trace t add-generation)\n"
        "\n"
        "Trace Ask  t  "
    )
    assert text.endswith(
        "└─ ✗ Generation  g  google/gemini-2.5-flash  open\n"
        "      ✗ never ended\n"
        "      user      Weather?"
    )  # fmt: skip


NAMED_BY_THE_CALLER = (
    "trace t: never ended: this trace was named by the caller, by trace_id= or x-maxim-trace-id, "
    "and is the caller's to end: logger.trace_end('t') (commit 0: trace t create)"
)


@pytest.mark.parametrize("by", ["argument", "header", "header of the client", "chat"])
def test_a_trace_that_the_caller_named_and_did_not_end_is_the_callers_to_end(by: str) -> None:
    logger = FakeLogger()
    headers = {"headers": {"x-maxim-trace-id": "t"}}
    with GeminiMock(reply.text("Hi"), reply.text("Hi")):
        options: Any = headers if by == "header of the client" else None
        client = MaximGeminiClient(genai.Client(api_key="any", http_options=options), logger)
        for _ in range(2):
            if by == "chat":
                client.chats.create(model="m", trace_id="t").send_message("Hi")
            elif by == "argument":
                client.models.generate_content(model="m", contents="Hi", trace_id="t")
            else:
                config: Any = {"http_options": headers} if by == "header" else None
                client.models.generate_content(model="m", contents="Hi", config=config)
    assert [str(problem) for problem in logger.problems()] == [NAMED_BY_THE_CALLER]
    with pytest.raises(IncompleteTrace, match="is the caller's to end"):
        logger.assert_complete()
    logger.trace_end("t")
    logger.assert_complete()


def test_a_trace_that_has_a_name_was_only_never_ended() -> None:
    logger = FakeLogger()
    logger.trace({"id": "t", "name": "job"}).generation(generation_config("g")).result(answer())
    assert [str(problem) for problem in logger.problems()] == ["trace t: never ended (commit 0: trace t create)"]


def test_a_session_and_an_unanswered_function_call_may_stay_open_unless_strict() -> None:
    logger = FakeLogger()
    trace = logger.session({"id": "s"}).trace({"id": "t"})
    trace.generation(generation_config("g")).result(answer(None, call(id="tool")))
    trace.tool_call(TOOL)
    trace.end()
    logger.assert_complete()
    assert [str(problem) for problem in logger.problems(strict=True)] == [
        "session s: never ended (commit 0: session s create)",
        "tool call tool: never ended (commit 5: trace t add-tool-call)",
    ]
    with pytest.raises(IncompleteTrace):
        logger.assert_complete(strict=True)


def test_a_session_may_have_begun_elsewhere_unless_strict() -> None:
    logger = FakeLogger()
    logger.trace({"id": "t", "session_id": "from-elsewhere"}).end()
    logger.assert_complete()
    assert [problem.id for problem in logger.problems(strict=True)] == ["from-elsewhere"]


def test_order_counts_only_within_one_batch() -> None:
    def commits(batch: int) -> list[Commit]:
        return [
            Commit("trace", "t", "create", "{}", index=0),
            Commit("trace", "t", "end", "{}", index=1),
            Commit("trace", "t", "update", '{"output": "x"}', index=2, batch=batch),
        ]

    assert problems(Tree(commits(batch=1))) == []
    assert [problem.what for problem in problems(Tree(commits(batch=0)))] == ["output after its end"]


def test_nothing_logged_is_complete() -> None:
    FakeLogger().assert_complete(strict=True)
