"""Write a report: HTML for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from maxim_gemini.testing.report._data import TestTraces

if TYPE_CHECKING:
    import os


def html(tests: Iterable[TestTraces]) -> str:
    """Return the report of *tests* as one self-contained HTML page."""
    raise NotImplementedError


def write(path: str | os.PathLike[str], tests: Iterable[TestTraces]) -> None:
    """Write the report of *tests* to *path*: the data where it ends in `.json`, else HTML."""
    raise NotImplementedError
