"""Interactions in words, as real google-genai clients get them from the loopback server and from the mock."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.interactions import both_sides, error_class, interactions_at, needs_interactions, shown

from maxim_gemini.testing import GeminiMock, GeminiServer, reply
from maxim_gemini.testing.exceptions import ScriptError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing.reply import Reply

MODEL = "gemini-3.8-flash"


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer(strict=False) as server:
        yield server


def answered(server: GeminiServer, scripted: Reply, **body: Any) -> httpx.Response:
    """Return the answer to a request for an interaction, as bytes."""
    server.reply(scripted)
    answer = httpx.post(f"{server.url}/v1/interactions", json={"model": MODEL, "input": "hi", **body})
    server.check()
    return answer


def events(answer: httpx.Response) -> list[Any]:
    datas = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert datas.pop() == "[DONE]"
    return [json.loads(data) for data in datas]


def steps(server: GeminiServer, scripted: Reply, **body: Any) -> list[Any]:
    """Return the steps that a reply becomes, without the thought with which models begin."""
    found: list[Any] = answered(server, scripted, **body).json()["steps"]
    return [step for step in found if step["type"] != "thought" or "summary" in step]


# The bytes


def test_a_plain_answer_is_compact_json_in_the_order_of_real_servers(server: GeminiServer) -> None:
    answer = answered(server, reply.text("Paris."))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-encoding"] == "gzip"
    assert "x-gemini-service-tier" not in answer.headers
    assert answer.text == json.dumps(answer.json(), separators=(",", ":"))
    assert [*answer.json()] == [
        *("id", "status", "usage", "created", "updated", "service_tier", "steps", "object", "model")
    ]
    thought, output = answer.json()["steps"]
    assert [*thought] == ["signature", "type"]
    assert output == {"content": [{"text": "Paris.", "type": "text"}], "type": "model_output"}


def test_a_stream_is_named_events_that_end_with_done(server: GeminiServer) -> None:
    answer = answered(server, reply.stream("Pa", "ris.") + reply.interaction(interaction_id="v1_a"), stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["content-encoding"] == "gzip"
    kinds = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert kinds == [
        *("interaction.created", "interaction.status_update"),
        *("step.start", "step.delta", "step.stop"),
        *("step.start", "step.delta", "step.delta", "step.stop"),
        *("interaction.completed", "done"),
    ]
    assert answer.text.startswith(
        'event: interaction.created\ndata: {"interaction":{"id":"v1_a","status":"in_progress","object":"interaction",'
        f'"model":"{MODEL}"}},"event_type":"interaction.created"}}\n\n'
    )
    assert 'event: step.delta\ndata: {"index":1,"delta":{"text":"ris.","type":"text"},"event_type":"step.delta"}' in (
        answer.text
    )
    assert "steps" not in events(answer)[-1]["interaction"]


def test_an_id_names_its_chain_and_itself(server: GeminiServer) -> None:
    first = answered(server, reply.text("a")).json()["id"]
    second = answered(server, reply.text("b"), previous_interaction_id=first).json()["id"]
    third = answered(server, reply.text("c"), previous_interaction_id=second).json()["id"]
    names = [base64.urlsafe_b64decode(name.removeprefix("v1_") + "==") for name in (first, second, third)]
    assert {len(name) for name in (first, second, third)} == {70}
    assert [name[2:25] for name in names] == [names[0][27:]] * 3
    assert len({name[27:] for name in names}) == 3


def test_what_is_not_stored_has_no_id(server: GeminiServer) -> None:
    assert "id" not in answered(server, reply.text("a"), store=False).json()
    created = events(answered(server, reply.text("a"), store=False, stream=True))[0]["interaction"]
    assert created == {"status": "in_progress", "object": "interaction", "model": MODEL}


def test_tokens_add_up_and_zeros_are_sent(server: GeminiServer) -> None:
    usage = answered(server, reply.thought("Hm, hm.") + reply.text("Paris.")).json()["usage"]
    assert usage == {
        "total_tokens": 5,
        "total_input_tokens": 1,
        "input_tokens_by_modality": [{"modality": "text", "tokens": 1}],
        "total_cached_tokens": 0,
        "total_output_tokens": 2,
        "total_tool_use_tokens": 0,
        "total_thought_tokens": 2,
    }
    own = reply.usage(prompt=7, candidates=5, thoughts=3, tool_use=2, cached=4)
    usage = answered(server, reply.text("Paris.") + own).json()["usage"]
    assert [usage[f"total_{name}_tokens"] for name in ("input", "output", "thought", "tool_use", "cached")] == [
        *(7, 5, 3, 2, 4)
    ]
    assert usage["total_tokens"] == 17


# The words


WORDS: dict[str, tuple[Any, list[Any]]] = {
    "text": (
        reply.text("a") + reply.text("b"),
        [{"content": [{"text": "ab", "type": "text"}], "type": "model_output"}],
    ),
    "thought": (
        reply.thought("Hm.", signature=b"s") + reply.text("b"),
        [
            {"signature": "cw==", "summary": [{"text": "Hm.", "type": "text"}], "type": "thought"},
            {"content": [{"text": "b", "type": "text"}], "type": "model_output"},
        ],
    ),
    "function call": (
        reply.function_call("weather", city="Paris", call_id="c1"),
        [{"id": "c1", "type": "function_call", "name": "weather", "arguments": {"city": "Paris"}}],
    ),
    "picture and sound": (
        reply.text("Here: ") + reply.image(b"png") + reply.audio(b"pcm", "audio/wav"),
        [
            {
                "content": [
                    {"text": "Here: ", "type": "text"},
                    {"mime_type": "image/png", "data": "cG5n", "type": "image"},
                    {"mime_type": "audio/wav", "data": "cGNt", "type": "audio"},
                ],
                "type": "model_output",
            }
        ],
    ),
    "code": (
        reply.code("1/0", code_id="c1") + reply.code_result("Error", outcome="OUTCOME_FAILED", code_id="c1"),
        [
            {"id": "c1", "type": "code_execution_call", "arguments": {"language": "python", "code": "1/0"}},
            {"call_id": "c1", "type": "code_execution_result", "result": "Error", "is_error": True},
        ],
    ),
    "grounding": (
        reply.text("Paris.") + reply.grounding(("https://example.com", "Example"), queries=["q"], text="Paris."),
        [
            {
                "content": [
                    {
                        "text": "Paris.",
                        "annotations": [
                            {
                                "start_index": 0,
                                "end_index": 6,
                                "url": "https://example.com",
                                "title": "Example",
                                "type": "url_citation",
                            }
                        ],
                        "type": "text",
                    }
                ],
                "type": "model_output",
            },
            {"id": "*", "type": "google_search_call", "arguments": {"queries": ["q"]}},
            {
                "call_id": "*",
                "type": "google_search_result",
                "result": [{"search_suggestions": "<div>q</div>"}],
                "is_error": False,
            },
        ],
    ),
    "pages": (
        reply.url_context("https://example.com"),
        [
            {"id": "*", "type": "url_context_call", "arguments": {"urls": ["https://example.com"]}},
            {
                "call_id": "*",
                "type": "url_context_result",
                "result": [{"status": "success", "url": "https://example.com"}],
                "is_error": False,
            },
        ],
    ),
    "search": (
        reply.google_search("a", "b"),
        [
            {
                "id": "*",
                "type": "google_search_call",
                "arguments": {"queries": ["a", "b"]},
                "search_type": "web_search",
            },
            {"call_id": "*", "type": "google_search_result", "result": [{"search_suggestions": "<div>a, b</div>"}]},
        ],
    ),
    "server tool": (
        reply.server_tool("mcp_server_tool", {"q": 1}, "no", is_error=True, name="find", server_name="library"),
        [
            {
                "id": "*",
                "type": "mcp_server_tool_call",
                "name": "find",
                "server_name": "library",
                "arguments": {"q": 1},
            },
            {
                "call_id": "*",
                "type": "mcp_server_tool_result",
                "name": "find",
                "server_name": "library",
                "result": "no",
                "is_error": True,
            },
        ],
    ),
    "step of tomorrow": (reply.step({"type": "dance", "moves": 2}), [{"type": "dance", "moves": 2}]),
}


def with_stars(found: list[Any], call_ids: set[str]) -> list[Any]:
    return [
        {name: "*" if name in ("id", "call_id") and value in call_ids else value for name, value in step.items()}
        for step in found
    ]


@pytest.mark.parametrize("name", WORDS)
def test_a_word_is_a_step_in_a_plain_answer(server: GeminiServer, name: str) -> None:
    scripted, expected = WORDS[name]
    found = steps(server, scripted)
    made = {step["id"] for step in found if "id" in step and step["id"] != "c1"}
    assert with_stars(found, made) == expected
    assert all(step.get("call_id", "c1") in {*made, "c1"} for step in found)


@needs_interactions
@both_sides
@pytest.mark.parametrize("name", WORDS)
def test_a_stream_gathers_to_the_plain_answer(server: GeminiServer, name: str, is_async: bool) -> None:
    """The deltas of a step, put together by the rules of the API, are the step; what the SDK can't read is skipped."""
    scripted, _ = WORDS[name]
    server.reply(scripted, scripted)
    with interactions_at(server.url, is_async=is_async) as interactions:
        plain = shown(interactions.create(model=MODEL, input="hi"))
        stream = [shown(event) for event in interactions.create(model=MODEL, input="hi", stream=True)]
    server.check()
    assert stream[0]["event_type"] == "interaction.created"
    assert stream[-1]["interaction"]["status"] == plain["status"]
    starts = [event["step"]["type"] for event in stream if event["event_type"] == "step.start" and "step" in event]
    assert starts == [step["type"] for step in plain["steps"]] or name == "step of tomorrow"
    texts = [event["delta"].get("text", "") for event in stream if event["event_type"] == "step.delta"]
    assert "".join(texts) == plain.get("output_text", "")


