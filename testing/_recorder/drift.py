"""The shape of an answer: its fields and their types, without their values. Pure."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.delivery import events_of, is_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maxim_gemini.testing._http.exchange import Response
    from maxim_gemini.testing._http.websocket import Conversation

Shape = dict[str, set[str]]
"""The types seen at each path: `{"candidates[].index": {"number"}}`."""

_FREE: Final = frozenset({"args", "response"})
"""Objects with keys of the application: arguments and results of functions."""

_WHOLE: Final = "(answer)"
_NAMES: Final = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


def drift(recorded: Response, live: Response) -> list[str]:
    """Return the differences in shape of *live* and *recorded*, one line for each field."""
    if recorded.status != live.status:
        return [f"status: recorded {recorded.status} != live {live.status}"]
    # Values differ in every answer: only fields and their types are compared.
    before, now = shape_of(recorded), shape_of(live)
    return [line for path in sorted(before.keys() | now.keys()) for line in _difference(path, before, now)]


def session_drift(recorded: Conversation, live: Conversation) -> list[str]:
    """Return the differences in shape of a server's websocket messages, and in how it ends the connection."""
    refusals = [one.refused.status if one.refused else None for one in (recorded, live)]
    if refusals[0] != refusals[1]:
        return [f"refused: recorded {refusals[0]} != live {refusals[1]}"]
    before, now = _session_shape(recorded), _session_shape(live)
    lines = [line for path in sorted(before.keys() | now.keys()) for line in _difference(path, before, now)]
    ends = [end.code if end and end.by == "server" else None for end in (recorded.close, live.close)]
    return lines if ends[0] == ends[1] else [*lines, f"close code: recorded {ends[0]} != live {ends[1]}"]


def _session_shape(conversation: Conversation) -> Shape:
    return _shape_of(frame.data for frame in conversation.frames if not frame.is_sent)


def shape_of(response: Response) -> Shape:
    """Return the shape of *response*; of a stream, that of all its events together."""
    if is_stream(response):
        return _shape_of(text.encode() for event in events_of(response) if (text := wire.event_data(event)))
    return _shape_of([response.body] if response.body else [])


def _shape_of(payloads: Iterable[bytes]) -> Shape:
    # One shape for all of them: where a server cuts its answer into events is chance.
    shape: Shape = {}
    for path, kind in chain.from_iterable(map(_fields_of, payloads)):
        shape.setdefault(path, set()).add(kind)
    return shape


def _difference(path: str, before: Shape, now: Shape) -> Iterator[str]:
    if path not in now:
        yield f"{path}: recorded {_kinds(before[path])}, live has no such field"
    elif path not in before:
        yield f"{path}: live {_kinds(now[path])}, recorded has no such field"
    elif before[path] != now[path]:
        yield f"{path}: recorded {_kinds(before[path])} != live {_kinds(now[path])}"


def _kinds(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))


def _fields_of(data: bytes) -> Iterable[tuple[str, str]]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return [(_WHOLE, "bytes")]
    try:
        return _fields("", json.loads(text))
    except ValueError:
        return [(_WHOLE, "text")]


def _fields(path: str, value: Any) -> Iterator[tuple[str, str]]:
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
    yield path or _WHOLE, _NAMES.get(kind, "null")
    match value:
        case dict() if path.rpartition(".")[2] not in _FREE:
            for key, member in value.items():  # pyright: ignore[reportUnknownVariableType]
                yield from _fields(f"{path}.{key}" if path else str(key), member)  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                yield from _fields(f"{path}[]", item)
        case _:
            pass
