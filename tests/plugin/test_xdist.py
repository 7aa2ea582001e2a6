"""What workers of pytest-xdist did is told by the controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail

if TYPE_CHECKING:
    from support.loopback import Loopback

pytest.importorskip("xdist")

SUITE = """
import pytest

@pytest.mark.parametrize("text", ["a", "b", "c", "d"])
def test_each(ask, text):
    assert ask(text) == f"You said: {text}"
"""


def test_workers_are_counted_together(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Workers start faster without the plugins of this environment.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    suite.makeini(
        "[pytest]\naddopts = -p xdist -p maxim_gemini.testing.plugin -p no:unraisableexception --assert=plain\n"
    )
    suite.makepyfile(test_chat=SUITE)
    record(suite)
    suite.makepyfile(test_chat=SUITE.replace("ask(text) ==", 'text == "d" or ask(text) =='))
    cassettes = suite.path / "cassettes/test_chat"
    (cassettes / "test_each[c].yaml").unlink()
    (cassettes / "test_gone.yaml").write_bytes((cassettes / "test_each[a].yaml").read_bytes())
    result = record(suite, "-n", "2", "--maxim-gemini-report=traces.json", mode="new_episodes")
    result.assert_outcomes(passed=4)
    assert tail(result).splitlines() == [
        "2 replayed, 1 recorded, 1 live, 1 unused, 0 missed (4 cassettes)",
        "unused    cassettes/test_chat/test_each[d].yaml: 1 answer not used by test_chat.py::test_each[d]",
        "recorded  cassettes/test_chat/test_each[c].yaml: 1 answer",
        "orphaned  cassettes/test_chat/test_gone.yaml: no test uses it",
        "To record all of it again: pytest --maxim-gemini-record=rewrite 'test_chat.py::test_each[d]'",
        "traces of 4 tests written to traces.json",
    ]
