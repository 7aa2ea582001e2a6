"""The paths of cassettes, and the tests that use them.

    tests/test_chat.py::TestTools::test_weather[a/b]
    tests/cassettes/test_chat/TestTools.test_weather[a-b].yaml

A name in the marker is searched in the module's folder, then in the folder of all modules beside the test, then among
the cassettes that come with this package. A new cassette with that name is written to the module's folder.

Plugins such as pytest-repeat, pytest-flakefinder and anyio add parameters to tests, to run them several times. Such a
parameter is part of a test's id, but not of its cassette's name. To recognize them, this module uses private names of
pytest's parametrization; no other module does.
"""

from __future__ import annotations

import inspect
import os
import re
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from maxim_gemini._core import token_forms
from maxim_gemini._core.patterns import compiled
from maxim_gemini.testing._printable import REDACTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from maxim_gemini.testing._json_types import JsonDict

SUFFIX: Final = ".yaml"
SUFFIXES: Final = frozenset({SUFFIX, ".yml"})
LONGEST: Final = 120
"""Bytes of a file name without its suffix: every file system accepts it, even with a temporary file's suffix."""

_KEY_VARIABLE: Final = r"(?i)KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL"
_SHORTEST_SECRET: Final = 8
_UNSAFE: Final = r"""[<>?%*:|"'/\\\s\x00-\x1f\x7f]"""


_PARAMETRIZATIONS: Final = pytest.StashKey[dict[str, list[bool]]]()
"""On a collector, by the name of a test: for each parametrization, in order, whether a plugin added it."""


class CassettePath(NamedTuple):
    """The file of a cassette. One that comes with this package is never written."""

    path: Path
    bundled: bool = False


class CassetteUser(NamedTuple):
    """A test that uses a recorder."""

    module: str
    own: str
    """The path of its own cassette."""
    named: str = ""
    """The path of the cassette that its marker names. A fixture may name another: that is known when the test runs."""


@dataclass(slots=True)
class Collected:
    """What a run has collected: its test files, and the tests that use cassettes."""

    modules: set[str] = field(default_factory=set[str])
    """Test files with a test in this run."""
    partial: set[str] = field(default_factory=set[str])
    """Those of which tests were left out."""
    users: dict[str, CassetteUser] = field(default_factory=dict[str, CassetteUser])
    """The tests that use a recorder, by node id."""
    of_other_plugins: set[str] = field(default_factory=set[str])
    """Cassettes of tests that another plugin records."""
    clashes: dict[str, str] = field(default_factory=dict[str, str])
    """Tests that would share a cassette by accident: node id to the other one's."""

    def add_users(
        self, items: Sequence[pytest.Item], folder: str, name_of: Callable[[pytest.Item], str | None]
    ) -> None:
        """Add the tests *items*, which use a recorder; *name_of* returns the cassette that a test's marker names."""
        names = {item: name_of(item) for item in items}
        self.users |= {node_id(item): _user(item, folder, name) for item, name in names.items()}
        self.clashes = clashing((item.path, test_name(item), item.nodeid) for item in items if names[item] is None)

    def add_users_of_other_plugins(self, items: Iterable[pytest.Item], folder: str) -> None:
        """Add the tests *items*, which another plugin records: into their own cassettes or those that are named."""
        for item in items:
            marks = [mark for name in ("vcr", "default_cassette") for mark in item.iter_markers(name)]
            named = [f"{str(name).removesuffix(SUFFIX)}{SUFFIX}" for mark in marks for name in mark.args]
            own = own_cassette(item.path, test_name(item), folder).path
            self.of_other_plugins.update(str(own.parent / name) for name in (own.name, *named))

    def to_wire(self) -> JsonDict:
        """Return what the other processes of the run need, as plain data."""
        return {
            "modules": sorted(self.modules),
            "partial": sorted(self.partial),
            "of_other_plugins": sorted(self.of_other_plugins),
            "users": {nodeid: list(user) for nodeid, user in self.users.items()},
        }

    def add_from_wire(self, data: Mapping[str, Any]) -> None:
        """Add the data that another process has collected."""
        self.modules.update(data["modules"])
        self.partial.update(data["partial"])
        self.of_other_plugins.update(data["of_other_plugins"])
        self.users.update({nodeid: CassetteUser(*user) for nodeid, user in data["users"].items()})


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
    return ".".join([*classes, _name_without_plugins(item)])


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


def note_parameters(metafunc: pytest.Metafunc) -> None:
    """Note whether a parametrization, when it is added, is the test's own or a plugin's."""
    definition: pytest.Function = metafunc.definition
    parent: Any = definition.parent
    added = parent.stash.setdefault(_PARAMETRIZATIONS, {})[definition.name] = list[bool]()
    parametrize = metafunc.parametrize

    @wraps(parametrize)
    def parametrize_and_note(argnames: str | Sequence[str], *args: Any, **kwargs: Any) -> None:
        parametrize(argnames, *args, **kwargs)
        names = argnames.split(",") if isinstance(argnames, str) else argnames
        added.append(not any(_is_own(metafunc, name.strip()) for name in names))

    metafunc.parametrize = parametrize_and_note  # type: ignore[method-assign]


def is_repeated(item: pytest.Item) -> bool:
    """Return whether a plugin may run the test several times, with different ids."""
    return any(_parametrizations(item))


def _name_without_plugins(item: pytest.Item) -> str:
    added = _parametrizations(item)
    if not any(added):
        return item.name
    # pytest has no public way to tell the ids of single parameters, which may have dashes in them.
    ids: Sequence[str] = getattr(getattr(item, "callspec", None), "_idlist", ())
    if len(ids) != len(added):  # some are hidden
        return item.name
    own = [text for text, is_added in zip(ids, added, strict=True) if not is_added]
    name: str = getattr(item, "originalname", item.name)
    return f"{name}[{'-'.join(own)}]" if own else name


def _parametrizations(item: pytest.Item) -> list[bool]:
    by_name: dict[str, list[bool]] = {}
    if item.parent is not None:
        by_name = item.parent.stash.get(_PARAMETRIZATIONS, by_name)
    return by_name.get(getattr(item, "originalname", None) or item.name, [])


def _is_own(metafunc: pytest.Metafunc, name: str) -> bool:
    definition: pytest.Function = metafunc.definition
    if name in inspect.signature(metafunc.function).parameters:
        return True
    if any(name in _names(mark) for mark in definition.iter_markers("parametrize")):
        return True
    manager: Any = metafunc.config.pluginmanager.get_plugin("funcmanage")
    fixtures: Sequence[pytest.FixtureDef[Any]] = manager.getfixturedefs(name, definition) or ()
    return bool(fixtures) and "site-packages" not in _file(fixtures[-1].func)


def _names(mark: pytest.Mark) -> list[str]:
    names: Any = mark.args[0] if mark.args else mark.kwargs.get("argnames", "")
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]


def _file(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return str(getattr(code, "co_filename", ""))
