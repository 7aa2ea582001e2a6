"""Describe an interaction in a few lines: its messages and its answer. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from maxim_gemini.testing._http import wire
from maxim_gemini.testing._json_types import JsonDict, is_list, is_object

from . import interaction_describing
from .lines import Line, call_text, json_text, media_text, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcr.request import Request

    from maxim_gemini.testing._cassette import Interaction

Json = Any


def target(request: Request) -> str:
    """Return the called method, without host and version: `gemini-2.5-flash:generateContent`."""
    path = urlsplit(request.uri).path
    _, models, name = path.rpartition("/models/")
    return name if models else path


def outcome(interaction: Interaction) -> str:
    """Return the status and, for a stream, the number of events and how it ended."""
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
    """Return the JSON values of the answer: one for each event, or a single one."""
    body = interaction.response.body
    if not is_stream(interaction):
        return [] if (value := loaded(body)) is None else [value]
    data = (wire.event_data(block) for block in wire.split_events(body))
    return [loaded(text.encode()) for text in data if text is not None]


def loaded(body: bytes | str | None) -> Json:
    """Return a body as a JSON value, or as text if it is not JSON; `None` if there is none."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body if isinstance(body, str) else body.decode(errors="replace")


def lines(interaction: Interaction) -> Iterator[Line]:
    """Yield the messages in order: the request's, then the answer's."""
    yield from merged(_messages(loaded(interaction.request.body)))
    yield from answer_lines(interaction)


def answer_lines(interaction: Interaction) -> list[Line]:
    """Return the messages of the answer, the pieces of a stream joined."""
    answered = interaction_describing.with_whole_calls(events(interaction))
    return [*merged(line for event in answered for line in _answered(event))]


def _messages(body: Json) -> Iterator[Line]:
    if not is_object(body):
        if body is not None:
            yield Line("request", str(body))
        return
    if "input" in body:
        yield from interaction_describing.request_lines(body)
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
        kind = " ".join(str(error[name]) for name in ("code", "status") if name in error)
        yield Line("error", f"{kind}: {error.get('message', '')}")
    elif candidates := event.get("candidates"):
        for candidate in candidates:
            yield from _content(candidate.get("content") or {}, "model")
            if reason := candidate.get("finishReason"):
                yield Line("ended", reason)
    elif is_object(feedback := event.get("promptFeedback")) and (blocked := feedback.get("blockReason")):
        yield Line("blocked", blocked)
    elif event.get("object") == "interaction":
        yield from interaction_describing.answer_lines(event)
    elif event.keys() & {"event_type", "delta", "step"}:
        yield from interaction_describing.event_lines(event)
    elif "usageMetadata" not in event or len(event) > 3:
        yield Line("answer", json_text(event))


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
        return Line("thought" if part.get("thought") else role, part["text"], is_piece=True)
    if call := _get(part, "functionCall", "function_call"):
        return Line(role, call_text(call.get("name"), call.get("args")))
    if answer := _get(part, "functionResponse", "function_response"):
        return Line("tool", f"{answer.get('name')}: {json_text(answer.get('response'))}")
    if data := _get(part, "inlineData", "inline_data"):
        return Line(role, media_text(_get(data, "mimeType", "mime_type"), data.get("data")))
    return Line(role, json_text(part))


def _listed(value: Json) -> list[Json]:
    if is_list(value):
        return value
    return [value] if value else []


def _get(members: JsonDict, *names: str) -> Json:
    return next((members[name] for name in names if name in members), None)
