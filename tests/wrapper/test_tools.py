"""Function calls: run by the SDK, or answered by the application."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.functions import Counter, LockedCounter, add, add_async, divide
from support.script import Gemini, call, chunks, response
from support.sides import MODEL, Sync

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

FIND = types.Tool(function_declarations=[types.FunctionDeclaration(name="find", description="Finds.")])


def answer(name: str, answer_id: str | None = None, **result: Any) -> types.Part:
    return types.Part(function_response=types.FunctionResponse(name=name, id=answer_id, response=result))


async def use(side: Sync, client: Any, how: str, config: Any, contents: Any = "Add") -> Any:
    """Make one call in one of four ways; return what was said."""
    if how == "models":
        return [await side.generate(client, contents, config=config)]
    if how == "models streamed":
        return await side.read(await side.open(client, contents, config=config))
    chat = side.chats(client).create(model=MODEL, config=config)
    if how == "chat":
        return [await side.send(chat, contents)]
    return await side.read(await side.open_turn(chat, contents))


WAYS = ["models", "models streamed", "chat", "chat streamed"]


def script(gemini: Gemini, how: str, *rounds: dict[str, Any]) -> None:
    for one in rounds:
        if "streamed" in how:
            gemini.streams(one)
        else:
            gemini.says(one)


@pytest.mark.parametrize("how", WAYS)
async def test_rounds_are_generations_and_runs_are_tool_calls_wherever_the_sdk_loops(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger, how: str
) -> None:
    config = {"tools": [add_async if side.is_async else add]}
    before = copy.copy(config["tools"])
    asked = response(call(before[0].__name__, left=1, right=2)), response(call(before[0].__name__, left=3, right=4))
    script(gemini, how, *asked, response("done"), *asked, response("done"))

    bare = await use(side, raw, how, config)
    bare_requests, gemini.requests = gemini.requests, []
    wrapped = await use(side, client, how, config)

    assert gemini.requests == bare_requests
    assert [one.model_dump(exclude={"sdk_http_response"}) for one in wrapped] == [
        one.model_dump(exclude={"sdk_http_response"}) for one in bare
    ]
    assert config["tools"] == before
    logger.assert_complete(strict=not how.startswith("chat"))
    assert [(one.arguments, one.result) for one in logger.trace.tool_calls] == [
        ({"left": 1, "right": 2}, "3"),
        ({"left": 3, "right": 4}, "7"),
    ]
    assert len(logger.trace.generations) == 3
    assert logger.trace.output == "done"
    assert all(one.duration is not None for one in logger.trace.tool_calls)


@pytest.mark.parametrize("how", WAYS)
async def test_a_function_that_fails_is_a_tool_call_with_an_error(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, how: str
) -> None:
    script(gemini, how, response(call("divide", left=1, right=0)), response("sorry"))
    await use(side, client, how, {"tools": [divide]})
    tool_call = logger.trace.tool_call
    assert tool_call.error is not None
    assert (tool_call.error.type, "division" in tool_call.error.message) == ("ZeroDivisionError", True)
    assert gemini.requests[1]["contents"][-1]["parts"][0]["functionResponse"]["response"].keys() == {"error"}
    logger.assert_complete()


async def test_arguments_that_do_not_fit_are_an_error_of_the_tool_call(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("add", left="one", right=2)), response("sorry"))
    await side.generate(client, config={"tools": [add]})
    assert logger.trace.tool_call.error is not None
    assert "one" in logger.trace.tool_call.error.message
    logger.assert_complete(strict=True)


@pytest.mark.parametrize("kind", [Counter, LockedCounter])
async def test_a_method_runs_on_the_same_object_as_with_the_bare_client(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, kind: type[Counter]
) -> None:
    """The SDK copies the object before the call, and fails where that can't be done; that is its own affair."""

    async def outcome(either: Any) -> Any:
        counter = kind()
        gemini.forget()
        gemini.says(response(call("count", by=2)), response("two"))
        try:
            await side.generate(either, "Count", config={"tools": [counter.count]})
        except TypeError as error:
            return str(error), counter.total
        return counter.total

    assert await outcome(client) == await outcome(raw)


async def test_a_call_beyond_the_last_round_stays_with_the_application(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("add", left=1, right=2)))
    limit = types.AutomaticFunctionCallingConfig(maximum_remote_calls=1)
    config = types.GenerateContentConfig(tools=[add], automatic_function_calling=limit)
    await side.generate(client, config=config)
    assert len(logger.trace.generations) == 1
    assert len(logger.trace.tool_calls) == 1
    logger.assert_complete()


