"""What workers of pytest-xdist record is kept, and counted by the controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail
from plugin.suites import CHAT, TALK, held, sessions, shared, talkative
from support.clients import SDK_MAJOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.loopback import Loopback

pytest.importorskip("xdist")

SUITE = """
import pytest

@pytest.mark.parametrize("text", ["a", "b", "c", "d"])
def test_each(ask, text):
    assert ask(text) == f"You said: {text}"
"""
WORKERS = ("-n", "2")


@pytest.fixture(autouse=True)
def _few_plugins(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers start faster, without the plugins of this environment."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    suite.makeini(
        "[pytest]\naddopts = -p xdist -p maxim_gemini.testing.plugin -p no:unraisableexception --assert=plain\n"
    )


@pytest.fixture
def talks(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """Whether the suite talks live, too: not with google-genai 1."""
    if SDK_MAJOR < 2:
        yield False
        return
    suite.makepyfile(test_talk=TALK)
    with talkative() as server:
        monkeypatch.setenv("GEMINI_LIVE_AT", server.url)
        yield True


def test_workers_keep_each_others_recordings(suite: pytest.Pytester, gemini: Loopback, talks: bool) -> None:
    suite.makepyfile(test_chat=CHAT)
    for mode in ("once", "rewrite"):
        record(suite, *WORKERS, mode=mode).assert_outcomes(passed=10 if talks else 5)
        assert held(shared(suite.path)) == 5
        assert not talks or sessions(shared(suite.path, "test_talk")) == 5
    result = suite.runpytest_inprocess("--maxim-gemini-strict", *WORKERS)
    result.assert_outcomes(passed=10 if talks else 5)
    assert result.ret == 0
    replayed = "11 replayed, 0 recorded, 0 live, 0 unused, 0 missed (2 cassettes)"
    assert tail(result) == (replayed if talks else "6 replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)")


def test_a_process_that_ends_at_once_neither_saves_nor_blocks_the_others(
    suite: pytest.Pytester, gemini: Loopback
) -> None:
    suite.makepyfile(test_chat=CHAT + "\ndef test_exit(ask):\n    ask('lost')\n    import os\n    os._exit(3)\n")
    record(suite, *WORKERS).assert_outcomes(passed=5, failed=1)
    text = shared(suite.path).read_text()
    assert (held(shared(suite.path)), "lost" in text) == (5, False)


def test_workers_are_counted_together(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=SUITE)
    record(suite)
    suite.makepyfile(test_chat=SUITE.replace("ask(text) ==", 'text == "d" or ask(text) =='))
    cassettes = suite.path / "cassettes/test_chat"
    (cassettes / "test_each[c].yaml").unlink()
    (cassettes / "test_gone.yaml").write_bytes((cassettes / "test_each[a].yaml").read_bytes())
    result = record(suite, *WORKERS, "--maxim-gemini-report=traces.json", mode="new_episodes")
    result.assert_outcomes(passed=4)
    assert tail(result).splitlines() == [
        "2 replayed, 1 recorded, 1 live, 1 unused, 0 missed (4 cassettes)",
        "unused    cassettes/test_chat/test_each[d].yaml: 1 answer not used by test_chat.py::test_each[d]",
        "recorded  cassettes/test_chat/test_each[c].yaml: 1 answer",
        "orphaned  cassettes/test_chat/test_gone.yaml: no test uses it",
        "To record all of it again: pytest --maxim-gemini-record=rewrite 'test_chat.py::test_each[d]'",
        "traces of 4 tests written to traces.json",
    ]
