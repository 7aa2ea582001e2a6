"""The parameters that plugins add to tests, to run them several times: they say nothing about the traffic.

pytest-repeat, pytest-flakefinder and anyio do so. Such a parameter is part of a test's id, and not of its cassette's
name. The only module that touches private names of pytest's parametrization.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

_CALLS: Final = pytest.StashKey[dict[str, list[bool]]]()
"""On a collector, by the name of a test: for each parametrization, in order, whether a plugin added it."""


def watch(metafunc: pytest.Metafunc) -> None:
    """Note from now on which of the parametrizations of a test are its own."""
    definition: pytest.Function = metafunc.definition
    parent: Any = definition.parent
    calls = parent.stash.setdefault(_CALLS, {})[definition.name] = list[bool]()
    parametrize = metafunc.parametrize

    @wraps(parametrize)
    def noted(argnames: str | Sequence[str], *args: Any, **kwargs: Any) -> None:
        parametrize(argnames, *args, **kwargs)
        names = argnames.split(",") if isinstance(argnames, str) else argnames
        calls.append(not any(_is_own(metafunc, name.strip()) for name in names))

    metafunc.parametrize = noted  # type: ignore[method-assign]


def is_repeated(item: pytest.Item) -> bool:
    """Return whether a plugin may run the test several times, under other ids."""
    return any(_calls(item))


def name_without_plugins(item: pytest.Item) -> str:
    """Return the name of a test with the parameters that are its own."""
    calls = _calls(item)
    if not any(calls):
        return item.name
    # pytest has no public way to tell the ids of single parameters, which may have dashes in them.
    ids: Sequence[str] = getattr(getattr(item, "callspec", None), "_idlist", ())
    if len(ids) != len(calls):  # some are hidden
        return item.name
    own = [text for text, is_added in zip(ids, calls, strict=True) if not is_added]
    name: str = getattr(item, "originalname", item.name)
    return f"{name}[{'-'.join(own)}]" if own else name


def _calls(item: pytest.Item) -> list[bool]:
    by_name = item.parent.stash.get(_CALLS, {}) if item.parent is not None else {}
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
