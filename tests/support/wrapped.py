"""Fixtures of the wrapper's rooms: a Gemini on loopback, a bare client of it, a wrapped one, and its logger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google import genai

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger
from support.clients import closed
from support.loopback import Loopback, loopback
from support.script import Gemini
from support.sides import SIDES, Sync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.maxim_ends import Wire


@pytest.fixture
def logger(wire: Wire, request: pytest.FixtureRequest) -> Iterator[FakeLogger]:
    """A fake logger, which must show what a real logger sends over the wire."""
    logger = FakeLogger()
    with wire.beside(logger, request.node.nodeid):
        yield logger


@pytest.fixture(scope="session")
def loopback_server() -> Iterator[Loopback]:
    """One server for all tests, each of which gives it a script of its own."""
    with loopback(Gemini()) as server:
        yield server


@pytest.fixture
def gemini(loopback_server: Loopback) -> Gemini:
    """A Gemini on 127.0.0.1 that answers as the test tells it to."""
    script = Gemini()
    script.url = loopback_server.url
    loopback_server.script = script
    loopback_server.requests.clear()
    return script


@pytest.fixture
async def raw(gemini: Gemini) -> AsyncIterator[genai.Client]:
    """A bare client of that Gemini."""
    options: Any = {"base_url": gemini.url, "client_args": {"verify": False}, "async_client_args": {"verify": False}}
    client = genai.Client(api_key="test-key", http_options=options)
    yield client
    await closed(client)


@pytest.fixture(params=SIDES, ids=repr)
def side(request: pytest.FixtureRequest) -> Sync:
    """The sync client, then the async one."""
    side: Sync = request.param
    return side


@pytest.fixture
def client(raw: genai.Client, logger: FakeLogger) -> MaximGeminiClient:
    """A wrapped client of the Gemini on 127.0.0.1."""
    return MaximGeminiClient(raw, logger)
