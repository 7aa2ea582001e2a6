"""Convert recorded bytes of an interaction to an equal reply, made of the functions of `reply` if possible."""

from __future__ import annotations

import http
import json
import re
from functools import reduce
from itertools import pairwise
from operator import add
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._http import wire
from maxim_gemini.testing._json_types import JsonDict, is_list, is_object
from maxim_gemini.testing.exceptions import ScriptError

from . import assembly
from .assembly import checked_text
from .interaction_steps import JOINING, Steps, compact, joined, partial, streamed, streamed_outputs
from .interaction_writing import EVENTS, code_of, ending_event, opening_events
from .model import InteractionEvent, InteractionSettings, InteractionStep, Json, KeepAlive, Reply, Schema

if TYPE_CHECKING:
    from .interaction_steps import Streamed
    from .request import Backend

_STREAM: Final = re.compile(rb"(?:event: |: )")
_STATUSES: Final = {code_of(status): int(status) for status in http.HTTPStatus if status >= 400}
_CONTENTS: Final = frozenset({"text", "image", "audio", "video", "document"})


def is_interaction(data: bytes) -> bool:
    """Return whether *data* is an answer of the Interactions API: the codes of its errors are names."""
    if _STREAM.match(data):
        return True
    if b'"interaction"' not in data and b'"error"' not in data[:40]:
        return False
    value = _json(data)
    if is_list(value):
        return bool(value) and is_object(value[0]) and "error" in value[0]
    if not is_object(value):
        return False
    error = value.get("error")
    return value.get("object") == "interaction" or (is_object(error) and isinstance(error.get("code"), str))


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def parse_interaction(data: bytes, *, status: int, backend: Backend) -> Reply:
    """Return the reply that equals the recorded body *data*; raise `ScriptError` if there is none."""
    if _STREAM.match(data):
        return assembly.exactly(_stream(data, backend), assembly.described(backend, {}))
    value = _json(data)
    if is_list(value):
        error: Json = value[0]["error"]
        return assembly.failure(status, None if status == error["code"] == 400 else error["message"])
    if is_object(value) and "error" in value:
        return assembly.failure(status, value["error"]["message"], status=value["error"]["code"])
    if not is_object(value) or value.get("object") != "interaction":
        raise ScriptError(f"not an interaction: {data[:60]!r}")
    schema: Schema = "outputs" if "outputs" in value or value.get("role") else "steps"
    fields = {name: item for name, item in value.items() if name not in ("steps", "outputs")}
    steps = [
        {"content": [item], "type": "model_output"} if item.get("type") in _CONTENTS else item
        for item in value.get(schema, ())
    ]
    replies: list[Reply] = []
    for before, step in pairwise([{}, *steps]):
        # In words, where those are written exactly so, and don't run together with the step before.
        joins = step.get("type") in JOINING and step.get("type") == before.get("type")
        replies.append((None if joins else _in_words(step)) or Reply((InteractionStep(step),)))
    return assembly.exactly(*replies, _settings(fields, schema, value), assembly.described(backend, {}))


def _settings(fields: Json, schema: Schema, shown: Json) -> Reply:
    return Reply((), interaction=InteractionSettings(fields, None, schema, is_sorted=[*shown] == sorted(shown)))


def _in_words(step: Json) -> Reply | None:
    """Return the reply for a step, or a part of one; `None` if no function makes it."""
    try:
        match step:
            case {"type": "model_output", "content": [*contents]} if contents:
                reply = reduce(add, [_content(content) for content in contents])
            case {"type": "thought", "summary": [{"text": str(text)}]}:
                reply = _signed({"text": checked_text(text), "thought": True}, step)
            case {"type": "thought", "signature": str()}:
                reply = _signed({"text": "", "thought": True}, step)
            case {"type": "function_call", "name": str(name)} if is_object(step.get("arguments")):
                identity = {"id": step["id"]} if step.get("id") else {}
                reply = _signed({"functionCall": {"name": name, "args": step["arguments"], **identity}}, step)
            case _:
                return None
    except (ScriptError, KeyError):
        return None
    return reply if [*map(compact, _written(reply))] == [compact(step)] else None


def _signed(part: Json, step: Json) -> Reply:
    signature = step.get("signature")
    return assembly.part(part if signature is None else {**part, "thoughtSignature": signature})


def _written(reply: Reply) -> list[Json]:
    """Return the steps of *reply* as they are written; an empty signature, which only streams have, stays."""
    steps = Steps("")
    parts = [part for event in reply.events for part in steps.of_event(event)]
    return [reduce(joined, parts)] if parts and parts[0]["type"] in JOINING else parts


def _content(content: Json) -> Reply:
    if content["type"] == "text":
        return assembly.pieces(content["text"])
    return assembly.part({"inlineData": {"mimeType": content["mime_type"], "data": content["data"]}})


