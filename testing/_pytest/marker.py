"""What `@pytest.mark.maxim_gemini(...)` and the fixture `maxim_gemini_config` can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from .options import MARKER, as_mode
from .places import inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a test, a class, a module or a suite chooses; `None` where it leaves that to others."""

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

    def __post_init__(self) -> None:
        """Refuse what can be seen to be wrong without a recorder."""
        _expect(self, "cassette", str)
        _expect(self, "strict", bool)
        _expect(self, "block_network", bool)
        if self.cassette is not None:
            inside(self.cassette)
        if self.record is not None:
            as_mode(self.record)

    def over(self, other: Choices) -> Choices:
        """Return these choices, and those of *other* where there is none here."""
        return Choices(**{**other.made(), **self.made()})

    def made(self) -> dict[str, Any]:
        """Return what was chosen."""
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}


NAMES: Final = tuple(field.name for field in fields(Choices))


def from_marker(mark: pytest.Mark) -> Choices:
    """Return what a marker says; a `TypeError` that names the marker where it can't be understood."""
    said_by = f"@pytest.mark.{MARKER}"
    if len(mark.args) > 1:
        raise TypeError(
            f"{said_by} takes one name without a keyword (cassette), but got {len(mark.args)}: {mark.args!r}"
        )
    if mark.args and "cassette" in mark.kwargs:
        raise TypeError(f"{said_by} got cassette twice: {mark.args[0]!r} and {mark.kwargs['cassette']!r}")
    return _parsed({**dict(zip(("cassette",), mark.args, strict=False)), **mark.kwargs}, said_by)


def from_config(value: object) -> Choices:
    """Return what the fixture `maxim_gemini_config` says; a `TypeError` that names it where it can't be understood."""
    said_by = "the fixture maxim_gemini_config"
    if not isinstance(value, Mapping):
        raise TypeError(f"{said_by} has to return a mapping, such as {{'pace': 'recorded'}}, and not {value!r}")
    if "block_network" in value:
        raise TypeError(f"{said_by} can't hold block_network: use the marker or the ini value")
    return _parsed(cast("Any", value), said_by)


def choices_of(item: pytest.Item, config: object = ()) -> Choices:
    """Return what holds for *item*: the closest marker wins, and any marker over *config*."""
    chosen = Choices()
    for mark in item.iter_markers(MARKER):
        chosen = chosen.over(from_marker(mark))
    return chosen.over(from_config(config)) if config else chosen


def sends_freely(item: pytest.Item) -> bool | None:
    """Return whether the markers of *item* let it send to Gemini, or forbid it; `None` where they say nothing."""
    try:
        blocks = choices_of(item).block_network
    except (TypeError, ValueError):  # told when the test runs
        return None
    return None if blocks is None else not blocks


def wants_recorder(item: pytest.Item) -> bool:
    """Return whether *item* is marked to be recorded, and not only to send freely."""
    marks = list(item.iter_markers(MARKER))
    return bool(marks) and not all(not mark.args and mark.kwargs.keys() == {"block_network"} for mark in marks)


def _parsed(said: Mapping[Any, Any], said_by: str) -> Choices:
    if unknown := [name for name in said if name not in NAMES]:
        raise TypeError(f"{said_by} has no {unknown[0]!r}{_meant(unknown[0])} It takes {', '.join(NAMES)}")
    try:
        return Choices(**said)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{said_by}: {error}") from None


def _meant(name: object) -> str:
    import difflib

    close = difflib.get_close_matches(str(name), NAMES, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


def _expect(choices: Choices, name: str, kind: type) -> None:
    value = getattr(choices, name)
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} has to be a {kind.__name__}, and not {value!r}")
