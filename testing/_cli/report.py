"""`maxim-gemini report`: make one HTML page of the JSON files of test runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from maxim_gemini.testing._report import Totals, read, summary, write

from . import console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def build(data: Sequence[Path], *, output: Path | None, open_it: bool, as_json: bool) -> None:
    """Write the page of *data* and print its path."""
    tests = [test for path in data for test in read(path)]
    page = output or data[0].with_suffix(".html")
    write(page, tests)
    totals = summary(tests)
    if as_json:
        console.show_json({"page": str(page), **asdict(totals)})
    else:
        console.out().print(f"{page}: {_counts(totals)}", soft_wrap=True)
    if open_it:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


def _counts(totals: Totals) -> str:
    counts = {
        "test": totals.tests,
        "trace": totals.traces,
        "generation": totals.generations,
    }
    parts = [f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts.items()]
    return ", ".join([*parts, f"{totals.failed} failed", f"{totals.incomplete} incomplete"])
