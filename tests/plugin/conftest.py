from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

# pytester forgets what an inner run imports, and importing it again takes long: so it is imported here.
from hypothesis.internal import observability  # noqa: F401
from support.loopback import Loopback, loopback
from support.talkative import talk

from maxim_gemini.testing._pytest import marker, terminal  # noqa: F401
from maxim_gemini.testing._recorder.recorder import GeminiRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAID_OUTSIDE = ("CI", "MAXIM_GEMINI_RECORD", "GEMINI_API_KEY", "GOOGLE_API_KEY", "PYTEST_ADDOPTS")


@pytest.fixture(autouse=True)
def _nothing_said_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _SAID_OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    # A file that is changed within a second, and keeps its size, would be run as it was before.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    with loopback(talk) as server:
        with GeminiRecorder(
            tmp_path_factory.mktemp("warm") / "up.yaml", record="once", base_url=server.url
        ) as recorder:
            recorder.client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
        yield server


@pytest.fixture
def gemini(_server: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """A Gemini on 127.0.0.1, which the tests of `suite` send to."""
    _server.requests.clear()
    monkeypatch.setenv("GEMINI_AT", _server.url)
    return _server


@pytest.fixture
def suite(pytester: pytest.Pytester, gemini: Loopback) -> pytest.Pytester:
    """A folder for the suite of somebody who uses the plugin."""
    # The plugin left out collects garbage several times at the end of a run, which takes seconds; and with assertions
    # as they are, no run has to compile what it imports.
    pytester.makeini(
        "[pytest]\naddopts = -p no:unraisableexception -p no:randomly --assert=plain\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makeconftest(
        """
        import os
        import pytest

        @pytest.fixture(scope="session")
        def maxim_gemini_config():
            return {"base_url": os.environ["GEMINI_AT"]}

        @pytest.fixture
        def ask(maxim_gemini_recorder):
            def ask(text):
                client = maxim_gemini_recorder.client
                return client.models.generate_content(model="gemini-2.5-flash", contents=text).text
            return ask
        """
    )
    return pytester
