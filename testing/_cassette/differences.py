"""How two values differ, place by place, in words: `contents[0].parts[0].text: recorded 'Hi' != sent 'Hello'`.

Pure.
"""

from __future__ import annotations

import json
import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing._json_types import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .matching import Meaning

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_$][\w$-]*")
_WORD: Final = re.compile(r"\w+")
_COMPARED: Final = 400
"""Characters of a text whose words are compared to find the nearest request."""
_SHOWN: Final = 60
"""Characters of a value that are shown."""
_LINES: Final = 8
"""Differences that are shown."""


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


_ABSENT: Final = _Absent()


class Difference(NamedTuple):
    """One place where two values differ."""

    place: str
    recorded: Any
    sent: Any

    def __str__(self) -> str:
        if self.recorded is _ABSENT:
            return f"{self.place}: not recorded, sent {_shown(self.sent)}"
        if self.sent is _ABSENT:
            return f"{self.place}: recorded {_shown(self.recorded)}, not sent"
        recorded, sent = _side_by_side(self.recorded, self.sent)
        return f"{self.place}: recorded {recorded} != sent {sent}"

    def as_change(self) -> str:
        """Return the difference as a change from what was recorded."""
        if self.recorded is _ABSENT:
            return f"{self.place}: added {_shown(self.sent)}"
        if self.sent is _ABSENT:
            return f"{self.place}: removed {_shown(self.recorded)}"
        return f"{self.place}: {' -> '.join(_side_by_side(self.recorded, self.sent))}"


def differences(recorded: Any, sent: Any, place: str = "") -> Iterator[Difference]:
    """Yield where *recorded* and *sent* differ, at the deepest places that say so."""
    if is_object(recorded) and is_object(sent):
        yield from _of_members(recorded, sent, place)
    elif is_list(recorded) and is_list(sent):
        yield from _of_items(recorded, sent, place)
    elif recorded != sent or type(recorded) is not type(sent):
        yield Difference(place or "body", recorded, sent)


def _of_members(recorded: dict[str, Any], sent: dict[str, Any], place: str) -> Iterator[Difference]:
    for key in dict.fromkeys([*recorded, *sent]):
        yield from _at(recorded.get(key, _ABSENT), sent.get(key, _ABSENT), _member(place, key))


def _of_items(recorded: list[Any], sent: list[Any], place: str) -> Iterator[Difference]:
    for index, (old, new) in enumerate(zip_longest(recorded, sent, fillvalue=_ABSENT)):
        yield from _at(old, new, f"{place}[{index}]")


def _at(recorded: Any, sent: Any, place: str) -> Iterator[Difference]:
    if _ABSENT in (recorded, sent):
        yield Difference(place, recorded, sent)
    else:
        yield from differences(recorded, sent, place)


def _member(place: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f"{place}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{place}.{key}" if place else key


def between(recorded: Meaning, sent: Meaning) -> Iterator[Difference]:
    """Yield where two requests differ."""
    for place in ("method", "path"):
        yield from _at(getattr(recorded, place), getattr(sent, place), place)
    yield from differences(dict(recorded.query), dict(sent.query), "query")
    yield from _at(", ".join(recorded.upload), ", ".join(sent.upload), "upload step")
    if (is_object(recorded.body) or is_list(recorded.body)) and (is_object(sent.body) or is_list(sent.body)):
        yield from differences(recorded.body, sent.body)
    else:
        yield from _at(_or_absent(recorded.body), _or_absent(sent.body), "body")


def _or_absent(body: Any) -> Any:
    return _ABSENT if body is None else body


def nearest(sent: Meaning, recorded: Sequence[Meaning]) -> int | None:
    """Return the index of the meaning most like *sent*, the first of several; `None` where none is at all like it."""
    wanted = _marks(sent)
    scores = [_likeness(wanted, _marks(meaning)) for meaning in recorded]
    best = max(scores, default=0.0)
    return scores.index(best) if best > 0 else None


def _likeness(wanted: set[Any], found: set[Any]) -> float:
    return len(wanted & found) / len(wanted | found)


def _marks(meaning: Meaning) -> set[Any]:
    marks: set[Any] = {("path", meaning.path), ("model", meaning.path.rpartition(":")[0])}
    marks |= {("query", *pair) for pair in meaning.query}
    marks |= set(_leaves(meaning.body, ""))
    return marks


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if is_object(value):
        for key, member in value.items():
            yield from _leaves(member, f"{place}.{key}")
    elif is_list(value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}[{index}]")
    elif isinstance(value, str):
        yield from ((place, word) for word in _WORD.findall(value[:_COMPARED]))
        yield from ((place, ""), (place, value))
    else:
        yield from ((place, ""), (place, value))


def told(found: Iterable[Difference]) -> list[str]:
    """Return the differences as lines, the first few of many."""
    lines = [str(difference) for difference in found]
    more = len(lines) - _LINES
    return lines if more <= 0 else [*lines[:_LINES], f"and {more} more"]


def _side_by_side(recorded: Any, sent: Any) -> tuple[str, str]:
    """Return two different values as text, long strings from shortly before the place where they part."""
    if not (isinstance(recorded, str) and isinstance(sent, str)):
        return _shown(recorded), _shown(sent)
    start = max(0, _common(recorded, sent) - _SHOWN // 3)
    if max(len(recorded), len(sent)) <= _SHOWN:
        start = 0
    return _excerpt(recorded, start), _excerpt(sent, start)


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _excerpt(text: str, start: int) -> str:
    end = start + _SHOWN
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if end < len(text) else ''}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return _excerpt(value, 0)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
