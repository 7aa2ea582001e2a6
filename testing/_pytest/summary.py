"""What is said at the end of a run."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from .advice import command
from .tally import totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import timedelta

    from .sharing import Shared
    from .tally import TestRecord, Use

ORDER: Final = ("missed", "refused", "not saved", "unused", "recorded", "old", "orphaned")
"""What a line can be about, the most urgent first."""
SHOWN: Final = 10
"""Lines about each thing, unless more is asked for."""


class Line(NamedTuple):
    """One line of the summary: a word that says what it is about, and the rest."""

    word: str
    text: str


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
    """Return what a reader may want to act on: one line each."""
    records = list(records)
    uses = [(record.nodeid, use) for record in records for use in record.uses]
    lines = [line for nodeid, use in uses for line in _use(nodeid, use)]
    lines += [
        Line("refused", f"{plural(record.refused, 'request')} of {record.nodeid}: it uses no recorder and no mock")
        for record in records
        if record.refused
    ]
    lines += _recorded(use for _, use in uses)
    if max_age is not None:
        lines += _old((use for _, use in uses), max_age, now or datetime.now(UTC))
    lines += [Line("unused", _unused(shared)) for shared in unused]
    lines += [Line("orphaned", f"{path}: no test uses it") for path in orphaned]
    return sorted(set(lines), key=lambda line: (ORDER.index(line.word), line.text))


def mending(
    records: Iterable[TestRecord], unused: Iterable[Shared], *, max_age: timedelta | None, now: datetime | None = None
) -> str:
    """Return the one command after which nothing is missed, unused or old; empty where there is nothing to mend."""
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
        return f"To record what is missing: {command('once', [nodeid for nodeid, _ in uses])}"
    targets = [use.target or nodeid for nodeid, use in uses] + shared
    return f"To record all of it again: {command('rewrite', targets)}" if targets else ""


def shortened(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the first lines about each thing, and how many more there are."""
    counts = Counter(line.word for line in lines)
    for word, count in counts.items():
        about = [line for line in lines if line.word == word]
        yield from about[: SHOWN if count > SHOWN + 1 else count]
        if count > SHOWN + 1:
            yield Line(word, f"... and {count - SHOWN} more (-v shows them)")


def plural(count: int, noun: str) -> str:
    """Return *count* and *noun*, in the plural where it is not one."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def age(recorded_at: str, now: datetime) -> timedelta | None:
    """Return how long ago *recorded_at* was; `None` where it is no date."""
    try:
        then = datetime.fromisoformat(recorded_at)
    except ValueError:
        return None
    return now - (then if then.tzinfo else then.replace(tzinfo=UTC))


def _unused(shared: Shared) -> str:
    tests = dict.fromkeys(shared.tests)
    whose = f"that {next(iter(tests))} did not ask for"
    if len(tests) > 1:
        whose = f"that none of its {len(tests)} tests asked for"
    return f"{shared.cassette}: {plural(shared.unused, 'answer')} {whose}"


def _use(nodeid: str, use: Use) -> Iterator[Line]:
    if missed := use.counts.get("missed"):
        yield Line("missed", f"{use.cassette}: no answer to {plural(missed, 'request')} of {nodeid}")
    if unused := use.counts.get("unused"):
        yield Line("unused", f"{use.cassette}: {plural(unused, 'answer')} that {nodeid} did not ask for")
    if use.kept:
        yield Line("not saved", f"{use.cassette}: {nodeid} did not pass; the file is as it was")


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
