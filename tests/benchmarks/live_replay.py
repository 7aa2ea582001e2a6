"""How fast a live session of 10,000 messages is replayed, beside cassetter on the same messages in the same run.

    python tests/benchmarks/live_replay.py

Figures are seconds of processor time, the fastest of several runs, and the memory that a replay needs at most. Half of
the messages are 40 ms of sound each.
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect

from maxim_gemini.testing import GeminiRecorder
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.websocket import Close, Conversation, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGES = 10_000
URI = "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SETUP = '{"setup": {"model": "models/gemini-live-2.5-flash-preview"}}'


def sound(number: int) -> bytes:
    data = base64.b64encode(number.to_bytes(2, "big") * 960).decode()
    return wire.dump_json(
        {
            "serverContent": {
                "modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}]}
            }
        }
    )


def word(number: int) -> bytes:
    return wire.dump_json({"serverContent": {"outputTranscription": {"text": f"word {number} "}}})


RECEIVED = [word(number) if number % 2 else sound(number) for number in range(MESSAGES)]


def recorded(path: Path) -> None:
    frames = (Frame(SETUP, is_sent=True), *(Frame(message, is_sent=False) for message in RECEIVED))
    cassette = Cassette(path)
    cassette.record_websocket(Conversation(URI, (), frames, Close(1000, "", "client")))
    cassette.save()


async def listen() -> None:
    async with connect(URI, additional_headers={"x-goog-api-key": "any"}) as socket:
        await socket.send(SETUP)
        for expected in RECEIVED:
            assert await socket.recv(decode=False) == expected


def replayed(path: Path) -> None:
    with GeminiRecorder(path, strict=True):
        asyncio.run(listen())


def by_cassetter(path: Path) -> Callable[[], None] | None:
    try:
        import cassetter
        from cassetter._core import Body, WsFrame
        from cassetter.intercept._websockets import VCRWebSocketReplay
    except ImportError:
        return None
    frames = [WsFrame("send", "text", Body("text", SETUP), 0)]
    frames += [WsFrame("recv", "binary", Body("binary", message), 0) for message in RECEIVED]
    written: Any = cassetter.Cassette(path, record_mode=cassetter.RecordMode.ALL)
    written.record_ws(URI, {}, frames, None)
    written.save()

    async def listen_to(cassette: Any) -> None:
        socket = VCRWebSocketReplay(cassette.ws_interactions[0])
        await socket.send(SETUP)
        for expected in RECEIVED:
            assert await socket.recv(decode=False) == expected

    def replay() -> None:
        opened: Any = cassetter.Cassette(path, record_mode=cassetter.RecordMode.NONE)
        opened.load()
        asyncio.run(listen_to(opened))

    return replay


def best(run: Callable[[], None], runs: int = 5) -> float:
    """Return the processor seconds of the fastest of *runs*."""
    seconds: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def peak(run: Callable[[], None]) -> float:
    """Return the megabytes that *run* needs at most."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as name:
        ours = Path(name, "ours.yaml")
        recorded(ours)
        size = sum(path.stat().st_size for path in Path(name).iterdir()) / 2**20
        print(f"{MESSAGES:,} messages, {size:.1f} MB on the disk")
        runs = {"maxim-gemini": lambda: replayed(ours), "cassetter": by_cassetter(Path(name, "theirs.yaml"))}
        for title, run in runs.items():
            if run is not None:
                print(f"{title:14} {best(run):.3f} s, {peak(run):.1f} MB")


if __name__ == "__main__":
    main()
