"""Answers of every shape: whole, in chunks, without candidates, without content, with kinds not known yet."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from maxim.logger.parsers.generation_parser import parse_result
from support.script import Gemini, call, chunks, response, usage

from maxim_gemini._generate_content.result import ContentAnswer

if TYPE_CHECKING:
    from google import genai
    from support.sides import Sync

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

reads_always = pytest.mark.skipif(
    "should_return_http_response" not in types.GenerateContentConfig.model_fields,
    reason="this google-genai always reads the answer",
)


@reads_always
async def test_an_answer_that_the_sdk_was_to_leave_unread_is_read_all_the_same(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    config: Any = types.GenerateContentConfig(should_return_http_response=True)
    gemini.says(response("one two"))
    bare = await side.generate(raw, config=config)
    wrapped = await side.generate(client, config=config)
    assert wrapped.sdk_http_response.body == bare.sdk_http_response.body
    assert wrapped.candidates is None
    assert (logger.trace.output, logger.trace.generation.finish_reason) == ("one two", "STOP")
    assert logger.trace.generation.usage["total_tokens"] == 5
    logger.assert_complete()


@reads_always
@pytest.mark.parametrize("body", ["no json", "[1]", '{"candidates": 3}'])
def test_an_http_response_that_is_no_answer_is_a_placeholder(body: str) -> None:
    http = types.GenerateContentResponse(sdk_http_response=types.HttpResponse(body=body))
    folded = ContentAnswer(lambda requested: requested.id or "")
    folded.add(http)
    assert folded.text == f"[HTTP response, {len(body)} bytes]"


NUMBERS = iter(range(10_000))


def answer(*responses: dict[str, Any]) -> ContentAnswer:
    folded = ContentAnswer(lambda requested: requested.id or f"call-{next(NUMBERS)}")
    for one in responses:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the SDK's, of members that it does not know
            folded.add(types.GenerateContentResponse.model_validate(one))
    folded.finish()
    return folded


def result(*responses: dict[str, Any]) -> dict[str, Any]:
    found = answer(*responses).result(response_id="stand-in", model="asked-for")
    before = json.loads(json.dumps(found))
    parse_result(found)
    assert found == before
    return found


@pytest.mark.parametrize(
    "empty",
    [
        {},
        {"candidates": []},
        {"candidates": [{}]},
        {"candidates": [{"content": {}}]},
        {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]},
        {"candidates": [{"content": {"parts": []}}]},
        {"candidates": [{"content": {"parts": [{}]}}]},
        {"usageMetadata": {}},
        {"promptFeedback": {}},
    ],
    ids=str,
)
def test_an_empty_answer_is_no_problem(empty: dict[str, Any]) -> None:
    found = result(empty)
    assert (found["id"], found["model"], "usage" in found) == ("stand-in", "asked-for", False)
    assert all(choice["message"]["content"] is None for choice in found["choices"])
    assert answer(empty).text == ""


def test_the_id_and_the_model_are_the_answers_own() -> None:
    found = result(response("Hi"))
    assert (found["id"], found["model"], found["object"]) == ("r-1", "m-1", "chat.completion")
    assert answer(response("Hi")).metadata() == {"response_id": "r-1", "model_version": "m-1"}


def test_the_id_and_the_model_may_come_with_any_chunk_and_the_last_ones_hold() -> None:
    silent = {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}
    said = {"responseId": "r-2", "modelVersion": "m-2"}
    for responses in ([silent, said], [said, silent], [response("a"), said]):
        found = result(*responses)
        assert (found["id"], found["model"]) == ("r-2", "m-2")


def test_a_choice_has_openais_form() -> None:
    found = result({**response("Hi"), "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]})
    assert found["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi"},
            "logprobs": None,
            "finish_reason": "STOP",
        }
    ]


def test_candidates_are_known_by_their_index_else_by_their_place() -> None:
    def candidate(text: str, **more: Any) -> dict[str, Any]:
        return {"content": {"parts": [{"text": text}]}, **more}

    def texts(*candidates: list[dict[str, Any]]) -> list[tuple[int, str]]:
        found = result(*({"candidates": one} for one in candidates))["choices"]
        return [(one["index"], one["message"]["content"]) for one in found]

    assert texts([candidate("a"), candidate("b")], [candidate("c"), candidate("d")]) == [(0, "ac"), (1, "bd")]
    assert texts([candidate("b", index=1)], [candidate("a", index=0)]) == [(0, "a"), (1, "b")]
    late = answer({"candidates": [candidate("b", index=1, finishReason="STOP")]})
    assert (late.text, late.finish_reason) == ("", None)


def test_what_never_came_is_no_choice() -> None:
    empty: list[dict[str, Any]] = [{}, {"candidates": []}]
    for nothing in empty:
        assert result(nothing)["choices"] == []
        folded = ContentAnswer(lambda _: "id")
        assert folded.add(types.GenerateContentResponse.model_validate(nothing)) == folded.finish() == []


def test_only_the_first_candidate_of_a_response_requests_functions() -> None:
    folded = ContentAnswer(lambda requested: f"id of {requested.name}")
    candidates = [response(call("f"), "so", call("g"))["candidates"][0], response(call("h"))["candidates"][0]]
    candidates[1]["index"] = 1
    requested = folded.add(types.GenerateContentResponse.model_validate({"candidates": candidates}))
    assert [(one.id, one.call.name) for one in requested] == [("id of f", "f"), ("id of g", "g")]
    assert [len(one["message"]["tool_calls"]) for one in folded.result("", "")["choices"]] == [2, 1]


def test_chunks_are_folded_and_the_last_reason_and_usage_hold() -> None:
    first, middle, last = chunks("a", "b", "c")
    middle["candidates"][0]["finishReason"] = "STOP"  # as with built-in code execution
    first["usageMetadata"], middle["usageMetadata"] = usage(9, 5, thoughtsTokenCount=4), usage(9, 7)
    last["candidates"][0]["finishReason"] = "MAX_TOKENS"
    last["usageMetadata"] = usage(8, 6)
    found = result(first, middle, last, {"usageMetadata": usage(5, 1)})
    assert found["choices"][0]["message"]["content"] == "abc"
    assert found["choices"][0]["finish_reason"] == "MAX_TOKENS"
    assert found["usage"] == {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}


def test_a_usage_object_without_counts_counts_nothing() -> None:
    traffic = {"usageMetadata": {"trafficType": "ON_DEMAND"}}
    assert "usage" not in result(response("a"), traffic)
    assert answer(traffic).metadata() == {"traffic_type": "ON_DEMAND"}


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ({"promptTokenCount": 3}, (3, 0, 3)),
        ({"candidatesTokenCount": 2}, (0, 2, 2)),
        ({"totalTokenCount": 7}, (0, 0, 7)),
        ({"promptTokenCount": 3, "candidatesTokenCount": 2}, (3, 2, 5)),
        ({"promptTokenCount": 0, "totalTokenCount": 0}, (0, 0, 0)),
        ({"promptTokenCount": 3, "toolUsePromptTokenCount": 1, "thoughtsTokenCount": 4}, (4, 4, 8)),
        ({"toolUsePromptTokenCount": 1, "thoughtsTokenCount": 4, "totalTokenCount": 6}, (1, 4, 6)),
    ],
    ids=str,
)
def test_a_count_that_is_missing_is_none_and_the_total_is_the_sum(
    given: dict[str, int], counted: tuple[int, int, int]
) -> None:
    found = result({"usageMetadata": given})["usage"]
    assert (found["prompt_tokens"], found["completion_tokens"], found["total_tokens"]) == counted


@pytest.mark.parametrize(
    ("given", "details"),
    [
        ({}, {}),
        ({"cachedContentTokenCount": 0}, {"input": {"cached_tokens": 0}, "cached": {"cached_tokens": 0}}),
        ({"toolUsePromptTokenCount": 1}, {"input": {"tool_use_tokens": 1}}),
        ({"thoughtsTokenCount": 1}, {"output": {"reasoning_tokens": 1}}),
        ({"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}]}, {"input": {"text_tokens": 3}}),
        ({"candidatesTokensDetails": [{"modality": "NEW", "tokenCount": 2}]}, {"output": {"new_tokens": 2}}),
        ({"cacheTokensDetails": [{"modality": "AUDIO"}, {"tokenCount": 3}]}, {"cached": {"audio_tokens": 0}}),
    ],
    ids=str,
)
def test_a_detail_that_the_api_did_not_count_is_left_out(given: dict[str, Any], details: dict[str, Any]) -> None:
    counted = result({"usageMetadata": {"promptTokenCount": 3, **given}})["usage"]
    found = {name.removesuffix("_token_details"): said for name, said in counted.items() if "details" in name}
    assert found == details


def test_usage_has_its_details() -> None:
    counted = usage(10, 5, thoughtsTokenCount=3, toolUsePromptTokenCount=2) | {
        "cachedContentTokenCount": 4,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 6}, {"modality": "IMAGE", "tokenCount": 4}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
    }
    assert result({**response("a"), "usageMetadata": counted})["usage"] == {
        "prompt_tokens": 12,
        "completion_tokens": 8,
        "total_tokens": 20,
        "input_token_details": {"cached_tokens": 4, "tool_use_tokens": 2, "text_tokens": 6, "image_tokens": 4},
        "output_token_details": {"reasoning_tokens": 3, "audio_tokens": 5},
        "cached_token_details": {"cached_tokens": 4, "text_tokens": 4},
    }


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "NEVER_HEARD_OF", None])
def test_a_finish_reason_is_what_the_api_wrote(reason: str | None) -> None:
    assert result(response("a", reason=reason))["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "NEVER_HEARD_OF"])
def test_a_blocked_prompt_is_one_choice_without_content(reason: str) -> None:
    ratings = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]
    blocked = {"promptFeedback": {"blockReason": reason, "blockReasonMessage": "no", "safetyRatings": ratings}}
    (choice,) = result(blocked)["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == (reason, None)
    assert answer(blocked).metadata() == {
        "block_reason": reason,
        "block_reason_message": "no",
        "prompt_safety_ratings": ratings,
    }
    assert choice["index"] == 0
    assert answer(blocked).text == f"[blocked: {reason}]"
    assert answer(blocked).finish_reason == reason


def test_what_was_stated_before_the_prompt_was_blocked_is_kept() -> None:
    responses = response("a", reason=None), {"promptFeedback": {"blockReason": "SAFETY"}}
    (choice,) = result(*responses)["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == (None, "a")
    assert answer(*responses).text == "[blocked: SAFETY]"


def test_a_reason_that_google_genai_left_as_text_is_taken_as_it_is() -> None:
    folded = ContentAnswer(lambda _: "id")
    candidate = types.Candidate.model_construct(finish_reason="LATER")
    folded.add(types.GenerateContentResponse.model_construct(candidates=[candidate]))
    assert folded.finish_reason == "LATER"


def test_thoughts_are_joined_beside_the_answer() -> None:
    def thought(text: str) -> dict[str, Any]:
        return {"text": text, "thought": True}

    folded = answer(response(thought("h"), "y", thought("m"), reason=None), response(thought("!"), "es"))
    assert folded.text == "yes"
    assert folded.metadata()["thoughts"] == "hm!"


def test_what_maxim_has_no_place_for_is_metadata() -> None:
    whole = response("a")
    whole["candidates"][0] |= {
        "finishMessage": "done",
        "avgLogprobs": -0.5,
        "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}],
        "groundingMetadata": {"webSearchQueries": ["tea"]},
        "citationMetadata": {"citations": [{"uri": "https://tea"}]},
        "urlContextMetadata": {"urlMetadata": [{"retrievedUrl": "https://tea"}]},
        "logprobsResult": {"chosenCandidates": [{"token": "a"}]},
    }
    said = answer(whole).metadata()
    assert said["finish_message"] == "done"
    assert said["avg_logprobs"] == -0.5
    assert said["safety_ratings"] == [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]
    assert said["grounding_metadata"] == {"web_search_queries": ["tea"]}
    assert said["citation_metadata"] == {"citations": [{"uri": "https://tea"}]}
    assert said["url_context_metadata"] == {"url_metadata": [{"retrieved_url": "https://tea"}]}
    assert said["logprobs_result"] == {"chosen_candidates": [{"token": "a"}]}


def test_metadata_is_plain_data() -> None:
    """No enumerations of google-genai, which print as themselves, nor its models."""
    rated = response("a")
    rating = {"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}
    rated["candidates"][0] |= {"safetyRatings": [rating], "groundingMetadata": {}, "urlContextMetadata": {}}
    rated["usageMetadata"]["trafficType"] = "ON_DEMAND"
    blocked = {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [rating]}}
    said = answer(rated, blocked).metadata()
    assert repr(said["safety_ratings"]) == repr(said["prompt_safety_ratings"]) == repr([rating])
    assert (repr(said["traffic_type"]), repr(said["block_reason"])) == ("'ON_DEMAND'", "'SAFETY'")
    assert "grounding_metadata" not in said
    assert "url_context_metadata" not in said


def test_what_other_candidates_say_is_kept_apart() -> None:
    second = {
        "content": {"parts": [{"text": "hm", "thought": True}, {"text": "b"}]},
        "index": 1,
        "finishMessage": "two",
    }
    said = answer({**response("a"), "candidates": [response("a")["candidates"][0], second]}).metadata()
    assert said["candidate_1"] == {"finish_message": "two", "thoughts": "hm"}
    assert "thoughts" not in said


def test_parts_that_are_no_text_are_beside_the_answer_not_in_it() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "YWJj"}}
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    folded = answer(response("see: ", image, code))
    assert folded.text == "see: "
    assert folded.metadata()["parts"] == ["[image/png, 3 bytes]", "[code python]\n1+1\n[/code]"]
    assert [(one.mime_type, one.data, side) for one, side in folded.attachments] == [("image/png", b"abc", "output")]


def test_a_call_is_an_openai_tool_call() -> None:
    (choice,) = result(response("let me see", call("find", "x1", what="tea"), call("find")))["choices"]
    first, second = choice["message"]["tool_calls"]
    assert first == {"id": "x1", "type": "function", "function": {"name": "find", "arguments": '{"what": "tea"}'}}
    assert second["function"]["arguments"] == "{}"
    assert second["id"].startswith("call-")


@pytest.mark.skipif(
    "partial_args" not in types.FunctionCall.model_fields, reason="this google-genai has no partial calls"
)
def test_a_call_in_pieces_is_put_together() -> None:
    def piece(**said: Any) -> dict[str, Any]:
        return response({"functionCall": said}, reason=None)

    def text(path: str, value: str) -> dict[str, Any]:
        return piece(partialArgs=[{"jsonPath": path, "stringValue": value, "willContinue": True}], willContinue=True)

    folded = [
        piece(name="book", willContinue=True),
        text("$.city", "Par"),
        text("$.city", "is"),
        text("$.guests[1].name", "Bo"),
        piece(partialArgs=[{"jsonPath": "$.nights", "numberValue": 3}], willContinue=True),
        piece(partialArgs=[{"jsonPath": "$.late", "boolValue": False}], willContinue=True),
        piece(),
    ]
    (requested,) = result(*folded)["choices"][0]["message"]["tool_calls"]
    arguments = json.loads(requested["function"]["arguments"])
    assert arguments == {"city": "Paris", "guests": [None, {"name": "Bo"}], "nights": 3, "late": False}
    (broken_off,) = result(*folded[:2])["choices"][0]["message"]["tool_calls"]
    assert json.loads(broken_off["function"]["arguments"]) == {"city": "Par"}


@pytest.mark.skipif(
    "partial_args" not in types.FunctionCall.model_fields, reason="this google-genai has no partial calls"
)
def test_a_call_in_pieces_is_requested_once_it_is_whole() -> None:
    def piece(**said: Any) -> dict[str, Any]:
        return {"functionCall": said}

    def requested(*chunks: list[dict[str, Any]]) -> list[list[tuple[str, str | None, Any]]]:
        folded = ContentAnswer(lambda call: f"id of {call.name}")
        found = [
            *(folded.add(types.GenerateContentResponse.model_validate(response(*parts))) for parts in chunks),
            folded.finish(),
            folded.finish(),
        ]
        return [[(one.id, one.call.name, one.call.args) for one in chunk] for chunk in found]

    city = {"partialArgs": [{"jsonPath": "$.city", "stringValue": "Paris"}]}
    book = ("id of book", "book", {"city": "Paris"})
    find: tuple[str, str, dict[str, Any]] = ("id of find", "find", {})
    opened, more, end = piece(name="book", willContinue=True), piece(willContinue=True, **city), piece()
    assert requested([opened], [more], [end]) == [[], [], [book], [], []]
    assert requested([opened], [piece(**city)]) == [[], [book], [], []]
    assert requested([opened, more, end]) == [[book], [], []]
    assert requested([opened], [more]) == [[], [], [book], []]
    assert requested([opened], [more], [piece(name="find")]) == [[], [], [book, find], [], []]
    assert requested([opened], [more], [piece(name="find", willContinue=True)], [end]) == [
        [],
        [],
        [book],
        [find],
        [],
        [],
    ]
    assert requested([opened], [more], [end, call("find")]) == [[], [], [book, find], [], []]


@pytest.mark.skipif(
    "partial_args" not in types.FunctionCall.model_fields, reason="this google-genai has no partial calls"
)
def test_of_calls_that_broke_off_only_the_first_candidates_is_requested() -> None:
    candidates = [response({"functionCall": {"name": name, "willContinue": True}})["candidates"][0] for name in "fg"]
    candidates[1]["index"] = 1
    folded = ContentAnswer(lambda requested: f"id of {requested.name}")
    assert folded.add(types.GenerateContentResponse.model_validate({"candidates": candidates})) == []
    assert [one.id for one in folded.finish()] == ["id of f"]
    tool_calls = [one["message"]["tool_calls"] for one in folded.result("", "")["choices"]]
    assert [one["id"] for calls in tool_calls for one in calls] == ["id of f", "id of g"]


def test_a_stream_is_folded_in_constant_memory_per_chunk() -> None:
    import gc
    import weakref

    folded = ContentAnswer(lambda _: "id")
    chunk = types.GenerateContentResponse.model_validate(response("a"))
    candidates: Any = chunk.candidates
    seen = weakref.ref(chunk), weakref.ref(candidates[0])
    folded.add(chunk)
    del chunk, candidates
    gc.collect()
    assert [one() for one in seen] == [None, None]


# What the model thinks.


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_picture_that_the_model_thinks_of_is_none_of_the_answer(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, streamed: bool
) -> None:
    def picture(data: str) -> dict[str, Any]:
        return {"inlineData": {"mimeType": "image/png", "data": data}}

    thought = {"thought": True, **picture("QUFB")}
    told = response({"text": "A draft.", "thought": True}, thought, "Here.", picture("QUJD"))
    if streamed:
        gemini.streams(told)
        await side.read(await side.open(client))
    else:
        gemini.says(told)
        await side.generate(client)
    generation = logger.generation
    by_side = {attachment.tags["attach-to"]: attachment.content for attachment in generation.attachments}
    assert by_side == {"output": b"ABC", "thoughts": b"AAA"}
    assert generation.metadata["parts"] == ["[image/png, 3 bytes]"]
    assert generation.metadata["thoughts"] == "A draft.[image/png, 3 bytes]"
    assert logger.trace.output == "Here."
