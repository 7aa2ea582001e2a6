"""A connection of `websockets` itself, opened in a recorder: in a replay it does what it does over the network."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConcurrencyError, ConnectionClosed

from maxim_gemini.testing import GeminiRecorder, GeminiServer, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http.websocket import Close

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=any"
SETUP = json.dumps({"setup": {"model": "models/gemini-live-2.5-flash-preview"}})


def says(text: str) -> str:
    return json.dumps({"clientContent": {"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": True}})


async def turn(socket: ClientConnection, **options: Any) -> list[Any]:
    messages: list[Any] = []
    while not messages or "turnComplete" not in str(messages[-1]):
        messages.append(await socket.recv(**options))
    return messages


async def of_every_form(socket: ClientConnection) -> AsyncIterator[Any]:
    """Send messages of every form that `send` takes, and receive in every form that `recv` gives."""

    async def slowly(text: str) -> AsyncIterator[str]:
        for character in text:
            yield character

    await socket.send(SETUP)
    yield await socket.recv()
    await socket.send(says("one").encode())
    yield await turn(socket)
    await socket.send(bytearray(says("two").encode()))
    yield await turn(socket, decode=True)
    await socket.send(memoryview(says("three").encode()))
    yield await turn(socket, decode=False)
    await socket.send([says("four")[:9], says("four")[9:]])
    yield await turn(socket)
    await socket.send(slowly(says("five")))
    yield [b"".join([piece async for piece in socket.recv_streaming(decode=False)])]
    yield await turn(socket)
    await socket.send(says("six"), text=False)
    yield await turn(socket)
    await socket.send(says("seven").encode(), text=True)
    yield await turn(socket)


async def its_state(socket: ClientConnection) -> AsyncIterator[Any]:
    yield socket.state.name, socket.close_code, socket.close_reason, socket.subprotocol, socket.local_address[0]
    yield socket.remote_address[0] if socket.remote_address[0] == "127.0.0.1" else "elsewhere"
    await socket.pong()
    yield isinstance(await (await socket.ping()), float)
    yield isinstance(repr(socket), str), socket.latency >= 0
    await socket.send(SETUP)
    yield await socket.recv()
    await socket.close(1001, "enough")
    await socket.close()
    await socket.wait_closed()
    yield socket.state.name, socket.close_code, socket.close_reason
    for act in (socket.recv, lambda: socket.send("x")):
        with pytest.raises(ConnectionClosed) as closed:
            await act()
        yield type(closed.value), str(closed.value)


async def two_readers(socket: ClientConnection) -> AsyncIterator[Any]:
    first = asyncio.create_task(socket.recv())
    await asyncio.sleep(0)
    with pytest.raises(ConcurrencyError) as refused:
        await socket.recv()
    yield str(refused.value)
    await socket.send(SETUP)
    yield await first


async def until_it_ends(socket: ClientConnection) -> AsyncIterator[Any]:
    await socket.send(SETUP)
    await socket.send(says("bye"))
    yield [message async for message in socket]
    yield socket.state.name, socket.close_code, socket.close_reason


SCRIPTS: dict[Callable[[Any], AsyncIterator[Any]], Any] = {
    of_every_form: [reply.live(*map(reply.text, ["1", "2", "3", "4", "5", "6", "7"]))],
    its_state: [reply.live()],
    two_readers: [reply.live()],
    until_it_ends: [reply.live(reply.text("Bye") + reply.close(1000, "done"))],
}


@pytest.mark.timeout(60)  # a message that the replay does not take for the recorded one may end in a wait
@pytest.mark.parametrize("program", SCRIPTS, ids=lambda program: program.__name__)
async def test_a_replayed_connection_does_what_a_real_one_does(
    tmp_path: Path, program: Callable[[Any], AsyncIterator[Any]]
) -> None:
    async def run(base: str) -> list[Any]:
        async with connect(f"{base}{PATH}") as socket:
            return [seen async for seen in program(socket)]

    path = tmp_path / "socket.yaml"
    with GeminiServer(*SCRIPTS[program]) as server, GeminiRecorder(path, record="once", base_url=server.url):
        live = await run(server.url.replace("http", "ws"))
    with GeminiRecorder(path) as recorder:
        assert await run("wss://generativelanguage.googleapis.com") == live
    assert recorder.outcome.replayed == 1


# Sessions that are not recorded, and go to the server after all


async def old_session(path: Path) -> None:
    script = reply.live(reply.text("Old."))
    with GeminiServer(script) as server, GeminiRecorder(path, record="once", base_url=server.url):
        async with connect(server.url.replace("http", "ws") + PATH) as socket:
            await socket.send(SETUP)
            await socket.recv()
            await socket.send(says("old"))
            await turn(socket)


async def test_messages_that_are_sent_at_once_go_to_one_connection(tmp_path: Path) -> None:
    path = tmp_path / "socket.yaml"
    await old_session(path)
    with (
        GeminiServer(reply.live(reply.text("One."), reply.text("Two."))) as server,
        GeminiRecorder(path, record="new_episodes", base_url=server.url) as recorder,
    ):
        async with connect(server.url.replace("http", "ws") + PATH) as socket:
            await socket.send(SETUP)
            await socket.recv()
            await asyncio.gather(socket.send(says("new")), socket.send(says("newer")))
            assert "One." in str(await turn(socket))
            assert "Two." in str(await turn(socket))
        assert len(server.requests) == 1
    assert recorder.outcome.recorded == 1
    assert Cassette.load(path).websockets[-1].close == Close(1000, "", "client")


@pytest.mark.timeout(60)  # it may end in a wait
async def test_a_reader_sees_the_end_where_the_server_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "socket.yaml"
    await old_session(path)
    with GeminiServer() as server:
        base = server.url
    with GeminiRecorder(path, record="new_episodes", base_url=base, strict=False):
        async with connect(base.replace("http", "ws") + PATH) as socket:
            await socket.send(SETUP)
            await socket.recv()
            reading = asyncio.create_task(socket.recv())
            await asyncio.sleep(0)
            with pytest.raises(OSError, match="Connect"):
                await socket.send(says("new"))
            with pytest.raises(ConnectionClosed):
                await reading
            assert socket.close_code == 1006


async def until_closed(socket: ClientConnection) -> AsyncIterator[Any]:
    with suppress(ConnectionClosed):
        while True:
            yield await socket.recv()


async def test_the_end_of_a_session_that_went_live_is_the_server_s(tmp_path: Path) -> None:
    path = tmp_path / "socket.yaml"
    await old_session(path)
    with (
        GeminiServer(reply.live(reply.text("New.") + reply.close(1011, "overloaded"))) as server,
        GeminiRecorder(path, record="new_episodes", base_url=server.url),
    ):
        async with connect(server.url.replace("http", "ws") + PATH) as socket:
            for message in (SETUP, says("new")):
                await socket.send(message)
            messages = [message async for message in until_closed(socket)]
            with pytest.raises(ConnectionClosed, match="overloaded"):
                await socket.send(says("more"))
            assert (socket.close_code, socket.close_reason) == (1011, "overloaded")
            assert "New." in str(messages)
    assert Cassette.load(path).websockets[-1].close == Close(1011, "overloaded", "server")


@pytest.mark.timeout(60)
async def test_a_recorded_answer_that_is_still_to_come_is_dropped_for_the_server_s(tmp_path: Path) -> None:
    path = tmp_path / "socket.yaml"
    await old_session(path)
    with (
        GeminiServer(reply.live(reply.text("New."))) as server,
        GeminiRecorder(path, record="new_episodes", base_url=server.url) as recorder,
    ):
        recorder.stall(0.5)
        async with connect(server.url.replace("http", "ws") + PATH) as socket:
            reading = asyncio.create_task(socket.recv())
            await socket.send(SETUP)
            await socket.send(says("new"))
            messages = [await reading, *await turn(socket)]
    assert str(messages).count("setupComplete") == 1
    assert "New." in str(messages)
