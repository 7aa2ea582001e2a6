"""Describe requests, answers and events of the Interactions API in a few lines. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._json_types import is_list, is_object

from .lines import Line, call_text, json_text, media_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maxim_gemini.testing._json_types import JsonDict

_NEVER_SHOWN: Final = frozenset({"id", "call_id", "signature"})
_OPENING: Final = _NEVER_SHOWN | {"type", "name", "server_name", "search_type"}
"""The members that a step has when it is opened; deltas bring the others."""


def request_lines(body: JsonDict) -> Iterator[Line]:
    """Yield what an interaction is requested with."""
    if system := body.get("system_instruction"):
        yield Line("system", str(system))
    if previous := body.get("previous_interaction_id"):
        yield Line("follows", str(previous))
    for item in _listed(body["input"]):
        yield from _step(item, "user")


def answer_lines(interaction: JsonDict) -> Iterator[Line]:
    """Yield what a whole interaction brought: its steps, or its outputs, as the older schema calls them."""
    for step in _listed(interaction.get("steps") or interaction.get("outputs") or []):
        yield from _step(step, "model")
    if status := interaction.get("status"):
        yield Line("status" if status == "in_progress" else "ended", str(status))


def event_lines(event: JsonDict) -> Iterator[Line]:
    """Yield what an event of a streamed interaction adds: not what opens or closes something, nor signatures."""
    match event:
        case {"event_type": "interaction.completed", "interaction": {"status": status}}:
            yield Line("ended", str(status))
        case {"delta": {"type": "thought_summary", "content": content}}:
            yield from _step(content, "thought")
        case {"delta": {"type": "thought_signature"}}:
            pass
        case {"delta": {**step}} | {"step": {**step}} if step.keys() - _OPENING:
            yield from _step(step, "model")
        case _:
            pass


def with_whole_calls(events: Iterable[Any]) -> Iterator[Any]:
    """Yield *events*; those of a function call as one, because its arguments come in pieces."""
    call: JsonDict | None = None
    arguments = ""
    for event in events:
        match event:
            # The older schema sends a call whole, in one delta: it needs nothing of this.
            case {"event_type": "step.start", "step": {"type": "function_call"} as step}:
                call, arguments = step, ""
            case {"delta": {"arguments": str(piece)}} if call is not None:
                arguments += piece
            case {"event_type": "step.stop"} if call is not None:
                yield _whole_call(call, arguments)
                call = None
            case _:
                yield event
    if call is not None:  # the stream was cut off
        yield _whole_call(call, arguments)


def _whole_call(call: JsonDict, pieces: str) -> JsonDict:
    try:
        arguments = json.loads(pieces) if pieces else call.get("arguments")
    except ValueError:
        arguments = pieces
    return {"step": {**call, "arguments": arguments}}


def _step(step: Any, who: str) -> Iterator[Line]:
    """Yield a step, a turn, or a content of one, that *who* has written."""
    match step:
        case {"type": "text", "text": str(text)}:
            yield Line(who, text, is_piece=True)
        case {"type": "image" | "audio" | "video" | "document", **media}:
            yield Line(who, media_text(media.get("mime_type"), media.get("data"), media.get("uri")))
        case {"type": "user_input" | "model_output" as kind, "content": content}:
            yield from _contents(content, "user" if kind == "user_input" else "model")
        case {"role": str(role), "content": content}:
            yield from _contents(content, role)
        case {"type": "thought"}:
            yield from _contents(step.get("summary") or [], "thought")
        case {"type": str(kind), "arguments": arguments} if kind.endswith("_call"):
            name = step.get("name") or kind.removesuffix("_call")
            known = is_object(arguments) or arguments is None
            yield Line("model", call_text(name, arguments) if known else f"{name}({arguments})")
        case {"type": str(kind), "result": result} if kind.endswith("_result"):
            yield Line("tool", f"{step.get('name') or kind.removesuffix('_result')}: {json_text(result)}")
        case {**members}:
            yield Line("step", json_text({name: value for name, value in members.items() if name not in _NEVER_SHOWN}))
        case _:
            yield Line(who, str(step))


def _contents(contents: Any, who: str) -> Iterator[Line]:
    for content in _listed(contents):
        yield from _step(content, who)


def _listed(value: Any) -> list[Any]:
    return value if is_list(value) else [value]
