"""Cassettes that several tests of a run use, in one process or many: whose turn it is, and what they used together."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from .tally import TestRecord, Use

LONGEST_TURN: Final = 600
"""Seconds that a test waits for another one that records into the same cassette."""


class Ledger:
    """What the tests of this run have recorded, in whatever process: how many answers to each request of a cassette."""

    def __init__(self, folder: str = "") -> None:
        self.folder = Path(folder or Path(tempfile.gettempdir()) / f"maxim-gemini-run-{uuid4().hex}")
        self._owner = 0 if folder else os.getpid()

    @contextmanager
    def turn(self, path: Path) -> Generator[None]:
        """Wait until no other test records into the cassette *path*."""
        from filelock import Timeout

        from maxim_gemini.testing._cassette.store import lock_of

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
        """Return what was recorded into the cassette *path*."""
        try:
            counts: dict[str, int] = json.loads(self._page(path).read_text())
        except FileNotFoundError:
            return {}
        return counts

    def note(self, path: Path, asked: Mapping[str, int]) -> None:
        """Note what a test has recorded into the cassette *path*, or played of what others had; it is its turn."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._page(path).write_text(json.dumps(Counter(self.fresh(path)) | Counter(asked)))

    def close(self) -> None:
        """Remove the notes, unless they are another process's."""
        if self._owner == os.getpid():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _page(self, path: Path) -> Path:
        from maxim_gemini.testing._cassette.bodies import digest

        return self.folder / digest(os.fsencode(path.resolve()))


class Shared(NamedTuple):
    """A cassette that tests named, and what they used of it together."""

    cassette: str
    tests: list[str]
    targets: list[str]
    unused: int = 0
    is_strict: bool = False
    is_bundled: bool = False


def judged(records: Iterable[TestRecord], is_whole: Callable[[str], bool]) -> list[Shared]:
    """Return the shared cassettes of which tests of this run left something unused.

    Only those are judged of which *is_whole* says that all their tests have run and passed.
    """
    found: list[Shared] = []
    for cassette, by_test in _by_cassette(records).items():
        uses = [use for _, use in by_test]
        unused = _unused(uses).total() if len({tuple(use.ignore) for use in uses}) == 1 else 0
        if unused and is_whole(cassette):
            found.append(
                Shared(
                    cassette,
                    tests=[nodeid for nodeid, _ in by_test],
                    targets=[use.target for use in uses],
                    unused=unused,
                    is_strict=any(use.strict for use in uses),
                    is_bundled=uses[0].bundled,
                )
            )
    return found


def rewritten(records: Iterable[TestRecord], is_whole: Callable[[str], bool]) -> dict[str, tuple[dict[str, int], Use]]:
    """Return how often each request was asked for, by shared cassette that all its tests have recorded anew."""
    return {
        cassette: (dict(_most(use.asked for _, use in uses)), uses[0][1])
        for cassette, uses in _by_cassette(records).items()
        if all(use.record == "rewrite" for _, use in uses)
        and len({tuple(use.ignore) for _, use in uses}) == 1
        and any(use.counts.get("recorded") for _, use in uses)
        and is_whole(cassette)
    }


def _by_cassette(records: Iterable[TestRecord]) -> dict[str, list[tuple[str, Use]]]:
    found: dict[str, list[tuple[str, Use]]] = {}
    for record in records:
        for use in record.uses:
            if use.shared:
                found.setdefault(use.cassette, []).append((record.nodeid, use))
    return found


def _unused(uses: Iterable[Use]) -> Counter[str]:
    # Each test starts from the first answer: together they use as many as the one that asked most often.
    held, asked = Counter[str](), Counter[str]()
    for use in uses:
        held |= Counter(use.asked) + Counter(use.unplayed)
        asked |= Counter(use.asked)
    return held - asked


def _most(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total = Counter[str]()
    for count in counts:
        total |= Counter(count)
    return total
