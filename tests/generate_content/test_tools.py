"""Function calls: run by the SDK, or answered by the application."""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from google.genai.models import AsyncModels, Models
from support.functions import Counter, LockedCounter, add, add_async, divide
from support.script import Gemini, call, chunks, response
from support.sides import MODEL, Sync
from support.times import in_order

from maxim_gemini._core import tool_calls
from maxim_gemini._core.headers import Labels
from maxim_gemini._core.logger import Log
from maxim_gemini._core.tool_calls import Conversation, FunctionAnswer, RequestedCall, ToolRuns
from maxim_gemini._core.trace import Trace
from maxim_gemini._generate_content.tools import describe_result
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from google import genai

    from maxim_gemini import MaximGeminiClient

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
    requested = response(call(before[0].__name__, left=1, right=2)), response(call(before[0].__name__, left=3, right=4))
    script(gemini, how, *requested, response("done"), *requested, response("done"))

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


class Leave(BaseException):
    """Not an error that google-genai would tell the model of."""


@pytest.mark.parametrize("how", WAYS)
async def test_an_exception_that_leaves_a_function_and_the_call_is_logged_once(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, how: str
) -> None:
    """On the trace, after an answer that was a success; a stream's has not ended yet when the function runs."""

    def leave() -> str:
        raise Leave("enough")

    script(gemini, how, response(call("leave")))
    with pytest.raises(Leave):
        await use(side, client, how, {"tools": [leave]})
    of_the_generation = [logger.generation.error] if logger.generation.error else []
    of_the_trace = list(logger.trace.noted_errors)
    assert [(error.message, error.type) for error in of_the_generation + of_the_trace] == [("enough", "Leave")]
    assert bool(of_the_generation) is ("streamed" in how)
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
    requested = await side.generate(client, "Go", config=config)
    contents = [
        types.UserContent("Go"),
        requested.candidates[0].content,
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
    await side.generate(client, "Go", config=config, trace_id="t")
    calls = [
        types.Part(function_call=types.FunctionCall(id=f"own-{what}", name="find", args={"what": what}))
        for what in ("milk", "tea")
    ]
    answers = [answer("find", "own-milk", output="white"), answer("find", "own-tea", output="green")]
    contents = [types.Content(role="model", parts=calls), types.Content(role="user", parts=answers)]
    await side.generate(client, contents, config=config, trace_id="t")
    assert [(one.arguments["what"], one.result) for one in logger.tool_calls] == [("tea", "green"), ("milk", "white")]
    assert all(one.ended for one in logger.tool_calls)


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


# Whose answer it is.


def turns(*calls: types.FunctionCall, answers: list[types.Part]) -> list[types.Content]:
    parts = [types.Part(function_call=one) for one in calls]
    return [types.Content(role="model", parts=parts), types.Content(role="user", parts=answers)]


async def test_the_same_call_made_twice_is_answered_in_whichever_order_the_application_likes(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("find", what="tea")), response(call("find", what="tea")), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    requested = [await side.generate(client, "Go", config=config) for _ in range(2)]
    for one, result in zip(reversed(requested), ("second", "first"), strict=True):
        reported = types.Content(role="user", parts=[answer("find", output=result)])
        await side.generate(client, [one.candidates[0].content, reported], config=config)
    assert [one.result for one in logger.tool_calls] == ["first", "second"]
    logger.assert_complete(strict=True)


@pytest.mark.parametrize(
    ("what", "expected"),
    [(None, "green"), ("tea", "green"), ("milk", None)],
    ids=["the answer alone", "with its call", "with another call"],
)
async def test_an_answer_is_for_the_call_that_it_comes_with_else_for_its_function(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, what: str | None, expected: str | None
) -> None:
    gemini.says(response(call("find", what="tea")), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    await side.generate(client, "Go", config=config, trace_id="t")
    made = types.FunctionCall(name="find", args={"what": what})
    contents = turns(made, answers=[answer("find", output="green")])
    await side.generate(client, contents if what else contents[1:], config=config, trace_id="t")
    assert (logger.tool_calls[0].result, logger.tool_calls[0].ended) == (expected, expected is not None)


async def test_an_answer_for_another_function_is_not_taken(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("find", what="tea")), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    await side.generate(client, "Go", config=config)
    await side.generate(client, [types.Content(role="user", parts=[answer("buy", output=1)])], config=config)
    assert not logger.tool_calls[0].ended


@pytest.mark.parametrize("call_id", ["call:1", "call-1"], ids=["no id for Maxim", "an id that Maxim knows"])
async def test_a_call_known_to_maxim_by_another_id_is_answered_by_its_own(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, call_id: str
) -> None:
    """The application may have written it down, and made it anew."""
    logger.trace({"id": "call-1"}).end()
    gemini.says(response(call("find", call_id, what="tea"), call("find", "other", what="tea")), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    await side.generate(client, "Go", config=config)
    assert call_id not in [one.id for one in logger.tool_calls]
    made = types.FunctionCall(id=call_id, name="find", args={"what": "tea"})
    await side.generate(client, turns(made, answers=[answer("find", call_id, output="green")]), config=config)
    assert [one.result for one in logger.tool_calls] == ["green", None]


async def test_the_oldest_of_very_many_unanswered_calls_are_forgotten(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_calls, "_REMEMBERED", 2)
    requested = [call("find", f"call-{number}", number=number) for number in range(3)]
    gemini.says(*map(response, requested), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    for _ in requested:
        await side.generate(client, "Go", config=config)
    for number in range(3):
        fields = types.Content(role="user", parts=[answer("find", f"call-{number}", output=number)])
        await side.generate(client, [fields], config=config)
    assert [one.result for one in logger.tool_calls] == [None, "1", "2"]


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"error": "no shop"}, "no shop"),
        ({"error": {"code": 3}}, '{"code": 3}'),
        ({"error": "no shop", "output": 1}, None),
        ({"output": "ok"}, None),
        ({}, None),
    ],
    ids=str,
)
async def test_an_answer_is_an_error_where_that_is_all_it_says(
    side: Sync,
    gemini: Gemini,
    client: MaximGeminiClient,
    logger: FakeLogger,
    reported: dict[str, Any],
    expected: str | None,
) -> None:
    gemini.says(response(call("find")), response("sorry"))
    chat = side.chats(client).create(model=MODEL, config=types.GenerateContentConfig(tools=[FIND]))
    await side.send(chat, "Find tea")
    await side.send(chat, answer("find", **reported))
    error = logger.tool_calls[0].error
    assert (error and error.message) == expected
    if error:
        assert logger.tool_calls[0].data["error"] == {"message": expected, "code": "", "type": ""}
    assert (logger.tool_calls[0].result is None) == (expected is not None)
    logger.assert_complete()


