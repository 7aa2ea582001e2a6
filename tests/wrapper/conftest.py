from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.clients import SYNC_LIBRARIES, client_over, closed
from support.loopback import loopback
from support.script import Gemini

from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from google import genai


@pytest.fixture
def logger() -> FakeLogger:
    return FakeLogger()


@pytest.fixture
def gemini() -> Iterator[Gemini]:
    """A Gemini on 127.0.0.1 that says what the test tells it to."""
    script = Gemini()
    with loopback(script) as server:
        script.url = server.url
        yield script


@pytest.fixture
async def raw(gemini: Gemini) -> AsyncIterator[genai.Client]:
    """A bare client of that Gemini."""
    client = client_over(SYNC_LIBRARIES[0], gemini.url)
    yield client
    await closed(client)
