"""The fixtures: thin, and each imports its room when it is used."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from .options import MARKER, RECORDER_FIXTURE
from .session import session_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from google.genai import Client

    from maxim_gemini.testing._logs.fake_logger import FakeLogger
    from maxim_gemini.testing._logs.maxim_api import MaximApi
    from maxim_gemini.testing._recorder.recorder import GeminiRecorder
    from maxim_gemini.testing._replies.mock import GeminiMock
    from maxim_gemini.testing._replies.server import GeminiServer


@pytest.fixture(scope="session")
def maxim_gemini_config() -> Mapping[str, Any]:
    """Default marker options as a dict. Override in a module or conftest, in any scope."""
    return {}


@pytest.fixture
def maxim_fake_logger(request: pytest.FixtureRequest) -> FakeLogger:
    """A Maxim logger in memory, which shows what Maxim would have received."""
    with _needing("maxim_fake_logger"):
        from maxim_gemini.testing._logs.fake_logger import FakeLogger
    logger = FakeLogger()
    session_of(request.config).current.log_to(logger)
    return logger


@pytest.fixture
def maxim_gemini_recorder(
    request: pytest.FixtureRequest, maxim_gemini_config: Mapping[str, Any], maxim_fake_logger: FakeLogger
) -> Iterator[GeminiRecorder]:
    """The recorder of the test: its Gemini traffic is recorded once, and replayed from then on."""
    with _needing(RECORDER_FIXTURE):
        from .recording import recording
    with recording(request, maxim_gemini_config, maxim_fake_logger) as recorder:
        yield recorder


@pytest.fixture
def gemini_client(maxim_gemini_recorder: GeminiRecorder) -> Client:
    """The client that `maxim_gemini_recorder.client` wraps. Override to use your own."""
    return maxim_gemini_recorder.default_client


@pytest.fixture
def gemini_mock(request: pytest.FixtureRequest) -> Iterator[GeminiMock]:
    """Scripted replies in this process, over every HTTP library. The test fails on missing or unused replies."""
    with _needing("gemini_mock"):
        from maxim_gemini.testing._replies.mock import GeminiMock
    with GeminiMock(strict=False) as mock:
        session_of(request.config).current.scripts.append(mock)
        yield mock


@pytest.fixture
def gemini_server(request: pytest.FixtureRequest) -> Iterator[GeminiServer]:
    """Scripted replies from a server on 127.0.0.1. The test fails on missing or unused replies."""
    with _needing("gemini_server"):
        from maxim_gemini.testing._replies.server import GeminiServer
    with GeminiServer(strict=False) as server:
        session_of(request.config).current.scripts.append(server)
        yield server


@pytest.fixture
def maxim_api(request: pytest.FixtureRequest) -> Iterator[MaximApi]:
    """Maxim's ingestion API, mocked: real loggers post to it, and it shows what they posted."""
    with _needing("maxim_api"):
        from maxim_gemini.testing._logs.maxim_api import MaximApi
    with MaximApi() as api:
        session_of(request.config).current.log_to(api)
        yield api


@pytest.fixture(autouse=True, name="_maxim_gemini_marked")
def maxim_gemini_marked(request: pytest.FixtureRequest) -> None:
    # Autouse, so that it runs after the fixtures of wider scopes and before those of the test, which it is to catch.
    if request.node.get_closest_marker(MARKER) is None:
        return
    from .marker import wants_recorder

    if wants_recorder(request.node):
        request.getfixturevalue(RECORDER_FIXTURE)


@contextmanager
def _needing(fixture: str) -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("maxim_gemini"):
            raise
        raise pytest.fail.Exception(
            f'The fixture {fixture} needs {error.name}, which is not installed: pip install "maxim-gemini[testing]"',
            pytrace=False,
        ) from None
