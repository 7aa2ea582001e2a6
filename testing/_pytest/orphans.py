"""Cassettes that no test uses.

Only what can be known is said: a module is looked at where every test of it was collected, and a folder of cassettes
is a leftover where its module is gone. Other plugins keep their cassettes in the same folders: those are left alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from .places import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .collecting import Coverage

_OURS: Final = b"# Recorded by maxim-gemini"


def orphans(modules: Collection[str], used: Collection[Path], coverage: Coverage, *, folder: str) -> list[Path]:
    """Return the cassettes beside *modules* that are not *used*, as far as *coverage* lets it be known."""
    return sorted(path for path in _cassettes(modules, coverage, folder) if path not in used and _is_ours(path))


def _cassettes(modules: Collection[str], coverage: Coverage, folder: str) -> Iterator[Path]:
    for home in {Path(module).parent for module in modules}:
        for cassettes in _folders(home / folder):
            test_file = home / f"{cassettes.name}.py"
            if coverage.understood(str(test_file)) if test_file.exists() else coverage.is_whole_folder(home):
                yield from _files(cassettes)


def _folders(folder: Path) -> Iterable[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_OURS)) == _OURS