def test_a_long_text_streams_in_pieces_and_a_cut_one_as_it_is_cut(server: GeminiServer) -> None:
    text = "The quick brown fox jumps over the lazy dog, and over the other one."
    whole = [e["delta"]["text"] for e in events(answered(server, reply.text(text), stream=True)) if _is_text(e)]
    assert "".join(whole) == text
    assert len(whole) == 2
    cut = [
        e["delta"]["text"] for e in events(answered(server, reply.stream("a", "b", "c"), stream=True)) if _is_text(e)
    ]
    assert cut == ["a", "b", "c"]


def _is_text(event: Any) -> bool:
    return bool(event.get("delta", {}).get("type") == "text")


def test_a_call_streams_its_arguments_as_text(server: GeminiServer) -> None:
    found = events(answered(server, reply.function_call("weather", city="Zürich", call_id="c1"), stream=True))
    assert found[5:8] == [
        {
            "index": 1,
            "step": {"id": "c1", "signature": "", "type": "function_call", "name": "weather", "arguments": {}},
            "event_type": "step.start",
        },
        {
            "index": 1,
            "delta": {"arguments": '{"city":"Zürich"}', "type": "arguments_delta"},
            "event_type": "step.delta",
        },
        {"index": 1, "event_type": "step.stop"},
    ]
    assert found[-1]["interaction"]["status"] == "requires_action"


