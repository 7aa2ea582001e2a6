"""What a report is made of: plain data, so that it crosses processes (pytest-xdist) and files unharmed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing.exceptions import TestKitError

if TYPE_CHECKING:
    import os

    from maxim_gemini.testing.fake_logger import FakeLogger

FORMAT: Final = "maxim_gemini_report"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class TestTraces:
    """One test and the traces that it logged."""

    __test__ = False

    nodeid: str
    outcome: str
    """As pytest says: `passed`, `failed`, `skipped`, `error`."""
    duration: float
    """Seconds."""
    traces: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What `traces_of` gives: JSON-able, with clock values in seconds since the epoch."""
    message: str = ""
    """Why it failed, as text."""

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TestTraces:
        """Build one from what `to_json` gave; keys that are not known are left out."""
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


def traces_of(logger: FakeLogger) -> list[dict[str, Any]]:
    """Return every trace that *logger* holds as JSON-able data for `TestTraces`."""
    raise NotImplementedError


def dump(tests: Iterable[TestTraces], *, created: datetime) -> dict[str, Any]:
    """Return a whole report as JSON-able data."""
    return {FORMAT: VERSION, "created": created.isoformat(timespec="seconds"), "tests": [test.to_json() for test in tests]}


def read(path: str | os.PathLike[str]) -> list[TestTraces]:
    """Read a report's data from a JSON file.

    Raises:
        TestKitError: there is no such file, or it is not a report's data.
    """
    raise NotImplementedError(json, Path, TestKitError)
