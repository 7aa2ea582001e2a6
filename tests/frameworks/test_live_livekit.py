"""LiveKit's realtime model of Gemini, which makes its own client, under `instrument()`."""

from __future__ import annotations

import pytest
from google.genai import types

from maxim_gemini import instrument
from maxim_gemini.testing import FakeLogger, GeminiServer, reply

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
        heard = ""
        async for message in generation.message_stream:
            async for text in message.text_stream:
                heard += text
        await session.aclose()
        await model.aclose()

    assert heard.split() == ["It", "is", "sunny."]
    assert logger.trace.output == "It is sunny."
    assert "Say how the weather is." in str(logger.generation.messages)
    assert logger.generation.attachments
    logger.assert_complete()