# What is said of a run.


@pytest.mark.parametrize("how", WAYS)
async def test_a_run_lasts_from_its_beginning_to_its_end_and_has_the_functions_documentation(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, how: str
) -> None:
    def plain(left: int):  # type: ignore[no-untyped-def]
        return left

    plain.__annotations__["left"] = int
    script(gemini, how, response(call("add", left=1, right=2), call("plain", left=1)), response("done"))
    await use(side, client, how, {"tools": [add, plain]})
    asking, telling = logger.trace.generations
    first, second = logger.trace.tool_calls
    assert (first.description, second.description or "") == ("Add two numbers.", "")
    if "streamed" not in how:  # a stream is read on after the functions have run
        assert in_order(asking.ended_at, first.started_at)
    assert in_order(first.started_at, first.ended_at, second.started_at, second.ended_at, telling.started_at)
    begun = [log.data["startTimestamp"] for log in logger.logs if log.data and log.action == "add-tool-call"]
    assert all(at.tzinfo is not None for at in begun)
    logger.assert_complete()


async def test_a_call_that_no_one_ran_began_when_it_was_requested(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.streams(response(call("find", what="tea"), reason=None), response("?"))
    await side.read(await side.open(client, config=types.GenerateContentConfig(tools=[FIND])))
    generation, tool_call = logger.trace.generation, logger.trace.tool_call
    assert in_order(generation.started_at, tool_call.started_at, generation.ended_at)
    assert (tool_call.ended, tool_call.description or "") == (False, "")
    [begun] = [log.data for log in logger.logs if log.action == "add-tool-call"]
    assert begun is not None
    assert begun["startTimestamp"].tzinfo is not None


async def test_calls_of_several_chunks_all_wait(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    requested = [response(call("find", what=what), reason=None) for what in ("tea", "milk")]
    gemini.streams(*requested, response(""))
    await side.read(await side.open(client, config=types.GenerateContentConfig(tools=[FIND])))
    assert [one.arguments for one in logger.trace.tool_calls] == [{"what": "tea"}, {"what": "milk"}]


class Runs:
    """The function calls of one call of an application, `1` and `2` asked for just now, `0` in an earlier one."""

    def __init__(self, *names: str) -> None:
        self.logger = FakeLogger()
        self.logger.trace({"id": "t"})
        trace, conversation = Trace(Log(self.logger), Labels("t"), "Chat turn"), Conversation()
        self.calls = [types.FunctionCall(name=name, args={}) for name in names]
        requested = [RequestedCall(str(place), one) for place, one in enumerate(self.calls)]
        earlier = ToolRuns(trace, conversation, describe_result)
        earlier.expect(requested[:1])
        earlier.leave()
        self.now = ToolRuns(trace, conversation, describe_result)
        self.now.expect(requested[1:])

    def results(self) -> dict[str, str | None]:
        return {one.id: one.result for one in self.logger.tool_calls}


def test_a_run_is_that_of_its_function_whichever_was_requested_first() -> None:
    runs = Runs("earlier", "find", "buy")
    with runs.now.running("buy", {}) as give_back:
        give_back("bought")
    runs.now.leave()
    assert runs.results() == {"0": None, "1": None, "2": "bought"}


def test_an_answer_to_an_earlier_call_is_not_taken_for_one_of_the_same_function() -> None:
    runs = Runs("find", "find", "buy")
    runs.now.answered([FunctionAnswer(runs.calls[0], None, "find", "tea")])
    runs.now.leave()
    assert runs.results() == {"0": "tea", "1": None, "2": None}


# What the SDK does with the functions may change; these tests do it in its place.


def looping(monkeypatch: pytest.MonkeyPatch, run: Callable[[list[Any]], Any]) -> None:
    """Have one call of the application ask twice, and *run* what it will with the tools in between."""

    def generate(self: Any, *, model: str, contents: Any, config: Any = None) -> Any:
        self._generate_content(model=model, contents=contents)
        run(config["tools"])
        return self._generate_content(model=model, contents=contents)

    async def generate_async(self: Any, *, model: str, contents: Any, config: Any = None) -> Any:
        await self._generate_content(model=model, contents=contents)
        ran = run(config["tools"])
        if hasattr(ran, "__await__"):
            await ran
        return await self._generate_content(model=model, contents=contents)

    monkeypatch.setattr(Models, "generate_content", generate)
    monkeypatch.setattr(AsyncModels, "generate_content", generate_async)


async def test_functions_may_run_in_another_order_than_requested(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(what: str = "all") -> str:
        return f"of {what}"

    def run(tools: list[Any]) -> None:
        assert [tools[0](), tools[0](what="milk"), tools[0](what="tea")] == ["of all", "of milk", "of tea"]

    looping(monkeypatch, run)
    bare = {"functionCall": {"name": "tell"}}
    gemini.says(response(call("tell", what="tea"), call("tell", what="milk"), bare), response("done"))
    await side.generate(client, config={"tools": [tell]})
    runs = {one.arguments.get("what"): one for one in logger.trace.tool_calls}
    assert {what: one.result for what, one in runs.items()} == {None: "of all", "milk": "of milk", "tea": "of tea"}
    assert in_order(runs[None].started_at, runs["milk"].started_at, runs["tea"].started_at)
    logger.assert_complete(strict=True)


async def test_a_function_that_was_not_requested_runs_without_a_trace(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(tools: list[Any]) -> None:
        assert tools[0](left=6, right=3) == 2
        with pytest.raises(ZeroDivisionError):
            tools[0](left=6, right=0)

    looping(monkeypatch, run)
    gemini.says(response("done"))
    await side.generate(client, config={"tools": [divide]})
    assert logger.trace.tool_calls == []
    logger.assert_complete(strict=True)


class Box:
    """An object that can be called, and is no function."""

    def __call__(self, left: int) -> int:
        return left


@pytest.mark.parametrize(
    "config",
    [
        {"seed": 1},
        {"tools": [FIND]},
        {"tools": [Box()]},
        {"tools": [functools.partial(add, left=1)]},
        {"tools": (add,)},
        types.GenerateContentConfig(seed=1),
        types.GenerateContentConfig(tools=[FIND]),
    ],
    ids=lambda config: type(config).__name__,
)
async def test_a_config_without_functions_goes_to_the_sdk_as_it_is(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, monkeypatch: pytest.MonkeyPatch, config: Any
) -> None:
    seen: list[Any] = []
    noting(monkeypatch, seen)
    gemini.says(response("ok"))
    await side.generate(client, config=config)
    assert len(seen) == 1
    assert seen[0] is config


@pytest.mark.parametrize("kind", [dict, types.GenerateContentConfig])
async def test_a_config_with_functions_differs_in_these_alone(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    seen: list[Any] = []
    noting(monkeypatch, seen)
    gemini.says(response("ok"))
    config = kind(tools=[FIND, add], seed=1)
    await side.generate(client, config=config)
    (sent,) = seen
    assert type(sent) is kind
    sent, given = (one if kind is dict else dict(one) for one in (sent, config))
    declared, function = sent.pop("tools")
    assert (declared, function.__wrapped__, function.__name__) == (FIND, add, "add")
    assert given.pop("tools") == [FIND, add]
    assert sent == given


def noting(monkeypatch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    """Note the configs that the SDK is given."""

    def generate(self: Any, *, model: str, contents: Any, config: Any = None) -> Any:
        seen.append(config)
        return self._generate_content(model=model, contents=contents)

    async def generate_async(self: Any, *, model: str, contents: Any, config: Any = None) -> Any:
        seen.append(config)
        return await self._generate_content(model=model, contents=contents)

    monkeypatch.setattr(Models, "generate_content", generate)
    monkeypatch.setattr(AsyncModels, "generate_content", generate_async)


async def test_the_tools_are_those_that_the_sdk_sends(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a session of an MCP server offers is known only then."""
    offered = types.Tool(function_declarations=[types.FunctionDeclaration(name="offered")])

    def generate(self: Any, *, model: str, contents: Any, config: Any = None) -> Any:
        return self._generate_content(model=model, contents=contents, config=config.model_copy(update=sent))

    async def generate_async(self: Any, *, model: str, contents: Any, config: Any = None) -> Any:
        return await self._generate_content(model=model, contents=contents, config=config.model_copy(update=sent))

    sent = {"tools": [offered], "seed": 2}
    monkeypatch.setattr(Models, "generate_content", generate)
    monkeypatch.setattr(AsyncModels, "generate_content", generate_async)
    gemini.says(response("ok"))
    await side.generate(client, config=types.GenerateContentConfig(tools=[FIND], seed=1))
    parameters = logger.generation.model_parameters
    (tool,) = parameters["tools"]
    assert (parameters["seed"], [one["name"] for one in tool["function_declarations"]]) == (1, ["offered"])


class Session:
    """Stands in for a session of an MCP server."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.result: Any = "3"

    async def call_tool(self, name: str, arguments: dict[str, Any] | None = None, *more: Any, **options: Any) -> Any:
        self.asked.append((name, arguments, *more, options))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Result:
    """Stands in for what a tool of an MCP server gives."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __str__(self) -> str:
        return "the result"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session, where all that there is of mcp are stand-ins."""
    modules = {name: ModuleType(name) for name in ("mcp", "mcp.types")}
    monkeypatch.setattr(modules["mcp"], "ClientSession", Session, raising=False)
    monkeypatch.setattr(modules["mcp.types"], "CallToolResult", Result, raising=False)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return Session()


async def test_what_a_session_calls_is_a_tool_call(
    session: Session, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(tools: list[Any]) -> None:
        (stand_in,) = tools
        assert isinstance(stand_in, Session)
        stand_in.note = "kept"  # type: ignore[attr-defined]
        assert vars(session)["note"] == "kept"
        assert await stand_in.call_tool("price", {"item": "milk"}) == "3"
        session.result = "4"
        assert await stand_in.call_tool("price", {"item": "tea"}, 5, meta=1) == "4"
        assert await stand_in.call_tool("all") == "4"

    looping(monkeypatch, run)
    tools: list[Any] = [session]
    requested = call("price", item="tea"), call("price", item="milk"), call("all")
    gemini.says(response(*requested), response("done"))
    await client.aio.models.generate_content(model=MODEL, contents="Go", config={"tools": tools})
    assert session.asked == [
        ("price", {"item": "milk"}, {}),
        ("price", {"item": "tea"}, 5, {"meta": 1}),
        ("all", None, {}),
    ]
    assert [(one.name, one.arguments, one.result, one.description or "") for one in logger.trace.tool_calls] == [
        ("price", {"item": "milk"}, "3", ""),
        ("price", {"item": "tea"}, "4", ""),
        ("all", {}, "4", ""),
    ]
    assert tools == [session]
    logger.assert_complete(strict=True)


@pytest.mark.parametrize("is_error", [True, False])
async def test_a_result_that_cannot_be_written_reaches_the_sdk(
    session: Session,
    gemini: Gemini,
    client: MaximGeminiClient,
    logger: FakeLogger,
    monkeypatch: pytest.MonkeyPatch,
    is_error: bool,
) -> None:
    def unwritable(**_: Any) -> None:
        raise ValueError("not as JSON")

    session.result, got = Result(is_error=is_error, model_dump=unwritable), list[Any]()

    async def run(tools: list[Any]) -> None:
        got.append(await tools[0].call_tool("price", {}))

    looping(monkeypatch, run)
    gemini.says(response(call("price")), response("done"))
    await client.aio.models.generate_content(model=MODEL, contents="Go", config={"tools": [session]})
    assert got == [session.result]
    error = logger.trace.tool_call.error
    assert (error.message if error else logger.trace.tool_call.result) == "[Result that could not be written]"
    assert (error is not None) == is_error


@pytest.mark.parametrize(
    ("result", "fails"),
    [
        (Result(is_error=True), True),
        (Result(isError=True), True),
        (Result(is_error=False, isError=True), False),
        (Result(), False),
        (Box(), False),
        (SimpleNamespace(is_error=True), False),
    ],
    ids=["is_error", "isError", "is_error is False", "nothing said", "no result of mcp", "the likeness of one"],
)
async def test_a_tool_of_a_session_fails_where_its_result_says_so(
    session: Session,
    gemini: Gemini,
    client: MaximGeminiClient,
    logger: FakeLogger,
    monkeypatch: pytest.MonkeyPatch,
    result: Any,
    fails: bool,
) -> None:
    session.result = result
    got: list[Any] = []

    async def run(tools: list[Any]) -> None:
        got.append(await tools[0].call_tool("price", {}))

    looping(monkeypatch, run)
    gemini.says(response(call("price")), response("done"))
    await client.aio.models.generate_content(model=MODEL, contents="Go", config={"tools": [session]})
    assert got == [result]
    error = logger.trace.tool_call.error
    assert (error is not None) == fails
    if error:
        assert logger.trace.tool_call.data["error"] == {"message": '"the result"', "code": "", "type": ""}
        assert logger.trace.tool_call.result is None
    logger.assert_complete(strict=True)


# Media in what functions return.

PNG = b"\x89PNG\r\n\x1a\n123"


@pytest.mark.skipif("parts" not in types.FunctionResponse.model_fields, reason="not in this google-genai")
async def test_media_in_the_answer_of_an_application_is_attached(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    blob = types.FunctionResponseBlob(mime_type="image/png", display_name="cat.png", data=PNG)
    file = types.FunctionResponseFileData(mime_type="application/pdf", file_uri="https://example.com/a.pdf?token=abc")
    parts = [types.FunctionResponsePart(inline_data=blob), types.FunctionResponsePart(file_data=file)]
    reported = types.FunctionResponse(name="find", response={"result": "see"}, parts=parts)
    gemini.says(response(call("find", what="cat")), response("A cat."))
    chat = side.chats(client).create(model=MODEL, config=types.GenerateContentConfig(tools=[FIND]))
    await side.send(chat, "Find the cat")
    await side.send(chat, types.Part(function_response=reported))
    await side.send(chat, "And now?")  # the history again, not its attachments
    text = f"see\n[image/png, {len(PNG)} bytes]\n[application/pdf, https://example.com/a.pdf?token=[redacted]]"
    assert logger.generations[1].messages[-1]["content"] == text
    assert logger.tool_calls[0].result == text
    assert [(one.name, one.mime_type, one.content) for one in logger.generations[1].attachments] == [
        ("cat.png", "image/png", PNG),
        (None, "application/pdf", None),
    ]
    assert not logger.generations[2].attachments


@pytest.mark.parametrize(
    ("returned", "described"),
    [
        (types.Part.from_bytes(data=PNG, mime_type="image/png"), "[image/png, 11 bytes]"),
        (types.Blob(data=PNG, mime_type="image/png"), "[image/png, 11 bytes]"),
        (types.Image(image_bytes=PNG, mime_type="image/png"), "[image/png, 11 bytes]"),
        ({"seen": [types.Part.from_bytes(data=PNG, mime_type="image/png")]}, '{"seen": ["[image/png, 11 bytes]"]}'),
        ({"data": PNG, "mime_type": "image/png"}, "[image/png, 11 bytes]"),
        ([{"type": "image", "data": "iVBORw0KGgoxMjM=", "mimeType": "image/png"}], '["[image/png, 11 bytes]"]'),
    ],
    ids=["part", "blob", "image", "deep inside", "dict", "as an MCP server says it"],
)
async def test_media_that_a_function_returns_is_attached(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, returned: Any, described: str
) -> None:
    def look() -> Any:
        """Look."""
        return returned

    look.__annotations__.clear()
    gemini.says(response(call("look")), response(call("look")), response("A cat."))
    await side.generate(client, config={"tools": [look]})
    assert [one.result for one in logger.trace.tool_calls] == [described] * 2
    assert logger.trace.generations[1].messages[-1]["content"] == described
    assert [one.content for one in logger.generations[1].attachments] == [PNG]
    assert "iVBORw0KGgo" not in repr(logger.as_dict())


async def test_what_a_function_returns_may_contain_itself(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    ring: list[Any] = []
    ring.append(ring)
    gemini.says(response(call("find")), response("ok"))
    config = types.GenerateContentConfig(tools=[FIND])
    requested = await side.generate(client, "Go", config=config)
    reported = types.FunctionResponse.model_construct(name="find", response={"result": ring})
    part = types.Part.model_construct(function_response=reported)
    with contextlib.suppress(Exception):  # the SDK can't send it
        contents = [requested.candidates[0].content, types.Content.model_construct(role="user", parts=[part])]
        await side.generate(client, contents, config=config)
    assert logger.tool_calls[0].result == "[list that could not be written]"


async def test_two_tools_that_wrap_one_function_are_logged_as_two(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    def named(name: str, documentation: str) -> Callable[..., Any]:
        @functools.wraps(add)
        def tool(*args: Any, **kwargs: Any) -> Any:
            return add(*args, **kwargs)

        tool.__name__, tool.__doc__ = name, documentation
        return tool

    gemini.says(response("ok"))
    await side.generate(client, config={"tools": [named("plus", "The first."), named("sum", "The second.")]})
    declared = [tool["function_declarations"][0] for tool in logger.generation.model_parameters["tools"]]
    assert [(one["name"], one["description"]) for one in declared] == [("plus", "The first."), ("sum", "The second.")]