@pytest.mark.parametrize("call_id", [None, "call-1"])
async def test_a_call_that_the_application_answers_in_a_chat_ends_with_the_answer(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, call_id: str | None
) -> None:
    gemini.says(response(call("find", call_id, what="tea")), response("found"), response("bye"))
    chat = side.chats(client).create(model=MODEL, config=types.GenerateContentConfig(tools=[FIND]))
    await side.send(chat, "Find tea")
    first = logger.traces[0].tool_call
    assert (first.ended, first.arguments) == (False, {"what": "tea"})
    if call_id:
        assert first.id == call_id
    await side.send(chat, answer("find", call_id, output={"shelf": 3}))
    await side.send(chat, "Bye")
    logger.assert_complete()
    assert len(logger.tool_calls) == 1
    assert (logger.tool_calls[0].ended, logger.tool_calls[0].result) == (True, '{"shelf": 3}')
    tool_message = logger.generations[1].messages[-1]
    assert (tool_message["role"], tool_message["tool_call_id"]) == ("tool", first.id)
    assert logger.traces[1].input == '{"shelf": 3}'


async def test_several_calls_without_ids_are_answered_by_name_and_order(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("find", what="tea"), call("find", what="milk"), call("buy", what="tea")), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    asked = await side.generate(client, "Go", config=config)
    contents = [
        types.UserContent("Go"),
        asked.candidates[0].content,
        types.Content(role="user", parts=[answer("find", output=1), answer("buy", output=3), answer("find", output=2)]),
    ]
    await side.generate(client, contents, config=config)
    await side.generate(client, contents, config=config)  # said again, as histories are: ended once all the same
    assert [(one.name, one.arguments["what"], one.result) for one in logger.tool_calls] == [
        ("find", "tea", "1"),
        ("find", "milk", "2"),
        ("buy", "tea", "3"),
    ]
    logger.assert_complete()


async def test_an_answer_of_the_application_may_be_an_error(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("find")), response("sorry"))
    chat = side.chats(client).create(model=MODEL, config=types.GenerateContentConfig(tools=[FIND]))
    await side.send(chat, "Find tea")
    await side.send(chat, answer("find", error="no shop"))
    assert logger.tool_calls[0].error is not None
    assert logger.tool_calls[0].error.message == "no shop"


async def test_functions_run_while_a_stream_goes_on(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """Gemini 3 sends one call per chunk, and the SDK runs it before it reads on."""
    calls = [response(call("add", left=left, right=1), reason=None) for left in (1, 2)]
    gemini.streams(*calls, response("")).streams(*chunks("do", "ne"))
    chat = side.chats(client).create(model=MODEL, config={"tools": [add]})
    read = await side.read(await side.open_turn(chat, "Add"))
    assert [one.result for one in logger.trace.tool_calls] == ["2", "3"]
    goes_on = (
        len(gemini.requests) == 2
    )  # google-genai before 1.35 forgets the results when a chunk without calls follows
    assert logger.trace.output == ("done" if goes_on else "")
    assert len(read) == (5 if goes_on else 1)
    logger.assert_complete()


async def test_a_call_without_an_id_may_be_answered_under_one_of_its_own_making(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """Frameworks (pydantic-ai, say) give such a call an id, and answer the call under it."""
    gemini.says(response(call("find", what="tea"), call("find", what="milk")), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    await side.generate(client, "Go", config=config)
    calls = [
        types.Part(function_call=types.FunctionCall(id=f"own-{what}", name="find", args={"what": what}))
        for what in ("milk", "tea")
    ]
    answers = [answer("find", "own-milk", output="white"), answer("find", "own-tea", output="green")]
    contents = [types.Content(role="model", parts=calls), types.Content(role="user", parts=answers)]
    await side.generate(client, contents, config=config)
    assert [(one.arguments["what"], one.result) for one in logger.tool_calls] == [("tea", "green"), ("milk", "white")]
    logger.assert_complete(strict=True)


async def test_an_id_that_gemini_gave_is_answered_by_that_id_alone(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("find", "given", what="tea")), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    await side.generate(client, "Go", config=config)
    await side.generate(
        client, [types.Content(role="user", parts=[answer("find", "another", output=1)])], config=config
    )
    assert logger.tool_calls[0].ended is False
    await side.generate(client, [types.Content(role="user", parts=[answer("find", "given", output=2)])], config=config)
    assert logger.tool_calls[0].result == "2"
