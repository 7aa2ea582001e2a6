from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from maxim.logger import FileDataAttachment
from support.sample_traces import chat_with_a_tool, sample, traces, unfinished

from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing import _report as report
from maxim_gemini.testing._report import TestTraces, traces_of
from maxim_gemini.testing._report._summary import seconds
from maxim_gemini.testing.exceptions import TestKitError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_json_path_gets_the_data_and_it_reads_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "made" / "traces.json"
    tests = sample()
    report.write(path, tests)
    assert report.read(path) == tests


def test_what_crosses_processes_comes_back_equal() -> None:
    for test in sample():
        assert TestTraces.from_json(json.loads(json.dumps(test.to_json()))) == test


def test_data_of_a_later_version_may_say_more(tmp_path: Path) -> None:
    assert TestTraces.from_json({"nodeid": "a::b", "outcome": "passed", "duration": 1, "later": 1}).nodeid == "a::b"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a trace report's data"),
        ('{"maxim_gemini_report": 99, "tests": []}', "not a trace report's data"),
        ('{"maxim_gemini_report": 1, "tests": [{"nodeid": "a"}]}', "a test in this trace report can't be read"),
        ('{"maxim_gemini_report": 1, "tests": [7]}', "a test in this trace report can't be read"),
    ],
)
def test_a_file_that_is_no_report_is_one_clear_error(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(TestKitError, match=says) as raised:
        report.read(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TestKitError, match=r"no\.json: can't be read: No such file"):
        report.read(tmp_path / "no.json")


def test_a_trace_has_its_session_its_nodes_and_their_times() -> None:
    [trace] = traces(chat_with_a_tool)
    assert trace["session"] == {"id": "session-1", "name": "Support chat"}
    assert [(node["kind"], node["name"]) for node in trace["children"]] == [
        ("generation", "ask"),
        ("tool_call", "get_weather"),
        ("generation", "answer"),
    ]
    assert round(trace["ended_at"] - trace["started_at"], 6) == 1.48
    assert trace["problems"] == []


def test_a_stream_has_its_chunks_in_seconds() -> None:
    [trace] = traces(chat_with_a_tool)
    stream = trace["children"][-1]
    assert (stream["chunks"], stream["first_chunk"], stream["chunk_count"]) == (
        [0.21, 0.26, 0.33, 0.42, 0.47, 0.58],
        0.21,
        6,
    )


def test_a_trace_says_what_is_not_complete_about_it() -> None:
    first, second = traces(chat_with_a_tool, unfinished)
    assert first["problems"] == []
    assert [problem.partition(" (")[0] for problem in second["problems"]] == [
        "trace trace-open: never ended",
        "generation generation-o: never ended",
    ]


def test_a_picture_is_shown_where_it_is_not_too_large() -> None:
    logger = FakeLogger()
    trace = logger.trace({"id": "trace-1"})
    png = b"\x89PNG\r\n\x1a\n"
    for name, data, kind in (
        ("small", png, "png"),
        ("large", png + bytes(300_000), "png"),
        ("drawing", b"<svg/>", "svg+xml"),
    ):
        trace.add_attachment(FileDataAttachment(id=name, data=data, name=name, mime_type=f"image/{kind}"))
    [shown] = traces_of(logger)
    urls = {one["id"]: one.get("data_url") for one in shown["attachments"]}
    assert urls == {"small": f"data:image/png;base64,{base64.b64encode(png).decode()}", "large": None, "drawing": None}


def test_what_is_outside_any_trace_is_not_lost() -> None:
    logger = FakeLogger()
    logger.generation_end("nobody")
    [stray] = traces_of(logger)
    assert stray["name"] == "Outside any trace"
    assert stray["children"][0]["id"] == "nobody"
    assert "nobody" in stray["problems"][0]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.00004, "0 ms"),
        (0.00006, "0.1 ms"),
        (0.0042, "4.2 ms"),
        (0.12, "120 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.25, "1.25 s"),
        (99.4, "99.40 s"),
        (125, "2 min 5 s"),
        (119.7, "2 min 0 s"),
    ],
)
def test_a_duration_is_in_the_unit_that_reads_best(value: float | None, said: str) -> None:
    assert seconds(value) == said
