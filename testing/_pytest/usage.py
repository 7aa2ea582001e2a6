"""The use of cassettes by the tests of a run.

It is noted for each test as plain data, which the processes of pytest-xdist exchange, and combined at the end of the
run. Answers of a shared cassette only count as unused if all tests that may use it are known. Cassettes of other
plugins in the same folders are ignored.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import pytest

from maxim_gemini.testing._json_types import JsonDict

from .cassette_paths import SUFFIXES, bundled_name

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence

    from maxim_gemini.testing._logs.received import Received
    from maxim_gemini.testing._recorder import EndedRecorder

    from .collected import CassetteUser, Collected
    from .marker import Plan

COUNTS: Final = ("replayed", "recorded", "live", "unused", "missed")
LONGEST_TURN: Final = 600
"""Seconds for which a test waits for another one that records into the same cassette."""

_OURS: Final = b"# Recorded by maxim-gemini"


@dataclass(frozen=True, slots=True)
class Use:
    """One use of one cassette by one test."""

    cassette: str
    """The file, relative to the root folder of the run if it is inside of it."""
    record: str = "none"
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """The numbers of replayed, recorded, live, unused and missed answers."""
    recorded_at: str = ""
    """The date of the recording, in ISO 8601; empty if the file has none."""
    kept: bool = False
    """`True` if the test failed, so that its recording was dropped and the file was not changed."""
    exists: bool = True
    """`True` if there is a file after the test."""
    target: str = ""
    """The tests to run to record the cassette again; empty if that is not known."""
    bundled: bool = False
    """`True` if it comes with this package, so that nothing can be recorded into it."""
    shared: bool = False
    """`True` if other tests of the run may use it, too: unused answers are only known at the end of the run."""
    strict: bool = False
    requested: Mapping[str, int] = field(default_factory=dict[str, int])
    """For a shared cassette: how often each request was replayed or recorded, by fingerprint."""
    unplayed: Mapping[str, int] = field(default_factory=dict[str, int])
    """For a shared cassette: the number of unused answers to each request, by fingerprint."""
    ignore: Sequence[str] = ()


@dataclass(slots=True)
class TestRecord:
    """The record of one test: its use of cassettes, and its traces."""

    __test__ = False

    nodeid: str = ""
    uses: list[Use] = field(default_factory=list[Use])
    traces: list[JsonDict] = field(default_factory=list[JsonDict])
    logged: bool = False
    """`True` if the test had a `FakeLogger`, so that it is in the report even without a trace."""
    refused: int = 0
    """The number of refused requests: they used neither a recorder nor a mock."""
    outcome: str = "passed"
    duration: float = 0.0
    message: str = ""

    def to_wire(self) -> JsonDict:
        """Return this as plain data."""
        return asdict(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> TestRecord:
        """Build one from what `to_wire` returned."""
        known: JsonDict = {**data, "uses": [Use(**use) for use in data["uses"]]}
        return cls(**known)


def totals(records: Iterable[TestRecord]) -> dict[str, int]:
    """Return the counts of a whole run, in the order of `COUNTS`."""
    sums: Counter[str] = Counter()
    for record in records:
        for use in record.uses:
            sums.update(use.counts)
    return {name: sums[name] for name in COUNTS}


def use_of(recorder: EndedRecorder, shown: str, plan: Plan | None = None) -> Use:
    """Return the use of *recorder*'s cassette, with *shown* as its name; a bundled one has its own name, no date."""
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
            requested=recorder.cassette.requested(),
            unplayed=dict(unplayed),
            ignore=plan.ignore,
        )
    if bundled := bundled_name(recorder.path.resolve()):
        return replace(use, cassette=f"{bundled} (bundled)", bundled=True, strict=False)
    dropped = recorder.discarded and recorder.outcome.live > 0 and mode != "verify"
    return replace(use, recorded_at=recorder.cassette.head.recorded_at, kept=dropped)


