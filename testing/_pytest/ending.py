"""The end of a run: the summary on the terminal, and the report of what was logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .summary import details, headline, mending, plural, shortened
from .tally import TestRecord, totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    import pytest

    from .sharing import Shared

_COLOURS: Final = {"missed": "red", "recorded": "green"}


def tell(
    terminal: pytest.TerminalReporter,
    records: Iterable[Mapping[str, Any]],
    orphaned: Iterable[str],
    unused: Sequence[Shared],
    *,
    max_age: timedelta | None,
    report: str,
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
        terminal.write_line(text)
    if advice := mending(tests, unused, max_age=max_age):
        terminal.write_line(advice)
    if report:
        terminal.write_line(f"traces of {plural(sum(test.logged for test in tests), 'test')} written to {report}")


def write_report(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write what the tests logged."""
    from maxim_gemini.testing._report import TestTraces, write

    path.parent.mkdir(parents=True, exist_ok=True)
    tests = [TestRecord.from_wire(data) for data in records]
    write(path, [TestTraces(t.nodeid, t.outcome, t.duration, t.traces, t.message) for t in tests if t.logged])
