"""Convert streams of server-sent events to readable lists, and back to the same bytes.

    {"events": [value | text, ...]}                   as Gemini writes them: the JSON of `data:`, CRLF, nothing else
    {"style": {...}, "events": [fields | text, ...]}  any other: `{"event": text, "id": text, "retry": text,
                                                      "comment": text, "data": value | text}`, in their order;
                                                      `null` where nothing is behind the colon

The *style* is `line_end` (`lf`, `crlf`, `cr`) and, where it is needed, `json` (how data is written), `space: false`
(no space after a colon) and `bom: true`. An event whose JSON is written otherwise has a `style` of its own, one that
does not end with an empty line its own `end`. A block that would not come back to the byte stays text.

Pure.
"""

from __future__ import annotations

import re
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing._http.wire import BOM, EVENT_END, dump_event, event_data, split_events
from maxim_gemini.testing._json_types import JsonDict, is_list, is_object

from . import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LINE_ENDS: Final = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
_SAMPLES: Final = 10
_NAMES: Final = frozenset({"data", "event", "id", "retry", "comment"})
_START: Final = re.compile(rb"\A(?:\xef\xbb\xbf)?[\r\n]*(?::|(?:data|event|id|retry)[:\r\n])")
_ENDED: Final = re.compile(rb"(?>\r\n|\r|\n){2}\Z")
_FIELD: Final = re.compile(r"(data|event|id|retry)?:([^\r\n]*)")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_UNSPACED: Final = re.compile(r"(?:data|event|id|retry)?:[^ \r\n]")


class Style(NamedTuple):
    """The style that the events of a stream share."""

    line_end: str = "lf"
    json: str = json_text.EVENT
    space: bool = True
    bom: bool = False

    @classmethod
    def of(cls, data: bytes) -> Style:
        """Return the style of the stream *data*."""
        text = data.removeprefix(BOM).decode(errors="replace").lstrip("\r\n")
        end = _LINE_END.search(text)
        line_end = next(name for name, mark in _LINE_ENDS.items() if mark == (end[0] if end else "\n"))
        # Short values look the same in several styles.
        line, value = max(islice(_values(data), _SAMPLES), key=lambda pair: len(pair[0]), default=(b"", None))
        json = json_text.style_of(value, line, [json_text.EVENT]) or json_text.EVENT
        return cls(line_end, json, not _UNSPACED.match(text), data.startswith(BOM))

    def stored(self) -> JsonDict:
        """Return the style without default values."""
        usual = Style()._asdict() | {"line_end": ""}
        return {name: value for name, value in self._asdict().items() if value != usual[name]}


def stored(data: bytes) -> JsonDict | None:
    """Return the stored form of a stream; `None` if *data* are none."""
    if not _START.match(data):
        return None
    # First in Gemini's own form, which nearly all streams have and which is the easiest to read.
    events = [_value_or_text(block) for block in split_events(data)]
    if any(map(is_object, events)) and not any(isinstance(event, str) and _has_fields(event) for event in events):
        return {"events": events}
    style = Style.of(data)
    events = [_fields_or_text(block, style) for block in split_events(data.removeprefix(BOM))]
    if not any(is_object(event) and "data" in event for event in events):
        return None
    return {"style": style.stored(), "events": events}


def pieces(body: Mapping[str, Any]) -> list[bytes]:
    """Return the bytes of each event of a stored *body*.

    Raises:
        ValueError: it is no list, its style is unknown, or an event is no event.
    """
    events = body["events"]
    if not is_list(events):
        raise ValueError("'events' is not a list")
    if "style" not in body:
        return [_written(event, None) for event in events]
    style = Style(**body["style"])
    pieces = [_written(event, style) for event in events]
    return [BOM + pieces[0], *pieces[1:]] if style.bom and pieces else pieces


def _value_or_text(block: bytes) -> Any:
    line = block.removeprefix(b"data: ").removesuffix(EVENT_END)
    value = json_text.storable(line)
    if is_object(value) and len(block) - len(line) == 10 and json_text.is_written(value, line, json_text.EVENT):
        return value
    return json_text.as_text(block)


def _has_fields(text: str) -> bool:
    block = text.encode()
    return bool(_ENDED.search(block)) and is_object(_fields_or_text(block, Style.of(block)))


def _values(data: bytes) -> Iterator[tuple[bytes, Any]]:
    for block in split_events(data):
        line = (event_data(block) or "").encode()
        if (value := json_text.storable(line)) is not None:
            yield line, value


def _fields_or_text(block: bytes, style: Style) -> Any:
    text = json_text.as_text(block)
    if isinstance(text, bytes):
        return text
    line_end = _LINE_ENDS[style.line_end]
    content = text.rstrip("\r\n")
    lines = [line for part in content.split(line_end) if (line := _FIELD.fullmatch(part))]
    event: JsonDict = {}
    for name, group in groupby(lines, lambda line: line[1] or "comment"):
        values = [line[2] for line in group]
        event[name] = None if values == [""] else "\n".join(value.removeprefix(" ") for value in values)
    data = (event.get("data") or "").encode()
    if (value := json_text.storable(data)) is not None and (json := json_text.style_of(value, data, [style.json])):
        event["data"] = value
        event = event if json == style.json else {"style": json, **event}
    if (end := text[len(content) :]) != line_end * 2:
        event["end"] = end
    return event if lines and _with_fields(event, style) == block else text


def _written(event: object, style: Style | None) -> bytes:
    if isinstance(event, str | bytes):
        return event.encode() if isinstance(event, str) else event
    return dump_event(event) if style is None else _with_fields(event, style)


def _with_fields(event: object, style: Style) -> bytes:
    if not is_object(event) or event.keys() - _NAMES - {"style", "end"}:
        raise ValueError(f"an event is text or has the fields {', '.join(sorted(_NAMES))}, not {event!r:.60}")
    if style.line_end not in _LINE_ENDS:
        raise ValueError(f"unknown line end {style.line_end!r}; choose from {', '.join(_LINE_ENDS)}")
    line_end, json = _LINE_ENDS[style.line_end], event.get("style", style.json)
    lines: list[str] = []
    for name, value in event.items():
        if name in _NAMES:
            text = value if isinstance(value, str) else json_text.write(value, json).decode()
            head = ":" if name == "comment" else f"{name}:"
            head_of_text = f"{head} " if style.space else head
            lines += [head] if value is None else [head_of_text + line for line in text.split("\n")]
    return f"{line_end.join(lines)}{event.get('end', line_end * 2)}".encode()
