"""What is recorded over one HTTP library replays over every other, sync and async, plain and streamed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import EDGE_IDS, EDGES, opened
from support.gemini import event, plain
from support.loopback import SSE, ReceivedRequest, Reply, loopback

from maxim_gemini.testing._recorder.recorder import GeminiRecorder

if TYPE_CHECKING:
    from pathlib import Path

    from google import genai

TEXTS = ["¡Hola! ", "你好, ", "🙂 <b>&amp;</b> ", "done"]


def serve(request: ReceivedRequest, reply: Reply) -> None:
    if "streamGenerateContent" in request.path:
        reply.head(200, SSE)
        for text in TEXTS:
            reply.send(event(text))
    else:
        reply.whole(plain("".join(TEXTS)))


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
    async def call() -> list[str | None]:
        async with opened(library, base_url) as client:
            return await _ask(client, is_async, is_stream)

    return asyncio.run(call())


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("recorded", EDGES, ids=EDGE_IDS)
def test_a_recording_replays_over_every_library(tmp_path: Path, recorded: tuple[str, bool], is_stream: bool) -> None:
    cassette = tmp_path / "hello.yaml"
    with loopback(serve) as server, GeminiRecorder(cassette, record="once") as recorder:
        live = ask(*recorded, is_stream, server.url)
    assert live == (TEXTS if is_stream else ["".join(TEXTS)])
    assert recorder.outcome == (0, 1, 1, 0, 0)

    bodies = {recorder.cassette.interactions[0].response.body}
    for replayed in EDGES:
        with GeminiRecorder(cassette) as recorder:
            assert ask(*replayed, is_stream, None) == live, replayed
        assert recorder.outcome == (1, 0, 0, 0, 0)
        bodies.add(recorder.cassette.interactions[0].response.body)
    assert bodies == {b"".join(event(t) for t in TEXTS) if is_stream else plain("".join(TEXTS))}
