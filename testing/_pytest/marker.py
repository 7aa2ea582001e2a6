"""The options in the marker `maxim_gemini` and in the fixture `maxim_gemini_config`, and a test's plan by both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

import pytest

from maxim_gemini.testing._json_types import JsonDict

from .advice import Adviser, target_of
from .cassette_paths import (
    inside,
    module_folder,
    named_cassette,
    node_id,
    own_cassette,
    test_name,
    without_secrets,
)
from .collected import is_repeated
from .options import MARKER, as_mode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .cassette_paths import CassettePath
    from .collected import Collected
    from .options import Mode, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options of a test, a class, a module or a suite; `None` if an option is not set."""

    cassette: str | None = None
    record: str | None = None
    strict: bool | None = None
    pace: Literal["instant", "recorded"] | float | None = None
    chunking: Any = None
    base_url: str | None = None
    hosts: Sequence[str] | None = None
    description: str | None = None
    source: str | None = None
    ignore: Sequence[str] | None = None
    block_network: bool | None = None
    instrument: bool | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a recorder."""
        _expect(self, "cassette", str)
        _expect(self, "strict", bool)
        _expect(self, "block_network", bool)
        _expect(self, "instrument", bool)
        if self.cassette is not None:
            inside(self.cassette)
        if self.record is not None:
            as_mode(self.record)

    def over(self, other: Choices) -> Choices:
        """Return these options, with those of *other* for the ones that are not set here."""
        return Choices(**{**other.made(), **self.made()})

    def made(self) -> JsonDict:
        """Return the options that are set."""
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}


NAMES: Final = tuple(field.name for field in fields(Choices))


def from_marker(mark: pytest.Mark) -> Choices:
    """Return the options of a marker; raise a `TypeError` that names the marker if they are wrong."""
    source = f"@pytest.mark.{MARKER}"
    if len(mark.args) > 1:
        raise TypeError(
            f"{source} takes one name without a keyword (cassette), but got {len(mark.args)}: {mark.args!r}"
        )
    if mark.args and "cassette" in mark.kwargs:
        raise TypeError(f"{source} got cassette twice: {mark.args[0]!r} and {mark.kwargs['cassette']!r}")
    return _parsed({**dict(zip(("cassette",), mark.args, strict=False)), **mark.kwargs}, source)


def from_config(value: object) -> Choices:
    """Return the options of the fixture `maxim_gemini_config`; raise a `TypeError` that names it if they are wrong."""
    source = "the fixture maxim_gemini_config"
    if not isinstance(value, Mapping):
        raise TypeError(f"{source} must return a mapping, such as {{'pace': 'recorded'}}, got {value!r}")
    if "block_network" in value:
        raise TypeError(f"{source} can't hold block_network: use the marker or the ini value")
    return _parsed(cast("Any", value), source)


def choices_of(item: pytest.Item, config: object = ()) -> Choices:
    """Return the options of *item*: the closest marker has precedence, and all markers over *config*."""
    chosen = Choices()
    for mark in item.iter_markers(MARKER):
        chosen = chosen.over(from_marker(mark))
    return chosen.over(from_config(config)) if config else chosen


def sends_freely(item: pytest.Item) -> bool | None:
    """Return whether the markers of *item* allow it to send to Gemini, or forbid it; `None` if they do neither."""
    try:
        blocks = choices_of(item).block_network
    except (TypeError, ValueError):  # an error of its test, when it runs
        return None
    return None if blocks is None else not blocks


def cassette_named_for(item: pytest.Item) -> str | None:
    """Return the name of the cassette in the markers of *item*; `None` also if a marker is wrong."""
    for mark in item.iter_markers(MARKER):
        try:
            name = from_marker(mark).cassette
        except (TypeError, ValueError):  # an error of its test, when it runs
            return None
        if name is not None:
            return name
    return None


def wants_recorder(item: pytest.Item) -> bool:
    """Return whether *item* is marked to be recorded, and not only to be allowed to send."""
    marks = list(item.iter_markers(MARKER))
    return bool(marks) and not all(not mark.args and set(mark.kwargs) == {"block_network"} for mark in marks)


def _parsed(options: Mapping[Any, Any], source: str) -> Choices:
    if unknown := [name for name in options if name not in NAMES]:
        import difflib  # not with this module: only a misspelt option needs it

        close = difflib.get_close_matches(str(unknown[0]), NAMES, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise TypeError(f"{source} has no {unknown[0]!r}{hint} It takes {', '.join(NAMES)}")
    try:
        return Choices(**options)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{source}: {error}") from None


def _expect(choices: Choices, name: str, kind: type) -> None:
    value = getattr(choices, name)
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}")


class Plan(NamedTuple):
    """The settings from which a test's recorder is made."""

    path: Path
    record: Mode
    advice: Adviser
    options: JsonDict
    """Further keywords of the recorder."""
    strict: bool = False
    is_shared: bool = False
    """`True` if other tests of the run may use the cassette, too."""
    ignore: tuple[str, ...] = ()


