"""LiveKit's realtime model of Gemini, which makes its own client, under `instrument()`."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types

from maxim_gemini import instrument
from maxim_gemini.testing import FakeLogger, GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

google = pytest.importorskip("livekit.plugins.google", reason="LiveKit is installed in the environment `voice` only")


@pytest.mark.filterwarnings("ignore")  # LiveKit's own
async def test_a_spoken_answer_is_traced(server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.live(reply.speech("It is sunny.")))
    options = types.HttpOptions(base_url=server.url)
    with instrument(logger):
        model = google.realtime.RealtimeModel(
            model="gemini-2.5-flash-native-audio-latest",
            api_key="unused",
            instructions="Be brief.",
            http_options=options,
        )
        session = model.session()
        generation = await session.generate_reply(instructions="Say how the weather is.")
        transcript = ""
        async for message in generation.message_stream:
            async for text in message.text_stream:
                transcript += text
        await session.aclose()
        await model.aclose()

    assert transcript.split() == ["It", "is", "sunny."]
    assert logger.trace.output == "It is sunny."
    assert "Say how the weather is." in str(logger.generation.messages)
    assert logger.generation.attachments
    logger.assert_complete()


@pytest.fixture
def maxims_own() -> Iterator[FakeLogger]:
    """What maxim-py's integration of LiveKit records; it replaces methods for good, and imports OpenAI's plugin."""
    pytest.importorskip("livekit.plugins.openai", reason="it is installed in the environment `voice` only")
    agents = importlib.import_module("livekit.agents")
    activity = importlib.import_module("livekit.agents.voice.agent_activity")
    openai = importlib.import_module("livekit.plugins.openai")
    realtime = importlib.import_module("livekit.plugins.google.realtime.realtime_api")
    patched = [agents.AgentSession, agents.llm.RealtimeSession, activity.AgentActivity, realtime.RealtimeSession]
    patched += [openai.LLM, openai.STT, openai.TTS]
    before = [(owner, dict(vars(owner))) for owner in patched]
    logger = FakeLogger()
    importlib.import_module("maxim.logger.livekit").instrument_livekit(logger)
    yield logger
    for owner, attributes in before:
        for name in vars(owner).keys() - attributes.keys():
            delattr(owner, name)
        for name, value in attributes.items():
            if vars(owner)[name] is not value:
                setattr(owner, name, value)


async def until(is_so: Callable[[], Any]) -> None:
    """Wait for what a thread does."""
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110  # no event of this loop tells
            await asyncio.sleep(0.01)


async def talk(server: GeminiServer, maxims_own: FakeLogger) -> str:
    """Have an agent answer once, and wait until maxim-py's thread has recorded it; return the answer."""
    agents: Any = importlib.import_module("livekit.agents")
    server.reply(reply.live(reply.speech("It is sunny.") + reply.usage(prompt=41, candidates=7)))
    options = types.HttpOptions(base_url=server.url)
    model = google.realtime.RealtimeModel(
        model="gemini-2.5-flash-native-audio-latest", api_key="unused", http_options=options
    )
    session = agents.AgentSession(llm=model)
    sessions, answers = len(maxims_own.sessions), len(maxims_own.generations)
    await session.start(agent=agents.Agent(instructions="Be brief."))
    await until(lambda: len(maxims_own.sessions) > sessions)
    await session.generate_reply(user_input="How is the weather?")
    await until(lambda: len(maxims_own.generations) > answers and maxims_own.generations[-1].usage)
    await session.aclose()
    await model.aclose()
    return str(session.history.items[-1].text_content)


@pytest.mark.filterwarnings("ignore")  # LiveKit's and maxim-py's own
async def test_what_maxims_own_integration_records_can_be_skipped(
    server: GeminiServer, logger: FakeLogger, maxims_own: FakeLogger
) -> None:
    with instrument(logger, skip=lambda call: call.made_by("livekit-agents")):
        assert await talk(server, maxims_own) == "It is sunny."
    assert [one.usage["total_tokens"] for one in maxims_own.generations] == [48]
    assert logger.logs == ()

    with instrument(logger):  # recorded twice
        assert await talk(server, maxims_own) == "It is sunny."
    assert (len(maxims_own.generations), logger.generation.usage["total_tokens"]) == (2, 48)


@pytest.mark.filterwarnings("ignore")  # LiveKit's own
async def test_requests_of_a_pipeline_of_models_can_be_skipped_too(server: GeminiServer, logger: FakeLogger) -> None:
    agents: Any = importlib.import_module("livekit.agents")
    server.always(reply.stream("It is ", "sunny."))
    model = google.LLM(model="gemini-2.5-flash", api_key="unused", http_options=types.HttpOptions(base_url=server.url))

    async def answer() -> str:
        session = agents.AgentSession(llm=model)
        await session.start(agent=agents.Agent(instructions="Be brief."))
        await session.generate_reply(user_input="How is the weather?")
        await session.aclose()
        return str(session.history.items[-1].text_content)

    with instrument(logger, skip=lambda call: call.made_by("livekit-agents")):
        assert await answer() == "It is sunny."
    assert logger.logs == ()
    with instrument(logger):
        assert await answer() == "It is sunny."
    assert (logger.trace.input, logger.trace.output) == ("How is the weather?", "It is sunny.")
    logger.assert_complete()
