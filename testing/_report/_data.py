"""The data of a report: plain data, which can be passed between processes (pytest-xdist) and saved in files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._json_types import JsonDict, is_object
from maxim_gemini.testing.exceptions import TestKitError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from datetime import datetime

FORMAT: Final = "maxim_gemini_report"
VERSION: Final = 1

_LONGEST: Final = 1_000_000
_DEEPEST: Final = 100


@dataclass(frozen=True, slots=True)
class TestTraces:
    """One test, with its traces."""

    __test__ = False

    nodeid: str
    outcome: str
    """The outcome, in pytest's words: `passed`, `failed`, `skipped`, `error`."""
    duration: float
    """The duration in seconds."""
    traces: list[JsonDict] = field(default_factory=list[JsonDict])
    """The result of `traces_of`: data for JSON, with times in seconds since the epoch."""
    message: str = ""
    """The failure, as text."""

    def __post_init__(self) -> None:
        # What one test logged must not cost the report of all.
        for item in fields(self):
            object.__setattr__(self, item.name, writable(getattr(self, item.name)))

    def to_json(self) -> JsonDict:
        """Return this as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TestTraces:
        """Build one from the result of `to_json`; unknown keys are ignored."""
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


def writable(value: Any, *, inside: tuple[int, ...] = ()) -> Any:
    """Return *value* as strict JSON data that can be encoded as UTF-8.

    Lone surrogates become escapes. Numbers that JSON does not have, and other objects, become text. A text is cut after
    a million characters. Data that are nested deeper than a hundred levels, or contain themselves, are replaced by a
    note.
    """
    if id(value) in inside or len(inside) > _DEEPEST:
        return "[contains itself]" if id(value) in inside else "[nested too deep]"
    if isinstance(value, Mapping | list | tuple):
        within = (*inside, id(value))  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(value, Mapping):
            return {writable(str(key)): writable(item, inside=within) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return [writable(item, inside=within) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(value)
    if len(text) > _LONGEST + 100:  # with room for the note, so that what was cut stays as it is
        text = f"{text[:_LONGEST]}… and {len(text) - _LONGEST:,} more characters"
    return text.encode("utf-8", "backslashreplace").decode()


def dump(tests: Iterable[TestTraces], *, created: datetime) -> JsonDict:
    """Return a whole report as JSON-able data."""
    return {
        FORMAT: VERSION,
        "created": created.isoformat(timespec="seconds"),
        "tests": [test.to_json() for test in tests],
    }


def read(path: str | os.PathLike[str]) -> list[TestTraces]:
    """Read a report's data from a JSON file.

    Raises:
        TestKitError: there is no such file, or it is not a report's data.
    """
    data = _loaded(Path(path))
    if not is_object(data) or data.get(FORMAT) != VERSION:
        raise TestKitError(f"{path}: not a trace report's data; `pytest --maxim-gemini-report=traces.json` writes one")
    try:
        return [TestTraces.from_json(test) for test in data["tests"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise TestKitError(f"{path}: a test in this trace report can't be read: {error}") from None


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise TestKitError(f"{path}: can't be read: {error.strerror}") from None
    except ValueError as error:
        raise TestKitError(f"{path}: not JSON: {error}") from None
