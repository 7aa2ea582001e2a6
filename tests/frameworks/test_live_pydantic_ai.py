"""pydantic-ai's realtime sessions on a wrapped client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maxim_gemini.testing import FakeLogger, GeminiServer, reply

pydantic_ai = pytest.importorskip("pydantic_ai", reason="pydantic-ai is installed in the environment `frameworks` only")
pytest.importorskip("pydantic_ai.realtime.google", reason="this pydantic-ai has no realtime sessions")

from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.realtime import RealtimeTurnCompleteEvent
from pydantic_ai.realtime.google import GoogleRealtimeModel

if TYPE_CHECKING:
    from maxim_gemini import MaximGeminiClient


async def test_a_spoken_turn_with_a_tool_is_traced(
    client: MaximGeminiClient, server: GeminiServer, logger: FakeLogger
) -> None:
    server.reply(reply.live(reply.function_call("weather", city="Paris"), reply.speech("It is sunny.")))
    agent = pydantic_ai.Agent(system_prompt="Be brief.")

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    model = GoogleRealtimeModel("gemini-2.5-flash-native-audio-latest", provider=GoogleProvider(client=client))
    async with agent.realtime(model).session() as session:
        await session.send("How is the weather?")
        async for event in session:
            if isinstance(event, RealtimeTurnCompleteEvent):
                break

    (call,) = logger.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Paris"})
    assert "sunny in Paris" in str(call.result)
    assert logger.traces[0].input == "How is the weather?"
    assert logger.traces[-1].output == "It is sunny."
    assert logger.generations[0].messages[0]["role"] == "system"
    logger.assert_complete()
