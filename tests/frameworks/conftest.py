"""What every framework is tested with: a wrapped client that talks to a server on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google import genai

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, GeminiServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as serving:
        yield serving


@pytest.fixture
def logger() -> FakeLogger:
    return FakeLogger()


@pytest.fixture
async def client(server: GeminiServer, logger: FakeLogger) -> AsyncIterator[MaximGeminiClient]:
    bare = genai.Client(api_key="unused", http_options={"base_url": server.url})
    yield MaximGeminiClient(bare, logger)
    await bare.aio.aclose()
