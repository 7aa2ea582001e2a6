"""A marked text, put into every place where content can stand: what is sent, and what is answered."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel

from support.programs import Program, Setup, Step

MARK: Final = 'Zq "marked\\ text\n\u00a7'

# Where no content stands: what the SDK, Gemini or Maxim read as a name, an id or a kind.
_STRUCTURE: Final = frozenset(
    {
        *("role", "name", "id", "mimeType", "mime_type", "responseId", "response_id", "modelVersion", "model_version"),
        *("finishReason", "finish_reason", "blockReason", "block_reason", "category", "probability", "severity"),
        *("modality", "outcome", "language", "type", "status", "createTime", "create_time", "trafficType"),
        *("urlRetrievalStatus", "willContinue", "scheduling", "thoughtSignature", "thought_signature", "data"),
        *("jsonPath", "state", "source", "sizeBytes", "startOffset", "endOffset", "reason", "code", "probabilityScore"),
    }
)

# Where an application writes text: other fields of a config take a word of a list, or a number.
_WRITTEN: Final = frozenset(
    {
        *("text", "args", "response", "description", "title", "file_uri", "uri", "display_name", "output"),
        *("system_instruction", "stop_sequences", "properties", "result", "parameters_json_schema"),
    }
)


def planted_answer(piece: bytes) -> bytes:
    """Return a piece of an answer, an event or JSON, with the mark in each text of its content."""
    head, separator, text = piece.partition(b"data: ") if piece.startswith(b"data: ") else (b"", b"", piece)
    body = text.rstrip()
    try:
        value: Any = json.loads(body)
    except ValueError:
        return piece
    return head + separator + json.dumps(_planted(value)).encode() + text[len(body) :]


def _planted(value: Any) -> Any:
    if isinstance(value, str):
        return value + MARK
    if isinstance(value, list):
        return [_planted(item) for item in value]
    if isinstance(value, dict):
        return {name: one if name in _STRUCTURE else _planted(one) for name, one in value.items()}
    return value


def planted_program(program: Program) -> Program:
    """Return *program* with the mark in each text that the application sends."""
    steps = [Step(step.name, {name: _sent(one) for name, one in step.given.items()}) for step in program.steps]
    return Program(steps, program.answers)  # which are planted as they are sent


def _sent(value: Any) -> Any:
    if isinstance(value, Setup):
        return Setup(**{**vars(value), "base": _in_model(value.base) if value.base else None})
    if isinstance(value, str):
        return value + MARK
    if isinstance(value, list):
        return [_sent(item) for item in value]
    if isinstance(value, BaseModel):
        return _in_model(value)
    return value


def _in_model(model: Any) -> Any:
    """Return a copy of *model* with the mark in the fields that hold text, at any depth."""
    changed: dict[str, Any] = {}
    for name in model.model_fields_set:
        value = getattr(model, name)
        if name in _WRITTEN:
            changed[name] = _sent_text(value)
        elif name == "inline_data" and value is not None and str(value.mime_type).startswith("text/"):
            changed[name] = value.model_copy(update={"data": (value.data or b"") + MARK.encode()})
        elif isinstance(value, BaseModel):
            changed[name] = _in_model(value)
        elif isinstance(value, list):
            changed[name] = [_in_model(item) if isinstance(item, BaseModel) else item for item in value]
    return model.model_copy(update=changed)


def _sent_text(value: Any) -> Any:
    if isinstance(value, str):
        return value + MARK
    if isinstance(value, dict):
        return {name: _sent_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_sent_text(item) for item in value]
    return _in_model(value) if isinstance(value, BaseModel) else value
