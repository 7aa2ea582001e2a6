"""Several tests record live sessions with sound into one cassette: in one process, in the workers of pytest-xdist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail

from maxim_gemini.testing import GeminiServer, reply
from maxim_gemini.testing._cassette import Cassette

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing import GeminiRequest, Reply

WORDS = ("one", "two", "three", "four")
SHARED = """
import asyncio, os
import pytest
from google import genai
from google.genai import types

pytestmark = pytest.mark.maxim_gemini("shared")

@pytest.fixture(autouse=True)
def gemini(maxim_gemini_recorder):
    options = {"base_url": os.environ["GEMINI_AT"]}
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


def said(request: GeminiRequest) -> Reply:
    sound = bytes(range(60)) * 32 * len(request.text)
    return reply.text(f"You said: {request.text}") + reply.blob(sound, "audio/pcm;rate=24000")


@pytest.fixture
def server(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[GeminiServer]:
    with GeminiServer(*[reply.live(said, said)] * 30, strict=False) as server:
        monkeypatch.setenv("GEMINI_AT", server.url)
        suite.makepyfile(test_talk=SHARED)
        yield server


def held(suite: pytest.Pytester) -> int:
    return len(Cassette.load(suite.path / "cassettes/test_talk/shared.yaml").websockets)


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite"])
def test_all_sessions_are_kept_in_every_mode(suite: pytest.Pytester, server: GeminiServer, mode: str) -> None:
    for _ in range(2):
        record(suite, mode=mode).assert_outcomes(passed=5)
        assert held(suite) == 5
    assert len(server.requests) == (10 if mode in ("all", "rewrite") else 5)
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    assert tail(result) == "5 replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)"
    record(suite, mode="verify").assert_outcomes(passed=5)


def test_workers_keep_each_others_sessions(
    suite: pytest.Pytester, server: GeminiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    suite.makeini(
        "[pytest]\naddopts = -p xdist -p maxim_gemini.testing.plugin -p no:unraisableexception --assert=plain\n"
    )
    for mode in ("once", "rewrite"):
        record(suite, "-n", "2", mode=mode).assert_outcomes(passed=5)
        assert held(suite) == 5
    result = suite.runpytest_inprocess("-n", "2", "--maxim-gemini-strict")
    result.assert_outcomes(passed=5)
    assert tail(result) == "5 replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)"
