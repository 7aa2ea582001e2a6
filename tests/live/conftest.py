from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google import genai
from support.clients import closed
from support.live import Gemini, gemini_on_loopback
from support.maxim_ends import Wire, wire
from support.wrapped import client

from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["client", "wire"]


@pytest.fixture
def logger(wire: Wire, request: pytest.FixtureRequest) -> Iterator[FakeLogger]:
    """A fake logger, which must show what a real logger sends over the wire."""
    logger = FakeLogger()
    with wire.beside(logger, request.node.nodeid):
        yield logger
        logger.writer.settle()


@pytest.fixture
async def gemini(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gemini]:
    """A Gemini on 127.0.0.1 that plays the script that the test gives it."""
    async with gemini_on_loopback(monkeypatch) as served:
        yield served


@pytest.fixture
async def raw() -> AsyncIterator[genai.Client]:
    """A bare client."""
    client = genai.Client(api_key="test-key")
    yield client
    await closed(client)
