"""Write JSON in the styles of the wire, byte for byte.

Pure.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._http.wire import dump_json, dump_line
from maxim_gemini.testing._json_types import is_list, is_object, refuse_constant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ANSWER: Final = "pretty"
"""The style of servers in a plain answer."""
REQUEST: Final = "spaced"
"""The style of the Python SDK in a request."""
EVENT: Final = "event"
"""The style of servers in an event of a stream."""

_STYLES: Final[dict[str, Callable[[Any], bytes]]] = {
    ANSWER: dump_json,
    REQUEST: lambda value: json.dumps(value).encode(),
    EVENT: dump_line,
    "pretty without line end": partial(dump_json, end=b""),
    "spaced utf-8": lambda value: json.dumps(value, ensure_ascii=False).encode(),
    "compact": lambda value: _compact(value),
    "pretty with empty line": partial(dump_json, end=b"\n\n"),
    "compact with line end": lambda value: _compact(value) + b"\n",
    "compact ascii": lambda value: json.dumps(value, separators=(",", ":")).encode(),
}
DEEPEST: Final = 100
"""Levels up to which JSON is stored and compared as a value; deeper JSON is text."""
_LONGEST_KEY: Final = 256
_CONTAINERS: Final = (dict, list)


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def write(value: Any, style: str) -> bytes:
    """Return *value* as JSON in that *style*.

    Raises:
        ValueError: there is no such style, or JSON can't hold the value.
    """
    if style not in _STYLES:
        raise ValueError(f"unknown style {style!r} of JSON; choose from {', '.join(map(repr, _STYLES))}")
    return _STYLES[style](value)


def style_of(value: object, data: bytes, likely: Iterable[str] = ()) -> str | None:
    """Return the style in which *value* is written as *data*, preferably a *likely* one; `None` if there is none."""
    return next((style for style in (*likely, *_STYLES) if is_written(value, data, style)), None)


def is_written(value: object, data: bytes, style: str) -> bool:
    """Return whether *value* is written as *data* in that *style*."""
    try:
        return _STYLES[style](value) == data
    except (ValueError, RecursionError):
        return False


def storable(data: bytes) -> Any:
    """Return *data* as a JSON object or list; `None` if it is none, or can't be stored in YAML."""
    if data[:1] not in (b"{", b"["):
        return None
    try:
        value = json.loads(data.decode(), parse_constant=refuse_constant)
        if b"\\ud" in data or b"\\uD" in data:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair can't be written
    except (ValueError, RecursionError):
        return None
    return value if _fits(value, DEEPEST) else None


def value_of(data: bytes) -> Any:
    """Return *data* as a JSON value, or unchanged if it is none or too deep; `None` if it is empty."""
    if not data:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    # Values that need that many brackets are rare, and only they can be too deep.
    return data if data.count(b"[") + data.count(b"{") > DEEPEST and not is_shallow(value) else value


def is_shallow(value: object, depth: int = DEEPEST) -> bool:
    """Return whether *value* has no more than *depth* levels."""
    items = value.values() if is_object(value) else value if is_list(value) else None
    if items is None:
        return True
    if depth <= 0:
        return False
    # Every request is looked through, and most values are text: no call for each of them, and no generator.
    for item in items:  # noqa: SIM110
        if isinstance(item, _CONTAINERS) and not is_shallow(item, depth - 1):  # pyright: ignore[reportUnknownArgumentType]
            return False
    return True


def as_text(data: bytes) -> str | bytes:
    """Return *data* as text if it is UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _fits(value: object, depth: int) -> bool:
    if is_object(value):
        return depth > 0 and all(
            0 < len(key) <= _LONGEST_KEY and _fits(member, depth - 1) for key, member in value.items()
        )
    if is_list(value):
        return depth > 0 and all(_fits(item, depth - 1) for item in value)
    return True
