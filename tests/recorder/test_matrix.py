"""What is recorded over one HTTP library replays over every other, sync and async, plain and streamed."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import LIBRARIES, client_over
from support.loopback import SSE, Asked, Reply, loopback

from maxim_gemini.testing import wire
from maxim_gemini.testing.recorder import GeminiRecorder

if TYPE_CHECKING:
    from pathlib import Path

    from google import genai

CALLS = [
    (library, is_async)
    for library, is_async in itertools.product(LIBRARIES, (False, True))
    if is_async or library != "aiohttp"
]
IDS = [f"{library}-{'async' if is_async else 'sync'}" for library, is_async in CALLS]

TEXTS = ["¡Hola! ", "你好, ", "🙂 <b>&amp;</b> ", "done"]


def _answer(text: str) -> dict[str, Any]:
    content = {"parts": [{"text": text}], "role": "model"}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "modelVersion": "gemini-2.5-flash",
    }


def serve(asked: Asked, reply: Reply) -> None:
    if "streamGenerateContent" in asked.path:
        reply.head(200, SSE)
        for text in TEXTS:
            reply.send(wire.dump_event(_answer(text)))
    else:
        reply.whole(wire.dump_json(_answer("".join(TEXTS))))


async def _ask(client: genai.Client, is_async: bool, is_stream: bool) -> list[str | None]:
    ask: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "Greet me ü"}
    match is_async, is_stream:
        case False, False:
            return [client.models.generate_content(**ask).text]
        case False, True:
            return [chunk.text for chunk in client.models.generate_content_stream(**ask)]
        case True, False:
            return [(await client.aio.models.generate_content(**ask)).text]
        case _:
            return [chunk.text async for chunk in await client.aio.models.generate_content_stream(**ask)]


def ask(library: str, is_async: bool, is_stream: bool, base_url: str | None) -> list[str | None]:
    return asyncio.run(_ask(client_over(library, base_url), is_async, is_stream))


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("recorded", CALLS, ids=IDS)
def test_a_recording_replays_over_every_library(tmp_path: Path, recorded: tuple[str, bool], is_stream: bool) -> None:
    cassette = tmp_path / "hello.yaml"
    with loopback(serve) as server, GeminiRecorder(cassette, mode="once") as recorder:
        live = ask(*recorded, is_stream, server.url)
    assert live == (TEXTS if is_stream else ["".join(TEXTS)])
    assert recorder.outcome == (0, 1, 1, 0, 0)

    bodies = {recorder.cassette.interactions[0].response.body}
    for replayed in CALLS:
        with GeminiRecorder(cassette) as recorder:
            assert ask(*replayed, is_stream, None) == live, replayed
        assert recorder.outcome == (1, 0, 0, 0, 0)
        bodies.add(recorder.cassette.interactions[0].response.body)
    assert bodies == {
        b"".join(wire.dump_event(_answer(t)) for t in TEXTS) if is_stream else wire.dump_json(_answer("".join(TEXTS)))
    }
