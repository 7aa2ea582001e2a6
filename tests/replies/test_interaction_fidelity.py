"""The vocabulary can say what real interactions said: recorded answers are read into it and written again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.corpus import Exchange, exchanges, needs_corpus

from maxim_gemini.testing import reply
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._replies.interaction_writing import write_interaction
from maxim_gemini.testing._replies.model import InteractionEvent
from maxim_gemini.testing._replies.request import GeminiRequest

pytestmark = needs_corpus

RECORDED = [one for one in exchanges() if one.fidelity.startswith("bytes")]
INPUT_LAST = "test_interactions_create_and_get.yaml@fb100cbb#1"
"""An answer of April 2026 with `input` behind `model`; every other one has it before."""


def written_again(exchange: Exchange) -> bytes:
    request = GeminiRequest.of(exchange.http["verb"], exchange.http["url"], (), exchange.sent)
    parsed = reply.parse(exchange.body, status=exchange.status, backend=exchange.backend)  # type: ignore[arg-type]
    return write_interaction(parsed, request).body


def share(record_property: Any, name: str, value: str) -> None:
    """Note a share; `pytest -rP` on this file prints it."""
    record_property(name, value)
    print(f"{name}: {value}")


def values(body: str) -> list[Any]:
    if not body.startswith(("event: ", ": ")):
        return [json.loads(body)]
    texts = [wire.event_data(block) for block in wire.split_events(body.encode())]
    return [text if text is None or text == "[DONE]" else json.loads(text) for text in texts]


def test_recorded_answers_are_stated_again_byte_for_byte(record_property: Any) -> None:
    differing = [one.id for one in RECORDED if written_again(one) != one.body.encode()]
    share(record_property, "byte_equal", f"{len(RECORDED) - len(differing)} of {len(RECORDED)}")
    assert [name for name in differing if not name.endswith(INPUT_LAST)] == []


def test_all_recorded_answers_are_stated_again_as_json(record_property: Any) -> None:
    differing = [one.id for one in exchanges() if values(written_again(one).decode()) != values(one.body)]
    share(record_property, "json_equal", f"{len(exchanges()) - len(differing)} of {len(exchanges())}")
    assert differing == []


def test_most_are_stated_in_words_and_the_rest_as_events_of_the_wire(record_property: Any) -> None:
    streams = [one for one in exchanges() if one.is_stream]
    raw = []
    for one in streams:
        parsed = reply.parse(one.body, status=one.status, backend=one.backend)  # type: ignore[arg-type]
        raw += [one] if any(isinstance(step, InteractionEvent) for step in parsed.steps) else []
    share(record_property, "streams_in_words", f"{len(streams) - len(raw)} of {len(streams)}")
    unusual = [
        one
        for one in raw
        # Running totals, ids of events, contents in the event that opens a step, and an opening without a status.
        if not any(text in one.body for text in ('"metadata":{', '"event_id":', '"step":{"content":', '"step":{"sig'))
        and '"status":"in_progress"' in one.body.partition("\n\nevent: interaction.status_update")[0]
    ]
    assert unusual == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("function_call", "function_call get_weather"),
        ("model_output", "text"),
        ("google_search_call", "google_search_call"),
    ],
)
def test_parsed_answers_show_what_they_say(text: str, shown: str) -> None:
    bodies = [one for one in RECORDED if f'"type":"{text}"' in one.body]
    shows = [repr(reply.parse(one.body, status=one.status, backend=one.backend)) for one in bodies]  # type: ignore[arg-type]
    assert shows
    assert shown == "text" or any(shown.split()[-1] in one for one in shows)
