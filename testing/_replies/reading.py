"""Convert recorded bytes to an equal reply."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from maxim_gemini.testing._http import wire
from maxim_gemini.testing.exceptions import ScriptError

from . import assembly
from .assembly import checked_text
from .interaction_reading import is_interaction, parse_interaction
from .model import Candidate, Event, Json, Reply

if TYPE_CHECKING:
    from maxim_gemini.testing._json_types import JsonDict

    from .request import Backend


def parse(body: bytes | str, *, status: int = 200, backend: Backend = "gemini") -> Reply:
    """Return the reply that equals a recorded *body*: a plain answer, an error, or server-sent events.

    Raise `ScriptError` if no function of `reply` makes it.
    """
    data = body.encode() if isinstance(body, str) else body
    if is_interaction(data):
        return parse_interaction(data, status=status, backend=backend)
    if data.lstrip().startswith(b"data:"):
        return _stream(data, backend)
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise ScriptError(f"the body is neither JSON nor server-sent events ({error}): {data[:60]!r}") from None
    if not isinstance(answer, dict):
        raise ScriptError(f"an answer of Gemini must be a JSON object, got {data[:60]!r}")
    if "error" in answer:
        return _error(answer)  # pyright: ignore[reportUnknownArgumentType]
    if status != 200:
        raise ScriptError(f"an answer with status {status} must hold an error, got {data[:60]!r}")
    return assembly.exactly(_event(answer), _identity(answer, backend))  # pyright: ignore[reportUnknownArgumentType]


def _stream(data: bytes, backend: Backend) -> Reply:
    replies: list[Reply] = []
    for block in wire.split_events(data):
        text = wire.event_data(block)
        answer = json.loads(block if text is None else text)
        replies.append(_error(answer) if "error" in answer else _event(answer) + _identity(answer, backend))
    return assembly.exactly(*replies)


def _error(answer: Json) -> Reply:
    fields: JsonDict = answer["error"]
    return assembly.failure(
        fields["code"], fields.get("message"), status=fields.get("status"), details=fields.get("details")
    )


def _identity(answer: Json, backend: Backend) -> Reply:
    others = ("candidates", "usageMetadata", "promptFeedback")
    return assembly.described(backend, {name: value for name, value in answer.items() if name not in others})


def _event(answer: Json) -> Reply:
    replies = [
        assembly.candidate(int(fields.get("index", position)), _candidate(fields))
        for position, fields in enumerate(answer.get("candidates", ()))
    ]
    if "promptFeedback" in answer:
        replies.append(assembly.prompt_feedback(answer["promptFeedback"]))
    if "usageMetadata" in answer:
        replies.append(Reply((Event(usage=answer["usageMetadata"], completes=True),)))
    return assembly.event(*replies)


def _candidate(fields: Json) -> Reply:
    """Return the candidate with its *fields* unchanged, in the recorded order."""
    content = fields.get("content")
    beside = {name: value for name, value in fields.items() if name != "content"}
    if content is None:
        return Reply((Event((Candidate(fields=beside),)),))
    parts = tuple(content.get("parts") or ())
    for part in parts:
        checked_text(part.get("text", ""))
    return Reply((Event((Candidate(0, parts, beside, content.get("role")),)),))
