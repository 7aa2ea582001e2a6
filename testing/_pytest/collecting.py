"""Which recordings the collected tests use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .marker import from_marker
from .places import clashing, named_place, own_place, test_name
from .session import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest


def expected(items: Iterable[pytest.Item], folder: str) -> set[str]:
    """Return the recordings that *items* are to use, as far as their markers tell."""
    return {str(_place(item, folder)) for item in items}


def clashes(items: Iterable[pytest.Item]) -> dict[str, str]:
    """Return which of *items* would share a recording by accident: node id to the node id of the other one."""
    return clashing((item.path, test_name(item), item.nodeid) for item in items if _named(item) is None)


def asked_for_in_part(config: pytest.Config) -> set[str]:
    """Return the test files of which the command line asks for single tests."""
    args = (arg.partition("::") for arg in config.args)
    return {str((config.invocation_params.dir / path).resolve()) for path, colons, _ in args if colons}


def _place(item: pytest.Item, folder: str) -> Path:
    name = _named(item)
    if name is None:
        return own_place(item.path, test_name(item), folder).path
    return named_place(item.path, name, folder).path


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
