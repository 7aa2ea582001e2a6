"""The end of a run: the summary on the terminal, and the report of the traces."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing import _printable
from maxim_gemini.testing.exceptions import TestKitError

from .advice import command
from .usage import TestRecord, totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    import pytest

    from .usage import Shared, Use

ORDER: Final = ("missed", "refused", "not saved", "unused", "recorded", "old", "orphaned")
"""The subjects of lines, in order of urgency."""
SHOWN: Final = 10
"""Most lines on one subject, without -v."""


_COLOURS: Final = {"missed": "red", "refused": "red", "recorded": "green"}


class Line(NamedTuple):
    """One line of the summary: its subject and its text."""

    word: str
    text: str


class WrittenReport(NamedTuple):
    """The line about the report, and whether writing it failed."""

    text: str
    failed: bool = False


def write_summary(
    terminal: pytest.TerminalReporter,
    records: Iterable[Mapping[str, Any]],
    orphaned: Iterable[str],
    unused: Sequence[Shared],
    *,
    max_age: timedelta | None,
    report: WrittenReport | None,
) -> None:
    """Write the summary, unless it is empty."""
    tests = [TestRecord.from_wire(data) for data in records]
    lines = details(tests, orphaned, unused, max_age=max_age)
    if not lines and not report and not any(totals(tests).values()):
        return
    terminal.section("maxim-gemini")
    terminal.write_line(headline(tests, unused))
    for word, text in lines if terminal.config.get_verbosity() > 0 else shortened(lines):
        terminal.write(f"{word:<9} ", **{_COLOURS.get(word, "yellow"): True})
        terminal.write_line(_printable.shown(text))
    if advice := next_command(tests, unused, terminal.config, max_age=max_age):
        terminal.write_line(_printable.shown(advice))
    if report:
        terminal.write_line(_printable.shown(report.text), **{"red" if report.failed else "green": True})


def write_report(path: Path, records: Iterable[Mapping[str, Any]], shown: str) -> WrittenReport:
    """Write the traces of the tests to *path*, and return a line about it, with *shown* as its name."""
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


def headline(records: Sequence[TestRecord], unused: Iterable[Shared] = ()) -> str:
    """Return the counts of the run: replayed, recorded, live, unused, missed."""
    cassettes = {use.cassette for record in records for use in record.uses if any(use.counts.values())}
    numbers = totals(records)
    numbers["unused"] += sum(shared.unused for shared in unused)
    counts = ", ".join(f"{count} {name}" for name, count in numbers.items())
    return f"{counts} ({plural(len(cassettes), 'cassette')})"


def details(
    records: Iterable[TestRecord],
    orphaned: Iterable[str],
    unused: Iterable[Shared] = (),
    *,
    max_age: timedelta | None,
    now: datetime | None = None,
) -> list[Line]:
    """Return the lines of the summary, one for each problem or result."""
    records = list(records)
    uses = [(record.nodeid, use) for record in records for use in record.uses]
    lines = [line for nodeid, use in uses for line in _use(nodeid, use)]
    lines += [
        Line("refused", f"{plural(record.refused, 'request')} of {record.nodeid}: it uses neither recorder nor mock")
        for record in records
        if record.refused
    ]
    lines += _recorded(use for _, use in uses)
    if max_age is not None:
        lines += _old((use for _, use in uses), max_age, now or datetime.now(UTC))
    lines += [Line("unused", _unused(shared)) for shared in unused]
    lines += [Line("orphaned", f"{path}: no test uses it") for path in orphaned]
    return sorted(set(lines), key=lambda line: (ORDER.index(line.word), line.text))


def next_command(
    records: Iterable[TestRecord],
    unused: Iterable[Shared],
    config: pytest.Config,
    *,
    max_age: timedelta | None,
    now: datetime | None = None,
) -> str:
    """Return the command that records missing, unused and old answers again; empty if there are none."""
    uses = [
        (record.nodeid, use)
        for record in records
        for use in record.uses
        if not use.bundled
        and (
            use.counts.get("missed")
            or use.counts.get("unused")
            or (max_age is not None and any(_old([use], max_age, now or datetime.now(UTC))))
        )
    ]
    shared = [target for cassette in unused if not cassette.is_bundled for target in cassette.targets]
    if uses and not shared and not any(use.exists for _, use in uses):
        return f"To record what is missing: {command('once', [nodeid for nodeid, _ in uses], config)}"
    targets = [use.target or nodeid for nodeid, use in uses] + shared
    return f"To record all of it again: {command('rewrite', targets, config)}" if targets else ""


def shortened(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the first lines on each subject, and the number of further ones."""
    counts = Counter(line.word for line in lines)
    for word, count in counts.items():
        lines_of_word = [line for line in lines if line.word == word]
        yield from lines_of_word[: SHOWN if count > SHOWN + 1 else count]
        if count > SHOWN + 1:
            yield Line(word, f"... and {count - SHOWN} more (-v shows them)")


def plural(count: int, noun: str) -> str:
    """Return *count* and *noun*, in the plural unless *count* is 1."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def age(recorded_at: str, now: datetime) -> timedelta | None:
    """Return the time since *recorded_at*; `None` if that is no date."""
    try:
        then = datetime.fromisoformat(recorded_at)
    except ValueError:
        return None
    return now - (then if then.tzinfo else then.replace(tzinfo=UTC))


def _unused(shared: Shared) -> str:
    tests = dict.fromkeys(shared.tests)
    users = next(iter(tests)) if len(tests) == 1 else f"any of its {len(tests)} tests"
    return f"{shared.cassette}: {plural(shared.unused, 'answer')} not used by {users}"


def _use(nodeid: str, use: Use) -> Iterator[Line]:
    if missed := use.counts.get("missed"):
        yield Line("missed", f"{use.cassette}: no answer to {plural(missed, 'request')} of {nodeid}")
    if unused := use.counts.get("unused"):
        yield Line("unused", f"{use.cassette}: {plural(unused, 'answer')} not used by {nodeid}")
    if use.kept:
        yield Line("not saved", f"{use.cassette}: {nodeid} did not pass; the file was not changed")


def _recorded(uses: Iterable[Use]) -> Iterator[Line]:
    counts = Counter[str]()
    for use in uses:
        counts[use.cassette] += use.counts.get("recorded", 0)
    yield from (Line("recorded", f"{name}: {plural(count, 'answer')}") for name, count in counts.items() if count)


def _old(uses: Iterable[Use], max_age: timedelta, now: datetime) -> Iterator[Line]:
    for use in uses:
        since = age(use.recorded_at, now)
        if since is not None and since > max_age:
            yield Line("old", f"{use.cassette}: recorded {use.recorded_at[:10]}, {plural(since.days, 'day')} ago")