def test_deltas_of_ones_own_stream_as_they_are(server: GeminiServer) -> None:
    call = {"id": "c1", "type": "function_call", "name": "weather", "arguments": {"city": "Paris"}}
    deltas = [{"arguments": text, "type": "arguments_delta"} for text in ('{"city":', '"Paris"}')]
    scripted = reply.step(call, deltas=deltas)
    assert [e["delta"] for e in events(answered(server, scripted, stream=True)) if e.get("delta") in deltas] == deltas
    assert steps(server, scripted) == [call]


@pytest.mark.parametrize(
    ("scripted", "status"),
    [
        (reply.text("a"), "completed"),
        (reply.max_tokens("a"), "incomplete"),
        (reply.text("a") + reply.function_call("f"), "requires_action"),
        (reply.step({"type": "function_call", "id": "1", "name": "f", "arguments": {}}), "requires_action"),
        (
            reply.step({"type": "function_call", "id": "1", "name": "f", "arguments": {}})
            + reply.step({"type": "function_result", "call_id": "1", "name": "f", "result": "x"}),
            "completed",
        ),
        (reply.text("a") + reply.interaction(continuation_token="t"), "requires_continuation"),
        (reply.interaction(errors=[{"code": "internal", "message": "no"}]) + reply.empty(), "failed"),
        (reply.text("a") + reply.interaction(status="budget_exceeded"), "budget_exceeded"),
    ],
)
def test_the_status_follows_from_what_is_stated(server: GeminiServer, scripted: Reply, status: str) -> None:
    assert answered(server, scripted).json()["status"] == status
    assert events(answered(server, scripted, stream=True))[-1]["interaction"]["status"] == status


