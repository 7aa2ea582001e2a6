"""The lines that show a recording: one for each message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from maxim_gemini.testing._cassette.messages import size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Line(NamedTuple):
    """A message: who wrote it, and its text."""

    who: str
    text: str
    is_piece: bool = False
    """`True` if a piece of the same writer's that comes before it or after it belongs to the same text."""


def merged(lines: Iterable[Line]) -> Iterator[Line]:
    """Join the pieces in which a stream brings one text."""
    last: Line | None = None
    for line in lines:
        if last and last.who == line.who and last.is_piece and line.is_piece:
            last = Line(last.who, last.text + line.text, is_piece=True)
            continue
        if last:
            yield last
        last = line
    if last:
        yield last


def call_text(name: object, arguments: Mapping[str, object] | None) -> str:
    """Return a function call as Python writes one."""
    return f"{name}({', '.join(f'{key}={json_text(value)}' for key, value in (arguments or {}).items())})"


def media_text(mime_type: object, data: object, uri: object = None) -> str:
    """Return what stands for a picture, a sound or a file: the size of its *data* in base64, or where it is."""
    size = f"{size_of(str(data or '')):,} bytes"
    return f"[{mime_type}, {uri or size}]"


def json_text(value: object) -> str:
    """Return *value* as JSON with all characters as they are."""
    return json.dumps(value, ensure_ascii=False)
