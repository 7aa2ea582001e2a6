"""A wrapped client in a live session that the test kit scripts, over its server and in process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import types
from support.clients import closed
from support.talk import MODEL, ask, turn

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import GeminiMock, GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from maxim_gemini.testing import FakeLogger


@pytest.mark.parametrize("make", [GeminiServer, GeminiMock], ids=["server", "mock"])
async def test_a_tool_round_with_a_spoken_answer_and_an_error(make: Callable[..., Any], logger: FakeLogger) -> None:
    script = reply.live(
        reply.function_call("look_up", city="Paris"), reply.speech("It is sunny."), reply.close(1011, "It went wrong")
    )
    with make(script) as scripted:
        options: Any = {"base_url": scripted.url} if isinstance(scripted, GeminiServer) else None
        bare = genai.Client(api_key="any", http_options=options)
        client = MaximGeminiClient(bare, logger)
        config: Any = {"output_audio_transcription": {}}
        async with client.aio.live.connect(model=MODEL, config=config) as session:
            await ask(session, "Weather?")
            async for message in session.receive():
                for call in (message.tool_call and message.tool_call.function_calls) or ():
                    answer = types.FunctionResponse(id=call.id, name=call.name, response={"result": "sunny"})
                    await session.send_tool_response(function_responses=answer)
            await ask(session, "Again?")
            with pytest.raises(Exception, match="It went wrong"):
                await turn(session)
        await closed(bare)
    first, second = logger.traces
    assert (first.input, first.output) == ("Weather?", "It is sunny.")
    assert [(one.name, one.result) for one in first.tool_calls] == [("look_up", "sunny")]
    assert first.generations[-1].attachments
    assert [error.code for error in logger.errors] == ["1011"]
    assert second.input == "Again?"
    logger.assert_complete()
