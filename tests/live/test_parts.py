"""What the turns of a live session hold beside text: code, files, pictures, histories, and what is not known yet."""

from __future__ import annotations

import base64
import io
import wave
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.live import Gemini, Wait
from support.talk import DONE, MODEL, ask, converse, text, turn

if TYPE_CHECKING:
    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def parts(*members: dict[str, Any], **content: Any) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"parts": list(members)}, **content}}


async def test_parts_of_every_kind_are_readable(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    signed = "https://storage.example/a.pdf?X-Goog-Signature=0123456789abcdef0123456789abcdef"
    gemini.script = [
        Wait(),
        parts({"text": "See: "}),
        parts({"executableCode": {"language": "PYTHON", "code": "print(1)"}}),
        parts({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}),
        parts({"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode(), "displayName": "dot"}}),
        parts({"fileData": {"mimeType": "application/pdf", "fileUri": signed}}),
        parts({"partOfTomorrow": {"depth": 3}}),
        DONE,
    ]
    await converse(client, "Show me")
    generation = logger.generation
    assert generation.text == logger.trace.output == "See: "
    assert generation.metadata["parts"] == [
        "[code python]\nprint(1)\n[/code]",
        "[code result ok]\n1\n\n[/code result]",
        "[image/png, 16 bytes]",
        "[application/pdf, https://storage.example/a.pdf?X-Goog-Signature=[redacted]]",
        '[partOfTomorrow {"depth": 3}]',
    ]
    picture, file = generation.attachments
    assert (picture.mime_type, picture.content, picture.name) == ("image/png", PNG, "dot")
    assert file.mime_type == "application/pdf"
    assert "0123456789abcdef" not in str(logger.as_dict())  # whoever reads the trace could open the file
    logger.assert_complete(strict=True)


async def test_what_an_answer_is_grounded_in_is_metadata(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    sources = {"groundingChunks": [{"web": {"uri": "https://example.com", "title": "Example"}}]}
    gemini.script = [Wait(), parts({"text": "Yes."}, groundingMetadata=sources), DONE]
    await converse(client, "Is it so?")
    assert "https://example.com" in str(logger.generation.as_dict())


async def test_why_a_turn_ended_is_logged(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    ended = {"turnComplete": True, "turnCompleteReason": "MALFORMED_FUNCTION_CALL"}
    gemini.script = [Wait(), *text("Let me"), {"serverContent": ended}]
    await converse(client, "Go")
    assert "MALFORMED_FUNCTION_CALL" in str(logger.trace.as_dict())


async def test_a_history_shows_its_calls_and_results(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Sunny."), DONE]
    call = types.FunctionCall(id="c1", name="weather", args={"city": "Paris"})
    result = types.FunctionResponse(id="c1", name="weather", response={"result": "sun"})
    history: list[types.ContentOrDict] = [
        types.Content(role="user", parts=[types.Part(text="Weather?")]),
        types.Content(role="model", parts=[types.Part(function_call=call)]),
        types.Content(role="user", parts=[types.Part(function_response=result)]),
        types.Content(role="user", parts=[types.Part(text="And now?")]),
    ]
    async with client.aio.live.connect(model=MODEL) as session:
        await session.send_client_content(turns=history)
        await turn(session)
    messages = logger.generation.messages
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]
    assert messages[1]["tool_calls"][0]["function"]["name"] == "weather"
    assert (messages[2]["tool_call_id"], messages[2]["content"]) == ("c1", "sun")


async def test_sound_in_a_message_has_the_rate_that_gemini_takes_it_for(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("I hear."), DONE]
    sound = types.Part.from_bytes(data=b"\1\0" * 160, mime_type="audio/pcm")
    async with client.aio.live.connect(model=MODEL) as session:
        await session.send_client_content(turns=types.Content(role="user", parts=[sound]))
        await turn(session)
    (attachment,) = logger.generation.attachments
    assert attachment.content is not None
    with wave.open(io.BytesIO(attachment.content)) as sound_file:
        assert (sound_file.getframerate(), sound_file.getnframes()) == (16_000, 160)


async def test_other_tools_hold_from_then_on(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    gemini.script = [Wait(), *text("one"), DONE, Wait(2), *text("two"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        if not hasattr(session, "send_context_update"):
            pytest.skip("this google-genai can't update the context")
        await ask(session)
        await turn(session)
        await session.send_context_update(tools=[types.Tool(google_search=types.GoogleSearch())])
        await ask(session)
        await turn(session)
    first, second = logger.generations
    assert "tools" not in first.model_parameters
    assert "google" in str(second.model_parameters["tools"])


async def test_data_that_is_no_base64_is_logged_as_it_came(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), parts({"inlineData": {"mimeType": "image/png", "data": "not base64"}}), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        with pytest.raises(ValueError, match="base64"):
            await turn(session)
    (attachment,) = logger.generation.attachments
    assert attachment.content == b"not base64"
