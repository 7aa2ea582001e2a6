from __future__ import annotations

import pytest
from google.genai import __version__ as sdk
from support.tables import Tally

VARIABLES = (
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_ENTERPRISE",
    "GOOGLE_CLOUD_PROJECT",
)

_REPLAYED = Tally(f"real cassettes replayed through a wrapped client on google-genai {sdk}")


@pytest.fixture
def replayed_cassettes() -> Tally:
    return _REPLAYED


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _REPLAYED:
        terminalreporter.section(_REPLAYED.title)
        for line in _REPLAYED.lines():
            terminalreporter.write_line(line)
