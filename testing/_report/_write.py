"""Write a report: HTML for people, JSON for programs."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maxim_gemini.testing.exceptions import TestKitError

from ._data import TestTraces, dump
from ._summary import Totals, rows, seconds

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from jinja2 import Template

ENDINGS: Final = (".html", ".htm", ".json")
"""The endings of a report's name."""


def html(tests: Iterable[TestTraces], *, created: datetime | None = None) -> str:
    """Return the report of *tests* as one self-contained HTML page, dated *created* (default: now)."""
    listed = rows(tests)
    script = _part("page.js")
    return _page().render(
        tests=listed,
        totals=Totals.of(listed),
        created=created or datetime.now(UTC),
        style=_part("page.css"),
        script=script,
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )


def check_name(path: str | os.PathLike[str]) -> Path:
    """Return *path*; raise `ValueError` if it can't be the name of a report."""
    target = Path(path)
    if target.suffix.lower() not in ENDINGS:
        raise ValueError(f"a report's name must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, got {str(path)!r}")
    if target.is_dir():
        raise ValueError(f"{str(path)!r} is a folder: name a file in it")
    return target


def write(path: str | os.PathLike[str], tests: Iterable[TestTraces]) -> None:
    """Write the report of *tests* to *path*: data for `.json`, a page for `.html`. Missing folders are made.

    Raises:
        TestKitError: it can't be written there.
    """
    try:
        target = check_name(path)
        text = _data(list(tests)) if target.suffix.lower() == ".json" else html(tests)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TestKitError(f"{path}: the report can't be written: {reason}") from None


def _data(tests: Sequence[TestTraces]) -> str:
    return json.dumps(dump(tests, created=datetime.now(UTC)), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _part(name: str) -> str:
    return files("maxim_gemini.testing._report").joinpath(name).read_text(encoding="utf-8")


@cache
def _page() -> Template:
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    # Compact, since the data is most of the page; without NaN, which browsers can't read.
    page.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    page.filters["seconds"] = seconds  # pyright: ignore[reportUnknownMemberType]  # jinja2 leaves it untyped
    return page.from_string(_part("page.html.j2"))
