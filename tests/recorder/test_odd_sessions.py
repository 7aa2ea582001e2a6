"""Live sessions that are not as they should be: recorded and replayed as they are, or refused with a reason."""

from __future__ import annotations

import asyncio
import functools
import operator
import re
import time
import wave
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.live_clients import client_of, session_of, speak, spoken, texts, turn

from maxim_gemini.testing import CassetteBroken, CassetteMiss, GeminiRecorder, GeminiServer, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http.event_loops import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


async def recorded(path: Path, *replies: Any, talk: Callable[[GeminiServer], Awaitable[Any]]) -> Any:
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(*replies))
        stack.enter_context(GeminiRecorder(path, base_url=server.url, record="once"))
        return await talk(server)


ODD = {
    "no JSON": reply.raw(b"no json"),
    "no text": reply.raw(b"\xff\x00\xfe"),
    "nothing": reply.raw(b""),
    "half of it": reply.raw(b'{"serverContent": {'),
    "a number": reply.raw(b"17"),
    "a list": reply.raw(b'[{"serverContent": {}}]'),
    "twice the same name": reply.raw(b'{"goAway": {}, "goAway": {"timeLeft": "1s"}}'),
    "deep": reply.raw(b"[" * 5000 + b"]" * 5000),
    "an unknown kind": reply.live_message({"bigNews": {"now": True}}),
    "an unknown member": reply.live_message({"serverContent": {"mood": "sunny", "turnComplete": True}}),
    "sound that is no base64": reply.raw(
        b'{"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", '
        b'"data": "n\\u00f6"}}]}}}'
    ),
}


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_frame_of_the_server_is_replayed_to_the_byte(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.yaml"

    async def listen(server: GeminiServer | None = None) -> list[Any]:
        async with session_of(server) as session:
            await session.send_realtime_input(text="Hi")
            return [await session._ws.recv()]

    live = await recorded(path, reply.live(ODD[name]), talk=listen)
    with GeminiRecorder(path, strict=True):
        assert await listen() == live
    assert Cassette.load(path).websockets[0].conversation.frames[3].message == live[0]


@pytest.mark.parametrize("message", ["no json", b"\xff\x00", "", "17", '{"surprise": 1}'], ids=repr)
async def test_an_odd_frame_of_the_client_is_compared(tmp_path: Path, message: Any) -> None:
    path = tmp_path / "a.yaml"

    async def speak_oddly(server: GeminiServer | None = None, said: Any = message) -> str:
        async with session_of(server) as session:
            await session._ws.send(said)
            return texts(await turn(session, "Hi"))

    async def otherwise() -> None:
        with GeminiRecorder(path):
            await speak_oddly(said="something else")

    assert await recorded(path, reply.live(reply.text("Hello.")), talk=speak_oddly) == "Hello."
    with GeminiRecorder(path, strict=True):
        assert await speak_oddly() == "Hello."
    with pytest.raises(CassetteMiss, match="message 2 of the client differs"):
        await otherwise()


# Cut off


async def test_a_recording_that_ended_in_mid_session_says_so(tmp_path: Path) -> None:
    """The block of the recorder was left while the session was open."""
    path = tmp_path / "a.yaml"
    script = reply.live(reply.text("Hello."), reply.text("Never recorded."))
    with GeminiServer(script) as server:
        with GeminiRecorder(path, record="once", base_url=server.url):
            client = client_of(server)
            connecting = client.aio.live.connect(model="gemini-live-2.5-flash-preview")
            session = await connecting.__aenter__()
            assert texts(await turn(session, "Hi")) == "Hello."
        await turn(session, "And?")
        await connecting.__aexit__(None, None, None)
        await client.aio.aclose()
    assert Cassette.load(path).websockets[0].close is None

    async def replay() -> None:
        async with GeminiRecorder(path), session_of() as session:
            assert texts(await turn(session, "Hi")) == "Hello."
            await turn(session)

    began = time.monotonic()
    with pytest.raises(CassetteMiss, match="then the recording ended: nothing is left to receive"):
        await replay()
    assert time.monotonic() - began < PATIENCE  # which is the last resort


@pytest.mark.parametrize("kept", [0.5, 0.8, 0.9])
async def test_a_file_that_was_cut_off_is_refused_or_misses(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "a.yaml"

    async def ask(server: GeminiServer | None = None) -> str:
        async with session_of(server) as session:
            return texts(await turn(session, "Hi"))

    async def replay() -> None:
        with GeminiRecorder(path):
            await ask()

    await recorded(path, reply.live(reply.text("Hello.")), talk=ask)
    whole = path.read_text()
    path.write_text(whole[: int(len(whole) * kept)])
    began = time.monotonic()
    with pytest.raises((CassetteBroken, CassetteMiss), match=r"a\.yaml|WEBSOCKET"):
        await replay()
    assert time.monotonic() - began < PATIENCE  # which is the last resort


# Sound


def sounds_in(folder: Path) -> list[tuple[int, int]]:
    """Return rate and length of each file of sound."""
    files: list[tuple[int, int]] = []
    for file in folder.glob("*.wav"):
        with wave.open(str(file)) as sound:
            files.append((sound.getframerate(), sound.getnframes()))
    return sorted(files)


def shortened_sound_in(folder: Path) -> str:
    """Cut the file of sound off; return its name."""
    [file] = folder.glob("*.wav")
    file.write_bytes(file.read_bytes()[:5000])
    return file.name


async def test_two_rates_of_the_microphone_and_of_the_voice(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def talk(server: GeminiServer | None = None, pieces: int = 4) -> list[bytes]:
        async with session_of(server) as session:
            await speak(session, 6400, pieces)
            await speak(session, 3200, pieces, "audio/pcm;rate=8000")
            await session.send_realtime_input(audio_stream_end=True)
            return [spoken(await turn(session)), spoken(await turn(session, "Again"))]

    voices = reply.speech(seconds=0.2), reply.speech(seconds=0.2, rate=16_000)
    live = await recorded(path, reply.live(*voices), talk=talk)
    assert [len(sound) for sound in live] == [9600, 6400]
    with GeminiRecorder(path, strict=True):
        assert await talk(pieces=1) == live
    assert sounds_in(tmp_path) == [(8000, 1600), (16_000, 3200), (16_000, 3200), (24_000, 4800)]


async def test_less_sound_of_one_rate_is_a_miss_however_much_there_is_of_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def talk(server: GeminiServer | None = None, *, sizes: tuple[int, int] = (3200, 3200)) -> None:
        async with session_of(server) as session:
            await speak(session, sizes[0])
            await speak(session, sizes[1], 1, "audio/pcm;rate=8000")
            await session.send_realtime_input(audio_stream_end=True)
            await turn(session)

    async def replay() -> None:
        with GeminiRecorder(path):
            await talk(sizes=(6400, 1600))

    await recorded(path, reply.live(reply.text("Hello.")), talk=talk)
    with pytest.raises(CassetteMiss, match=r"sound and video, audio/pcm;rate=8000: recorded 3200 bytes, sent 1600"):
        await replay()


async def test_a_file_of_sound_that_is_too_short_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def ask(server: GeminiServer | None = None) -> None:
        async with session_of(server) as session:
            await turn(session, "Hi")

    async def replay() -> None:
        with GeminiRecorder(path):
            await ask()

    await recorded(path, reply.live(reply.speech(seconds=0.2)), talk=ask)
    name = shortened_sound_in(tmp_path)
    with pytest.raises(CassetteBroken, match=re.escape(name)):
        await replay()


# Clients that don't read


async def test_a_server_ends_in_time_though_its_client_never_reads() -> None:
    much = functools.reduce(operator.add, [reply.blob(bytes(2**16), "audio/pcm;rate=24000")] * 200)
    with GeminiServer(reply.live(much), strict=False) as server:
        client = client_of(server)
        connecting = client.aio.live.connect(model="gemini-live-2.5-flash-preview")
        session = await connecting.__aenter__()
        await session.send_realtime_input(text="Hi")
        await asyncio.sleep(0.3)
        began = time.monotonic()
        server.stop()  # nothing is read meanwhile: the client is on this event loop
        took = time.monotonic() - began
        session._ws.transport.abort()
        await client.aio.aclose()
    assert took < 5
