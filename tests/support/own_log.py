"""What the wrapper itself has logged.

`caplog.messages` holds the log of every library in the process, and google-genai warns of some things once a process: a
test that reads it depends on the tests before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def own_messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages that the logger `maxim_gemini` got during this test."""
    return [record.getMessage() for record in caplog.records if record.name == "maxim_gemini"]
