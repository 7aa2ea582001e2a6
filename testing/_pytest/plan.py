"""Which recording a test uses, and how."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from .marker import choices_of
from .places import Place, named_place, own_place, test_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .marker import Choices
    from .options import Mode
    from .session import Session


class Plan(NamedTuple):
    """What a test's recorder is made from."""

    path: Path
    mode: Mode
    record_command: str
    wishes: dict[str, Any]
    """Further keywords of the recorder."""


def plan_of(item: pytest.Item, config: Mapping[str, Any], session: Session) -> Plan:
    """Return the plan for *item*, by its markers, the fixture `maxim_gemini_config` and the run's settings."""
    try:
        choices = choices_of(item, config)
        place = _place(item, choices, session)
    except (TypeError, ValueError) as error:
        # Told without a traceback: none of its lines would be the user's.
        raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None
    mode = _mode(place, choices, session)
    wishes = choices.made()
    for name in ("cassette", "record"):
        wishes.pop(name, None)
    wishes["strict"] = session.settings.strict or bool(choices.strict)
    return Plan(place.path, mode, _command(item, place), wishes)


def _place(item: pytest.Item, choices: Choices, session: Session) -> Place:
    folder = session.settings.folder
    if choices.cassette is not None:
        return named_place(item.path, choices.cassette, folder)
    place = own_place(item.path, test_name(item), folder)
    if other := session.clashes.get(item.nodeid):
        pytest.fail(_CLASH.format(path=session.shown(place.path), one=item.nodeid, other=other), pytrace=False)
    return place


def _mode(place: Place, choices: Choices, session: Session) -> Mode:
    mode = session.settings.mode(choices.record)
    if place.bundled and mode != "verify":
        return "none"  # what came with this package is not the tests' to write to
    if mode in {"all", "rewrite"} and place.path in session.written:
        return "new_episodes"  # another test has just recorded the same file: add to it
    return mode


def _command(item: pytest.Item, place: Place) -> str:
    mode = "new_episodes" if place.path.exists() else "once"
    return f"pytest --maxim-gemini-record={mode} {shlex.quote(item.nodeid)}"


_CLASH = """\
Two tests would share the recording {path}:
  {one}
  {other}
Rename one of them, or its parameter with pytest.param(..., id="..."), or name a recording for each: \
@pytest.mark.maxim_gemini(cassette="...")"""
