"""A backend on loopback, and a folder for what it does not take."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.maxim_backend import Backend


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what can't be sent is kept."""
    monkeypatch.setenv("MAXIM_GEMINI_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A backend that takes everything at once."""
    with Backend() as backend:
        yield backend
