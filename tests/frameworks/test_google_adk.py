"""google-adk's agents on a wrapped client."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from google.genai import types

from maxim_gemini.testing import FakeLogger, GeminiServer, reply

pytest.importorskip("google.adk", reason="google-adk is installed in the environment `frameworks` only")

from google.adk.agents import Agent
from google.adk.agents.run_config import StreamingMode
from google.adk.models import Gemini
from google.adk.runners import InMemoryRunner, RunConfig

if TYPE_CHECKING:
    from maxim_gemini import MaximGeminiClient

MODEL = "gemini-2.5-flash"


def weather(city: str) -> dict[str, str]:
    """Tell the weather of a city."""
    return {"report": f"sunny in {city}"}


@pytest.fixture
def agent(client: MaximGeminiClient) -> Agent:
    model = Gemini(model=MODEL, client=client)
    one_session = types.HttpOptions(headers={"x-maxim-session-id": "one-run"})  # each request is a trace of its own
    return Agent(
        name="forecaster",
        model=model,
        instruction="Be brief.",
        tools=[weather],
        generate_content_config=types.GenerateContentConfig(http_options=one_session),
    )


async def run(agent: Agent, said: str, mode: StreamingMode = StreamingMode.NONE) -> str:
    runner = InMemoryRunner(agent=agent, app_name="forecasts")
    session = await runner.session_service.create_session(
        app_name="forecasts", user_id="u", session_id=str(uuid.uuid4())
    )
    message = types.Content(role="user", parts=[types.Part(text=said)])
    answer = ""
    async for event in runner.run_async(
        user_id="u", session_id=session.id, new_message=message, run_config=RunConfig(streaming_mode=mode)
    ):
        if event.is_final_response() and event.content and event.content.parts:
            answer = "".join(part.text or "" for part in event.content.parts)
    return answer


async def test_a_run_is_traced(agent: Agent, server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.text("Hello."))

    assert await run(agent, "Hello?") == "Hello."

    assert logger.trace.output == "Hello."
    logger.assert_complete()


async def test_a_streamed_run_is_traced(agent: Agent, server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.stream("Hel", "lo."))

    assert await run(agent, "Hello?", StreamingMode.SSE) == "Hello."

    assert logger.trace.output == "Hello."
    logger.assert_complete()


async def test_its_tools_are_tool_calls(agent: Agent, server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.function_call("weather", city="Paris"), reply.text("It is sunny."))

    assert await run(agent, "How is the weather in Paris?") == "It is sunny."
    logger.session_end("one-run")  # who names a session ends it

    (call,) = logger.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Paris"})
    assert "sunny in Paris" in str(call.result)
    logger.assert_complete(strict=True)
