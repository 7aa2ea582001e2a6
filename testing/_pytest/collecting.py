"""Which cassettes the collected tests use, and of which files and cassettes this run has seen every test."""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .marker import from_marker
from .options import MARKER
from .places import clashing, named_place, node_id, own_place, test_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pytest

    from .tally import TestRecord


class User(NamedTuple):
    """A test that uses a recorder."""

    module: str
    own: str
    """The cassette that is its own."""
    named: str = ""
    """The cassette that its marker names; a fixture may name another, which is seen when the test runs."""


def users(items: Iterable[pytest.Item], folder: str) -> dict[str, User]:
    """Return those of *items* that use a recorder, by node id."""
    return {node_id(item): _user(item, folder) for item in items}


def clashes(items: Iterable[pytest.Item]) -> dict[str, str]:
    """Return which of *items* would share a cassette by accident: node id to the node id of the other one."""
    return clashing((item.path, test_name(item), item.nodeid) for item in items if _named(item) is None)


def asked_for_in_part(config: pytest.Config, modules: Collection[str]) -> set[str]:
    """Return those of *modules* of which this run collects only some tests."""
    args = [arg.partition("::") for arg in config.args]
    of_modules = [path for path, colons, _ in args if colons]
    # Which file belongs to the name of a package is pytest's to know. What failed last is picked while a file is read.
    if config.getoption("lf", False) or (of_modules and config.getoption("pyargs", False)):
        return set(modules)
    paths = [config.invocation_params.dir / path for path in of_modules]
    return {os.path.normpath(path) for path in paths} | {str(path.resolve()) for path in paths}


class Coverage:
    """What a run has seen of the tests of each module, folder and cassette."""

    def __init__(
        self,
        modules: Collection[str],
        partial: Collection[str],
        tests: Mapping[str, User],
        records: Sequence[TestRecord],
        *,
        root: Path,
        folder: str,
        patterns: Sequence[str],
    ) -> None:
        self._tests = tests
        self._folder = folder
        self._patterns = patterns
        self._passed = {record.nodeid for record in records if record.outcome == "passed"}
        self._used: dict[str, set[str]] = {}
        for record in records:
            self._used.setdefault(record.nodeid, set()).update(str(root / use.cassette) for use in record.uses)
        self.whole = {module for module in modules if module not in partial}
        """The files of which every test was collected."""

    def understood(self, module: str) -> bool:
        """Return whether it is known of every test of *module* which cassette it uses."""
        unknown = (
            nodeid not in self._used and not test.named and not Path(test.own).exists()
            for nodeid, test in self._tests.items()
            if test.module == module
        )
        return module in self.whole and not any(unknown)

    def is_whole_folder(self, home: Path) -> bool:
        """Return whether `understood` holds for every test file in the folder *home*."""
        files = (path for path in home.glob("*.py") if any(fnmatch(path.name, pattern) for pattern in self._patterns))
        return all(self.understood(str(path)) for path in files)

    def is_whole(self, cassette: str) -> bool:
        """Return whether every test that uses *cassette* has run in this run, and passed."""
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

    def _may_use(self, nodeid: str, test: User, cassette: str) -> bool:
        if nodeid in self._used:
            return cassette in self._used[nodeid]
        return test.named == cassette if test.named else not Path(test.own).exists()


def _user(item: pytest.Item, folder: str) -> User:
    name = _named(item)
    own = own_place(item.path, test_name(item), folder).path
    return User(str(item.path), str(own), "" if name is None else str(named_place(item.path, name, folder).path))


def _named(item: pytest.Item) -> str | None:
    # A marker that makes no sense is an error of its test, which is told when the test runs.
    for mark in item.iter_markers(MARKER):
        try:
            name = from_marker(mark).cassette
        except (TypeError, ValueError):
            return None
        if name is not None:
            return name
    return None
