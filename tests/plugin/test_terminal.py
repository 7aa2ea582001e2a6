from __future__ import annotations

from datetime import UTC, datetime, timedelta

from maxim_gemini.testing._pytest.terminal import SHOWN, Line, age, details, headline, shortened
from maxim_gemini.testing._pytest.usage import TestRecord, Use

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_of(nodeid: str, *uses: Use) -> TestRecord:
    return TestRecord(nodeid=nodeid, uses=list(uses))


test_of.__test__ = False  # type: ignore[attr-defined]


def counts(**known: int) -> dict[str, int]:
    return {"replayed": 0, "recorded": 0, "live": 0, "unused": 0, "missed": 0, **known}


def test_the_headline_counts_the_run() -> None:
    records = [
        test_of("a", Use("one.yaml", counts=counts(replayed=2, unused=1)), Use("two.yaml", counts=counts(missed=1))),
        test_of("b", Use("one.yaml", counts=counts(replayed=3)), Use("nothing asked.yaml", counts=counts())),
    ]
    assert headline(records) == "5 replayed, 0 recorded, 0 live, 1 unused, 1 missed (2 cassettes)"


def test_each_line_names_the_file_and_the_test() -> None:
    uses = [
        Use("a.yaml", counts=counts(unused=2, missed=1)),
        Use("b.yaml", record="once", counts=counts(live=3, recorded=3)),
        Use("c.yaml", record="all", counts=counts(live=1), kept=True),
    ]
    assert details([test_of("test_x.py::test_y", *uses)], ["d.yaml"], max_age=None) == [
        Line("missed", "a.yaml: no answer to 1 request of test_x.py::test_y"),
        Line("not saved", "c.yaml: test_x.py::test_y did not pass; the file was not changed"),
        Line("unused", "a.yaml: 2 answers not used by test_x.py::test_y"),
        Line("recorded", "b.yaml: 3 answers"),
        Line("orphaned", "d.yaml: no test uses it"),
    ]


def test_old_recordings_are_reported_once_per_file() -> None:
    dates = {"old.yaml": "2026-01-02T03:04:05+00:00", "new.yaml": "2026-11-01T00:00:00", "foreign.yaml": "", "x": "?"}
    uses = [Use(name, recorded_at=date) for name, date in dates.items()]
    lines = details([test_of("a", *uses), test_of("b", *uses)], [], max_age=timedelta(days=90), now=NOW)
    assert lines == [Line("old", "old.yaml: recorded 2026-01-02, 323 days ago")]


def test_an_age_is_known_where_the_file_has_a_date() -> None:
    assert age("2026-11-20T00:00:00+00:00", NOW) == timedelta(days=2)
    assert age("2026-11-20T00:00:00", NOW) == timedelta(days=2)
    assert age("2026-11-20T02:00:00+02:00", NOW) == timedelta(days=2)
    assert age("yesterday", NOW) is None


def test_many_lines_about_one_thing_are_cut_short() -> None:
    def lines(count: int) -> list[Line]:
        return [Line("unused", str(number)) for number in range(count)]

    assert list(shortened(lines(SHOWN + 1))) == lines(SHOWN + 1)
    assert list(shortened([*lines(SHOWN + 5), Line("old", "x")])) == [
        *lines(SHOWN),
        Line("unused", "... and 5 more (-v shows them)"),
        Line("old", "x"),
    ]


def test_a_record_crosses_processes_unharmed() -> None:
    record = TestRecord("a", [Use("one.yaml", "once", counts(live=1), "2026", kept=True)], [{"id": "trace-1"}], True)
    assert TestRecord.from_wire(record.to_wire()) == record
