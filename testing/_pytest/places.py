"""Where the cassette of a test lies.

    tests/test_chat.py::TestTools::test_weather[a/b]
    tests/cassettes/test_chat/TestTools.test_weather[a-b].yaml

A name said by the marker is looked for in the module's folder, then in the folder of all modules beside the test, then
among the cassettes that come with this package; where there is none of that name, the module's folder is its place.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from maxim_gemini._core import token_forms
from maxim_gemini.testing._printable import REDACTED

from . import parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

SUFFIX: Final = ".yaml"
SUFFIXES: Final = frozenset({SUFFIX, ".yml"})
LONGEST: Final = 120
"""Bytes of a file's name without its suffix: every file system takes it, with room for a temporary file's ending."""

_KEY_VARIABLE: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET: Final = 8
_UNSAFE = re.compile(r"""[<>?%*:|"'/\\\s\x00-\x1f\x7f]""")


class Place(NamedTuple):
    """A cassette's file. One that came with this package is only ever read."""

    path: Path
    bundled: bool = False


def module_folder(test_file: Path, folder: str) -> Path:
    """Return the folder of the cassettes of the tests in *test_file*."""
    return test_file.parent / folder / test_file.stem


def test_name(item: pytest.Item) -> str:
    """Return the name of a test in its module: classes, and the parameters that are its own, included."""
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return ".".join([*classes, parameters.name_without_plugins(item)])


test_name.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it where a test file imports it


def node_id(item: pytest.Item) -> str:
    """Return the id by which pytest finds *item*, without the groups that pytest-xdist adds, and without secrets.

    Where a parameter has a key in its id, that is the test with all its parameters.
    """
    nodeid = f"{item.parent.nodeid}::{item.name}" if item.parent is not None else item.nodeid
    return nodeid if nodeid == without_secrets(nodeid) else nodeid.partition("[")[0]


def without_secrets(text: str) -> str:
    """Return *text* without keys and tokens, and without the values of the environment's key variables."""
    for variable, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and value in text and _KEY_VARIABLE.search(variable):
            text = text.replace(value, REDACTED)
    return token_forms.replaced(text, REDACTED)


def file_name(name: str) -> str:
    """Return *name* as a file's name, without the suffix: safe on every file system, cut with a hash where too long."""
    name = without_secrets(name)
    safe = _UNSAFE.sub("-", name)
    if len(safe.encode()) <= LONGEST:
        return safe
    import hashlib

    mark = "-" + hashlib.sha256(name.encode()).hexdigest()[:12]
    return safe.encode()[: LONGEST - len(mark)].decode(errors="ignore") + mark


def own_place(test_file: Path, name: str, folder: str) -> Place:
    """Return where the cassette of the test *name* lies."""
    return Place(module_folder(test_file, folder) / (file_name(name) + SUFFIX))


def named_place(test_file: Path, name: str, folder: str) -> Place:
    """Return where the cassette *name* lies, or is to be made; `ValueError` where it would leave the folders."""
    relative = inside(name)
    module = module_folder(test_file, folder)
    for candidate in candidates(test_file, name, folder):
        if candidate.is_file():
            return Place(candidate)
    if (bundled := _bundled() / relative).is_file():
        return Place(bundled, bundled=True)
    return Place(module / relative)


def candidates(test_file: Path, name: str, folder: str) -> list[Path]:
    """Return where the tests in *test_file* look for the cassette *name*, the first one first."""
    module = module_folder(test_file, folder)
    return [module / inside(name), module.parent / inside(name)]


def bundled_names() -> list[str]:
    """Return the names of the cassettes that came with this package."""
    return sorted(path.stem for path in _bundled().glob(f"*{SUFFIX}"))


def bundled_name(path: Path) -> str:
    """Return the name of a cassette that came with this package; empty where *path* is none."""
    folder = _bundled()
    return path.relative_to(folder).with_suffix("").as_posix() if path.is_relative_to(folder) else ""


def inside(name: str) -> Path:
    """Return *name* as a relative path with its suffix; `ValueError` where it would leave its folder."""
    parts = re.split(r"[/\\]", name)
    if not name.strip() or "\0" in name or ".." in parts or "" in parts or ":" in parts[0]:
        raise ValueError(
            f"{name!r} is not a cassette name: write a name, or folder/name, inside the folder of the cassettes"
        )
    path = Path(*parts)
    return path if path.suffix in SUFFIXES else path.with_name(path.name + SUFFIX)


def clashing(names: Iterable[tuple[Path, str, str]]) -> dict[str, str]:
    """Return which tests would share a cassette by accident: node id to the node id of the other one.

    *names* holds the file, name and node id of every test with a cassette of its own. Names that differ only in case
    clash, too: on some machines they are the same file.
    """
    first: dict[tuple[Path, str], tuple[str, str]] = {}
    found: dict[str, str] = {}
    for test_file, name, nodeid in names:
        other_name, other = first.setdefault((test_file, file_name(name).casefold()), (name, nodeid))
        if other_name != name:
            found[nodeid] = other
            found.setdefault(other, nodeid)
    return found


def _bundled() -> Path:
    from maxim_gemini.testing import cassettes

    return Path(cassettes.__path__[0]).resolve()
