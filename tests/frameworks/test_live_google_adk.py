"""google-adk's live runs on a wrapped client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.genai import types

from maxim_gemini.testing import FakeLogger, GeminiServer, reply

pytest.importorskip("google.adk", reason="google-adk is installed in the environment `frameworks` only")

from google.adk.agents import Agent, LiveRequestQueue
from google.adk.models import Gemini
from google.adk.runners import InMemoryRunner, RunConfig

if TYPE_CHECKING:
    from maxim_gemini import MaximGeminiClient


def weather(city: str) -> dict[str, str]:
    """Tell the weather of a city."""
    return {"report": f"sunny in {city}"}


@pytest.mark.filterwarnings("ignore")  # google-adk's own
async def test_a_live_run_with_a_tool_is_traced(
    client: MaximGeminiClient, server: GeminiServer, logger: FakeLogger
) -> None:
    server.reply(reply.live(reply.function_call("weather", city="Paris"), reply.speech("It is sunny.")))
    model = Gemini(model="gemini-3.1-flash-live-preview", client=client)
    agent = Agent(name="forecaster", model=model, instruction="Be brief.", tools=[weather])
    runner = InMemoryRunner(agent=agent, app_name="forecasts")
    session = await runner.session_service.create_session(app_name="forecasts", user_id="u")
    queue = LiveRequestQueue()
    queue.send_content(types.Content(role="user", parts=[types.Part(text="How is the weather?")]))
    config = RunConfig(response_modalities=["AUDIO"], output_audio_transcription=types.AudioTranscriptionConfig())
    live = runner.run_live(user_id="u", session_id=session.id, live_request_queue=queue, run_config=config)
    complete = 0
    async for event in live:
        complete += bool(event.turn_complete)
        if event.turn_complete and logger.traces and any(trace.output for trace in logger.traces):
            break
    queue.close()
    await live.aclose()

    (call,) = logger.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Paris"})
    assert "sunny in Paris" in str(call.result)
    assert logger.traces[0].input == "How is the weather?"
    assert "".join(trace.output or "" for trace in logger.traces) == "It is sunny."
    logger.assert_complete()
