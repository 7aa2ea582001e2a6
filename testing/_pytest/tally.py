"""What the recorders of a run did, test by test, as plain data that crosses processes (pytest-xdist)."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .places import bundled_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maxim_gemini.testing._logs.received import Received
    from maxim_gemini.testing._recorder.watchers import EndedRecorder

    from .plan import Plan

COUNTS: Final = ("replayed", "recorded", "live", "unused", "missed")


@dataclass(frozen=True, slots=True)
class Use:
    """One use of one cassette by one test."""

    cassette: str
    """The file, from the root folder of the run where it is inside of it."""
    record: str = "none"
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many answers were replayed, recorded, asked for live, not used; how many requests were missed."""
    recorded_at: str = ""
    """ISO 8601; empty where the file does not say."""
    kept: bool = False
    """The test failed, so what it recorded was dropped and the file stayed as it was."""
    exists: bool = True
    """There is a file, now that the test is over."""
    target: str = ""
    """What to run to record the cassette again; nothing where none can be said."""
    bundled: bool = False
    """It came with this package: nothing can be recorded into it."""
    shared: bool = False
    """Other tests of the run may use it, too: what is unused is judged when all are done."""
    strict: bool = False
    asked: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often each request was replayed or recorded, by fingerprint; of a shared cassette."""
    unplayed: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many further answers to each request there are."""
    ignore: Sequence[str] = ()


@dataclass(slots=True)
class TestRecord:
    """What one test did with cassettes, and what it logged."""

    __test__ = False

    nodeid: str = ""
    uses: list[Use] = field(default_factory=list[Use])
    traces: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    logged: bool = False
    """A logger of ours was there, so that the test belongs into the report even without a trace."""
    refused: int = 0
    """Requests to Gemini that no recorder and no mock took, and that were not sent."""
    outcome: str = "passed"
    duration: float = 0.0
    message: str = ""

    def to_wire(self) -> dict[str, Any]:
        """Return this as plain data."""
        return asdict(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> TestRecord:
        """Build one from what `to_wire` gave."""
        known: dict[str, Any] = {**data, "uses": [Use(**use) for use in data["uses"]]}
        return cls(**known)


def totals(records: Iterable[TestRecord]) -> dict[str, int]:
    """Return the counts of a whole run, in the order of `COUNTS`."""
    sums: Counter[str] = Counter()
    for record in records:
        for use in record.uses:
            sums.update(use.counts)
    return {name: sums[name] for name in COUNTS}


def use_of(recorder: EndedRecorder, shown: str, plan: Plan | None = None) -> Use:
    """Return what *recorder* did, whose file is shown as *shown*; a bundled one has its name, and no age."""
    counts = {name: getattr(recorder.outcome, name) for name in COUNTS}
    mode = plan.record if plan else recorder.record
    use = Use(shown, mode, counts, exists=recorder.path.exists())
    if plan:
        use = replace(use, target=plan.advice.target)
    if plan and plan.is_shared:
        unplayed = Counter(interaction.fingerprint for interaction in recorder.unused)
        use = replace(
            use,
            counts=counts | {"unused": 0},
            shared=True,
            strict=plan.strict,
            asked=recorder.cassette.asked(),
            unplayed=dict(unplayed),
            ignore=plan.ignore,
        )
    if bundled := bundled_name(recorder.path.resolve()):
        return replace(use, cassette=f"{bundled} (bundled)", bundled=True, strict=False)
    dropped = recorder.discarded and recorder.outcome.live > 0 and mode != "verify"
    return replace(use, recorded_at=recorder.cassette.head.recorded_at, kept=dropped)


def of_test(use: Use, *, passed: bool) -> Use:
    """Return *use* as it counts for the run: a test that did not pass may have stopped before it asked for the rest."""
    return use if passed else replace(use, counts={**use.counts, "unused": 0})


def traces(loggers: Iterable[Received]) -> list[dict[str, Any]]:
    """Return what *loggers* got, for the report."""
    from maxim_gemini.testing._report import traces_of, writable

    return [writable(trace) for logger in loggers for trace in traces_of(logger)]
