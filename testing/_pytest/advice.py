"""Advice for a missing answer: the command that records it, or the reason why there is none."""

from __future__ import annotations

import difflib
import os
import shlex
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .cassette_paths import SUFFIXES, bundled_names, candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pytest
    from vcr.request import Request

    from .cassette_paths import CassettePath

MOST_TESTS: Final = 20
"""Most node ids in one command."""


@dataclass(frozen=True, slots=True)
class Adviser:
    """Gives advice if the cassette of a test has no answer."""

    item: pytest.Item
    cassette: CassettePath
    name: str | None
    """The name of the test's cassette in its marker; empty if it has its own."""
    tests: Sequence[str]
    """The ids of the tests that use the cassette."""
    target: str
    """The tests to run to record the whole cassette again."""
    folder: str
    shown: Callable[[Path], str]

    def __call__(self, request: Request | None) -> str:
        """Return advice for a missing *request*, or for a missing file."""
        if self.cassette.bundled:
            return (
                f"The cassette {self.name!r} comes with maxim-gemini: nothing can be recorded into it. "
                f"What it holds: maxim-gemini cassettes show {self.name}\n"
                "For other requests give the test a cassette of its own: leave the name out, or choose another."
            )
        if self.cassette.path.exists():
            again = command("rewrite", [self.target], self.item.config)
            return f"To record again what {self.shown(self.cassette.path)} holds: {again}"
        steps = [self._searched_paths()] if self.name is not None else []
        if request is not None and self.name is None and (old := self._renamed(request)):
            paths = " ".join(shlex.quote(from_here(str(path), self.item.config)) for path in (old, self.cassette.path))
            steps.append(
                f"{self.shown(old)} has an answer to it, and its test is gone. If the test was renamed:\n"
                f"  maxim-gemini cassettes rename {paths}"
            )
        return "\n".join([*steps, f"To record it: {command('once', self.tests, self.item.config)}"])

    def _searched_paths(self) -> str:
        name = str(self.name)
        paths = candidates(self.item.path, name, self.folder)
        known = {*bundled_names()}
        for path in paths:
            known |= {file.stem for file in path.parent.glob("*") if file.suffix in SUFFIXES}
        close = " or ".join(map(repr, difflib.get_close_matches(name, sorted(known), n=3)))
        searched = ", ".join(self.shown(path) for path in paths)
        question = f" Did you mean {close}?" if close else ""
        return f"There is no cassette {name!r}: searched {searched} and the bundled cassettes.{question}"

    def _renamed(self, request: Request) -> Path | None:
        from maxim_gemini.testing._cassette import Cassette
        from maxim_gemini.testing.exceptions import CassetteError

        folder = self.cassette.path.parent
        for path in sorted(folder.glob("*.yaml"))[:100] if folder.is_dir() else []:
            if not _is_defined(getattr(self.item, "module", None), path.stem):
                try:
                    if Cassette.load(path).play(request) is not None:
                        return path
                except CassetteError:
                    continue
        return None


def command(mode: str, targets: Iterable[str], config: pytest.Config) -> str:
    """Return the command that records *targets*: node ids, files or folders; if there are many, only their files."""
    tests = set(targets)
    if len(tests) > MOST_TESTS:
        tests = {target.partition("::")[0] for target in tests}
    alone = sorted(
        target
        for target in tests
        if not any(other == "." or target.startswith((f"{other}::", f"{other}/")) for other in tests - {target})
    )
    return " ".join(
        ["pytest", f"--maxim-gemini-record={mode}", *(shlex.quote(from_here(target, config)) for target in alone)]
    )


def from_here(target: str, config: pytest.Config) -> str:
    """Return *target*, a path or node id given from the root folder, relative to the folder where pytest was called."""
    path, colons, test = target.partition("::")
    return Path(os.path.relpath(config.rootpath / path, config.invocation_params.dir)).as_posix() + colons + test


def target_of(nodeid: str, cassette: Path, module_folder: Path, *, is_shared: bool) -> str:
    """Return what to run to record all of *cassette* again: the test, its file, or the folder of the file.

    Answers that no test uses any more are only removed from a shared cassette if all tests that use it are known.
    """
    if not is_shared:
        return nodeid
    file = nodeid.partition("::")[0]
    if cassette.is_relative_to(module_folder):
        return file
    return file.rpartition("/")[0] or "."


def _is_defined(module: object, name: str) -> bool:
    steps = name.partition("[")[0].split(".")
    missing = object()
    return reduce(lambda owner, step: getattr(owner, step, missing), steps, module) is not missing
