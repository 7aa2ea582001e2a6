"""Suites whose tests share one cassette: they chat, or they talk live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maxim_gemini.testing import GeminiServer, reply
from maxim_gemini.testing._cassette import Cassette

if TYPE_CHECKING:
    from pathlib import Path

    from maxim_gemini.testing import GeminiRequest, Reply

CHAT = """
import pytest

pytestmark = pytest.mark.maxim_gemini("shared")

@pytest.mark.parametrize("text", ["a", "b", "c", "both"])
def test_each(ask, text):
    assert ask(text) == f"You said: {text}"

def test_two(ask):
    assert [ask("both"), ask("both")] == ["You said: both"] * 2
"""
WORDS = ("one", "two", "three", "four")
TALK = """
import asyncio, os
import pytest
from google import genai
from google.genai import types

pytestmark = pytest.mark.maxim_gemini("shared")

@pytest.fixture(autouse=True)
def gemini(maxim_gemini_recorder):
    options = {"base_url": os.environ["GEMINI_LIVE_AT"]}
    return genai.Client(api_key="any", http_options=options)

async def answer(client, *questions):
    texts = []
    async with client.aio.live.connect(model="gemini-live-2.5-flash-preview") as session:
        for question in questions:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": question}]})
            async for message in session.receive():
                content = message.server_content
                for part in (content and content.model_turn and content.model_turn.parts) or ():
                    texts.append(part.text or len(part.inline_data.data))
    return texts

@pytest.mark.parametrize("text", WORDS)
def test_each(gemini, text):
    assert asyncio.run(answer(gemini, text)) == [f"You said: {text}", 1920 * len(text)]

def test_two(gemini):
    assert asyncio.run(answer(gemini, "a", "b")) == ["You said: a", 1920, "You said: b", 1920]
""".replace("WORDS", repr(WORDS))


def shared(folder: Path, module: str = "test_chat") -> Path:
    """Return the cassette that the tests of *module* share."""
    return folder / "cassettes" / module / "shared.yaml"


def held(path: Path) -> int:
    """Return how many answers a cassette holds."""
    return path.read_text().count("- request:")


def sessions(path: Path) -> int:
    """Return how many live sessions a cassette holds."""
    return len(Cassette.load(path).websockets)


def echo(request: GeminiRequest) -> Reply:
    """Return what was written, and sound in proportion."""
    sound = bytes(range(60)) * 32 * len(request.text)
    return reply.text(f"You said: {request.text}") + reply.blob(sound, "audio/pcm;rate=24000")


def talkative() -> GeminiServer:
    """Return a server with sessions for any number of runs of `TALK` in one test."""
    return GeminiServer(*[reply.live(echo, echo)] * 30, strict=False)
