"""The vocabulary can say what real servers said: recorded answers are read into it and written again."""

from __future__ import annotations

import json
from typing import Any

from support.corpus import Answer, answers, needs_corpus

from maxim_gemini.testing import reply
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._replies.render import write
from maxim_gemini.testing._replies.request import GeminiRequest

pytestmark = needs_corpus

RECORDED = [answer for answer in answers() if answer.fidelity == "bytes"]
NEWLINE_LOST = {
    "open-telemetry+opentelemetry-python-contrib/instrumentation-genai/opentelemetry-instrumentation-google-genai",
    "open-telemetry+opentelemetry-python-contrib/instrumentation-genai/opentelemetry-instrumentation-vertexai",
}
"""Whose recorder dropped the newline at the end of a body."""


def asked(answer: Answer) -> GeminiRequest:
    host, prefix = {
        "gemini": ("generativelanguage.googleapis.com", "/v1beta"),
        "vertex": ("us-central1-aiplatform.googleapis.com", "/v1beta1/projects/p/locations/l/publishers/google"),
    }[answer.backend]
    query = "?alt=sse" if answer.method == "streamGenerateContent" else ""
    model = said(answer)[0].get("modelVersion", "gemini-2.5-flash")
    url = f"https://{host}{prefix}/models/{model}:{answer.method}{query}"
    return GeminiRequest.of("POST", url, (), json.dumps(answer.request))


def said(answer: Answer) -> list[dict[str, Any]]:
    if not answer.body.startswith("data: "):
        return [json.loads(answer.body)]
    return [json.loads(wire.event_data(block) or block) for block in wire.split_events(answer.body.encode())]


def written_again(answer: Answer) -> bytes:
    parsed = reply.parse(answer.body, status=answer.status, backend=answer.backend)  # type: ignore[arg-type]
    return write(parsed, asked(answer)).body


def test_recorded_answers_are_stated_again_byte_for_byte(record_property: Any) -> None:
    differing = [answer for answer in RECORDED if written_again(answer) != answer.body.encode()]
    only_newline = [a for a in differing if written_again(a) == a.body.encode() + b"\n"]
    record_property("byte_equal", f"{len(RECORDED) - len(differing)} of {len(RECORDED)}")
    print(f"\nbyte-equal: {len(RECORDED) - len(differing)} of {len(RECORDED)}")
    assert [answer.id for answer in differing if answer not in only_newline] == []
    assert {answer.id.split("/tests/")[0] for answer in only_newline} == NEWLINE_LOST


def test_all_recorded_answers_are_stated_again_as_json(record_property: Any) -> None:
    unsayable: dict[str, str] = {}
    for answer in answers():
        try:
            again = Answer(**{**answer._asdict(), "body": written_again(answer).decode()})
            if said(again) != said(answer):
                unsayable[answer.id] = "other JSON"
        except Exception as error:
            unsayable[answer.id] = f"{type(error).__name__}: {error}"
    equal = len(answers()) - len(unsayable)
    record_property("json_equal", f"{equal} of {len(answers())}")
    print(f"\nJSON-equal: {equal} of {len(answers())}")
    for name, why in unsayable.items():
        print(f"can't be said: {name}: {why[:200]}")
    assert unsayable == {}


def test_parsed_answers_show_what_they_say() -> None:
    shown = {repr(reply.parse(answer.body, status=answer.status, backend=answer.backend)) for answer in RECORDED}  # type: ignore[arg-type]
    assert "<Reply error 429>" in shown
    assert any("functionCall get_weather STOP" in one for one in shown)
