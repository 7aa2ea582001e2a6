"""What a test reads: typed, read-only views."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from maxim.logger.components.types import CommitLog, Entity
from support.maxim_flows import (
    COMPLETE,
    Flow,
    answer,
    attachments,
    by_id,
    call,
    failure,
    generation_config,
    given_times,
    nested,
    one_answer,
    tools,
)
from support.maxim_versions import since

from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing._logs.records import Error, Evaluation, Event, Feedback, FunctionCall
from maxim_gemini.testing._logs.view import Unknown
from maxim_gemini.testing.exceptions import NotTheOnlyOne


def logged(*flows: Flow) -> FakeLogger:
    logger = FakeLogger()
    for flow in flows:
        flow(logger)
    return logger


def test_a_trace_and_its_generation() -> None:
    trace = logged(one_answer).trace
    assert (trace.id, trace.name, trace.input, trace.output, trace.tags) == (
        "trace-a",
        "Ask",
        "Weather?",
        "Sunny.",
        {"env": "test"},
    )
    generation = trace.generation
    assert (generation.id, generation.name, generation.provider, generation.model) == (
        "gen-a",
        "first",
        "google",
        "gemini-2.5-flash",
    )
    assert generation.messages == [{"role": "user", "content": "Weather?"}]
    assert generation.model_parameters == {"temperature": 0.5}
    assert generation.result == answer()
    assert (generation.text, generation.finish_reason, generation.tool_calls) == ("Sunny.", "STOP", ())
    assert generation.usage == {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
    assert generation.metrics == {"time_to_first_chunk_ms": 12.5}
    assert generation.error is None
    assert generation.parent == trace


def test_a_session_its_turns_and_its_tools() -> None:
    logger = logged(tools)
    session = logger.session
    assert (session.name, session.tags, session.feedback) == (
        "Support",
        {"plan": "free"},
        (Feedback(score=5, comment="good"),),
    )
    trace = session.trace
    assert (trace.session_id, trace.parent) == ("session-a", session)
    assert session.generations == trace.generations
    first, _ = trace.generations
    assert first.text is None
    assert first.tool_calls == (
        FunctionCall(id="call-1", name="get_weather", arguments={"city": "Paris"}),
        FunctionCall(id="call-2", name="get_news", arguments={}),
    )
    weather, news = logger.tool_calls
    assert (weather.name, weather.args, weather.arguments) == ("get_weather", '{"city": "Paris"}', {"city": "Paris"})
    assert (weather.result, weather.returned, weather.error) == ('{"celsius": 20}', {"celsius": 20}, None)
    assert news.error == Error(message="no news", code="404", type="KeyError")
    assert logger.errors == trace.errors == session.errors == (news.error,)
    assert logger.errors[0].entity == "tool call call-2"


def test_what_is_in_a_span_is_in_its_trace() -> None:
    trace = logged(nested).trace
    assert [span.name for span in trace.spans] == ["retrieve", "rank"]
    outer, inner = trace.spans
    assert (outer.input, outer.tags) == ("what?", {"k": "v"})
    assert trace.generation == outer.generation == inner.generation
    assert outer.span == inner
    assert [child.kind for child in outer.children] == ["retrieval", "span"]
    assert inner.errors == (Error(message="slow", code="1", type="Warning", metadata={"seconds": 3}),)
    retrieval = trace.retrieval
    assert (retrieval.input, retrieval.output) == ("weather in Paris", ["It rains.", "It shines."])
    assert retrieval.metrics == {"recall": 0.5}


@since(3, 14, 5, reason="a generation can't be named by its id")
def test_what_is_stated_by_id_is_seen_all_the_same() -> None:
    logger = logged(by_id)
    generation = logger.generation
    assert (generation.name, generation.model) == ("second", "gemini-2.5-pro")
    assert [message["content"] for message in generation.messages] == ["Weather?", "and Rome?"]
    assert generation.model_parameters == {"top_k": 3, "stop": ["a"], "mode": "fast"}
    assert generation.cost == {"input": 0.1, "output": 0.2, "total": 0.3}
    assert generation.metadata == {"response": {"ok": True}}
    assert generation.evaluations == (
        Evaluation(evaluators=("bias", "clarity")),
        Evaluation(evaluators=("bias", "clarity"), variables={"input": "x"}),
    )
    trace = logger.trace
    assert trace.metadata == {"n": 1, "text": "plain", "list": [1, {"a": None}]}
    assert trace.metrics == {"score": 0.25}
    assert trace.events == (Event(id="event-d1", name="cached", tags={"hit": "yes"}, metadata={"size": 3}),)
    assert trace.errors == (Error(message="odd", code="2", type="Odd"),)
    assert logger.tool_call.arguments == {"a": 1}


def test_an_error_of_a_model() -> None:
    generation = logged(failure).generation
    assert generation.error == Error(message="Resource exhausted", code="429", type="RESOURCE_EXHAUSTED")
    assert (generation.text, generation.usage, generation.choices) == (None, {}, [])


def test_times() -> None:
    early, late = logged(given_times).traces
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert (early.started_at, early.ended_at, early.duration) == (
        noon,
        noon + timedelta(seconds=90),
        timedelta(seconds=90),
    )
    assert late.started_at == noon + timedelta(hours=1)


def test_attachments() -> None:
    logger = logged(attachments)
    document, text = logger.generation.attachments
    assert (document.type, document.url, document.mime_type, document.size) == (
        "url",
        "https://example.com/a.pdf",
        "application/pdf",
        None,
    )
    assert (text.type, text.mime_type, text.content) == ("file_data", "text/plain", b"no magic")
    assert logger.trace.attachments[0].tags == {"attach-to": "input"}


def test_views_are_looked_up_by_position_id_and_name() -> None:
    logger = logged(one_answer, tools)
    assert logger.traces["trace-b"] == logger.traces["Chat turn"] == logger.traces[1] == logger.traces[-1]
    assert [trace.id for trace in logger.traces[1:]] == ["trace-b"]
    assert logger.find("call-2") == logger.find("get_news") == logger.tool_calls[1]
    assert len(logger.generations.named("first")) == 1
    with pytest.raises(NotTheOnlyOne, match="expected exactly one trace named 'nobody', found none"):
        logger.traces["nobody"]
    with pytest.raises(IndexError):
        logger.traces[7]


def test_several_of_a_name_are_listed() -> None:
    logger = FakeLogger()
    for number in range(25):
        logger.trace({"id": f"t{number}", "name": "Same"})
    with pytest.raises(NotTheOnlyOne) as caught:
        logger.traces["Same"]
    lines = str(caught.value).splitlines()
    assert lines[:2] == ["expected exactly one trace named 'Same', found 25:", "  <trace t0 'Same' (open)>"]
    assert lines[-1] == "  ..."


def test_a_reader_cannot_change_what_was_logged() -> None:
    logger = logged(by_id)
    trace: Any = logger.traces[0]
    trace.tags["new"] = "tag"
    trace.metadata["list"][1]["a"] = 1
    trace.generation.messages[0]["content"] = "changed"
    trace.generation.result["choices"].clear()
    assert trace.tags == {"x": "y"}
    assert trace.metadata["list"] == [1, {"a": None}]
    assert trace.generation.messages[0]["content"] == "Weather?"
    assert trace.generation.text == "Sunny."
    with pytest.raises(AttributeError):
        trace.output = "changed"
    with pytest.raises(AttributeError):
        logger.traces.append(trace)  # type: ignore[attr-defined]


def test_views_are_equal_if_they_say_the_same() -> None:
    logger = logged(one_answer)
    before = logger.traces[0]
    assert before == logger.traces[0]
    assert {before} == {logger.traces[0]}
    assert logger.traces == [before] == logger.traces
    assert logger.traces == (before,)
    logger.trace_add_tag("trace-a", "new", "tag")
    assert before != logger.traces[0]
    assert before != "trace-a"


def test_views_name_themselves() -> None:
    logger = logged(one_answer)
    logger.trace({"id": "open"})
    assert repr(logger.traces) == "[<trace trace-a 'Ask'>, <trace open (open)>]"
    assert str(logger.generation) == "generation gen-a"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("plain", "plain"),
        ("5", 5),
        (5, 5),
        (True, True),
        ('"quoted"', '"quoted"'),
        ("{broken", "{broken"),
        ({"a": [1]}, {"a": [1]}),
    ],
    ids=repr,
)
def test_metadata_is_decoded_where_it_is_json(sent: Any, read: Any) -> None:
    logger = FakeLogger()
    logger.trace({"id": "t"}).add_metadata({"key": sent})
    assert logger.trace.metadata == {"key": read}


def test_everything_stated_stays_visible_by_its_wire_name() -> None:
    logger = FakeLogger()
    logger.trace({"id": "t"}).generation(generation_config("g", maxim_prompt_id="prompt-7"))
    assert logger.generation.data["maximPromptId"] == "prompt-7"
    assert logger.generation.as_dict()["other"] == {"maximPromptId": "prompt-7"}


def test_an_entity_that_no_one_knows_is_shown() -> None:
    logger = FakeLogger()
    logger.writer.commit(CommitLog(Entity.FEEDBACK, "f", "create", {"name": "new kind"}))
    view = logger.find("f")
    assert isinstance(view, Unknown)
    assert (view.kind, view.name) == ("feedback", "new kind")


def test_commits_lead_back_to_what_was_done() -> None:
    logger = logged(one_answer)
    assert [commit.action for commit in logger.generation.commits] == ["add-generation", "update", "result", "end"]


@pytest.mark.parametrize("flow", COMPLETE, ids=lambda flow: flow.__name__)
def test_everything_goes_into_json_and_back(flow: Flow) -> None:
    logger = logged(flow)
    assert json.loads(json.dumps(logger.as_dict())) == logger.as_dict()
    assert json.loads(json.dumps(logger.snapshot())) == logger.snapshot()


def test_an_export_has_ids_and_times() -> None:
    (trace,) = logged(given_times, one_answer).as_dict()["traces"][:1]
    assert (trace["id"], trace["started_at"], trace["duration"]) == ("trace-early", "2026-01-02T12:00:00+00:00", 90.0)


def test_a_function_call_whose_arguments_are_no_json_is_shown_as_it_came() -> None:
    logger = FakeLogger()
    generation = logger.trace({"id": "t"}).generation(generation_config("g"))
    generation.result(answer(None, call(arguments="{oops")))
    assert logger.generation.tool_calls[0].arguments == "{oops"


def test_a_result_in_the_form_of_openais_responses_reads_the_same() -> None:
    logger = FakeLogger()
    generation = logger.trace({"id": "t"}).generation(generation_config("g"))
    generation.result(
        {
            "id": "resp-1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "gpt-5",
            "output": [
                {"type": "reasoning", "summary": []},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
                {"type": "function_call", "call_id": "call-1", "name": "f", "arguments": '{"a": 1}'},
            ],
            "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
        }
    )
    assert (logger.generation.text, logger.generation.finish_reason) == ("Hello", "completed")
    assert logger.generation.tool_calls == (FunctionCall(id="call-1", name="f", arguments={"a": 1}),)
    assert "3 → 4 tokens  completed\n      user      Weather?\n      answer    Hello f(a=1)" in logger.render(
        color=False
    )


def test_a_text_in_parts_is_one_text() -> None:
    logger = FakeLogger()
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    question = {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "audio", "transcript": "x"}]}
    logger.trace({"id": "t"}).generation(generation_config("g", question)).result(answer(parts))  # type: ignore[arg-type]
    assert logger.generation.text == "one two"
    assert "user      See [audio]" in logger.render(color=False)


def test_tags_grow_and_parameters_take_the_place_of_those_before() -> None:
    logger = FakeLogger()
    generation: Any = {"id": "g", "provider": "google", "model": "m", "messages": [], "model_parameters": {"top_k": 1}}
    logger.trace({"id": "t", "tags": {"a": "1"}})
    logger.trace_add_tag("t", "b", "2")
    logger.trace_add_generation("t", generation)
    logger.generation_set_model_parameters("g", {"temperature": 0.5})
    assert logger.trace.tags == {"a": "1", "b": "2"}
    assert logger.trace.generation.model_parameters == {"temperature": 0.5}
