"""Which cassette a test uses, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from .advice import Adviser, target_of
from .marker import Choices, choices_of
from .parameters import is_repeated
from .places import Place, module_folder, named_place, node_id, own_place, test_name, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .options import Mode
    from .session import Session


class Plan(NamedTuple):
    """What a test's recorder is made from."""

    path: Path
    record: Mode
    advice: Adviser
    wishes: dict[str, Any]
    """Further keywords of the recorder."""
    strict: bool = False
    is_shared: bool = False
    """Other tests of the run may use the cassette, too."""
    ignore: tuple[str, ...] = ()


def plan_of(item: pytest.Item, config: Mapping[str, Any], session: Session) -> Plan:
    """Return the plan for *item*, by its markers, the fixture `maxim_gemini_config` and the run's settings."""
    try:
        choices = choices_of(item, config)
        place = _place(item, choices, session)
    except (TypeError, ValueError) as error:
        # Told without a traceback: none of its lines would be the user's.
        raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None
    wishes = choices.over(Choices(ignore=session.settings.ignore or None)).made()
    is_shared = choices.cassette is not None or is_repeated(item)
    folder = module_folder(item.path, session.settings.folder)
    target = target_of(node_id(item), place.path, folder, is_shared=is_shared)
    tests = _tests(item, place, session)
    for name in ("cassette", "record", "strict", "block_network"):
        wishes.pop(name, None)
    return Plan(
        place.path,
        _mode(place, choices, session),
        Adviser(item, place, choices.cassette, tests, target, session.settings.folder, session.shown),
        wishes,
        session.settings.strict or bool(choices.strict),
        is_shared,
        tuple(wishes.get("ignore", ())),
    )


def keywords(plan: Plan, fresh: Mapping[str, int]) -> dict[str, Any]:
    """Return the keywords of the recorder for *plan*, where other tests of the run have recorded *fresh* answers.

    A cassette that this run has made is added to. What this run has recorded is replayed, so that the tests see what
    a replay will give them; and a shared cassette is not emptied by its first test: the others may fail, or not run.
    """
    mode, options = plan.record, dict[str, Any]()
    if mode == "once" and fresh:
        mode = "new_episodes"
    elif mode in ("all", "rewrite") and (plan.is_shared or fresh):
        mode, options = "all", {"cassette_options": {"fresh": fresh}}
    # What is unused of a shared cassette is known when all its tests have run.
    return {**plan.wishes, **options, "record": mode, "strict": plan.strict and not plan.is_shared}


def _place(item: pytest.Item, choices: Choices, session: Session) -> Place:
    folder = session.settings.folder
    if choices.cassette is not None:
        return named_place(item.path, choices.cassette, folder)
    place = own_place(item.path, test_name(item), folder)
    if other := session.clashes.get(item.nodeid):
        pytest.fail(
            _CLASH.format(path=session.shown(place.path), one=node_id(item), other=without_secrets(other)),
            pytrace=False,
        )
    return place


def _mode(place: Place, choices: Choices, session: Session) -> Mode:
    mode = session.settings.mode(choices.record)
    # What came with this package is not the tests' to write to.
    return "none" if place.bundled and mode != "verify" else mode


def _tests(item: pytest.Item, place: Place, session: Session) -> list[str]:
    path = str(place.path)
    return [nodeid for nodeid, user in session.users.items() if (user.named or user.own) == path] or [node_id(item)]


_CLASH = """\
Two tests would share the cassette {path}:
  {one}
  {other}
Rename one of them, or its parameter with pytest.param(..., id="..."), or name a cassette for each: \
@pytest.mark.maxim_gemini(cassette="...")"""
