"""Every stream that the standard of server-sent events allows is a list of events, and comes back to the byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from support.corpus import needs_corpus, streams_of
from support.traffic import sent_request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.bodies import pieces, raw, stored_answer
from maxim_gemini.testing._cassette.interaction import checked, response_of, stored_of
from maxim_gemini.testing._cassette.json_text import ANSWER
from maxim_gemini.testing._cassette.yaml_format import SIGNATURE, Block, write
from maxim_gemini.testing._cassette.yaml_reader import read
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._http.wire import dump_event, split_events
from maxim_gemini.testing.exceptions import CassetteBroken

if TYPE_CHECKING:
    from pathlib import Path

DONE = b"event: done\ndata: [DONE]\n\n"


def events_of(data: bytes) -> Any:
    body = stored_answer(data)
    assert raw(body, ANSWER) == data
    if "events" in body:
        assert pieces(body, ANSWER) == split_events(data)
    return body.get("events"), body.get("style")


# Any stream

texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
written = st.builds(
    lambda value, style: json.dumps(value, **style),
    values,
    st.sampled_from([{}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": 1}]),
).filter(lambda text: "\r" not in text)
data = st.one_of(written, texts, st.just("[DONE]")).map(str.splitlines)
lines = st.one_of(
    data.map(lambda parts: [f"data: {part}" for part in parts] or ["data"]),
    texts.map(lambda text: [f"event: {text}"]),
    texts.map(lambda text: [f"id:{text}"]),
    st.integers(0, 9999).map(lambda ms: [f"retry: {ms}"]),
    texts.map(lambda text: [f": {text}"]),
    texts.map(lambda text: [f":{text}"]),
    st.sampled_from([["data"], ["data:"], ["data: "], ["event"], [":"], ["other: x"], ["garbage"], ["data:  two"]]),
)
blocks = st.lists(lines, min_size=1, max_size=4).map(lambda parts: [line for part in parts for line in part])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]]))
    text = draw(st.sampled_from(["", "", "", "\ufeff", "\n", "\ufeff\r\n"]))
    for block in draw(st.lists(blocks, max_size=5)):
        for line in block:
            text += line + draw(st.sampled_from(ends))
        text += draw(st.sampled_from(ends)) * draw(st.sampled_from([1, 1, 1, 2]))
    cut = draw(st.sampled_from([0, 0, 0, 1, 2, 3, 9]))
    return (text[:-cut] if cut else text).encode()


@given(streams())
@example(b"data: \xff\n\ndata: {}\n\n")
@example(b"\xef\xbb\xbf")
@example(b"\xef\xbb\xbfdata: {}\r\n\r\n")
@example(b"\xef\xbb\xbfdata: {}\n\n")
@example(b'data: {"a": "\\ud800"}\n\n')
@example(b"data: {}\n\n\ndata: {}")
@example(b"event: a\nevent: b\ndata: 1\n\n")
@example(b"data: a\nid: 1\ndata: b\n\n")
def test_any_stream_comes_back_byte_for_byte(stream: bytes) -> None:
    events_of(stream)


@given(st.lists(data, min_size=1, max_size=4), st.sampled_from(["", "event: x\n", "id: 1\nretry: 5\n", ": c\n"]))
def test_any_data_is_an_event(items: list[list[str]], head: str) -> None:
    stream = "".join(head + "".join(f"data: {part}\n" for part in parts or [""]) + "\n" for parts in items)
    events, _ = events_of(stream.encode())
    assert len(events) == len(items)


@given(streams(), st.lists(st.integers(1, 40), max_size=9))
def test_any_stream_is_stored_and_read_with_its_times(stream: bytes, sizes: list[int]) -> None:
    chunks, start = [], 0
    for number, size in enumerate([*sizes, len(stream)], 1):
        if piece := stream[start : start + size]:
            chunks.append(Chunk(piece, number / 10))
        start += size
    text = write({}, [Block.of(*stored_of(sent_request("x"), Response(200, (), tuple(chunks))))])
    (item,) = read(text.replace(b"seal", b"edited")).items
    again = response_of(checked(item).response)
    assert again.body == stream
    ends, arrived = 0, []
    for event in again.chunks:
        ends += len(event.data)
        so_far = iter(chunks)
        have = 0
        while have < ends:
            have += len((chunk := next(so_far)).data)
        arrived.append(chunk.at)
    assert [chunk.at for chunk in again.chunks] == arrived


# What a reviewer reads


def test_fields_are_named_and_json_is_a_value() -> None:
    assert events_of(b': keep-alive\n\nid: 7\nevent: step.delta\ndata: {"delta":{"text":"<hi>"}}\n\n' + DONE) == (
        [
            {"comment": "keep-alive"},
            {"id": "7", "event": "step.delta", "data": {"delta": {"text": "<hi>"}}},
            {"event": "done", "data": "[DONE]"},
        ],
        {"line_end": "lf", "json": "compact"},
    )


@pytest.mark.parametrize(
    ("stream", "events", "style"),
    [
        (b"data: {}\r\n\r\n", [{}], None),
        (b"data: one\ndata: two\n\n", [{"data": "one\ntwo"}], {"line_end": "lf"}),
        (
            b'data: {\ndata:   "a": 1\ndata: }\n\n',
            [{"data": {"a": 1}}],
            {"line_end": "lf", "json": "pretty without line end"},
        ),
        (
            b'data:{"a":1}\n\ndata:x\n\n',
            [{"data": {"a": 1}}, {"data": "x"}],
            {"line_end": "lf", "json": "compact", "space": False},
        ),
        (b"\xef\xbb\xbfdata: {}\r\r", [{"data": {}}], {"line_end": "cr", "bom": True}),
        (b"data:\n\ndata: x\n\n", [{"data": None}, {"data": "x"}], {"line_end": "lf"}),
        (b"data: \n\ndata: x\n\n", [{"data": ""}, {"data": "x"}], {"line_end": "lf"}),
        (b":\n\ndata: a\ndata: \ndata: b\n\n", [{"comment": None}, {"data": "a\n\nb"}], {"line_end": "lf"}),
        (b"retry: 3000\n\ndata: x\n\n", [{"retry": "3000"}, {"data": "x"}], {"line_end": "lf"}),
        (b"data: {}\n\ndata: x", [{"data": {}}, {"data": "x", "end": ""}], {"line_end": "lf"}),
        (b"data: {}\n\ndata: x\n", [{"data": {}}, {"data": "x", "end": "\n"}], {"line_end": "lf"}),
        (b"data: {}\n\n\n\ndata: x\n\n", [{"data": {}, "end": "\n\n\n\n"}, {"data": "x"}], {"line_end": "lf"}),
        (
            b'data: {"a": 1}\n\ndata: {"a":1,"b":2}\n\n',
            [{"style": "spaced", "data": {"a": 1}}, {"data": {"a": 1, "b": 2}}],
            {"line_end": "lf", "json": "compact"},
        ),
        (b'data: {"a": 1e2}\n\n', [{"data": '{"a": 1e2}'}], {"line_end": "lf"}),
        (b"data: [1]\r\n\r\ndata: [DONE]\r\n\r\n", [{"data": [1]}, {"data": "[DONE]"}], {"line_end": "crlf"}),
        (b"data: {}\n\nother: field\n\n", [{"data": {}}, "other: field\n\n"], {"line_end": "lf"}),
        (b"data: {}\r\n\r\n: ping\r\n\r\n", [{"data": {}}, {"comment": "ping"}], {"line_end": "crlf"}),
    ],
)
def test_all_of_the_standard_is_readable(stream: bytes, events: Any, style: Any) -> None:
    assert events_of(stream) == (events, style)


@pytest.mark.parametrize("body", [b'{"a": 1}', b"plain: text", b"event: without data\n\n", b"", b"dates: 1\n\n"])
def test_what_is_no_stream_is_no_list_of_events(body: bytes) -> None:
    assert "events" not in stored_answer(body)


def test_gemini_s_own_streams_stay_as_they_are_wherever_they_break() -> None:
    whole = dump_event({"a": 1}) + dump_event({"b": 2})
    for end in (whole, whole + b'{"error": 1}\n', whole + b'data: {"c', whole + b"dat"):
        events, style = events_of(end)
        assert style is None
        assert events[:2] == [{"a": 1}, {"b": 2}]


@needs_corpus
def test_every_recorded_stream_of_the_interactions_api_is_readable() -> None:
    recorded = streams_of("interactions.jsonl")
    assert len(recorded) > 30
    for stream in recorded:
        events, style = events_of(stream.encode())
        assert style == {"line_end": "lf", "json": "compact"}
        for event in events:
            assert event in ({"comment": "keep-alive"}, {"event": "done", "data": "[DONE]"}) or (
                list(event) == ["event", "data"] and event["event"] == event["data"]["event_type"]
            )


@pytest.mark.parametrize(
    "body",
    [
        {"style": {"line_end": "nl"}, "events": [{"data": "x"}]},
        {"style": {"line_end": ["lf"]}, "events": [{"data": "x"}]},
        {"style": {"speed": 1}, "events": []},
        {"style": "lf", "events": []},
        {"style": {}, "events": [{"datum": "x"}]},
        {"style": {}, "events": [1]},
        {"style": {"json": "neat"}, "events": [{"data": {}}]},
        {"style": {"json": []}, "events": [{"data": {}}]},
        {"events": "text"},
        {"events": None},
    ],
)
def test_an_edited_stream_that_makes_no_sense_is_refused(tmp_path: Path, body: Any) -> None:
    text = write({}, [Block.of(*stored_of(sent_request("x"), Response(200, (), (Chunk(DONE),))))])
    document: Any = yaml.safe_load(text)
    document["interactions"][0]["response"]["body"] = body
    (tmp_path / "a.yaml").write_text(SIGNATURE + yaml.safe_dump(document) + "...\n")
    with pytest.raises(CassetteBroken, match=r"a\.yaml:\d+: this interaction can't be read"):
        Cassette.load(tmp_path / "a.yaml")
