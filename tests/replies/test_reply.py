"""The vocabulary: each word says what a real server would, in the style of the backend and of the model family."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from maxim_gemini.testing import reply, strategies
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.exchange import COMPLETE
from maxim_gemini.testing._replies.render import write
from maxim_gemini.testing._replies.request import GeminiRequest
from maxim_gemini.testing.exceptions import ScriptError

if TYPE_CHECKING:
    from maxim_gemini.testing._replies.model import Reply

HOSTS = {
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "vertex": "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/l/publishers/google",
}


def request_for(
    method: str = "generateContent", model: str = "gemini-2.5-flash", backend: str = "gemini"
) -> GeminiRequest:
    query = "?alt=sse" if method.startswith("stream") else ""
    body = '{"contents": [{"parts": [{"text": "Say hi."}], "role": "user"}]}'
    return GeminiRequest.of("POST", f"{HOSTS[backend]}/models/{model}:{method}{query}", (), body)


def plain(scripted: Reply, **of: str) -> Any:
    return json.loads(write(scripted, request_for(**of)).body)


def events(scripted: Reply, **of: str) -> list[Any]:
    body = write(scripted, request_for("streamGenerateContent", **of)).body
    return [json.loads(wire.event_data(block) or block) for block in wire.split_events(body)]


def texts(chunks: list[Any]) -> list[Any]:
    return [part.get("text") for chunk in chunks for part in chunk["candidates"][0]["content"].get("parts", [])]


def test_a_plain_answer_of_the_developer_api_byte_for_byte() -> None:
    scripted = reply.text("Hi <b>.") + reply.usage(prompt=7) + reply.response(response_id="kdcEatqVKunY1LsP272MiAo")
    assert write(scripted, request_for()).body.decode() == (
        '{\n  "candidates": [\n    {\n      "content": {\n        "parts": [\n          {\n'
        '            "text": "Hi \\u003cb\\u003e."\n          }\n        ],\n        "role": "model"\n      },\n'
        '      "finishReason": "STOP",\n      "index": 0\n    }\n  ],\n  "usageMetadata": {\n'
        '    "promptTokenCount": 7,\n    "candidatesTokenCount": 2,\n    "totalTokenCount": 9,\n'
        '    "promptTokensDetails": [\n      {\n        "modality": "TEXT",\n        "tokenCount": 7\n      }\n    ],\n'
        '    "serviceTier": "standard"\n  },\n  "modelVersion": "gemini-2.5-flash",\n'
        '  "responseId": "kdcEatqVKunY1LsP272MiAo"\n}\n'
    )


def test_vertex_writes_its_own_fields_in_its_own_order() -> None:
    scripted = plain(reply.text("Hi."), backend="vertex")
    assert list(scripted) == ["candidates", "usageMetadata", "modelVersion", "createTime", "responseId"]
    assert list(scripted["candidates"][0]) == ["content", "finishReason", "avgLogprobs"]
    assert list(scripted["candidates"][0]["content"]) == ["role", "parts"]
    assert list(scripted["usageMetadata"]) == [
        "promptTokenCount", "candidatesTokenCount", "totalTokenCount", "trafficType", "promptTokensDetails",
        "candidatesTokensDetails",
    ]  # fmt: skip


def test_older_models_say_log_probabilities_and_no_index() -> None:
    candidate = plain(reply.text("Hi."), model="gemini-2.0-flash")["candidates"][0]
    assert list(candidate) == ["content", "finishReason", "avgLogprobs"]


@pytest.mark.parametrize(
    ("backend", "model", "pieces"),
    [
        ("gemini", "gemini-2.5-flash", ["x" * 8, "x" * 34, "x" * 34, "x" * 24]),
        ("vertex", "gemini-2.5-flash", ["x" * 24, "x" * 76]),
        ("gemini", "gemini-3-pro-preview", ["x" * 8, "x" * 34, "x" * 34, "x" * 24, ""]),
    ],
)
def test_text_streams_in_the_pieces_of_the_family(backend: str, model: str, pieces: list[str]) -> None:
    assert texts(events(reply.text("x" * 100), backend=backend, model=model)) == pieces


def test_a_stream_is_cut_where_it_says_and_joined_for_a_plain_request() -> None:
    scripted = reply.stream("a", "b", "c")
    assert texts(events(scripted, model="gemini-3-pro-preview")) == ["a", "b", "c"]
    assert texts([plain(scripted)]) == ["abc"]


def test_only_the_last_event_finishes() -> None:
    reasons = [chunk["candidates"][0].get("finishReason") for chunk in events(reply.stream("a", "b", "c"))]
    assert reasons == [None, None, "STOP"]


def test_counts_run_up_in_streams_of_the_developer_api() -> None:
    scripted = reply.thought("t" * 40) + reply.stream("a" * 8, "b" * 8) + reply.usage(prompt=5, thoughts=30)
    usages = [chunk["usageMetadata"] for chunk in events(scripted)]
    assert [
        [usage.get(f"{name}TokenCount") for name in ("prompt", "candidates", "thoughts", "total")] for usage in usages
    ] == [[5, None, None, 5], [5, 2, 30, 37], [5, 4, 30, 39]]


def test_counts_come_in_the_last_event_on_vertex() -> None:
    usages = [chunk["usageMetadata"] for chunk in events(reply.stream("a", "b"), backend="vertex")]
    assert usages[0] == {"trafficType": "ON_DEMAND"}
    assert usages[1]["totalTokenCount"] == usages[1]["promptTokenCount"] + usages[1]["candidatesTokenCount"]


@settings(max_examples=60)
@given(strategies.streams())
def test_totals_add_up_and_zeros_are_left_out(scripted: Reply) -> None:
    for chunk in events(scripted):
        usage = chunk.get("usageMetadata", {})
        if all(step.usage is None or "totalTokenCount" not in step.usage for step in scripted.events):
            names = ("prompt", "candidates", "thoughts", "toolUsePrompt")
            assert usage["totalTokenCount"] == sum(usage.get(f"{name}TokenCount", 0) for name in names)
            assert 0 not in [count for name, count in usage.items() if name != "totalTokenCount"]


def test_ids_are_the_same_in_all_events_and_differ_between_requests() -> None:
    def ids(ordinal: int) -> set[str]:
        body = write(reply.stream("a", "b"), request_for("streamGenerateContent"), ordinal=ordinal).body
        return {json.loads(wire.event_data(block) or "")["responseId"] for block in wire.split_events(body)}

    assert ids(1) == ids(1)
    assert len(ids(1) | ids(2)) == 2
    assert len(next(iter(ids(1)))) == 23


def test_parallel_calls_come_together_on_2_5_and_apart_on_3() -> None:
    scripted = reply.text("Let me see.") + reply.function_call("f", x=1) + reply.function_call("g", {"name": "n"})

    def shape(model: str) -> list[list[str]]:
        return [[next(iter(p)) for p in c["candidates"][0]["content"]["parts"]] for c in events(scripted, model=model)]

    assert shape("gemini-2.5-flash") == [["text"], ["text"], ["functionCall", "functionCall"]]
    assert shape("gemini-3-pro-preview") == [["text"], ["text"], ["functionCall"], ["functionCall"], ["text"]]


def test_newer_families_sign_the_first_call_and_give_calls_ids() -> None:
    scripted = reply.function_call("f", x=1) + reply.function_call("g")
    old, new = plain(scripted), plain(scripted, model="gemini-3-pro-preview")
    assert old["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"name": "f", "args": {"x": 1}}}, {"functionCall": {"name": "g", "args": {}}},
    ]  # fmt: skip
    assert old["candidates"][0]["finishMessage"] == "Model generated function call(s)."
    parts = new["candidates"][0]["content"]["parts"]
    assert ["thoughtSignature" in part for part in parts] == [True, False]
    assert len({part["functionCall"]["id"] for part in parts}) == 2


def test_a_candidate_that_was_stopped_has_no_content() -> None:
    candidate = plain(reply.stopped("SAFETY"))["candidates"][0]
    assert candidate["content"] == {}
    assert [rating for rating in candidate["safetyRatings"] if rating.get("blocked")] == [
        {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
    ]
    assert (
        "content" not in plain(reply.finish("MALFORMED_FUNCTION_CALL", "Malformed function call: f("))["candidates"][0]
    )
    assert plain(reply.max_tokens())["candidates"][0]["content"] == {"role": "model"}


def test_a_blocked_prompt_has_no_candidates() -> None:
    scripted = plain(reply.blocked("SAFETY", "Reasons."))
    assert "candidates" not in scripted
    assert scripted["promptFeedback"]["blockReason"] == "SAFETY"
    assert "candidatesTokenCount" not in scripted["usageMetadata"]


def test_errors_are_pretty_json_even_for_streams() -> None:
    answer = write(reply.error(429, retry_after=23), request_for("streamGenerateContent"))
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["status"]) == (429, 429, "RESOURCE_EXHAUSTED")
    assert error["details"][-1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"}
    assert answer.response().header("content-type") == "text/event-stream"
    assert write(reply.error(404), request_for(backend="vertex")).body.count(b"Publisher Model `projects/p/") == 1


def test_a_stream_fails_in_the_middle_with_a_bare_error() -> None:
    blocks = wire.split_events(write(reply.stream("a") + reply.error(503), request_for("streamGenerateContent")).body)
    assert [block.startswith(b"data: ") for block in blocks] == [True, False]
    assert json.loads(blocks[1])["error"]["code"] == 503


def test_grounding_stands_in_the_last_event_and_empty_in_those_before() -> None:
    chunks = events(reply.stream("a", "b") + reply.grounding(("https://example.com", "example.com"), text="ab"))
    assert [bool(chunk["candidates"][0]["groundingMetadata"]) for chunk in chunks] == [False, True]


def test_several_candidates_are_numbered() -> None:
    scripted = reply.candidates(reply.text("a"), reply.text("b") + reply.finish("MAX_TOKENS"))
    numbered = [(c["index"], c["finishReason"]) for c in plain(scripted)["candidates"]]
    assert numbered == [(0, "STOP"), (1, "MAX_TOKENS")]


def test_pauses_become_times_and_a_break_the_end_of_the_exchange() -> None:
    scripted = reply.stream("a") + reply.wait(0.5) + reply.stream("b") + reply.disconnect()
    response = write(scripted, request_for("streamGenerateContent")).response()
    assert [chunk.at for chunk in response.chunks] == [0.0, 0.5]
    assert response.ended == "RemoteProtocolError"
    assert write(reply.text("a"), request_for()).response().ended == COMPLETE


def test_raw_sends_anything() -> None:
    assert write(reply.raw("<html>", status=418), request_for()).body == b"<html>"
    answer = write(reply.raw({"a": 1}, {"b": 2}), request_for("streamGenerateContent"))
    assert answer.body == b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\n'
    assert ("x-mine", "1") in write(reply.raw(b"", headers={"x-mine": "1"}), request_for()).headers


def test_a_stream_that_was_not_requested_as_events_is_an_array() -> None:
    request = GeminiRequest.of("POST", f"{HOSTS['gemini']}/models/gemini-2.5-flash:streamGenerateContent", (), b"{}")
    body = write(reply.stream("a", "b"), request).body
    assert len(json.loads(body)) == 2
    assert body.startswith(b"[{\n  ")
    assert b"}\n,\r\n{" in body


@pytest.mark.parametrize(
    ("say", "complaint"),
    [
        (lambda: reply.stream(), "needs at least one piece"),
        (lambda: reply.text(7), "text must be a str, got 7"),  # type: ignore[arg-type]
        (lambda: reply.function_call("f", x=float("nan")), "JSON has no number for nan"),
        (lambda: reply.function_call("f", x=object()), "<object .* has no form in JSON"),
        (lambda: reply.function_call("f", ["x"]), "arguments of 'f' must be a mapping"),  # type: ignore[arg-type]
        (lambda: reply.finish("TIRED"), "unknown finish reason 'TIRED': choose from BLOCKLIST"),
        (lambda: reply.blocked("TIRED"), "unknown block reason 'TIRED': choose from"),
        (lambda: reply.error(200), "an error's code must be 400 to 599, got 200: use reply.raw"),
        (lambda: reply.usage(prompt=-1), "promptTokenCount must be 0 or more, got -1"),
        (lambda: reply.text("a", signature="???"), "standard base64 or bytes, got"),
        (lambda: reply.image(b""), "inline data must be bytes"),
        (lambda: reply.embedding([]), "one or more numbers"),
        (lambda: reply.candidates(reply.text("a")), "at least two replies, got 1"),
        (lambda: reply.wait(-1), "seconds must be 0 or more, got -1"),
        (lambda: reply.error(429) + reply.text("a"), "nothing comes after error 429"),
        (lambda: reply.disconnect() + reply.text("a"), "nothing comes after disconnect"),
        (lambda: reply.blocked() + reply.text("a"), "a blocked prompt has no candidates"),
        (lambda: reply.text("a") + reply.token_count(7), "tokens is a whole answer"),
        (lambda: reply.event(reply.error(500)), "can't be a part of an event"),
        (lambda: reply.parse("<html>"), "neither JSON nor server-sent events"),
        (lambda: reply.parse("[1]"), "an answer of Gemini must be a JSON object"),
        (lambda: reply.parse("{}", status=500), "an answer with status 500 must hold an error"),
    ],
)  # fmt: skip
def test_what_no_server_sends_is_refused(say: Any, complaint: str) -> None:
    with pytest.raises(ScriptError, match=complaint):
        say()


@pytest.mark.parametrize(
    ("scripted", "method", "complaint"),
    [
        (reply.text("a"), "countTokens", "it holds candidates, and countTokens was requested"),
        (reply.token_count(7), "generateContent", "it answers tokens, and generateContent was requested"),
        (reply.embedding([1.0]), "countTokens", "it answers embedding"),
        (reply.text("a") + reply.error(500), "generateContent", "can only come in a stream"),
        (reply.partial_call("f", x="y"), "generateContent", "only come piece by piece in a stream of Vertex"),
        (reply.raw({}, {}), "generateContent", "2 raw events can't answer"),
    ],
)
def test_a_reply_that_does_not_fit_the_request_is_refused(scripted: Reply, method: str, complaint: str) -> None:
    with pytest.raises(ScriptError, match=complaint):
        write(scripted, request_for(method))


@pytest.mark.parametrize(
    ("method", "backend"), [("generateContent", "vertex"), ("streamGenerateContent", "gemini")], ids=str
)
def test_arguments_come_piece_by_piece_only_in_a_stream_of_vertex(method: str, backend: str) -> None:
    assert events(reply.partial_call("f", x="y"), backend="vertex")
    with pytest.raises(ScriptError, match="only come piece by piece in a stream of Vertex"):
        write(reply.partial_call("f", x="y"), request_for(method, backend=backend))


def test_arguments_may_hold_whatever_json_can() -> None:
    given: dict[str, Any] = {"list": [1, [2.5, None]], "object": {"a": {"b": True}}, "text": "é"}
    (part,) = plain(reply.function_call("f", given))["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["args"] == given


def test_replies_show_what_they_say() -> None:
    scripted = reply.text("hi") + reply.function_call("f") + reply.finish() + reply.wait(0.5) + reply.error(500)
    assert repr(scripted) == "<Reply 'hi', functionCall f STOP, wait 0.5 s, error 500>"
    assert (scripted.text, repr(reply.Gate())) == ("hi", "<Gate closed>")


@pytest.mark.parametrize(
    ("scripted", "shown"),
    [
        (reply.raw("x", status=418), "raw 418"),
        (reply.token_count(3), "tokens"),
        (reply.step({"type": "mcp_server_tool_call", "name": "look_up"}), "mcp_server_tool_call look_up"),
        (reply.interaction_event({"event_type": "a.b"}), "event a.b"),
        (reply.live_message({"goAway": {}}), "goAway"),
        (reply.output_transcription("hi"), "transcription 'hi'"),
        (reply.close(1011), "close 1011"),
        (reply.refuse(403), "refuse 403"),
        (reply.live(reply.text("hi")), "live session of 1 turn"),
    ],
)
def test_every_kind_of_reply_shows_what_it_is(scripted: reply.Reply, shown: str) -> None:
    assert repr(scripted) == f"<Reply {shown}>"


def test_the_text_of_a_step_is_that_of_its_outputs() -> None:
    assert reply.step({"type": "model_output", "content": [{"type": "text", "text": "hi"}]}).text == "hi"
    assert reply.step({"type": "thought", "summary": [{"type": "text", "text": "hm"}]}).text == ""


def test_a_reply_is_added_to_replies_only() -> None:
    later: Any = "hi"
    with pytest.raises(TypeError, match="unsupported operand"):
        reply.text("a") + later


def test_a_gate_that_stays_closed_is_an_error() -> None:
    with pytest.raises(ScriptError, match=r"closed gate: call gate.open\(\)"):
        reply.Gate().pass_through(0.01)


def test_a_recorded_part_is_kept_as_it_came() -> None:
    part = {"thought": True, "functionCall": {"args": {}, "name": "f"}, "thoughtSignature": "CmsA"}
    answer = {"candidates": [{"content": {"parts": [part], "role": "model"}, "finishReason": "STOP"}]}
    again = plain(reply.parse(json.dumps(answer)))["candidates"][0]["content"]["parts"]
    assert json.dumps(again) == json.dumps([part])
