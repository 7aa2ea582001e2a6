"""Every form of contents and of a chat's message: sent as the bare client sends it, and found again in the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from PIL import Image
from support.script import Gemini, response
from support.sides import MODEL, Sync

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

PDF = "application/pdf"
URI = "https://generativelanguage.googleapis.com/v1beta/files/1"
FILE = types.File(name="files/1", uri=URI, mime_type=PDF)
IMAGE = Image.new("RGB", (2, 2))
BYTES = types.Part.from_bytes(data=b"abc", mime_type="audio/wav")
CALL = types.Part.from_function_call(name="find", args={"what": "tea"})
ANSWER = types.Part.from_function_response(name="find", response={"result": "shelf 3"})

AS_PDF = f"[{PDF}, {URI}]"
AS_IMAGE = "[image/"
AS_WAV = "[audio/wav, 3 bytes]"

MESSAGES: dict[str, tuple[Any, list[str]]] = {
    "text": ("Hi", ["Hi"]),
    "part": (types.Part(text="Hi"), ["Hi"]),
    "part as dict": ({"text": "Hi"}, ["Hi"]),
    "file": (FILE, [AS_PDF]),
    "file data as dict": ({"file_data": {"file_uri": URI, "mime_type": PDF}}, [AS_PDF]),
    "bytes": (BYTES, [AS_WAV]),
    "bytes as dict": ({"inline_data": {"data": b"abc", "mime_type": "audio/wav"}}, [AS_WAV]),
    "image": (IMAGE, [AS_IMAGE]),
    "answer of a function": (ANSWER, ["shelf 3"]),
    "mixed list": (
        ["See ", IMAGE, FILE, BYTES, types.Part(text=" and"), {"text": " tell"}],
        ["See ", AS_IMAGE, AS_PDF],
    ),
}
"""What a chat takes, and what of it is to be read in the trace."""

CONTENTS: dict[str, tuple[Any, list[str]]] = MESSAGES | {
    "content": (types.Content(role="user", parts=[types.Part(text="Hi"), BYTES]), ["Hi", AS_WAV]),
    "user content": (types.UserContent(list[Any](["Hi", FILE])), ["Hi", AS_PDF]),
    "content as dict": ({"role": "user", "parts": [{"text": "Hi"}]}, ["Hi"]),
    "turns": ([types.UserContent("One"), types.ModelContent("Two"), "Three"], ["One", "Two", "Three"]),
    "turns as dicts": ([{"role": "model", "parts": [{"text": "One"}]}, "Two"], ["One", "Two"]),
    "calls and answers": (["Find", CALL, ANSWER, "now"], ["Find", "shelf 3", "now"]),
    "list of lists": ([["One", BYTES], "Two"], ["One", AS_WAV, "Two"]),
    "contents and parts": ([types.UserContent("One"), "Two", IMAGE, FILE], ["One", "Two", AS_IMAGE, AS_PDF]),
}


async def outcome(side: Sync, gemini: Gemini, call: Any) -> Any:
    """Return what was sent, or what was raised."""
    gemini.requests.clear()
    try:
        await call()
    except (ValueError, TypeError, NotImplementedError) as error:
        return type(error), str(error).partition("\n")[0]
    return list(gemini.requests)


def check(logger: FakeLogger, gemini: Gemini, expected: list[str]) -> None:
    if gemini.requests:  # else this google-genai refused it
        said = "".join(str(message["content"]) for message in logger.generations[-1].messages)
        assert [text for text in expected if text not in said] == []
        assert "could not be read" not in said
    logger.assert_complete()


@pytest.mark.parametrize(("contents", "expected"), CONTENTS.values(), ids=CONTENTS)
async def test_contents_in_every_form(
    side: Sync,
    gemini: Gemini,
    raw: genai.Client,
    client: MaximGeminiClient,
    logger: FakeLogger,
    contents: Any,
    expected: list[str],
) -> None:
    gemini.says(response("ok"))
    bare = await outcome(side, gemini, lambda: side.generate(raw, contents))
    assert await outcome(side, gemini, lambda: side.generate(client, contents)) == bare
    check(logger, gemini, expected)


@pytest.mark.parametrize(("message", "expected"), MESSAGES.values(), ids=MESSAGES)
async def test_messages_in_every_form(
    side: Sync,
    gemini: Gemini,
    raw: genai.Client,
    client: MaximGeminiClient,
    logger: FakeLogger,
    message: Any,
    expected: list[str],
) -> None:
    gemini.says(response("ok"))
    bare = await outcome(side, gemini, lambda: side.send(side.chats(raw).create(model=MODEL), message))
    assert await outcome(side, gemini, lambda: side.send(side.chats(client).create(model=MODEL), message)) == bare
    check(logger, gemini, expected)


@pytest.mark.parametrize(("name", "mime_type"), [("bytes", "audio/wav"), ("image", "image/"), ("file", PDF)])
async def test_what_is_beside_the_text_is_an_attachment(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, name: str, mime_type: str
) -> None:
    gemini.says(response("ok"))
    await side.generate(client, [CONTENTS[name][0]])
    (attachment,) = logger.trace.generation.attachments
    assert (attachment.mime_type or "").startswith(mime_type)
    if name == "bytes":
        assert attachment.content == b"abc"
