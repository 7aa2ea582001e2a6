"""The paths of cassettes, and the tests that use them.

    tests/test_chat.py::TestTools::test_weather[a/b]
    tests/cassettes/test_chat/TestTools.test_weather[a-b].yaml

A name in the marker is searched in the module's folder, then in the folder of all modules beside the test, then among
the cassettes that come with this package. A new cassette with that name is written to the module's folder.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from maxim_gemini._core import token_forms
from maxim_gemini._core.patterns import compiled
from maxim_gemini.testing._printable import REDACTED

from .collected import CassetteUser, name_without_plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .collected import Collected

SUFFIX: Final = ".yaml"
SUFFIXES: Final = frozenset({SUFFIX, ".yml"})
LONGEST: Final = 120
"""Bytes of a file name without its suffix: every file system accepts it, even with a temporary file's suffix."""

_KEY_VARIABLE: Final = r"(?i)KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL"
_SHORTEST_SECRET: Final = 8
_UNSAFE: Final = r"""[<>?%*:|"'/\\\s\x00-\x1f\x7f]"""


class CassettePath(NamedTuple):
    """The file of a cassette. One that comes with this package is never written."""

    path: Path
    bundled: bool = False


def add_users(
    collected: Collected, items: Sequence[pytest.Item], folder: str, name_of: Callable[[pytest.Item], str | None]
) -> None:
    """Add the tests *items*, which use a recorder; *name_of* returns the cassette that a test's marker names."""
    names = {item: name_of(item) for item in items}
    collected.users |= {node_id(item): _user(item, folder, name) for item, name in names.items()}
    collected.clashes = clashing((item.path, test_name(item), item.nodeid) for item in items if names[item] is None)


def add_users_of_other_plugins(collected: Collected, items: Iterable[pytest.Item], folder: str) -> None:
    """Add the tests *items*, which another plugin records: into their own cassettes or those that are named."""
    for item in items:
        marks = [mark for name in ("vcr", "default_cassette") for mark in item.iter_markers(name)]
        named = [f"{str(name).removesuffix(SUFFIX)}{SUFFIX}" for mark in marks for name in mark.args]
        own = own_cassette(item.path, test_name(item), folder).path
        collected.of_other_plugins.update(str(own.parent / name) for name in (own.name, *named))


def _user(item: pytest.Item, folder: str, name: str | None) -> CassetteUser:
    own = own_cassette(item.path, test_name(item), folder).path
    named = "" if name is None else str(named_cassette(item.path, name, folder).path)
    return CassetteUser(str(item.path), str(own), named)


def selected_in_part(config: pytest.Config, modules: Iterable[str]) -> set[str]:
    """Return the *modules* of which the command line selects only some tests."""
    args = [arg.partition("::") for arg in config.args]
    of_modules = [path for path, colons, _ in args if colons]
    # Only pytest knows which file belongs to the name of a package. What failed last is selected while a file is read.
    if config.getoption("lf", False) or (of_modules and config.getoption("pyargs", False)):
        return set(modules)
    paths = [config.invocation_params.dir / path for path in of_modules]
    return {os.path.normpath(path) for path in paths} | {str(path.resolve()) for path in paths}


def module_folder(test_file: Path, folder: str) -> Path:
    """Return the folder of the cassettes of the tests in *test_file*."""
    return test_file.parent / folder / test_file.stem


def test_name(item: pytest.Item) -> str:
    """Return the name of a test in its module: classes, and the parameters that are its own, included."""
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return ".".join([*classes, name_without_plugins(item)])


test_name.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it where a test file imports it


def node_id(item: pytest.Item) -> str:
    """Return the id of *item* for pytest, without the groups that pytest-xdist adds, and without secrets.

    If a parameter has a key in its id, it is the id of the test with all its parameters.
    """
    nodeid = f"{item.parent.nodeid}::{item.name}" if item.parent is not None else item.nodeid
    return nodeid if nodeid == without_secrets(nodeid) else nodeid.partition("[")[0]


def without_secrets(text: str) -> str:
    """Return *text* without keys and tokens, and without the values of the environment's key variables."""
    for variable, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and value in text and compiled(_KEY_VARIABLE).search(variable):
            text = text.replace(value, REDACTED)
    return token_forms.replaced(text, REDACTED)


def file_name(name: str) -> str:
    """Return *name* as a file name without suffix: valid on every file system; if too long, cut, with a hash."""
    name = without_secrets(name)
    safe = compiled(_UNSAFE).sub("-", name)
    if len(safe.encode()) <= LONGEST:
        return safe
    import hashlib

    mark = "-" + hashlib.sha256(name.encode()).hexdigest()[:12]
    return safe.encode()[: LONGEST - len(mark)].decode(errors="ignore") + mark


def own_cassette(test_file: Path, name: str, folder: str) -> CassettePath:
    """Return the path of the cassette of the test *name*."""
    return CassettePath(module_folder(test_file, folder) / (file_name(name) + SUFFIX))


def named_cassette(test_file: Path, name: str, folder: str) -> CassettePath:
    """Return the path of the cassette *name*, which may be new; raise `ValueError` if it is outside the folders."""
    relative = inside(name)
    module = module_folder(test_file, folder)
    for path in candidates(test_file, name, folder):
        if path.is_file():
            return CassettePath(path)
    if (bundled := _bundled() / relative).is_file():
        return CassettePath(bundled, bundled=True)
    return CassettePath(module / relative)


def candidates(test_file: Path, name: str, folder: str) -> list[Path]:
    """Return the paths at which the tests in *test_file* search the cassette *name*, in order."""
    module = module_folder(test_file, folder)
    return [module / inside(name), module.parent / inside(name)]


def bundled_names() -> list[str]:
    """Return the names of the cassettes that come with this package."""
    return sorted(path.stem for path in _bundled().glob(f"*{SUFFIX}"))


def bundled_name(path: Path) -> str:
    """Return the name of a cassette that comes with this package; empty if *path* is none."""
    folder = _bundled()
    return path.relative_to(folder).with_suffix("").as_posix() if path.is_relative_to(folder) else ""


def inside(name: str) -> Path:
    """Return *name* as a relative path with its suffix; raise `ValueError` if it is outside its folder."""
    parts = re.split(r"[/\\]", name)
    if not name.strip() or "\0" in name or ".." in parts or "" in parts or ":" in parts[0]:
        raise ValueError(
            f"{name!r} is not a cassette name: write a name, or folder/name, inside the folder of the cassettes"
        )
    path = Path(*parts)
    return path if path.suffix in SUFFIXES else path.with_name(path.name + SUFFIX)


def clashing(names: Iterable[tuple[Path, str, str]]) -> dict[str, str]:
    """Return tests that would share a cassette by accident: a node id, with the node id of the other test.

    *names* holds the file, name and node id of every test with a cassette of its own. Names that differ only in case
    clash, too: on some machines they are the same file.
    """
    first: dict[tuple[Path, str], tuple[str, str]] = {}
    clashes: dict[str, str] = {}
    for test_file, name, nodeid in names:
        other_name, other = first.setdefault((test_file, file_name(name).casefold()), (name, nodeid))
        if other_name != name:
            clashes[nodeid] = other
            clashes.setdefault(other, nodeid)
    return clashes


def _bundled() -> Path:
    from maxim_gemini.testing import cassettes

    return Path(cassettes.__path__[0]).resolve()
