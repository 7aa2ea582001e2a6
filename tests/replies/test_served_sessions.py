"""Live sessions of a cassette, played by the loopback server: for applications in other processes."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.genai.errors import APIError
from support.live_clients import client_of, session_of, speak, texts, turn
from websockets.exceptions import InvalidStatus

from maxim_gemini.testing import CassetteMiss, GeminiRecorder, GeminiServer, cassettes, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http.event_loops import PATIENCE
from maxim_gemini.testing._replies.live_flows import LIVE_FLOWS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SNAPSHOTS = Path(__file__).parents[1] / "bundled" / "snapshots"
SPEECH = reply.input_transcription("What time?") + reply.speech("Noon.", seconds=0.2)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    return await recorded(tmp_path / "a.yaml", reply.live(reply.text("Hello."), SPEECH), talk=talk)


async def recorded(path: Path, *replies: Any, talk: Callable[[GeminiServer], Awaitable[Any]]) -> Path:
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(*replies))
        stack.enter_context(GeminiRecorder(path, record="once", base_url=server.url))
        await talk(server)
    return path


async def talk(server: GeminiServer, *, pieces: int = 10, wait: float = 0.0) -> list[Any]:
    async with session_of(server) as session:
        first = await turn(session, "Hi")
        await asyncio.sleep(wait)
        await speak(session, 6400, pieces)
        await session.send_realtime_input(audio_stream_end=True)
        return [*first, *await turn(session)]


@pytest.mark.parametrize("name", [name for name in LIVE_FLOWS if name != "interaction_live"])
def test_a_program_sees_the_recorded_session(name: str) -> None:
    flow = LIVE_FLOWS[name]
    with GeminiServer(cassette=cassettes.path(name)) as server:
        live = flow.play(flow.client(server.url))
    assert json.loads(json.dumps(live)) == json.loads((SNAPSHOTS / f"{name}.json").read_text())["seen"]


async def test_the_requests_are_those_of_the_client(path: Path) -> None:
    with GeminiServer(cassette=path) as server:
        await talk(server, pieces=2)
    [request] = server.requests
    assert request.is_live
    assert [next(iter(message)) for message in request.messages] == ["client_content", "realtime_input"]
    assert request.media_bytes == {"audio/pcm;rate=16000": 6400}


async def test_a_client_may_take_its_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay in process gives up on a wait that can't end; other processes can't be looked into."""
    monkeypatch.setattr("maxim_gemini.testing._http.event_loops.PATIENCE", 0.1)
    with GeminiServer(cassette=path) as server:
        assert texts(await talk(server, wait=0.5)) == "Hello."


async def test_what_was_not_recorded_closes_the_connection_with_the_difference(path: Path) -> None:
    async def ask() -> None:
        with GeminiServer(cassette=path) as server:
            async with session_of(server) as session:
                with pytest.raises(APIError, match="session 1: message 2 of the client dif") as caught:
                    await turn(session, "Hello")
            assert caught.value.code == 1011

    began = time.monotonic()
    with pytest.raises(CassetteMiss, match=r"text: recorded 'Hi' != sent 'Hello'"):
        await ask()
    assert time.monotonic() - began < PATIENCE  # which is the last resort


async def test_a_cassette_without_sessions_closes_the_connection() -> None:
    server = GeminiServer(cassette=cassettes.path("text"), strict=False)
    with server, pytest.raises(APIError, match="no session was recorded there"):
        async with session_of(server):
            pytest.fail("there is a session")


async def test_refusals_are_played(tmp_path: Path) -> None:
    async def refused(server: GeminiServer) -> None:
        with pytest.raises(InvalidStatus, match="HTTP 429"):
            async with session_of(server):
                pytest.fail("there is a session")

    path = await recorded(tmp_path / "a.yaml", reply.refuse(429), talk=refused)
    with GeminiServer(cassette=path) as server:
        await refused(server)
    assert len(server.requests) == 1


async def test_an_application_that_is_started_again_gets_the_same_sessions(path: Path) -> None:
    with GeminiServer(cassette=Cassette.load(path, allow_playback_repeats=True)) as server:
        answers = [await talk(server) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]


async def test_two_clients_at_once(tmp_path: Path) -> None:
    async def ask(server: GeminiServer, text: str) -> str:
        async with session_of(server) as session:
            return texts(await turn(session, text))

    async def both(server: GeminiServer) -> None:
        assert [await ask(server, text) for text in ("one", "two")] == ["1", "2"]

    path = await recorded(tmp_path / "a.yaml", *(reply.live(reply.text(text)) for text in "12"), talk=both)
    with GeminiServer(cassette=path) as server:
        assert [*await asyncio.gather(ask(server, "two"), ask(server, "one"))] == ["2", "1"]


async def test_the_recorded_pace(tmp_path: Path) -> None:
    async def ask(server: GeminiServer) -> float:
        async with session_of(server) as session:
            began = time.monotonic()
            await turn(session, "Hi")
            return time.monotonic() - began

    slow = reply.live(reply.text("a") + reply.wait(0.4) + reply.text("b"))
    path = await recorded(tmp_path / "a.yaml", slow, talk=ask)
    with GeminiServer(cassette=path, pace="recorded") as server:
        assert await ask(server) >= 0.4


async def test_a_client_that_goes_leaves_nothing_behind(path: Path) -> None:
    with GeminiServer(cassette=path) as server:
        client = client_of(server)
        async with client.aio.live.connect(model="gemini-live-2.5-flash-preview"):
            pass
        await client.aio.aclose()
