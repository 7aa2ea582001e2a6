"""What the replaced system got wrong: one test for each of its 31 confirmed defects, in their order."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import errors, types
from google.genai.chats import AsyncChat, AsyncChats
from support.functions import add
from support.script import Gemini, call, chunks, error, response, usage
from support.sides import MODEL, Sync

from maxim_gemini import MaximGeminiAsyncChats, MaximGeminiAsyncChatSession, MaximGeminiClient
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini.testing._logs.views import ToolCall


def text_of(chunk: Any) -> str:
    return "".join(part.text or "" for part in chunk.candidates[0].content.parts)


def actions(logger: FakeLogger) -> list[tuple[str, str]]:
    return [(log.entity.value, log.action) for log in logger.logs]


# 01
async def test_a_stream_reaches_the_reader_chunk_by_chunk(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gate: list[Any] = []

    def slow(reply: Any) -> None:
        from support.loopback import SSE

        from maxim_gemini.testing._http import wire

        first, second = chunks("one", "two")
        reply.head(200, SSE)
        reply.send(wire.dump_event(first))
        while not gate:
            time.sleep(0.001)
        reply.send(wire.dump_event(second))

    gemini.does(slow)
    stream = await side.open(client)
    assert logger.logs == ()
    assert text_of(await side.next(stream)) == "one"
    assert not logger.trace.ended
    gate.append("open")
    assert [text_of(chunk) for chunk in await side.read(stream)] == ["two"]
    logger.assert_complete()
    assert logger.trace.output == "onetwo"


# 02
async def test_errors_of_a_stream_reach_the_reader(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.fails(429, "RESOURCE_EXHAUSTED", "slow down")
    stream = await side.open(client)
    with pytest.raises(errors.ClientError, match="slow down"):
        await side.next(stream)
    assert logger.trace.generation.error is not None
    assert (logger.trace.generation.error.code, logger.trace.generation.error.type) == ("429", "RESOURCE_EXHAUSTED")
    logger.assert_complete()


async def test_a_stream_that_fails_midway_keeps_what_came_before(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.streams(*chunks("half ", "an answer")[:1], failing=error(503, "UNAVAILABLE", "overloaded"))
    raised = []
    for either in (raw, client):
        stream = await side.open(either)
        assert text_of(await side.next(stream)) == "half "
        with pytest.raises((errors.ServerError, ValueError)) as failure:  # ValueError: before google-genai 1.33
            await side.next(stream)
        raised.append((failure.type, str(failure.value)))
    assert raised[0] == raised[1]
    generation = logger.trace.generation
    assert generation.error is not None
    assert generation.error.message in raised[0][1]
    assert generation.text == "half "
    assert actions(logger).count(("generation", "result")) == 1
    assert logger.trace.output == "half "
    logger.assert_complete()


# 03
async def test_one_await_gives_an_async_stream(gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger) -> None:
    gemini.streams(*chunks("a", "b"))
    stream = await client.aio.models.generate_content_stream(model=MODEL, contents="Hi")
    assert [text_of(chunk) async for chunk in stream] == ["a", "b"]
    logger.assert_complete()


# 04
@pytest.mark.parametrize("config", [{"temperature": 0.5}, types.GenerateContentConfig(temperature=0.5)], ids=type)
async def test_a_config_may_be_a_dict_or_an_object(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, config: Any
) -> None:
    gemini.says(response("ok"))
    await side.generate(client, config=config)
    assert logger.trace.generation.model_parameters == {"temperature": 0.5}


# 05
async def test_a_chat_logs_its_generations(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    await side.send(side.chats(client).create(model=MODEL), "Hi")
    assert logger.trace.generation.text == "ok"
    assert logger.trace.generation.model_parameters == {}


# 06
async def test_each_turn_of_a_chat_is_a_trace_ended_once_in_one_session(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("one"), response("two"))
    chat = side.chats(client).create(model=MODEL)
    await side.send(chat, "first")
    await side.send(chat, "second")
    chat.end_trace()
    chat.end_trace()
    logger.assert_complete(strict=True)
    assert [(trace.name, trace.input, trace.output) for trace in logger.session.traces] == [
        ("Chat turn", "first", "one"),
        ("Chat turn", "second", "two"),
    ]


# 07
async def test_a_message_takes_a_config_by_name_or_place_and_a_name_in_its_place(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    chat = side.chats(client).create(model=MODEL)
    await side.send(chat, "Hi", config={"temperature": 0.1})
    await side.send(chat, "Hi", {"temperature": 0.2})
    await side.send(chat, "Hi", "greeting")
    await side.send(chat, "Hi", generation_name="greeting again")
    sent = [request.get("generationConfig", {}).get("temperature") for request in gemini.requests]
    assert sent == [0.1, 0.2, None, None]
    assert [one.name for one in logger.generations] == [None, None, "greeting", "greeting again"]


# 08, 10
async def test_an_async_chat_takes_a_trace_and_streams(
    gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.streams(*chunks("a", "b"))
    logger.trace({"id": "mine"})
    chat = client.aio.chats.create(model=MODEL, trace_id="mine")
    for _ in range(2):
        assert [text_of(chunk) async for chunk in await chat.send_message_stream("Hi")] == ["a", "b"]
    assert isinstance(client.aio.chats, AsyncChats)
    assert isinstance(chat, AsyncChat)
    assert [one.text for one in logger.trace.generations] == ["ab", "ab"]
    assert not logger.trace.ended


# 09
async def test_async_chats_can_be_wrapped_by_hand(raw: genai.Client, gemini: Gemini, logger: FakeLogger) -> None:
    gemini.says(response("ok"))
    chat = MaximGeminiAsyncChats(raw.aio.chats, logger).create(model=MODEL)
    assert isinstance(chat, MaximGeminiAsyncChatSession)
    assert text_of(await chat.send_message("Hi")) == "ok"
    by_hand = MaximGeminiAsyncChatSession(raw.aio.chats.create(model=MODEL), logger, "first", True)
    await by_hand.send_message("Hi")
    assert by_hand.trace_id == "first"
    await by_hand.send_message("Hi again")
    assert by_hand.trace_id != "first"
    assert [trace.ended for trace in logger.traces] == [True, True, True]


# 11
async def test_an_error_ends_the_generation_and_the_trace(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.fails(400, "INVALID_ARGUMENT", "bad")
    with pytest.raises(errors.ClientError) as raised:
        await side.generate(client)
    assert raised.value.code == 400
    assert logger.trace.ended
    assert logger.trace.generation.error is not None
    assert logger.trace.generation.error.message == "bad"
    logger.assert_complete()


# 12
async def test_the_turns_of_the_model_are_the_assistants(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    history = [types.UserContent("q"), types.ModelContent("a"), types.UserContent("q2")]
    await side.generate(client, history)
    roles = [(one["role"], one["content"]) for one in logger.trace.generation.messages]
    assert roles == [("user", "q"), ("assistant", "a"), ("user", "q2")]
    assert logger.trace.input == "q2"


# 13
async def test_no_part_becomes_an_empty_message(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    contents = [
        {"text": "a dict"},
        types.Part.from_bytes(data=b"png", mime_type="image/png"),
        types.Part.from_uri(file_uri="gs://bucket/film.mp4", mime_type="video/mp4"),
    ]
    await side.generate(client, contents)
    generation = logger.trace.generation
    said = "a dict[image/png, 3 bytes][video/mp4, gs://bucket/film.mp4]"
    assert [one["content"] for one in generation.messages] == [said]
    assert [(one.type, one.mime_type, one.url) for one in generation.attachments] == [
        ("file_data", "image/png", None),
        ("url", "video/mp4", "gs://bucket/film.mp4"),
    ]


# 14
async def test_usage_is_what_the_api_counted(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    counted = usage(7, 5, thoughtsTokenCount=3)
    gemini.says({**response("ok"), "usageMetadata": {**counted, "cachedContentTokenCount": 4}})
    await side.generate(client)
    assert logger.trace.generation.usage == {
        "prompt_tokens": 7,
        "completion_tokens": 8,
        "total_tokens": 15,
        "input_token_details": {"cached_tokens": 4},
        "output_token_details": {"reasoning_tokens": 3},
        "cached_token_details": {"cached_tokens": 4},
    }


async def test_usage_of_a_stream_is_the_last_count_not_the_sum(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    pieces = [{**chunk, "usageMetadata": usage(7, count)} for count, chunk in enumerate(chunks("a", "b", "c"), 1)]
    gemini.streams(*pieces)
    await side.read(await side.open(client))
    assert logger.trace.generation.usage == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


# 15
async def test_a_chunk_with_usage_alone_harms_nothing(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.streams(*chunks("a"), {"usageMetadata": usage(1, 1)})
    assert len(await side.read(await side.open(client))) == 2
    logger.assert_complete()
    assert (logger.trace.output, logger.trace.generation.usage["total_tokens"]) == ("a", 2)


# 16
async def test_a_function_call_is_in_the_result_and_an_entity_with_one_id(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("find", city="Paris")))
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="find", description="Finds.")])
    await side.generate(client, config=types.GenerateContentConfig(tools=[tool]))
    generation = logger.trace.generation
    (requested,) = generation.tool_calls
    assert (requested.name, requested.arguments) == ("find", {"city": "Paris"})
    entity: ToolCall = logger.trace.tool_call
    assert (entity.id, entity.name, entity.arguments, entity.ended) == (requested.id, "find", {"city": "Paris"}, False)
    declared = {"function_declarations": [{"name": "find", "description": "Finds."}]}
    assert generation.model_parameters["tools"] == [declared]
    logger.assert_complete()


# 17
async def test_thoughts_are_not_part_of_the_answer(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response({"text": "THINKING", "thought": True}, "answer"))
    await side.generate(client)
    assert (logger.trace.output, logger.trace.generation.text) == ("answer", "answer")
    assert logger.trace.generation.metadata["thoughts"] == "THINKING"


# 18
@pytest.mark.parametrize("streamed", [False, True])
async def test_every_candidate_keeps_its_index(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, streamed: bool
) -> None:
    both = {
        **response("a"),
        "candidates": [response("a")["candidates"][0], {**response("b")["candidates"][0], "index": 1}],
    }
    if streamed:
        gemini.streams(both, {**response("B"), "candidates": [{**response("B")["candidates"][0], "index": 1}]})
        await side.read(await side.open(client))
    else:
        gemini.says(both)
        await side.generate(client)
    choices = logger.trace.generation.choices
    expected = [(0, "a"), (1, "bB" if streamed else "b")]
    assert [(one["index"], one["message"]["content"]) for one in choices] == expected


# 19
async def test_a_blocked_prompt_says_so(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    rating = {"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}
    feedback = {"blockReason": "SAFETY", "safetyRatings": [rating]}
    gemini.says({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}})
    await side.generate(client)
    generation = logger.trace.generation
    assert [(one["message"]["content"], one["finish_reason"]) for one in generation.choices] == [(None, "SAFETY")]
    assert generation.metadata["block_reason"] == "SAFETY"
    assert generation.metadata["prompt_safety_ratings"] == [rating]
    assert logger.trace.output == "[blocked: SAFETY]"


# 20
@pytest.mark.parametrize("as_object", [False, True])
async def test_our_headers_are_honoured_and_never_sent(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, as_object: bool
) -> None:
    gemini.says(response("ok"))
    headers = {
        "X-Maxim-Trace-Id": "mine",
        "x-maxim-session-id": "talk",
        "x-maxim-generation-name": "greeting",
        "x-maxim-trace-tags": '{"team": "search"}',
        "x-maxim-generation-tags": '{"try": 2}',
        "x-other": "stays",
    }
    config: Any = {"http_options": {"headers": headers}}
    given = types.GenerateContentConfig(**config) if as_object else config
    before = copy.deepcopy(given)
    await side.generate(client, config=given)
    assert given == before
    assert not [name for name in gemini.headers[0] if name.startswith("x-maxim")]
    assert gemini.headers[0]["x-other"] == "stays"
    trace = logger.trace
    assert (trace.id, trace.session_id, trace.tags, trace.ended) == ("mine", "talk", {"team": "search"}, False)
    assert (trace.generation.name, trace.generation.tags) == ("greeting", {"try": "2"})
    assert trace.generation.model_parameters == {}


# 21
async def test_dropping_a_wrapper_leaves_the_client_open(raw: genai.Client, gemini: Gemini, logger: FakeLogger) -> None:
    gemini.says(response("ok"))
    wrapper = MaximGeminiClient(raw, logger)
    wrapper.models.generate_content(model=MODEL, contents="Hi")
    del wrapper
    gc.collect()
    assert text_of(raw.models.generate_content(model=MODEL, contents="Hi")) == "ok"


# 22
async def test_two_loggers_over_one_client_do_not_see_each_other(
    side: Sync, raw: genai.Client, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    other = FakeLogger()
    before = set(vars(raw)), set(vars(raw.aio)), set(vars(raw.aio.models))
    first, second = MaximGeminiClient(raw, logger), MaximGeminiClient(raw, other)
    await side.generate(second)
    await side.generate(first)
    await side.generate(first)
    assert (len(logger.traces), len(other.traces)) == (2, 1)
    assert (set(vars(raw)), set(vars(raw.aio)), set(vars(raw.aio.models))) == before


# 23
async def test_a_known_trace_is_never_created_again_an_unknown_one_once(
    side: Sync, raw: genai.Client, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    logger.trace({"id": "mine", "name": "my request"})
    client = MaximGeminiClient(raw, logger)
    logger.trace({"id": "later", "name": "another"})
    for trace_id in ("mine", "later", "unseen", "unseen", "mine"):
        await side.generate(client, trace_id=trace_id)
    created = [log.entity_id for log in logger.logs if log.action == "create"]
    assert created == ["mine", "later", "unseen"]
    assert [len(trace.generations) for trace in logger.traces] == [2, 1, 2]


# 24
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_local_trace_has_input_and_output_a_callers_trace_keeps_its_own(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, streamed: bool
) -> None:
    logger.trace({"id": "mine", "input": "asked", "name": "my request"})
    for trace_id in (None, "mine"):
        if streamed:
            gemini.streams(*chunks("hello ", "world"))
            await side.read(await side.open(client, "hey", trace_id=trace_id))
        else:
            gemini.says(response("hello world"))
            await side.generate(client, "hey", trace_id=trace_id)
    mine, local = sorted(logger.traces, key=lambda trace: trace.id != "mine")
    assert (local.input, local.output, local.ended) == ("hey", "hello world", True)
    assert (mine.input, mine.output, mine.ended) == ("asked", None, False)


# 25, 31
async def test_every_function_of_every_round_is_a_tool_call_with_its_result(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(
        response(call("add", left=1, right=2), call("add", left=3, right=4)),
        response(call("add", left=3, right=7)),
        response("ten"),
    )
    await side.generate(client, config={"tools": [add]})
    assert [(one.arguments, one.result) for one in logger.trace.tool_calls] == [
        ({"left": 1, "right": 2}, "3"),
        ({"left": 3, "right": 4}, "7"),
        ({"left": 3, "right": 7}, "10"),
    ]
    assert {one.description for one in logger.trace.tool_calls} == {"Add two numbers."}
    assert [len(one.tool_calls) for one in logger.trace.generations] == [2, 1, 0]
    ids = [one.id for generation in logger.trace.generations for one in generation.tool_calls]
    assert ids == [one.id for one in logger.trace.tool_calls]
    assert logger.trace.output == "ten"
    logger.assert_complete(strict=True)


# 26
@pytest.mark.parametrize(
    "message",
    [types.Part(text="Hi"), {"text": "Hi"}, [{"text": "Hi"}], ["Hi"], [types.Part(text="Hi")], "Hi"],
    ids=["part", "dict", "dicts", "texts", "parts", "text"],
)
async def test_a_message_may_have_any_form(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, raw: genai.Client, message: Any
) -> None:
    gemini.says(response("ok"))
    try:
        await side.send(side.chats(raw).create(model=MODEL), message)
    except ValueError:
        pytest.skip("this google-genai does not take it either")
    await side.send(side.chats(client).create(model=MODEL), message)
    assert logger.trace.generation.messages == [{"role": "user", "content": "Hi"}]
    assert logger.trace.input == "Hi"


# 27
async def test_a_wrapper_can_be_copied_and_refuses_to_be_pickled_as_the_client_does(
    raw: genai.Client, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    wrapper = MaximGeminiClient(raw, logger)
    for original in (wrapper, wrapper.models, wrapper.chats, wrapper.aio, wrapper.aio.models, wrapper.aio.chats):
        assert isinstance(copy.copy(original), type(original))
    copy.copy(wrapper).models.generate_content(model=MODEL, contents="Hi")
    assert len(logger.traces) == 1
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(raw)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(wrapper)


# 28
async def test_the_wrapper_causes_no_warning_of_the_sdk(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The bare client goes first: google-genai warns of some things once a process, whoever asks."""
    gemini.says(response(call("find"), {"executableCode": {"language": "PYTHON", "code": "1"}}))
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="find")])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await side.generate(raw, config={"tools": [tool]})
        caplog.clear()
        await side.generate(client, config={"tools": [tool]})
        await side.generate(client, config={"tools": [tool], "http_options": {"headers": {"x-maxim-trace-id": "t"}}})
    assert caplog.messages == []


# 29
async def test_nothing_deprecated_of_maxim_is_used(side: Sync, gemini: Gemini, client: MaximGeminiClient) -> None:
    gemini.says(response("ok"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await side.send(side.chats(client).create(model=MODEL), "Hi")
        await side.generate(client)
    assert [str(one.message) for one in caught if "maxim" in str(one.filename) or "removed" in str(one.message)] == []


# 30
async def test_headers_and_keys_are_no_parameters(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    config = {"temperature": 0.1, "http_options": {"headers": {"authorization": "Bearer SECRET"}}}
    await side.generate(client, config=config)
    await side.send(side.chats(client).create(model=MODEL, config=config), "Hi")
    assert [one.model_parameters for one in logger.generations] == [{"temperature": 0.1}] * 2
    assert "SECRET" not in "".join(log.serialize() for log in logger.logs)
