"""The test files and tests that a run has collected, and which parameters are a test's own.

Plugins such as pytest-repeat, pytest-flakefinder and anyio add parameters to tests, to run them several times. Such a
parameter is part of a test's id, but not of its cassette's name. To recognize them, this module uses private names of
pytest's parametrization; no other module does.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maxim_gemini.testing._json_types import JsonDict

_PARAMETRIZATIONS: Final = pytest.StashKey[dict[str, list[bool]]]()
"""On a collector, by the name of a test: for each parametrization, in order, whether a plugin added it."""


class CassetteUser:
    """A test that uses a recorder."""

    __slots__ = ("module", "named", "own")

    def __init__(self, module: str, own: str, named: str = "") -> None:
        self.module = module
        self.own = own
        """The path of its own cassette."""
        self.named = named
        """The path of the cassette that its marker names. A fixture may name another when the test runs."""


class Collected:
    """The items that a run has collected: its test files, and the tests that use cassettes."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        """Test files with a test in this run."""
        self.partial: set[str] = set()
        """Those of which tests were left out."""
        self.users: dict[str, CassetteUser] = {}
        """The tests that use a recorder, by node id."""
        self.of_other_plugins: set[str] = set()
        """Cassettes of tests that another plugin records."""
        self.clashes: dict[str, str] = {}
        """Tests that would share a cassette by accident: node id to the other one's."""

    def to_wire(self) -> JsonDict:
        """Return what the other processes of the run need, as plain data."""
        return {
            "modules": sorted(self.modules),
            "partial": sorted(self.partial),
            "of_other_plugins": sorted(self.of_other_plugins),
            "users": {nodeid: [user.module, user.own, user.named] for nodeid, user in self.users.items()},
        }

    def add_from_wire(self, data: Mapping[str, Any]) -> None:
        """Add the data that another process has collected."""
        self.modules.update(data["modules"])
        self.partial.update(data["partial"])
        self.of_other_plugins.update(data["of_other_plugins"])
        self.users.update({nodeid: CassetteUser(*user) for nodeid, user in data["users"].items()})


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


def name_without_plugins(item: pytest.Item) -> str:
    """Return the name of a test with the parameters that are its own."""
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