def test_the_older_schema_has_outputs_and_events_of_its_own(server: GeminiServer) -> None:
    scripted = reply.text("Paris.") + reply.function_call("f", a=1, call_id="c1") + reply.interaction(schema="outputs")
    plain = answered(server, scripted).json()
    assert [*plain][:5] == ["id", "status", "outputs", "usage", "role"]
    assert plain["outputs"][1:] == [
        {"text": "Paris.", "type": "text"},
        {"id": "c1", "type": "function_call", "name": "f", "arguments": {"a": 1}},
    ]
    found = events(answered(server, scripted, stream=True))
    kinds = [event["event_type"] for event in found]
    assert kinds[:3] == ["interaction.start", "interaction.status_update", "content.start"]
    assert kinds[-1] == "interaction.complete"
    assert found[8:10] == [
        {"index": 2, "content": {"id": "c1", "type": "function_call"}, "event_type": "content.start"},
        {
            "index": 2,
            "delta": {"id": "c1", "type": "function_call", "name": "f", "arguments": {"a": 1}},
            "event_type": "content.delta",
        },
    ]


def test_comments_keep_a_stream_open_before_it_begins(server: GeminiServer) -> None:
    scripted = reply.keep_alive(2) + reply.text("a")
    assert answered(server, scripted, stream=True).text.startswith(
        ": keep-alive\n\n: keep-alive\n\nevent: interaction.cr"
    )
    assert steps(server, scripted) == steps(server, reply.text("a"))


def test_an_event_of_tomorrow_stands_in_a_stream_and_takes_the_place_of_a_usual_one(server: GeminiServer) -> None:
    odd = {"event_type": "interaction.danced", "moves": 2}
    found = events(answered(server, reply.text("a") + reply.interaction_event(odd) + reply.text("b"), stream=True))
    assert [event["event_type"] for event in found][-5:] == [
        *("interaction.danced", "step.start", "step.delta", "step.stop", "interaction.completed")
    ]
    ending = {"event_type": "interaction.completed", "interaction": {"id": "x"}}
    found = events(answered(server, reply.text("a") + reply.interaction_event(ending), stream=True))
    assert found[-1] == ending
    assert [event["event_type"] for event in found].count("interaction.completed") == 1


def test_an_agent_has_no_thought_of_its_own_and_on_vertex_an_id_of_another_form(server: GeminiServer) -> None:
    body = answered(server, reply.text("a"), model=None, agent="deep-research").json()
    assert (body["agent"], [step["type"] for step in body["steps"]]) == ("deep-research", ["model_output"])
    assert "service_tier" not in body
    server.reply(reply.text("a") + reply.interaction(environment_id="env_1"))
    url = f"{server.url}/v1beta1/projects/p/locations/global/interactions"
    body = httpx.post(url, json={"agent": "antigravity", "input": "hi"}).json()
    assert (len(body["id"]), body["id"][:3], body["environment_id"]) == (42, "ChA", "env_1")
    assert "total_cached_tokens" not in body["usage"]
    server.check()


# Errors


@pytest.mark.parametrize(
    ("scripted", "status", "body"),
    [
        (
            reply.error(429),
            429,
            '{"error":{"message":"Resource has been exhausted (e.g. check quota).","code":"too_many_requests"}}',
        ),
        (reply.error(400, "No."), 400, '{"error":{"message":"No.","code":"invalid_request"}}'),
        (reply.error(404, "No."), 404, '{"error":{"message":"No.","code":"not_found"}}'),
        (reply.error(403, "No."), 403, '{"error":{"message":"No.","code":"permission_denied"}}'),
        (reply.error(504, "No."), 504, '{"error":{"message":"No.","code":"gateway_timeout"}}'),
        (
            reply.blocked("PROHIBITED_CONTENT"),
            400,
            '{"error":{"message":"The request was blocked because it contains prohibited content.",'
            '"code":"prohibited_content"}}',
        ),
    ],
)
def test_an_error_has_the_form_of_interactions(server: GeminiServer, scripted: Reply, status: int, body: str) -> None:
    for stream in (False, True):
        answer = answered(server, scripted, stream=stream)
        assert (answer.status_code, answer.text) == (status, body)
        assert answer.headers["content-type"] == "application/json; charset=UTF-8"


