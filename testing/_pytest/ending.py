"""The end of a run: the summary on the terminal, and the report of what was logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing import _printable
from maxim_gemini.testing.exceptions import TestKitError

from .summary import details, headline, mending, plural, shortened
from .tally import TestRecord, totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    import pytest

    from .sharing import Shared

_COLOURS: Final = {"missed": "red", "refused": "red", "recorded": "green"}


class WrittenReport(NamedTuple):
    """What became of the report."""

    text: str
    failed: bool = False


def tell(
    terminal: pytest.TerminalReporter,
    records: Iterable[Mapping[str, Any]],
    orphaned: Iterable[str],
    unused: Sequence[Shared],
    *,
    max_age: timedelta | None,
    report: WrittenReport | None,
) -> None:
    """Write the summary; nothing where there is nothing to say."""
    tests = [TestRecord.from_wire(data) for data in records]
    lines = details(tests, orphaned, unused, max_age=max_age)
    if not lines and not report and not any(totals(tests).values()):
        return
    terminal.section("maxim-gemini")
    terminal.write_line(headline(tests, unused))
    for word, text in lines if terminal.config.get_verbosity() > 0 else shortened(lines):
        terminal.write(f"{word:<9} ", **{_COLOURS.get(word, "yellow"): True})
        terminal.write_line(_printable.shown(text))
    if advice := mending(tests, unused, max_age=max_age):
        terminal.write_line(_printable.shown(advice))
    if report:
        terminal.write_line(_printable.shown(report.text), **{"red" if report.failed else "green": True})


def write_report(path: Path, records: Iterable[Mapping[str, Any]], shown: str) -> WrittenReport:
    """Write what the tests logged to *path*, which is *shown*; return the line that tells of it."""
    from maxim_gemini.testing._report import TestTraces, write

    tests = [TestRecord.from_wire(data) for data in records]
    logged = [
        TestTraces(_printable.shown(t.nodeid), t.outcome, t.duration, t.traces, _printable.shown(t.message))
        for t in tests
        if t.logged
    ]
    try:
        write(path, logged)
    except TestKitError as error:
        return WrittenReport(f"--maxim-gemini-report: {error}", failed=True)
    except Exception as error:  # no fault of the report may hide the failures of the tests
        reason = f"{type(error).__name__}: {error}"
        return WrittenReport(f"--maxim-gemini-report: {path}: the report can't be written: {reason}", failed=True)
    return WrittenReport(f"traces of {plural(len(logged), 'test')} written to {shown}")
