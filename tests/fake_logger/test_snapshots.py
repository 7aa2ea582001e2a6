"""Snapshots: stable ids, no clocks, fixed order."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from support.maxim_flows import answer, failure, generation_config, one_answer, tools

from maxim_gemini.testing import FakeLogger


def turn(logger: FakeLogger) -> None:
    """A turn whose ids are made by chance, and recur in texts."""
    session_id, trace_id, generation_id, call_id = (str(uuid4()) for _ in range(4))
    trace = logger.session({"id": session_id}).trace({"id": trace_id, "name": f"turn of {session_id}"})
    links = [f"https://maxim/{trace_id}/{generation_id}"]
    trace.add_metadata({"trace": trace_id, "links": links, "took_ms": 12.75, "chunk_times": [1.5, 2.5]})
    trace.add_tag("generation", f"gen_{generation_id}")
    generation = trace.generation(generation_config(generation_id))
    generation.add_metric("time_to_first_chunk_ms", 17.123)
    generation.add_metric("chunks", 3)
    generation.result(answer("ok", id=str(uuid4())))
    trace.tool_call({"id": call_id, "name": "f", "description": "", "args": f'{{"id": "{call_id}"}}'}).result(call_id)
    trace.event(str(uuid4()), "cached")
    trace.end()


def taken(*flows: Any) -> dict[str, Any]:
    logger = FakeLogger()
    for flow in flows:
        flow(logger)
    return logger.snapshot()


def test_two_runs_give_the_same_snapshot() -> None:
    assert taken(turn, turn, failure, tools) == taken(turn, turn, failure, tools)


def test_different_runs_give_different_snapshots() -> None:
    assert taken(turn) != taken(turn, turn)


def test_ids_are_numbered_by_kind_also_where_they_recur_in_texts() -> None:
    (session,) = taken(turn)["sessions"]
    (trace,) = session["children"]
    generation, tool_call = trace["children"]
    assert (session["id"], trace["id"], generation["id"], tool_call["id"]) == (
        "session-1",
        "trace-1",
        "generation-1",
        "tool-call-1",
    )
    assert trace["name"] == "turn of session-1"
    assert trace["metadata"]["trace"] == "trace-1"
    assert trace["metadata"]["links"] == ["https://maxim/trace-1/generation-1"]
    assert trace["tags"] == {"generation": "gen_generation-1"}
    assert (tool_call["arguments"], tool_call["returned"]) == ({"id": "tool-call-1"}, "tool-call-1")
    assert trace["events"] == [{"id": "event-1", "name": "cached"}]


def test_an_id_by_chance_that_is_no_entitys_is_numbered_too() -> None:
    (session,) = taken(turn)["sessions"]
    assert session["children"][0]["children"][0]["result"]["id"] == "uuid-1"


def test_clock_values_are_left_out_and_counts_are_kept() -> None:
    (session,) = taken(turn)["sessions"]
    (trace,) = session["children"]
    generation = trace["children"][0]
    assert (trace["metadata"]["took_ms"], trace["metadata"]["chunk_times"]) == ("<time>", "<time>")
    assert generation["metrics"] == {"time_to_first_chunk_ms": "<time>", "chunks": 3}
    assert generation["result"]["created"] == "<time>"
    assert generation["result"]["usage"] == {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
    assert not re.search(r"\d{4}-\d\d-\d\dT", str(session))


def test_a_word_that_happens_to_be_an_id_stays_a_word() -> None:
    logger = FakeLogger()
    for word in ("Paris", "Marseille", "R2D2"):
        logger.trace({"id": word, "input": f"{word} in spring"}).end()
    inputs = [trace["input"] for trace in logger.snapshot()["traces"]]
    assert inputs == ["Paris in spring", "Marseille in spring", "R2D2 in spring"]


def test_the_order_of_keys_is_fixed() -> None:
    logger = FakeLogger()
    trace = logger.trace({"id": "t"})
    trace.set_output("out")
    trace.set_input("in")
    trace.add_tag("b", "2")
    trace.end()
    assert list(logger.snapshot()["traces"][0]) == ["kind", "id", "input", "output", "tags"]


def test_a_snapshot_says_what_is_open_missing_or_lost() -> None:
    logger = FakeLogger()
    logger.trace({"id": "t"})
    logger.generation_end("ghost")
    logger.trace_end("not valid")
    assert logger.snapshot() == {
        "traces": [{"kind": "trace", "id": "trace-1", "state": "open"}],
        "orphans": [{"kind": "generation", "id": "generation-1", "state": "never created"}],
        "dropped": [
            {
                "entity": "trace",
                "id": "not valid",
                "action": "end",
                "reason": "invalid id 'not valid': only letters, digits, - and _ are allowed",
            }
        ],
    }


def test_a_snapshot_of_a_simple_trace_reads_well() -> None:
    assert taken(one_answer) == {
        "traces": [
            {
                "kind": "trace",
                "id": "trace-1",
                "name": "Ask",
                "input": "Weather?",
                "output": "Sunny.",
                "tags": {"env": "test"},
                "children": [
                    {
                        "kind": "generation",
                        "id": "generation-1",
                        "name": "first",
                        "provider": "google",
                        "model": "gemini-2.5-flash",
                        "model_parameters": {"temperature": 0.5},
                        "messages": [{"role": "user", "content": "Weather?"}],
                        "result": {**answer(), "created": "<time>"},
                        "metrics": {"time_to_first_chunk_ms": "<time>"},
                    }
                ],
            }
        ]
    }


def test_nothing_is_left_out_but_what_is_empty() -> None:
    logger = FakeLogger()
    trace = logger.trace({"id": "t", "input": "0"})
    trace.feedback({"score": 0, "comment": ""})
    trace.add_metadata({"zero": 0, "no": False, "none": None})
    trace.end()
    assert logger.snapshot()["traces"] == [
        {
            "kind": "trace",
            "id": "trace-1",
            "input": "0",
            "metadata": {"zero": 0, "no": False, "none": None},
            "feedback": [{"score": 0}],
        }
    ]


def test_a_number_of_the_applications_own_is_no_clock_value() -> None:
    logger = FakeLogger()
    trace = logger.trace({"id": "t"})
    trace.generation(generation_config("g", model_parameters={"created": 3, "seconds": 5})).result(answer())
    trace.end()
    (generation,) = logger.snapshot()["traces"][0]["children"]
    assert generation["model_parameters"] == {"created": 3, "seconds": 5}