def of_test(use: Use, *, passed: bool) -> Use:
    """Return *use* as it counts for the run: a test that did not pass may have stopped before further requests."""
    return use if passed else replace(use, counts={**use.counts, "unused": 0})


def logged_traces(loggers: Iterable[Received]) -> list[JsonDict]:
    """Return the traces that *loggers* received, for the report."""
    from maxim_gemini.testing._report import traces_of, writable

    return [writable(trace) for logger in loggers for trace in traces_of(logger)]


class Ledger:
    """The answers recorded in a run, in all its processes: their number for each request of a cassette."""

    def __init__(self, folder: str = "") -> None:
        self.folder = Path(folder or Path(tempfile.gettempdir()) / f"maxim-gemini-run-{uuid4().hex}")
        self._owner = 0 if folder else os.getpid()

    @contextmanager
    def turn(self, path: Path) -> Generator[None]:
        """Wait until no other test records into the cassette *path*; hold that turn in the block."""
        from filelock import Timeout

        from maxim_gemini.testing._cassette.store import lock_of

        # Another lock than that of the file: a turn lasts as long as a test, and saves in between.
        lock = lock_of(path, "turn")
        try:
            lock.acquire(timeout=LONGEST_TURN)
        except Timeout:
            pytest.fail(f"another test has been recording into {path} for {LONGEST_TURN} seconds", pytrace=False)
        try:
            yield
        finally:
            lock.release()

    def fresh(self, path: Path) -> dict[str, int]:
        """Return the numbers of answers recorded into the cassette *path*, by fingerprint."""
        try:
            counts: dict[str, int] = json.loads(self._page(path).read_text())
        except FileNotFoundError:
            return {}
        return counts

    def note(self, path: Path, counts: Mapping[str, int]) -> None:
        """Note the answers that a test has recorded into the cassette *path*, or used of other tests' recordings."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._page(path).write_text(json.dumps(Counter(self.fresh(path)) | Counter(counts)))

    def close(self) -> None:
        """Remove the notes, unless another process owns them."""
        if self._owner == os.getpid():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _page(self, path: Path) -> Path:
        from maxim_gemini.testing._cassette.bodies import digest

        return self.folder / digest(os.fsencode(path.resolve()))


class Shared(NamedTuple):
    """A cassette that several tests may use, and the answers that none of them has used."""

    cassette: str
    tests: list[str]
    targets: list[str]
    unused: int = 0
    is_strict: bool = False
    is_bundled: bool = False


def unused_of_shared(records: Iterable[TestRecord], is_whole: Callable[[str], bool]) -> list[Shared]:
    """Return the shared cassettes with answers that no test of this run has used.

    Only cassettes for which *is_whole* is true are returned: all their tests have run and passed.
    """
    return [
        Shared(
            cassette,
            tests=[nodeid for nodeid, _ in by_test],
            targets=[use.target for _, use in by_test],
            unused=unused,
            is_strict=any(use.strict for _, use in by_test),
            is_bundled=by_test[0][1].bundled,
        )
        for cassette, by_test in _by_cassette(records).items()
        if (unused := _unused([use for _, use in by_test])) and is_whole(cassette)
    ]


def rewritten(records: Iterable[TestRecord], is_whole: Callable[[str], bool]) -> dict[str, tuple[dict[str, int], Use]]:
    """Return how often each request was sent, for shared cassettes that all their tests have recorded again."""
    return {
        cassette: (dict(_most(use.requested for _, use in uses)), uses[0][1])
        for cassette, uses in _by_cassette(records).items()
        if all(use.record == "rewrite" for _, use in uses)
        and _ignore_the_same(use for _, use in uses)
        and any(use.counts.get("recorded") for _, use in uses)
        and is_whole(cassette)
    }


def _by_cassette(records: Iterable[TestRecord]) -> dict[str, list[tuple[str, Use]]]:
    uses: dict[str, list[tuple[str, Use]]] = {}
    for record in records:
        for use in record.uses:
            if use.shared:
                uses.setdefault(use.cassette, []).append((record.nodeid, use))
    return uses


def _unused(uses: Sequence[Use]) -> int:
    if not _ignore_the_same(uses):  # then their requests can't be compared
        return 0
    # Each test starts from the first answer: together they use as many as the one that used most.
    requested = _most(use.requested for use in uses)
    recorded = _most(Counter(use.requested) + Counter(use.unplayed) for use in uses)
    return (recorded - requested).total()


def _ignore_the_same(uses: Iterable[Use]) -> bool:
    return len({tuple(use.ignore) for use in uses}) == 1


def _most(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    most = Counter[str]()
    for count in counts:
        most |= Counter(count)
    return most


class Coverage:
    """The part of each module, folder and cassette's tests that a run has collected."""

    def __init__(
        self,
        collected: Collected,
        records: Sequence[TestRecord],
        *,
        root: Path,
        folder: str,
        patterns: Sequence[str],
    ) -> None:
        self._collected = collected
        self._tests = collected.users
        self._folder = folder
        self._patterns = patterns
        self._passed = {record.nodeid for record in records if record.outcome == "passed"}
        self._used: dict[str, set[str]] = {}
        for record in records:
            self._used.setdefault(record.nodeid, set()).update(str(root / use.cassette) for use in record.uses)
        self.whole = collected.modules - collected.partial
        """The files of which all tests were collected."""

    def knows_cassettes_of(self, module: str) -> bool:
        """Return whether the cassettes of all tests in *module* are known."""
        unknown = (
            nodeid not in self._used and not test.named and not Path(test.own).exists()
            for nodeid, test in self._tests.items()
            if test.module == module
        )
        return module in self.whole and not any(unknown)

    def is_whole_folder(self, home: Path) -> bool:
        """Return whether `knows_cassettes_of` is true for all test files in the folder *home*."""
        files = (path for path in home.glob("*.py") if any(fnmatch(path.name, pattern) for pattern in self._patterns))
        return all(self.knows_cassettes_of(str(path)) for path in files)

    def is_whole(self, cassette: str) -> bool:
        """Return whether all tests that use *cassette* have run in this run, and passed."""
        modules = {self._tests[n].module for n, used in self._used.items() if cassette in used and n in self._tests}
        return all(
            module in self.whole
            and (
                Path(cassette).is_relative_to(own := Path(module).parent / self._folder / Path(module).stem)
                or not Path(cassette).is_relative_to(own.parent)
                or self.is_whole_folder(Path(module).parent)
            )
            for module in modules
        ) and all(
            nodeid in self._passed
            for nodeid, test in self._tests.items()
            if test.module in modules and self._may_use(nodeid, test, cassette)
        )

    def _may_use(self, nodeid: str, test: CassetteUser, cassette: str) -> bool:
        if nodeid in self._used:
            return cassette in self._used[nodeid]
        return test.named == cassette if test.named else not Path(test.own).exists()

    def orphans(self, used: Container[Path]) -> list[Path]:
        """Return the cassettes beside the test files that are certain not to be *used*."""
        cassettes: list[Path] = []
        for home in {Path(module).parent for module in self._collected.modules}:
            for folder in (path for path in (home / self._folder).glob("*") if path.is_dir()):
                # A folder of cassettes without its test file may belong to any other test file beside it.
                test_file = home / f"{folder.name}.py"
                is_known = self.knows_cassettes_of(str(test_file)) if test_file.exists() else self.is_whole_folder(home)
                if is_known:
                    cassettes += (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
        return sorted(path for path in cassettes if path not in used and _is_ours(path))


def _is_ours(path: Path) -> bool:
    # Other tools keep YAML files in folders of this name, too; theirs are not reported as unused.
    with path.open("rb") as file:
        return file.read(len(_OURS)) == _OURS
