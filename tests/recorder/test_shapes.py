"""What counts as drift of a live answer from the recorded one."""

from __future__ import annotations

import json
from typing import Any

from support.corpus import cassettes, needs_corpus
from support.recordings import JSON_HEADERS, SSE_HEADERS, fails, says, streams

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._recorder.drift import drift, shape_of


def plain(value: Any) -> Response:
    return Response(200, JSON_HEADERS, (Chunk(json.dumps(value).encode()),))


def events(*values: Any) -> Response:
    return Response(200, SSE_HEADERS, tuple(Chunk(wire.dump_event(value)) for value in values))


def test_other_words_and_numbers_are_no_drift() -> None:
    assert drift(says("one"), says("two")) == []
    assert drift(plain({"n": 1, "l": [1, 2]}), plain({"n": 2.5, "l": [3]})) == []
    assert drift(fails(429, "A"), fails(429, "B")) == []


def test_another_number_of_events_is_no_drift() -> None:
    assert drift(streams("a", "b", "c"), streams("abc")) == []


def test_fields_that_come_go_or_change_are_drift() -> None:
    before = plain({"same": 1, "gone": "x", "items": [{"a": 1}], "kind": "text"})
    now = plain({"same": 2, "items": [{"a": 1, "b": True}], "kind": 7, "new": None})
    assert drift(before, now) == [
        "gone: recorded string, live has no such field",
        "items[].b: live boolean, recorded has no such field",
        "kind: recorded string != live number",
        "new: live null, recorded has no such field",
    ]


def test_a_stream_has_the_fields_of_all_its_events() -> None:
    assert shape_of(events({"a": 1}, {"b": [{}]}, {"a": "x"})) == {
        "(answer)": {"object"},
        "a": {"number", "string"},
        "b": {"array"},
        "b[]": {"object"},
    }


def test_another_status_is_the_only_drift_reported() -> None:
    assert drift(says("a"), fails(500, "INTERNAL")) == ["status: recorded 200 != live 500"]


def test_an_answer_that_is_no_json_has_the_shape_of_its_kind() -> None:
    page = Response(200, (("content-type", "text/html"),), (Chunk(b"<html>"),))
    image = Response(200, (("content-type", "image/png"),), (Chunk(b"\x89PNG"),))
    assert shape_of(page) == {"(answer)": {"text"}}
    assert shape_of(image) == {"(answer)": {"bytes"}}
    assert drift(plain({}), page) == ["(answer): recorded object != live text"]


def test_arguments_of_functions_are_the_applications_own() -> None:
    def call(args: dict[str, Any]) -> Response:
        return plain({"functionCall": {"name": "f", "args": args}})

    assert drift(call({"city": "Paris"}), call({"days": 3})) == []


@needs_corpus
def test_every_real_answer_has_a_shape_and_has_not_drifted_from_itself() -> None:
    for path in cassettes():
        for interaction in Cassette.load(path).interactions:
            if interaction.response.header("content-type").startswith(("application/json", "text/event-stream")):
                assert shape_of(interaction.response)["(answer)"] == {"object"}
                assert drift(interaction.response, interaction.response) == []
