"""Describe the differences of two values by path: `contents[0].parts[0].text: recorded 'Hi' != sent 'Hello'`.

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
"""Characters of a text that are compared to find the most similar request."""
_SHOWN: Final = 60
"""Most characters of a value that are shown."""
_LINES: Final = 8
"""Most differences that are shown."""


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


_ABSENT: Final = _Absent()


class Difference(NamedTuple):
    """One path at which two values differ."""

    path: str
    recorded: Any
    sent: Any

    def __str__(self) -> str:
        if self.recorded is _ABSENT:
            return f"{self.path}: not recorded, sent {_shown(self.sent)}"
        if self.sent is _ABSENT:
            return f"{self.path}: recorded {_shown(self.recorded)}, not sent"
        recorded, sent = _side_by_side(self.recorded, self.sent)
        return f"{self.path}: recorded {recorded} != sent {sent}"

    def as_change(self) -> str:
        """Return the difference as a change of the recorded value."""
        if self.recorded is _ABSENT:
            return f"{self.path}: added {_shown(self.sent)}"
        if self.sent is _ABSENT:
            return f"{self.path}: removed {_shown(self.recorded)}"
        return f"{self.path}: {' -> '.join(_side_by_side(self.recorded, self.sent))}"


def differences(recorded: object, sent: object, path: str = "") -> Iterator[Difference]:
    """Yield the differences of *recorded* and *sent*, at the deepest paths."""
    if is_object(recorded) and is_object(sent):
        for key in dict.fromkeys([*recorded, *sent]):
            yield from differences(recorded.get(key, _ABSENT), sent.get(key, _ABSENT), _member(path, key))
    elif is_list(recorded) and is_list(sent):
        for index, (old, new) in enumerate(zip_longest(recorded, sent, fillvalue=_ABSENT)):
            yield from differences(old, new, f"{path}[{index}]")
    elif recorded != sent or type(recorded) is not type(sent):
        yield Difference(path or "body", recorded, sent)


def _member(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def between(recorded: Meaning, sent: Meaning) -> Iterator[Difference]:
    """Yield the differences of two requests."""
    for path in ("method", "path"):
        yield from differences(getattr(recorded, path), getattr(sent, path), path)
    yield from differences(dict(recorded.query), dict(sent.query), "query")
    yield from differences(", ".join(recorded.upload), ", ".join(sent.upload), "upload step")
    if (is_object(recorded.body) or is_list(recorded.body)) and (is_object(sent.body) or is_list(sent.body)):
        yield from differences(recorded.body, sent.body)
    else:
        yield from differences(_or_absent(recorded.body), _or_absent(sent.body), "body")


def _or_absent(body: object) -> Any:
    return _ABSENT if body is None else body


def nearest(sent: Meaning, recorded: Sequence[Meaning]) -> int | None:
    """Return the index of the meaning that is most similar to *sent*; `None` if none is similar at all."""
    # The share that both have of what either has, or a long request would be similar to everything.
    wanted = _marks(sent)
    scores = [len(wanted & marks) / len(wanted | marks) for marks in map(_marks, recorded)]
    best = max(scores, default=0.0)
    return scores.index(best) if best > 0 else None


def _marks(meaning: Meaning) -> set[Any]:
    marks: set[Any] = {("path", meaning.path), ("model", meaning.path.rpartition(":")[0])}
    marks |= {("query", *pair) for pair in meaning.query}
    marks |= set(_leaves(meaning.body, ""))
    return marks


def _leaves(value: object, path: str) -> Iterator[tuple[str, Any]]:
    if is_object(value):
        for key, member in value.items():
            yield from _leaves(member, f"{path}.{key}")
    elif is_list(value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif isinstance(value, str):
        yield from ((path, word) for word in _WORD.findall(value[:_COMPARED]))
        yield from ((path, ""), (path, value))
    else:
        yield from ((path, ""), (path, value))


def describe(all_differences: Iterable[Difference]) -> list[str]:
    """Return the first differences as lines, and the number of the others."""
    lines = [str(difference) for difference in all_differences]
    more = len(lines) - _LINES
    return lines if more <= 0 else [*lines[:_LINES], f"and {more} more"]


def _side_by_side(recorded: object, sent: object) -> tuple[str, str]:
    """Return two different values as text; long strings begin shortly before the first difference."""
    if not (isinstance(recorded, str) and isinstance(sent, str)):
        return _shown(recorded), _shown(sent)
    start = 0
    if max(len(recorded), len(sent)) > _SHOWN:
        pairs = enumerate(zip(recorded, sent, strict=False))
        alike = next((index for index, (old, new) in pairs if old != new), min(len(recorded), len(sent)))
        start = max(0, alike - _SHOWN // 3)
    return _excerpt(recorded, start), _excerpt(sent, start)


def _excerpt(text: str, start: int) -> str:
    end = start + _SHOWN
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if end < len(text) else ''}"


def _shown(value: object) -> str:
    if isinstance(value, str):
        return _excerpt(value, 0)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