@pytest.mark.parametrize(
    "scripted", [reply.error(429), reply.error(400), reply.error(404, "No."), reply.text("Paris.")]
)
def test_what_was_written_is_read_again(server: GeminiServer, scripted: Reply) -> None:
    for stream in (False, True):
        answer = answered(server, scripted, stream=stream)
        again = answered(server, reply.parse(answer.content, status=answer.status_code), stream=stream)
        assert (again.status_code, again.text) == (answer.status_code, answer.text)


def test_a_bad_key_is_refused_in_the_form_of_the_rest_of_the_api(server: GeminiServer) -> None:
    answer = answered(server, reply.error(400))
    assert answer.text.startswith('[{\n  "error": {\n    "code": 400,\n    "message": "API key not valid.')
    assert answer.text.endswith("  }\n}\n]")


def test_an_error_in_a_stream_is_its_last_event(server: GeminiServer) -> None:
    text = answered(server, reply.stream("a") + reply.error(503), stream=True).text
    assert text.endswith(
        'event: error\ndata: {"error":{"message":"The model is currently experiencing high demand, spikes in demand '
        'are usually temporary. Please try again later.","code":"service_unavailable"},"event_type":"error"}\n\n'
    )
    bare = answered(server, reply.event() + reply.error(503), stream=True).text
    assert [line for line in bare.splitlines() if line.startswith("event: ")] == [
        *("event: interaction.created", "event: interaction.status_update", "event: error")
    ]


@pytest.mark.parametrize(
    ("scripted", "reason"),
    [
        (reply.stopped("SAFETY"), "an interaction has no finish reason SAFETY"),
        (reply.candidates(reply.text("a"), reply.text("b")), "an interaction has no second candidate"),
        (reply.part({"toolCall": {}}), "an interaction has no part 'toolCall'"),
        (reply.part({"text": "a", "fieldOfTomorrow": 1}), "an interaction has no part with 'fieldOfTomorrow'"),
        (reply.logprobs(("a", -1.0)), "an interaction has no logprobsResult"),
        (reply.partial_call("f", a="1"), "an interaction has no arguments of a call piece by piece"),
        (reply.text("a") + reply.interaction(polls=1), "polls=1 is for a request with background=True"),
        (reply.text("a") + reply.error(503), "an error after content can only come in a stream"),
        (reply.token_count(3), "it answers tokens, and an interaction was requested"),
    ],
)
def test_what_no_interaction_has_is_refused(scripted: Reply, reason: str) -> None:
    with pytest.raises(ScriptError, match=reason), GeminiMock(scripted, strict=False):
        httpx.post("https://generativelanguage.googleapis.com/v1/interactions", json={"model": MODEL, "input": "hi"})


def test_what_only_interactions_have_is_refused_elsewhere() -> None:
    for scripted in (
        reply.google_search("q"),
        reply.text("a") + reply.interaction(status="completed"),
        reply.keep_alive(),
    ):
        with (
            pytest.raises(ScriptError, match="it has steps that only an interaction has"),
            GeminiMock(scripted, strict=False),
        ):
            httpx.post(
                f"https://generativelanguage.googleapis.com/v1beta/models/{MODEL}:generateContent",
                json={"contents": [{"parts": [{"text": "hi"}]}]},
            )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: reply.interaction(status="danced"),
            "of an interaction 'danced': choose from in_progress",
        ),
        (lambda: reply.interaction(polls=-1), "polls must be 0 or more, got -1"),
        (lambda: reply.step({"moves": 2}), "a step must have a type"),
        (lambda: reply.server_tool("file_search_call"), "nor end with _call or _result, got 'file_search_call'"),
    ],
)
def test_a_word_that_is_wrong_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        make()


