"""Write a report: HTML for people, JSON for programs."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ._data import TestTraces, dump
from ._summary import Totals, rows, seconds

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from jinja2 import Template


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
        script_hash=_hash(script),
    )


def write(path: str | os.PathLike[str], tests: Iterable[TestTraces]) -> None:
    """Write the report of *tests* to *path*: the data where it ends in `.json`, else HTML. Folders are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_data(list(tests)) if target.suffix == ".json" else html(tests), encoding="utf-8", newline="\n")


def _data(tests: Sequence[TestTraces]) -> str:
    return json.dumps(dump(tests, created=datetime.now(UTC)), ensure_ascii=False, indent=1, default=str) + "\n"


def _part(name: str) -> str:
    return files("maxim_gemini.testing._report").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


@cache
def _page() -> Template:
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "default": str}
    page.filters["seconds"] = seconds  # pyright: ignore[reportUnknownMemberType]  # jinja2 leaves it untyped
    return page.from_string(_part("page.html.j2"))
