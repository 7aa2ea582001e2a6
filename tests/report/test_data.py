from __future__ import annotations

import base64
import json
import re
from functools import reduce
from typing import TYPE_CHECKING, Any

import pytest
from maxim.logger import FileDataAttachment
from support.sample_traces import chat_with_a_tool, sample, traces, unfinished

from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing import _report as report
from maxim_gemini.testing._report import TestTraces, traces_of, writable
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
    ("value", "expected"),
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
def test_a_duration_is_in_the_unit_that_reads_best(value: float | None, expected: str) -> None:
    assert seconds(value) == expected


NESTED: Any = []
NESTED.append(NESTED)

ODD: dict[str, Any] = {
    "surrogate": "half \ud83d",
    "nan": float("nan"),
    "infinity": [float("inf"), -float("inf")],
    "nul": "a\0b",
    "script": "</script><!-- <script>",
    "bidi": "\u202efdp.exe",
    "bytes": b"x",
    "itself": NESTED,
    "deep": reduce(lambda inner, _: [inner], range(5000), list[Any]([0])),
    "huge": "x" * 3_000_000,
    "\udcff key": 1,
    "separators": "\u2028\u2029",
}


@pytest.mark.parametrize("name", ODD)
def test_nothing_that_a_test_logs_costs_the_report(tmp_path: Path, name: str) -> None:
    test = TestTraces(
        "a.py::odd", "passed", 0.1, [{"kind": "trace", "id": "1", "name": "odd", "metadata": {name: ODD[name]}}]
    )
    good = TestTraces("a.py::test", "passed", 0.1, [])
    for ending in ("html", "json"):
        report.write(tmp_path / f"odd.{ending}", [test, good])
    assert report.read(tmp_path / "odd.json") == [test, good]
    page = (tmp_path / "odd.html").read_text(encoding="utf-8")
    data = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert [json.loads(one, parse_constant=refuse)["nodeid"] for one in data] == ["a.py::odd", "a.py::test"]
    assert len(page) < 2_500_000


def refuse(constant: str) -> Any:
    raise ValueError(constant)


def test_odd_values_stay_readable() -> None:
    shown = writable(ODD)
    assert shown["surrogate"] == "half \\ud83d"
    assert (shown["nan"], shown["infinity"], shown["nul"]) == ("nan", ["inf", "-inf"], "a\0b")
    assert shown["itself"] == ["[contains itself]"]
    assert shown["huge"].endswith("x… and 2,000,000 more characters")
    assert shown["\\udcff key"] == 1


def test_ids_and_messages_may_be_odd_too(tmp_path: Path) -> None:
    test = TestTraces("a.py::test[\ud83d</script>]", "failed", 0.1, [], "assert '\udcff' == '\0'")
    report.write(tmp_path / "odd.html", [test])
    assert r"test[\ud83d&lt;/script&gt;]" in (tmp_path / "odd.html").read_text(encoding="utf-8")


def test_a_trace_with_metadata_of_another_shape_costs_only_itself() -> None:
    logger = FakeLogger()
    for id, times in (("trace-1", "abc"), ("trace-2", [1, 2])):
        trace = logger.trace({"id": id})
        trace.generation({"id": f"g-{id}", "provider": "google", "model": "m"}).add_metadata({"chunk_times_ms": times})
    first, second = traces_of(logger)[:2]
    assert "can't be shown" in first["problems"][0]
    assert second["children"][0]["chunks"] == [0.001, 0.002]


@pytest.mark.parametrize("name", ["traces", "traces.txt", "traces.html.gz", "traces."])
def test_another_ending_is_an_error_that_lists_those_that_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(TestKitError, match=rf"name must end in \.html, \.htm or \.json, got '.*{re.escape(name)}'"):
        report.write(tmp_path / name, [])


@pytest.mark.parametrize("name", ["traces.HTML", "traces.htm", "traces.JSON"])
def test_endings_may_be_in_capitals(tmp_path: Path, name: str) -> None:
    report.write(tmp_path / name, [])
    assert (tmp_path / name).read_text()[0] == ("{" if "J" in name else "<")


def test_where_nothing_can_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.html").mkdir()
    for path, reason in ((tmp_path / "file/x.html", "exists|directory"), (tmp_path / "folder.html", "is a folder")):
        with pytest.raises(TestKitError, match=f"the report can't be written: .*({reason})"):
            report.write(path, [])
