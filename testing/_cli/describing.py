"""An interaction in a few lines: its messages and its answer. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from maxim_gemini.testing._http import wire
from maxim_gemini.testing._json_types import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcr.request import Request

    from maxim_gemini.testing._cassette import Interaction

Json = Any


class Line(NamedTuple):
    """A message: who wrote it, and its text."""

    who: str
    text: str


def target(request: Request) -> str:
    """Return what was called, without host and version: `gemini-2.5-flash:generateContent`."""
    path = urlsplit(request.uri).path
    _, models, name = path.rpartition("/models/")
    return name if models else path


def outcome(interaction: Interaction) -> str:
    """Return the status, and for a stream its events and how it ended."""
    response = interaction.response
    parts = [str(response.status)]
    if is_stream(interaction):
        parts.append(f"{len(events(interaction))} events")
    if response.ended != "complete":
        parts.append(response.ended)
    return ", ".join(parts)


def is_stream(interaction: Interaction) -> bool:
    """Return whether the answer is a stream of events."""
    return "event-stream" in interaction.response.header("content-type")


def events(interaction: Interaction) -> list[Json]:
    """Return the answer's JSON values: one for each event, or the only one."""
    body = interaction.response.body
    if not is_stream(interaction):
        return [] if (value := loaded(body)) is None else [value]
    data = (wire.event_data(block) for block in wire.split_events(body))
    return [loaded(text.encode()) for text in data if text is not None]


def loaded(body: bytes | str | None) -> Json:
    """Return a body as a JSON value; as text where it is not JSON; `None` where there is none."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body if isinstance(body, str) else body.decode(errors="replace")


def lines(interaction: Interaction) -> Iterator[Line]:
    """Yield the messages in order: the request's, then the answer's."""
    yield from _merged(_messages(loaded(interaction.request.body)))
    yield from answer_lines(interaction)


def answer_lines(interaction: Interaction) -> list[Line]:
    """Return the messages of the answer, the pieces of a stream joined."""
    return [*_merged(line for event in events(interaction) for line in _answered(event))]


def _messages(body: Json) -> Iterator[Line]:
    if not is_object(body):
        if body is not None:
            yield Line("request", str(body))
        return
    system = _get(body, "systemInstruction", "system_instruction")
    contents = _get(body, "contents", "content")
    if system:
        yield from _content(system, "system")
    for content in _listed(contents):
        yield from _content(content, "user")
    if not system and not contents:
        yield Line("request", json_text(body))


def _answered(event: Json) -> Iterator[Line]:
    if event == "[DONE]":  # ends a stream of an interaction, and says nothing
        return
    if not is_object(event):
        yield Line("answer", str(event))
    elif "error" in event:
        error = event["error"]
        yield Line("error", f"{error.get('code', '')} {error.get('status', '')}: {error.get('message', '')}")
    elif candidates := event.get("candidates"):
        for candidate in candidates:
            yield from _content(candidate.get("content") or {}, "model")
            if reason := candidate.get("finishReason"):
                yield Line("ended", reason)
    elif is_object(feedback := event.get("promptFeedback")) and (blocked := feedback.get("blockReason")):
        yield Line("blocked", blocked)
    elif "event_type" in event:
        yield from _interaction_event(event)
    elif "usageMetadata" not in event or len(event) > 3:
        yield Line("answer", json_text(event))


def _interaction_event(event: dict[str, Json]) -> Iterator[Line]:
    """Yield what an event of a streamed interaction adds: not what opens or closes something, nor signatures."""
    match event:
        case {"event_type": "interaction.completed", "interaction": {"status": status}}:
            yield Line("ended", str(status))
        case {"delta": {"type": "text", "text": text}}:
            yield Line("model", str(text))
        case {"delta": {"type": "thought_summary", "content": {"text": text}}}:
            yield Line("thought", str(text))
        case {"delta": {"arguments": str(arguments)}}:
            yield Line("arguments", arguments)
        case {"delta": {"type": "thought_signature"}} | {"step": {"type": "thought" | "model_output"}}:
            pass
        case {"delta": {**members}} | {"step": {**members}}:
            shown = {name: member for name, member in members.items() if name not in ("id", "call_id", "signature")}
            yield Line("step", json_text(shown))
        case _:
            pass


def _content(content: Json, role: str) -> Iterator[Line]:
    if not is_object(content):
        yield Line(role, str(content))
        return
    for part in content.get("parts") or ():
        yield _part(part, str(content.get("role") or role))


def _part(part: Json, role: str) -> Line:
    if not is_object(part):
        return Line(role, str(part))
    if "text" in part:
        return Line("thought" if part.get("thought") else role, part["text"])
    if call := _get(part, "functionCall", "function_call"):
        return Line(role, call_text(call))
    if answer := _get(part, "functionResponse", "function_response"):
        return Line("tool", f"{answer.get('name')}: {json_text(answer.get('response'))}")
    if data := _get(part, "inlineData", "inline_data"):
        return Line(role, f"[{_get(data, 'mimeType', 'mime_type')}, {len(data.get('data') or '') * 3 // 4:,} bytes]")
    return Line(role, json_text(part))


def _listed(value: Json) -> list[Json]:
    if is_list(value):
        return value
    return [value] if value else []


def call_text(call: dict[str, Json]) -> str:
    """Return a function call as Python writes one."""
    args: dict[str, Json] = call.get("args") or {}
    return f"{call.get('name')}({', '.join(f'{name}={json_text(value)}' for name, value in args.items())})"


def json_text(value: Json) -> str:
    """Return *value* as JSON with all characters as they are."""
    return json.dumps(value, ensure_ascii=False)


def _get(members: dict[str, Json], *names: str) -> Json:
    return next((members[name] for name in names if name in members), None)


def _merged(lines: Iterator[Line]) -> Iterator[Line]:
    """Join the pieces in which a stream brings one text."""
    last: Line | None = None
    for line in lines:
        if last and last.who == line.who and line.who in ("model", "thought", "arguments"):
            last = Line(last.who, last.text + line.text)
            continue
        if last:
            yield last
        last = line
    if last:
        yield last