def plan_of(
    item: pytest.Item,
    config: Mapping[str, Any],
    *,
    settings: Settings,
    collected: Collected,
    shown: Callable[[Path], str],
) -> Plan:
    """Return the plan of *item*, by its markers, the fixture `maxim_gemini_config` and the settings of the run."""
    try:
        choices = choices_of(item, config)
        cassette = _cassette(item, choices, settings.folder)
    except (TypeError, ValueError) as error:
        # Reported without a traceback: none of its lines would be the user's.
        raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None
    if choices.cassette is None and (other := collected.clashes.get(item.nodeid)):
        clash = _CLASH.format(path=shown(cassette.path), one=node_id(item), other=without_secrets(other))
        pytest.fail(clash, pytrace=False)
    is_shared = choices.cassette is not None or is_repeated(item)
    module = module_folder(item.path, settings.folder)
    target = target_of(node_id(item), cassette.path, module, is_shared=is_shared)
    path = str(cassette.path)
    tests = [nodeid for nodeid, user in collected.users.items() if (user.named or user.own) == path]
    mode = settings.mode(choices.record)
    options = choices.over(Choices(ignore=settings.ignore or None)).made()
    for name in ("cassette", "record", "strict", "block_network"):
        options.pop(name, None)
    return Plan(
        cassette.path,
        "none" if cassette.bundled and mode != "verify" else mode,  # tests don't write to what came with this package
        Adviser(item, cassette, choices.cassette, tests or [node_id(item)], target, settings.folder, shown),
        options,
        settings.strict or bool(choices.strict),
        is_shared,
        tuple(options.get("ignore", ())),
    )


def keywords(plan: Plan, fresh: Mapping[str, int]) -> JsonDict:
    """Return the recorder's arguments for *plan*; *fresh* are answers that other tests of the run have recorded.

    A cassette made in this run is extended. Answers recorded in this run are replayed, so that tests see the same as in
    a replay. A shared cassette is not emptied by its first test, because the others may fail, or not run.
    """
    mode, options = plan.record, JsonDict()
    if mode == "once" and fresh:
        mode = "new_episodes"
    elif mode in ("all", "rewrite") and (plan.is_shared or fresh):
        mode, options = "all", {"cassette_options": {"fresh": fresh}}
    # What is unused of a shared cassette is known only when all its tests have run.
    return {**plan.options, **options, "record": mode, "strict": plan.strict and not plan.is_shared}


def _cassette(item: pytest.Item, choices: Choices, folder: str) -> CassettePath:
    if choices.cassette is not None:
        return named_cassette(item.path, choices.cassette, folder)
    return own_cassette(item.path, test_name(item), folder)


_CLASH = """\
Two tests would share the cassette {path}:
  {one}
  {other}
Rename one of them, or its parameter with pytest.param(..., id="..."), or name a cassette for each: \
@pytest.mark.maxim_gemini(cassette="...")"""
