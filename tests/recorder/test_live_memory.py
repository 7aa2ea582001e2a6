"""What a long live session costs in memory when it is replayed."""

from __future__ import annotations

import asyncio
import base64
import gc
import tracemalloc
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect

from maxim_gemini.testing import GeminiRecorder
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.websocket import Close, Conversation, Frame

if TYPE_CHECKING:
    from pathlib import Path

URI = "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SETUP = '{"setup": {"model": "models/gemini-live-2.5-flash-preview"}}'
ASK = '{"realtime_input": {"text": "Go on."}}'
FRAMES_OF_A_TURN = 99


def turn(number: int) -> list[Frame]:
    """Return one turn: a question, and an answer of 40 ms of sound a frame."""
    sound = base64.b64encode(number.to_bytes(2, "big") * 960).decode()
    blob = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": sound}}
    message = wire.dump_json({"serverContent": {"modelTurn": {"parts": [blob]}}})
    return [Frame(ASK, is_sent=True), *[Frame(message, is_sent=False)] * FRAMES_OF_A_TURN]


def record(path: Path, turns: int) -> None:
    frames = [Frame(SETUP, is_sent=True), *(frame for number in range(turns) for frame in turn(number))]
    cassette = Cassette(path)
    cassette.record_websocket(Conversation(URI, (), tuple(frames), Close(1000, "", "client")))
    cassette.save()


async def listen(turns: int) -> None:
    async with connect(URI, additional_headers={"x-goog-api-key": "any"}) as socket:
        await socket.send(SETUP)
        for _ in range(turns):
            await socket.send(ASK)
            for _ in range(FRAMES_OF_A_TURN):
                await socket.recv(decode=False)


def growth(path: Path, turns: int) -> int:
    """Return how many bytes are needed at most for a session of so many turns, above those for the opened file."""
    with GeminiRecorder(path):
        gc.collect()
        tracemalloc.start()
        try:
            asyncio.run(listen(turns))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_a_session_of_10_000_frames_is_replayed_turn_by_turn(tmp_path: Path) -> None:
    """All that is added for a frame is where it stands in the file, and for a question, that it was sent."""
    short, long = tmp_path / "short.yaml", tmp_path / "long.yaml"
    record(short, 10)
    record(long, 100)
    growth(short, 10)  # what is loaded once
    grown = growth(long, 100) - growth(short, 10)
    sound = 90 * FRAMES_OF_A_TURN * 1920
    assert grown < 300_000 < sound / 50
