"""Several tests record live sessions with sound into one cassette."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail
from plugin.suites import TALK, sessions, shared, talkative

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing import GeminiServer


@pytest.fixture
def server(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[GeminiServer]:
    with talkative() as server:
        monkeypatch.setenv("GEMINI_LIVE_AT", server.url)
        suite.makepyfile(test_talk=TALK)
        yield server


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite"])
def test_all_sessions_are_kept_in_every_mode(suite: pytest.Pytester, server: GeminiServer, mode: str) -> None:
    for _ in range(2):
        record(suite, mode=mode).assert_outcomes(passed=5)
        assert sessions(shared(suite.path, "test_talk")) == 5
    assert len(server.requests) == (10 if mode in ("all", "rewrite") else 5)
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    assert tail(result) == "5 replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)"
    record(suite, mode="verify").assert_outcomes(passed=5)