def _stream(data: bytes, backend: Backend) -> Reply:
    ahead, events, is_done = _events_of(data)
    older = {*EVENTS["outputs"], "content.start", "content.delta", "content.stop"}
    schema: Schema = "outputs" if any(event.get("event_type") in older for event in events) else "steps"
    first, word, last = EVENTS[schema]
    bounds = [event for event in events if event.get("event_type") in (first, last)]
    fields = dict(bounds[-1]["interaction"]) if bounds else {}
    if not is_done and not (events and events[-1].get("event_type") == "error"):
        raise ScriptError("the stream ends without [DONE] and without an error: use reply.raw(body)")
    opening, ending = [*map(compact, opening_events(fields, schema))], compact(ending_event(fields, schema))
    settings = _settings(fields, schema, events[0] if events else {})
    shown = [compact(_by_name(event, opening_events(fields, schema))) for event in events[:2]]
    replies = [Reply((KeepAlive(),))] * ahead
    rest = events[2:] if shown == opening else events
    if shown == opening and len(rest) == 1 and rest[0].get("event_type") == "error":
        replies.append(assembly.event())
    if rest and compact(_by_name(rest[-1], [ending_event(fields, schema)])) == ending:
        rest = rest[:-1]
    resumed = bool(rest) and rest[0].get("event_type") == f"{word}.stop"
    replies += _groups(rest[1:] if resumed else rest, word, schema, backend, rest[0]["index"] + 1 if resumed else 0)
    return reduce(add, replies, settings)


def _by_name(event: Json, expected: list[JsonDict]) -> Json:
    """Return *event* with its names in the order of the *expected* one that equals it: some are sorted."""
    return next((one for one in expected if one == event), event)


def _events_of(data: bytes) -> tuple[int, list[JsonDict], bool]:
    """Return how many comments come first, the events, and whether the stream ends with [DONE]."""
    blocks = wire.split_events(data)
    ahead = next((position for position, block in enumerate(blocks) if block != b": keep-alive\n\n"), len(blocks))
    events: list[JsonDict] = []
    for block in blocks[ahead:]:
        text = wire.event_data(block) or ""
        if text == "[DONE]":
            return ahead, events, True
        value = _json(text.encode())
        if not is_object(value):
            raise ScriptError(f"not an event of an interaction: {block[:60]!r}")
        events.append(value)
    return ahead, events, False


def _groups(events: list[JsonDict], word: str, schema: Schema, backend: Backend, index: int) -> list[Reply]:
    """Return replies for the steps in *events*, numbered from *index*; events without a function stay events."""
    replies: list[Reply] = []
    before: Json = {}
    position = 0
    while position < len(events):
        event = events[position]
        end = position
        if event.get("event_type") == f"{word}.start":
            while end < len(events) - 1 and events[end].get("event_type") != f"{word}.stop":
                end += 1
            group = events[position : end + 1]
            start: Json = event.get("step") or event.get("content") or {}
            joins = set(start) == {"type"} and before == start
            words = None if joins else _group(group, start, index, word, schema, backend)
            replies.append(words or Reply(tuple(map(InteractionEvent, group))))
            before = start if words else {}
            index += 1
        elif event.get("event_type") == "error":
            code, message = event["error"]["code"], event["error"]["message"]
            replies.append(assembly.failure(_STATUSES.get(code, 500), message, status=code))
        else:
            replies.append(Reply((InteractionEvent(event),)))
            before = {}
        position = end + 1
    return replies


def _group(group: list[JsonDict], start: Json, index: int, word: str, schema: Schema, backend: Backend) -> Reply | None:
    """Return the reply for the events of one step, if it streams exactly these."""
    deltas = [event.get("delta") for event in group[1:-1]]
    name = "step" if word == "step" else "content"
    plain = [
        {"index": index, name: start, "event_type": f"{word}.start"},
        *({"index": index, "delta": delta, "event_type": f"{word}.delta"} for delta in deltas),
        {"index": index, "event_type": f"{word}.stop"},
    ]
    if plain != group or not all(map(is_object, deltas)):
        return None
    opened = {"type": "model_output"} if start.get("type") in _CONTENTS else start
    parts = [part for delta in deltas if is_object(delta) and (part := partial(opened, delta)) is not None]
    if not parts or len(parts) < len(deltas):
        return None
    shown = [one for part in parts for one in _streamed(part, schema, backend)]
    same = [compact(one.start) for one in shown] == [compact(start)] * len(shown)
    if not same or [compact(delta) for one in shown for delta in one.deltas] != [*map(compact, deltas)]:
        return None
    if len(parts) > 1 and set(start) != {"type"}:
        return None
    words = [reply for part in parts if (reply := _in_words(part)) is not None]
    if len(words) == len(parts):
        return reduce(add, words)
    step = reduce(joined, parts) if len(parts) > 1 else parts[0]
    return Reply((InteractionStep(step, tuple(delta for delta in deltas if is_object(delta))),))


def _streamed(step: Json, schema: Schema, backend: Backend) -> list[Streamed]:
    return streamed_outputs(step) if schema == "outputs" else [streamed(step, on_vertex=backend == "vertex")]
