"""Write JSON and server-sent events like real Gemini servers, byte for byte.

Both styles were measured on recorded traffic: a plain answer is pretty-printed, an event is one line in a compact form
of its own, doubles have 15 digits where those say it all and 17 elsewhere, `<`, `>` and
invisible characters are always escaped.
Pure: values and bytes in, bytes out.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import pairwise
from json.encoder import encode_basestring, encode_basestring_ascii
from math import isfinite
from typing import Any, Final, cast

BOM: Final = b"\xef\xbb\xbf"
EVENT_END: Final = b"\r\n\r\n"
"""The end of a server-sent event of Gemini."""

# What protobuf's JSON writer escapes beyond the standard and `<`, `>` and DEL: what is invisible or ends a line.
# Clients that cut a stream into lines as Python's `splitlines` does depend on it.
_INVISIBLE: Final = re.compile(
    "[\x80-\x9f\xad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e\u2060-\u2064\u206a-\u206f"
    "\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_CONTAINERS: Final = (dict, list, tuple)
_DONE: Final = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\](?>\r\n|\r|\n){2,}\Z")
_SILENT: Final = frozenset({b"", b"event", b"id", b"retry"})
_BLOCK: Final = re.compile(rb"(?>\r\n|\r|\n){2,}")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


def dump_json(value: Any, *, end: bytes = b"\n") -> bytes:
    """Write *value* as the body of a plain answer: indented by 2, UTF-8 as itself, ended by *end*."""
    return _written(value, "\n") + end


def dump_event(value: Any) -> bytes:
    """Write *value* as one server-sent event: `data: `, one line of JSON, an empty line."""
    return b"data: " + dump_line(value) + EVENT_END


def dump_line(value: object) -> bytes:
    """Write *value* as one line of JSON, as it stands in an event."""
    return _written(value, None)


def split_events(body: bytes) -> list[bytes]:
    """Split *body* into the blocks of its events, each with the empty line at its end; joined, they are *body*."""
    cuts = [0, *(match.end() for match in _BLOCK.finditer(body)), len(body)]
    return [body[start:end] for start, end in pairwise(cuts) if start != end]


def event_data(block: bytes) -> str | None:
    """Return the `data:` lines of *block*, or `None` if it has none; bytes that are not UTF-8 become U+FFFD."""
    fields = (line.partition(b":") for line in _LINE_END.split(block.removeprefix(BOM)))
    lines = [value.removeprefix(b" ") for name, _, value in fields if name == b"data"]
    return b"\n".join(lines).decode(errors="replace") if lines else None


def is_done(body: bytes) -> bool:
    """Return whether the last event of *body* is complete, and marks the end of the stream."""
    return bool(_DONE.search(body[-100:]))


def is_event(block: bytes) -> bool:
    """Return whether *block* is an event for a reader, and not only comments or fields without data."""
    lines = [line for line in _LINE_END.split(block.removeprefix(BOM)) if line]
    return any(line.partition(b":")[0] not in _SILENT for line in lines)


def _written(value: object, newline: str | None) -> bytes:
    pieces: list[str] = []
    _write(value, newline, pieces)
    text = "".join(pieces)
    if not text.isascii():
        text = _INVISIBLE.sub(lambda match: encode_basestring_ascii(match[0])[1:-1], text)
    # In the whole at once, as bytes: answers are full of these, and all of them are in strings.
    return text.encode().replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"\x7f", b"\\u007f")


def _write(value: Any, newline: str | None, pieces: list[str]) -> None:
    inner = None if newline is None else newline + "  "
    if isinstance(value, dict):
        members: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        separator = "{" + (inner or "")
        for key, member in members.items():
            head = f"{separator}{_name(key)}: "
            if isinstance(member, _CONTAINERS):
                pieces.append(head)
                _write(member, inner, pieces)
            else:
                pieces.append(head + _scalar(member))
            separator = "," + (inner or "")
        pieces.append(f"{newline or ''}}}" if members else "{}")
    elif isinstance(value, list | tuple):
        separator = "[" + (inner or "")
        for item in cast("list[Any]", value):
            pieces.append(separator)
            _write(item, inner, pieces)
            separator = "," + (inner or "")
        pieces.append(f"{newline or ''}]" if value else "[]")
    else:
        pieces.append(_scalar(value))


@lru_cache(maxsize=2048, typed=True)
def _name(key: object) -> str:
    return encode_basestring(str(key))


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"JSON has no number for {value}: real servers send it as a string")
        short = f"{value:.15g}"
        return short if float(short) == value else f"{value:.17g}"
    # A whole number is the most frequent of the rest, and the encoder is slow to start.
    return str(value) if type(value) is int else json.dumps(value)
