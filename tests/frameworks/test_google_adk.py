"""google-adk's agents on a wrapped client."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types

from maxim_gemini.testing import FakeLogger, GeminiServer, reply

pytest.importorskip("google.adk", reason="google-adk is installed in the environment `frameworks` only")

from google.adk.agents import Agent, BaseAgent, ManagedAgent
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


async def run(agent: BaseAgent, said: str, mode: StreamingMode = StreamingMode.NONE, **more: Any) -> str:
    runner = InMemoryRunner(agent=agent, app_name="forecasts")
    session = await runner.session_service.create_session(
        app_name="forecasts", user_id="u", session_id=str(uuid.uuid4())
    )
    message = types.Content(role="user", parts=[types.Part(text=said)])
    answer = ""
    async for event in runner.run_async(
        user_id="u", session_id=session.id, new_message=message, run_config=RunConfig(streaming_mode=mode, **more)
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


@pytest.fixture
def over_interactions(client: MaximGeminiClient) -> Agent:
    model = Gemini(model="gemini-3-flash-preview", client=client, use_interactions_api=True)
    return Agent(name="forecaster", model=model, instruction="Be brief.", tools=[weather])


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE], ids=lambda mode: mode.name)
async def test_a_run_over_interactions_is_traced(
    over_interactions: Agent, server: GeminiServer, logger: FakeLogger, mode: StreamingMode
) -> None:
    server.reply(reply.stream("Hel", "lo.") + reply.usage(prompt=5, candidates=4, thoughts=3))

    assert await run(over_interactions, "Hello?", mode) == "Hello."

    (request,) = server.requests
    assert request.path.endswith("/interactions")
    assert (logger.trace.name, logger.trace.output) == ("Interaction", "Hello.")
    assert logger.generation.usage["prompt_tokens"] == 5
    assert logger.generation.usage["completion_tokens"] == 4 + 3
    system, user = logger.generation.messages
    assert (system["role"], system["content"].partition("\n")[0]) == ("system", "Be brief.")
    assert user == {"role": "user", "content": "Hello?"}
    logger.assert_complete()


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE], ids=lambda mode: mode.name)
async def test_its_tools_over_interactions_are_tool_calls_of_one_session(
    over_interactions: Agent, server: GeminiServer, logger: FakeLogger, mode: StreamingMode
) -> None:
    server.reply(reply.function_call("weather", city="Paris"), reply.text("It is sunny."))

    assert await run(over_interactions, "How is the weather in Paris?", mode) == "It is sunny."

    (call,) = logger.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Paris"})
    assert "sunny in Paris" in str(call.result)
    first, second = logger.traces
    assert first.session_id == second.session_id
    assert second.output == "It is sunny."
    logger.assert_complete()


async def test_a_run_in_the_background_is_one_generation(
    over_interactions: Agent, server: GeminiServer, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """google-adk polls what runs at off-peak times, every five seconds at first."""
    monkeypatch.setattr("google.adk.models.interactions_utils._POLL_INITIAL_DELAY_SECONDS", 0.01)
    counts = reply.usage(prompt=5, candidates=7)
    server.reply(reply.text("Done.") + counts + reply.interaction(polls=2))

    assert await run(over_interactions, "Hello?", service_tier="deferred") == "Done."

    assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]
    assert (logger.generation.text, logger.generation.usage["total_tokens"]) == ("Done.", 12)
    logger.assert_complete()


async def test_an_error_of_an_interaction_reaches_google_adk(
    over_interactions: Agent, server: GeminiServer, logger: FakeLogger
) -> None:
    server.always(reply.error(429))

    with pytest.raises(Exception, match="429"):
        await run(over_interactions, "Hello?")

    assert (error := logger.generations[0].error)
    assert error.code == "429"
    logger.assert_complete()


async def test_a_managed_agent_is_a_span(client: MaximGeminiClient, server: GeminiServer, logger: FakeLogger) -> None:
    """Always in the background, always as a stream."""
    server.reply(reply.google_search("kinds of whales") + reply.text("There are ninety."))
    agent = ManagedAgent(name="researcher", agent_id="deep-research-preview-04-2026", api_client=client)

    assert await run(agent, "How many kinds of whales are there?") == "There are ninety."

    (span,) = logger.trace.spans
    assert span.name == "Agent: deep-research-preview-04-2026"
    assert [generation.text for generation in span.generations] == ["There are ninety."]
    assert [retrieval.name for retrieval in logger.retrievals] == ["google_search"]
    logger.assert_complete()
