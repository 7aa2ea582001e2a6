"""A server in a test whose clock is frozen or shifted: its own time goes on."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import freezegun
import pytest
import time_machine
from support.clients import asking, opened

from maxim_gemini.testing import GeminiMock, GeminiServer, reply
from maxim_gemini.testing._clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MODEL = "gemini-2.5-flash"
FREEZERS = {
    "freezegun": lambda: freezegun.freeze_time("2020-01-01"),
    "time-machine": lambda: time_machine.travel("2020-01-01", tick=False),
}
PAUSED = reply.stream("Par") + reply.wait(0.05) + reply.stream("is.")


@pytest.fixture(params=FREEZERS)
def frozen(request: pytest.FixtureRequest) -> Any:
    return FREEZERS[request.param]


@contextmanager
def within(seconds: float) -> Generator[None]:
    """Fail where the block takes longer; *seconds* is a guard against a hang, far above what it needs."""
    started = monotonic()
    yield
    assert monotonic() - started < seconds


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    import faulthandler

    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def streamed(url: str | None = None) -> str:
    with asking(url) as client:
        chunks = client.models.generate_content_stream(model=MODEL, contents="x")
        return "".join(str(chunk.text) for chunk in chunks)


def test_pauses_of_a_running_server_end(frozen: Any) -> None:
    with GeminiServer(PAUSED) as server, frozen():
        assert streamed(server.url) == "Paris."


def test_a_server_starts_answers_and_stops_in_frozen_time(frozen: Any) -> None:
    with frozen(), within(20), GeminiServer(PAUSED, reply.text("a") + reply.stall()) as server:
        assert streamed(server.url) == "Paris."
        with asking(server.url, timeout=200) as client, pytest.raises(Exception, match="timed out"):
            client.models.generate_content(model=MODEL, contents="x")


def test_a_gate_opens_in_frozen_time(frozen: Any) -> None:
    gate = reply.Gate()

    def open_when_reached() -> None:
        gate.wait_until_reached()
        gate.open()

    opener = threading.Thread(target=open_when_reached)
    opener.start()
    with frozen(), GeminiServer(reply.stream("a") + reply.hold(gate) + reply.stream("b")) as server:
        assert streamed(server.url) == "ab"
    opener.join()


def test_a_connection_is_kept_though_the_clock_jumps() -> None:
    with freezegun.freeze_time("2020-01-01") as clock, GeminiServer() as server, asking(server.url) as client:
        server.always(reply.text("hi"))
        for _ in range(3):
            assert client.models.generate_content(model=MODEL, contents="x").text == "hi"
            clock.tick(86400)


def test_pauses_of_the_mock_end_too(frozen: Any) -> None:
    with GeminiMock(PAUSED), frozen():
        assert streamed() == "Paris."


@pytest.mark.parametrize("library", ["httpx2", "httpx", "aiohttp"])
async def test_pauses_of_the_mock_end_on_the_async_side(frozen: Any, library: str) -> None:
    pytest.importorskip(library)
    async with opened(library) as client:
        with GeminiMock(PAUSED), frozen():
            stream = await client.aio.models.generate_content_stream(model=MODEL, contents="x")
            assert [chunk.text async for chunk in stream] == ["Par", "is."]
