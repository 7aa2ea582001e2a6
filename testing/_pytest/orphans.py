"""Recordings that no test uses.

Only what can be known is said: a module is looked at where every test of it was collected, and a folder of recordings
is a leftover where its module is gone. Other plugins keep their recordings in the same folders: those are left alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .places import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_OF_GEMINI: Final = re.compile(rb"\A# Recorded by maxim-gemini|\b(?:generativelanguage|aiplatform)\.googleapis\.com")


def orphans(
    modules: Iterable[str], partial: Collection[str], used: Iterable[str], *, seen: Iterable[Path], folder: str
) -> list[Path]:
    """Return the recordings beside *modules* that are neither to be *used* nor were *seen* to be."""
    known = {Path(path) for path in used} | set(seen)
    unknown = (path for path in _recordings(modules, partial, folder) if path not in known)
    return sorted(path for path in unknown if _OF_GEMINI.search(path.read_bytes()))


def _recordings(modules: Iterable[str], partial: Collection[str], folder: str) -> Iterator[Path]:
    whole = {Path(module) for module in modules if module not in partial}
    for home in {Path(module).parent for module in modules}:
        for recordings in _folders(home / folder):
            test_file = home / f"{recordings.name}.py"
            if test_file in whole or not test_file.exists():
                yield from _files(recordings)


def _folders(folder: Path) -> Iterable[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
