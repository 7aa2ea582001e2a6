"""google-adk's live runs, on a wrapped client and beside the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types

from maxim_gemini import instrument, trace
from maxim_gemini.testing import FakeLogger, GeminiServer, reply

pytest.importorskip("google.adk", reason="google-adk is installed in the environment `frameworks` only")

from google.adk.agents import Agent, LiveRequestQueue
from google.adk.models import Gemini
from google.adk.runners import InMemoryRunner, RunConfig

from maxim_gemini.adk import MaximAdkPlugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from maxim_gemini import MaximGeminiClient

MODEL = "gemini-3.1-flash-live-preview"


def weather(city: str) -> dict[str, str]:
    """Tell the weather of a city."""
    return {"report": f"sunny in {city}"}


async def run_live(agent: Agent, *plugins: Any, is_over: Callable[[], bool]) -> None:
    """Ask a live agent, until a turn completes and *is_over*."""
    runner = InMemoryRunner(agent=agent, app_name="forecasts", plugins=list(plugins))
    session = await runner.session_service.create_session(app_name="forecasts", user_id="u")
    queue = LiveRequestQueue()
    queue.send_content(types.Content(role="user", parts=[types.Part(text="How is the weather?")]))
    config = RunConfig(response_modalities=["AUDIO"], output_audio_transcription=types.AudioTranscriptionConfig())
    live = runner.run_live(user_id="u", session_id=session.id, live_request_queue=queue, run_config=config)
    async for event in live:
        if event.turn_complete and is_over():
            break
    queue.close()
    await live.aclose()


@pytest.fixture
def forecaster(server: GeminiServer, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """An agent with a tool, which makes its client by itself."""
    monkeypatch.setenv("GEMINI_API_KEY", "unused")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    server.reply(reply.live(reply.function_call("weather", city="Paris"), reply.speech("It is sunny.")))
    return Agent(name="forecaster", model=MODEL, instruction="Be brief.", tools=[weather])


@pytest.mark.filterwarnings("ignore")  # google-adk's own
async def test_a_live_run_with_a_tool_is_traced(
    client: MaximGeminiClient, server: GeminiServer, logger: FakeLogger
) -> None:
    server.reply(reply.live(reply.function_call("weather", city="Paris"), reply.speech("It is sunny.")))
    model = Gemini(model=MODEL, client=client)
    agent = Agent(name="forecaster", model=model, instruction="Be brief.", tools=[weather])
    await run_live(agent, is_over=lambda: any(trace.output for trace in logger.traces))

    (call,) = logger.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Paris"})
    assert "sunny in Paris" in str(call.result)
    assert logger.traces[0].input == "How is the weather?"
    assert "".join(trace.output or "" for trace in logger.traces) == "It is sunny."
    logger.assert_complete()


@pytest.mark.filterwarnings("ignore")  # google-adk's own
async def test_a_live_run_beside_the_plugin_is_traced_once(forecaster: Agent, logger: FakeLogger) -> None:
    with instrument(logger, skip=lambda call: call.made_by("google-adk") and call.method != "live.connect"):
        await run_live(forecaster, MaximAdkPlugin(logger), is_over=lambda: any(trace.output for trace in logger.traces))

    assert "".join(trace.output or "" for trace in logger.traces) == "It is sunny."
    assert [call.name for call in logger.tool_calls] == ["weather"]
    assert {one.name for one in logger.sessions} == {"Live session"}
    logger.assert_complete()


@pytest.mark.filterwarnings("ignore")  # google-adk's own
async def test_a_live_run_in_a_trace_is_part_of_it(forecaster: Agent, logger: FakeLogger) -> None:
    with instrument(logger), trace(logger, name="Forecast"):
        await run_live(forecaster, is_over=lambda: any(one.text == "It is sunny." for one in logger.generations))

    assert logger.trace.name == "Forecast"
    assert [one.text for one in logger.trace.generations] == [None, "It is sunny."]
    assert "sunny in Paris" in str(logger.trace.tool_call.result)
    logger.assert_complete()
