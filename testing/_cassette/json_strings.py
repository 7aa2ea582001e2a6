"""Edit the strings in a JSON text in place; everything else stays as it was received.

Works on JSON, on server-sent events with JSON in them, and on JSON that was cut off. Pure.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from .edits import Edit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Literal(NamedTuple):
    """A string in a JSON text."""

    start: int
    """The position of its first character, after the quotation mark."""
    source: str
    """The string as written, with escapes and without quotation marks."""
    name: str
    """The name of the member whose value it is; empty if it is none."""
    is_name: bool

    @property
    def value(self) -> str:
        """The string without escapes."""
        if "\\" not in self.source:
            return self.source
        try:
            return str(json.loads(f'"{self.source}"', strict=False))
        except ValueError:
            return self.source  # it was cut off, or is no JSON

    def edits(self, secrets: Iterable[tuple[int, int]], replacement: str) -> Iterator[Edit]:
        """Yield the edits of the text that remove *secrets*, which are positions in the value."""
        spans = list(secrets)
        if spans:
            at = self._places_of({offset for span in spans for offset in span})
            yield from (Edit(self.start + at[start], self.start + at[end], replacement) for start, end in spans)

    def _places_of(self, offsets: set[int]) -> dict[int, int]:
        """Return the positions in the source of the characters of the value with these *offsets*."""
        if "\\" not in self.source or self.value is self.source:
            return {offset: offset for offset in offsets}
        places: dict[int, int] = {}
        escapes = _ESCAPE.finditer(self.source)
        escape = next(escapes, None)
        gap = 0  # how many characters more there are in the source than in the value
        for offset in sorted(offsets):
            while escape and escape.start() < offset + gap:
                gap += len(escape[0]) - 1
                escape = next(escapes, None)
            places[offset] = offset + gap
        return places


_LITERAL: Final = re.compile(r'"((?:[^"\\\r\n]++|\\[^\r\n])*+)(?:"(\s{0,100}:)?|(?=\\?(?:[\r\n]|\Z)))')
_ESCAPE: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")
_STARTS: Final = re.compile(r"\A\s*(?:[\[{]|(?:data|event|id|retry|:)[^\n]*[\r\n])")
_parse: Final = json.JSONDecoder(strict=False).decode


def is_json_like(text: str) -> bool:
    """Return whether *text* looks like JSON or like server-sent events."""
    return bool(_STARTS.match(text))


def is_json(text: str) -> bool:
    """Return whether *text* is JSON, or server-sent events, so that only its strings have to be searched."""
    if text[:5] in ("data:", "event"):
        return True
    try:
        _parse(text)
    except (ValueError, RecursionError):
        return False
    return True


def literals(text: str) -> Iterator[Literal]:
    """Yield the strings of a JSON *text*, names included."""
    name, after = "", -1
    for match in _LITERAL.finditer(text):
        is_name = match[2] is not None
        belongs = bool(name) and not text[after : match.start()].strip()
        yield Literal(match.start(1), match[1], name if belongs and not is_name else "", is_name)
        name, after = (match[1], match.end()) if is_name else ("", -1)
