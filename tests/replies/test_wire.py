"""The two byte styles of real servers, checked against recorded answers and against the standard parser."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.corpus import answers, needs_corpus

from maxim_gemini.testing._http import wire

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def rewritten(body: str) -> bytes:
    if body.startswith("data: "):
        blocks = wire.split_events(body.encode())
        return b"".join(wire.dump_event(json.loads(wire.event_data(block) or "")) for block in blocks)
    return wire.dump_json(json.loads(body), end=b"\n" if body.endswith("\n") else b"")


@needs_corpus
def test_recorded_answers_come_back_byte_for_byte() -> None:
    recorded = [answer for answer in answers() if answer.fidelity == "bytes"]
    assert len(recorded) == 121
    assert [answer.id for answer in recorded if rewritten(answer.body) != answer.body.encode()] == []


@needs_corpus
def test_only_three_recorded_answers_lack_the_final_newline() -> None:
    bodies = [answer.body for answer in answers() if answer.fidelity == "bytes"]
    assert sum(wire.dump_json(json.loads(body)) == body.encode() for body in bodies if body[0] == "{") == 88 - 3


@given(json_values)
def test_what_is_written_reads_as_the_same_value(value: Any) -> None:
    assert json.loads(wire.dump_json(value)) == value
    event = wire.dump_event(value)
    assert json.loads(wire.event_data(event) or "") == value
    assert wire.split_events(event) == [event]


@given(json_values)
def test_layout_is_that_of_the_standard_encoder(value: Any) -> None:
    value = json.loads(json.dumps(value), parse_float=str)
    assert json.dumps(json.loads(wire.dump_json(value)), indent=2) == json.dumps(value, indent=2)
    lines = json.dumps(value, indent=2, ensure_ascii=True).splitlines()
    written = wire.dump_json(value).decode().splitlines()
    assert [re.match(" *", line)[0] for line in written] == [re.match(" *", line)[0] for line in lines]  # type: ignore[index]


@given(st.lists(st.sampled_from([b"data: {}", b"\r\n", b"\n", b"\r", b": comment", b"{"])).map(b"".join))
def test_cut_events_join_to_the_body(body: bytes) -> None:
    assert b"".join(wire.split_events(body)) == body


def test_event_is_compact_with_a_space_after_keys_only() -> None:
    assert wire.dump_event({"a": [1, {"b": "x"}], "c": {}}) == b'data: {"a": [1,{"b": "x"}],"c": {}}\r\n\r\n'


def test_no_character_that_ends_a_line_for_python_is_written_as_itself() -> None:
    ends = "".join(map(chr, (0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x7F, 0x85, 0xAD, 0x200D, 0x2028, 0x2029, 0xFEFF, 0x1D173)))
    written = wire.dump_event(ends).decode()
    assert len(written.splitlines()) == 2
    assert "\\u007f\\u0085\\u00ad\\u200d\\u2028\\u2029\\ufeff\\ud834\\udd73" in written
    assert json.loads(written.removeprefix("data: ")) == ends


def test_angles_are_escaped_and_other_characters_are_themselves() -> None:
    assert wire.dump_json({"a": "<b>&'=é😀"}) == '{\n  "a": "\\u003cb\\u003e&\'=é😀"\n}\n'.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (-0.007929572214682898, "-0.0079295722146828975"),
        (1.0, "1"),
        (1e-05, "1e-05"),
        (2.5e300, "2.5e+300"),
    ],
)
def test_doubles_have_15_digits_or_17(value: float, text: str) -> None:
    assert wire.dump_json(value, end=b"") == text.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_lacks_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="real servers send it as a string"):
        wire.dump_event({"a": [value]})


def test_a_line_end_alone_ends_no_event() -> None:
    blocks = [b"event: x\r\ndata: a\r\n\r\n", b"event: y\ndata: b\n\n", b"data: cut off\r\n"]
    assert wire.split_events(b"".join(blocks)) == blocks


def test_data_of_several_lines_is_joined_as_the_standard_says() -> None:
    assert wire.event_data(b"event: x\ndata: a\ndata:b\n\n") == "a\nb"
    assert wire.event_data(b": keep-alive\n\n") is None
