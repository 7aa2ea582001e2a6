"""What the plugin prints in a run of pytest inside of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def tail(result: pytest.RunResult) -> str:
    """Return our part of the summary, without the line that counts tests."""
    text = result.stdout.str()
    return text.partition(" maxim-gemini =")[2].partition("\n=")[0].lstrip("=").strip()


def record(suite: pytest.Pytester, *args: str, mode: str = "once") -> pytest.RunResult:
    """Run *suite* in that mode."""
    return suite.runpytest_inprocess(f"--maxim-gemini-record={mode}", *args)
