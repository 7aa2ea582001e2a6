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
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Cost(NamedTuple):
    """What a replay costs."""

    seconds: float
    """Of processor time, in the fastest of several runs."""
    megabytes: float
    """At most, of memory."""


def measure() -> tuple[Cost, Cost | None]:
    """Return what a replay costs, and what cassetter's costs, where it is installed."""
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = Path(name, "ours.yaml"), by_cassetter(Path(name, "theirs.yaml"))
        recorded(ours)

        def replay() -> None:
            replayed(ours)

        return Cost(best(replay), peak(replay)), theirs and Cost(best(theirs), peak(theirs))


def main() -> None:
    """Print a table."""
    for title, cost in zip(("maxim-gemini", "cassetter"), measure(), strict=True):
        print(f"{title:14} " + (f"{cost.seconds:.3f} s, {cost.megabytes:.1f} MB" if cost else "not installed"))


if __name__ == "__main__":
    main()
