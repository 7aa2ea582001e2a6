"""Function results of several users over one logger: each arrives in its own trace, or in none.

The applications keep their histories as JSON, so that no object of a response comes back with the result.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.script import Gemini, call, response
from support.sides import MODEL, Sync

if TYPE_CHECKING:
    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

CONFIG = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[{"name": "weather"}])])  # type: ignore[list-item]


def rebuilt(requested: Any, result: str, response_id: str | None = None) -> list[Any]:
    """Return the history that an application has kept as JSON, with the result of the function."""
    answer = {"name": "weather", "response": {"result": result}, **({"id": response_id} if response_id else {})}
    return [
        {"role": "user", "parts": [{"text": "weather?"}]},
        requested.candidates[0].content.model_dump(exclude_none=True),
        {"role": "user", "parts": [{"function_response": answer}]},
    ]


def in_session(session_id: str) -> types.GenerateContentConfig:
    options = types.HttpOptions(headers={"x-maxim-session-id": session_id})
    return CONFIG.model_copy(update={"http_options": options})


def results(logger: FakeLogger) -> dict[str, list[str | None]]:
    return {trace.id: [one.result for one in trace.tool_calls] for trace in logger.traces if trace.tool_calls}


@pytest.mark.parametrize("call_id", [None, "call-1", "call:1"], ids=["no id", "the same id", "the same invalid id"])
async def test_a_result_arrives_in_the_trace_that_the_application_names(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, call_id: str | None
) -> None:
    gemini.says(response(call("weather", call_id, city="Paris")))
    requested = {user: await side.generate(client, "weather?", config=CONFIG, trace_id=user) for user in ("a", "b")}
    gemini.forget()
    gemini.says(response("done"))
    for user in ("b", "a"):
        contents = rebuilt(requested[user], f"of {user}", call_id)
        await side.generate(client, contents, config=CONFIG, trace_id=user)
        await side.generate(client, contents, config=CONFIG, trace_id=user)  # tried again
    assert results(logger) == {"a": ["of a"], "b": ["of b"]}


async def test_a_result_arrives_in_the_session_of_its_headers(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("weather", city="Paris")))
    requested = {user: await side.generate(client, "weather?", config=in_session(user)) for user in ("a", "b")}
    gemini.forget()
    gemini.says(response("done"))
    for user in ("b", "a"):
        await side.generate(client, rebuilt(requested[user], f"of {user}"), config=in_session(user))
    by_session = {session.id: [one.result for one in session.traces[0].tool_calls] for session in logger.sessions}
    assert by_session == {"a": ["of a"], "b": ["of b"]}


@pytest.mark.parametrize("call_id", [None, "call-1"], ids=["no id", "the same id"])
async def test_what_can_only_be_guessed_is_not_written_into_any_trace(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, call_id: str | None
) -> None:
    gemini.says(response(call("weather", call_id, city="Paris")))
    requested = [await side.generate(client, "weather?", config=CONFIG) for _ in range(2)]
    gemini.forget()
    gemini.says(response("done"))
    await side.generate(client, rebuilt(requested[1], "of b", call_id), config=CONFIG)
    assert [one.result for one in logger.tool_calls] == [None, None]


async def test_an_id_that_came_again_is_no_evidence_even_when_one_call_is_left(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("weather", "call-1", city="Paris")))
    of_a = await side.generate(client, "weather?", config=CONFIG, trace_id="a")
    await side.generate(client, "weather?", config=CONFIG, trace_id="b")
    gemini.forget()
    gemini.says(response("done"))
    for trace_id in ("a", "elsewhere"):  # the second as a background job would do
        await side.generate(client, rebuilt(of_a, "of a", "call-1"), config=CONFIG, trace_id=trace_id)
    assert results(logger) == {"a": ["of a"], "b": [None]}


async def test_an_id_of_its_own_leads_to_the_call_from_any_trace(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("weather", "dv8szvqe", city="Paris")), response(call("weather", "x1", city="Paris")))
    requested = [await side.generate(client, "weather?", config=CONFIG) for _ in range(2)]
    gemini.forget()
    gemini.says(response("done"))
    await side.generate(client, rebuilt(requested[1], "of b", "x1"), config=CONFIG)
    await side.generate(client, rebuilt(requested[0], "of a", "dv8szvqe"), config=CONFIG)
    assert [one.result for one in logger.tool_calls] == ["of a", "of b"]


async def test_the_very_object_leads_to_the_call_whatever_its_id(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("weather", "call-1", city="Paris")))
    requested = [await side.generate(client, "weather?", config=CONFIG) for _ in range(2)]
    gemini.forget()
    gemini.says(response("done"))
    for one, result in ((requested[1], "of b"), (requested[0], "of a")):
        answer = types.FunctionResponse(id="call-1", name="weather", response={"result": result})
        told = types.Content(role="user", parts=[types.Part(function_response=answer)])
        await side.generate(client, [one.candidates[0].content, told], config=CONFIG)
    assert [one.result for one in logger.tool_calls] == ["of a", "of b"]


async def test_two_chats_take_their_own_results(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("weather", "call-1", city="Paris")))
    chats = {user: side.chats(client).create(model=MODEL, config=CONFIG, session_id=user) for user in ("a", "b")}
    for chat in chats.values():
        await side.send(chat, "weather?")
    gemini.forget()
    gemini.says(response("done"))
    for user in ("b", "a"):
        answer = types.FunctionResponse(id="call-1", name="weather", response={"result": f"of {user}"})
        await side.send(chats[user], types.Part(function_response=answer))
    by_session = {session.id: [one.result for one in session.traces[0].tool_calls] for session in logger.sessions}
    assert by_session == {"a": ["of a"], "b": ["of b"]}


async def test_users_at_the_same_time_do_not_mix(gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger) -> None:
    users = [f"user-{number}" for number in range(20)]
    gemini.says(response(call("weather", city="Paris")))
    generate = client.aio.models.generate_content

    async def ask(user: str) -> Any:
        return await generate(model=MODEL, contents="weather?", config=CONFIG, trace_id=user)

    async def answer(user: str, requested: Any) -> None:
        await generate(model=MODEL, contents=rebuilt(requested, f"of {user}"), config=CONFIG, trace_id=user)

    requested = await asyncio.gather(*map(ask, users))
    gemini.forget()
    gemini.says(response("done"))
    await asyncio.gather(*map(answer, reversed(users), reversed(requested)))
    assert results(logger) == {user: [f"of {user}"] for user in users}