@needs_interactions
@both_sides
def test_a_request_without_a_reply_fails_at_once_and_says_why(is_async: bool) -> None:
    """google-genai sends a request for an interaction again after every 5xx, and reads only its own form of errors."""
    with GeminiServer(strict=False) as server:
        with (
            interactions_at(server.url, is_async=is_async) as interactions,
            pytest.raises(error_class("UnprocessableEntityError"), match="no reply is left for"),
        ):
            interactions.create(model=MODEL, input="hi")
        assert len(server.requests) == 1


# What is sent as it is, what waits, and what breaks off


CREATED = {"event_type": "interaction.created", "interaction": {"id": "v1_a"}}


@pytest.mark.parametrize(
    ("scripted", "streams", "body"),
    [
        (reply.raw("<html>", status=502, headers={"content-type": "text/html"}), False, "<html>"),
        (reply.raw({"id": "v1_a"}), False, '{"id":"v1_a"}'),
        (
            reply.raw(CREATED, {"event_type": "x"}),
            True,
            'event: interaction.created\ndata: {"event_type":"interaction.created","interaction":{"id":"v1_a"}}\n\n'
            'event: x\ndata: {"event_type":"x"}\n\n',
        ),
    ],
)
def test_raw_contents_are_sent_unchanged(server: GeminiServer, scripted: Reply, streams: bool, body: str) -> None:
    answer = answered(server, scripted, stream=streams)
    assert answer.text == body
    if "html" in body:
        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")


def test_several_raw_values_are_no_plain_answer() -> None:
    with pytest.raises(ScriptError, match="2 raw events can't answer"), GeminiMock(reply.raw({}, {}), strict=False):
        httpx.post("https://generativelanguage.googleapis.com/v1/interactions", json={"model": MODEL, "input": "hi"})


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_waits_and_breaks_off(server: GeminiServer, streams: bool) -> None:
    for late in (reply.text("Late."), reply.raw("Late.")):
        began = time.monotonic()
        assert "Late." in answered(server, reply.wait(0.2) + late, stream=streams).text
        assert time.monotonic() - began >= 0.2
    server.reply(reply.text("Lost.") + reply.disconnect())
    with (
        httpx.stream("POST", f"{server.url}/v1/interactions", json={"input": "hi", "stream": streams}) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        answer.read()


@pytest.mark.parametrize("previous", ["v1_a", "v1_é", "v1_", "elsewhere"])
def test_an_id_that_holds_no_chain_begins_one(server: GeminiServer, previous: str) -> None:
    answered(server, reply.text("a") + reply.interaction(interaction_id=previous))
    name = answered(server, reply.text("b"), previous_interaction_id=previous).json()["id"]
    packed = base64.urlsafe_b64decode(name.removeprefix("v1_") + "==")
    assert packed[2:25] == packed[27:]


def test_counts_of_the_script_s_own_are_those_of_the_interaction(server: GeminiServer) -> None:
    own = reply.usage(
        7, 3, cached=2, prompt_details={"TEXT": 5, "IMAGE": 2}, countOfTomorrow=1, traffic_type="ON_DEMAND"
    )
    usage = answered(server, reply.text("a") + own).json()["usage"]
    assert (usage["total_input_tokens"], usage["total_output_tokens"], usage["total_cached_tokens"]) == (7, 3, 2)
    assert usage["input_tokens_by_modality"] == [{"modality": "text", "tokens": 5}, {"modality": "image", "tokens": 2}]
    assert usage["countOfTomorrow"] == 1
    assert "trafficType" not in usage


def test_a_file_is_an_output_by_its_address(server: GeminiServer) -> None:
    part = reply.part({"fileData": {"mimeType": "application/pdf", "fileUri": "gs://a/b.pdf"}})
    content = {"mime_type": "application/pdf", "uri": "gs://a/b.pdf", "type": "document"}
    assert steps(server, part) == [{"content": [content], "type": "model_output"}]


def test_turns_of_the_older_schema_are_the_input(server: GeminiServer) -> None:
    said = [{"role": "user", "content": "one"}, {"role": "model", "content": [{"type": "text", "text": "two"}]}]
    answered(server, reply.text("a"), input=[*said, {"role": "user", "content": "three"}])
    assert [step["type"] for step in server.requests[-1].input_steps] == ["user_input", "model_output", "user_input"]
    assert server.requests[-1].text == "three"
