"""pydantic-ai's `GoogleModel` on a wrapped client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maxim_gemini.testing import FakeLogger, GeminiRecorder, GeminiServer, reply

pydantic_ai = pytest.importorskip("pydantic_ai", reason="pydantic-ai is installed in the environment `frameworks` only")

from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_ai import Agent

    from maxim_gemini import MaximGeminiClient

MODEL = "gemini-2.5-flash"


@pytest.fixture
def agent(client: MaximGeminiClient) -> Agent:
    model = GoogleModel(MODEL, provider=GoogleProvider(client=client))
    return pydantic_ai.Agent(model, system_prompt="Be brief.")


async def test_a_run_is_traced(agent: Agent, server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.text("Paris."))

    result = await agent.run("What is the capital of France?")

    assert result.output == "Paris."
    assert logger.trace.output == "Paris."
    assert logger.generation.messages[0]["role"] == "system"
    logger.assert_complete()


async def test_a_streamed_run_is_traced(agent: Agent, server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.stream("Pa", "ris."))

    async with agent.run_stream("What is the capital of France?") as streamed:
        assert await streamed.get_output() == "Paris."

    assert logger.trace.output == "Paris."
    logger.assert_complete()


async def test_its_tools_are_tool_calls(agent: Agent, server: GeminiServer, logger: FakeLogger) -> None:
    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    server.reply(reply.function_call("weather", city="Paris"), reply.text("It is sunny."))

    one_session = {"extra_headers": {"x-maxim-session-id": "one-run"}}  # each request is a trace of its own
    result = await agent.run("How is the weather in Paris?", model_settings=one_session)
    logger.session_end("one-run")  # who names a session ends it

    assert result.output == "It is sunny."
    assert [generation.finish_reason for generation in logger.generations]
    (call,) = logger.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Paris"})
    assert "sunny in Paris" in str(call.result)
    logger.assert_complete(strict=True)


async def test_a_run_with_tools_replays_though_their_calls_get_other_ids(
    agent: Agent, server: GeminiServer, tmp_path: Path
) -> None:
    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    server.reply(reply.function_call("weather", city="Paris"), reply.text("It is sunny."))
    bodies = list[bytes]()
    for mode in ("once", "none"):
        with GeminiRecorder(tmp_path / "run.yaml", record=mode, base_url=server.url, strict=True) as recorder:
            result = await agent.run("How is the weather in Paris?")
        assert result.output == "It is sunny."
        bodies.append(recorder.requests[-1].body)
    assert bodies[0] != bodies[1]


async def test_an_error_reaches_pydantic_ai(agent: Agent, server: GeminiServer, logger: FakeLogger) -> None:
    server.always(reply.error(503))

    with pytest.raises(pydantic_ai.exceptions.ModelHTTPError, match="503"):
        await agent.run("Hello?")

    assert (error := logger.generations[0].error)
    assert error.code == "503"
    logger.assert_complete()
