"""Refuse requests that a real server refuses before it calls a model: no JSON, or JSON of a wrong shape. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing._json_types import is_list, is_object

from .model import Failure
from .request import TOO_DEEP, read_json, snake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .request import GeminiRequest

_DEEPEST: Final = 100
"""Most levels of objects and lists that protobuf's JSON reader accepts by default."""
_PACKAGE: Final = "type.googleapis.com/google.ai.generativelanguage.v1beta."
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"


class _Message(NamedTuple):
    """A message of the API: its name, and those of its fields that are checked, by their names in snake case."""

    name: str
    fields: Mapping[str, _Message | None] = {}
    """The message that a field has to be; `None` for a text."""


_CONTENT: Final = _Message("Content", {"parts": _Message("Part", {"text": None}), "role": None})
_GENERATE: Final = _Message(
    "GenerateContentRequest",
    {
        "contents": _CONTENT,
        "system_instruction": _CONTENT,
        "tools": _Message("Tool", {"function_declarations": _Message("FunctionDeclaration")}),
        "tool_config": _Message("ToolConfig"),
        "generation_config": _Message("GenerationConfig"),
        "safety_settings": _Message("SafetySetting"),
    },
)
_REQUESTS: Final[Mapping[str, _Message]] = {
    "generateContent": _GENERATE,
    "streamGenerateContent": _GENERATE,
    "countTokens": _Message("CountTokensRequest", {**_GENERATE.fields, "generate_content_request": _GENERATE}),
    "computeTokens": _Message("ComputeTokensRequest", {"contents": _CONTENT}),
    "embedContent": _Message("EmbedContentRequest", {"content": _CONTENT, "embed_content_config": _Message("Config")}),
    "batchEmbedContents": _Message(
        "BatchEmbedContentsRequest", {"requests": _Message("EmbedContentRequest", {"content": _CONTENT})}
    ),
    "predict": _Message("PredictRequest", {"instances": _Message("Value"), "parameters": _Message("Value")}),
    "files": _Message("CreateFileRequest", {"file": _Message("File")}),
    "cachedContents": _Message("CachedContent", _GENERATE.fields),
}
_REPEATED: Final = frozenset(
    {"contents", "parts", "tools", "function_declarations", "safety_settings", "requests", "instances"}
)


def refusal(request: GeminiRequest) -> Failure | None:
    """Return the error 400 of a real server for a malformed body; `None` if *request* is well formed."""
    command = request.headers.get("x-goog-upload-command", "")
    is_upload = "start" not in command if command else request.path.startswith("/upload/")
    if not request.body or request.method not in {"POST", "PATCH"} or is_upload:
        return None
    try:
        value = read_json(request.body)
    except ValueError as error:
        return Failure(400, f"Invalid JSON payload received. {_reason(error)}")
    if _depth(value) > _DEEPEST:
        return Failure(400, f"Invalid JSON payload received. {TOO_DEEP}")
    message = _REQUESTS.get(request.action or request.resource.rpartition("/")[2], _Message("Request"))
    faults = [
        f"Invalid value at {path!r} ({type_name}), {_cut(item)}" for path, type_name, item in _faults(value, message)
    ]
    if not faults:
        return None
    violations = [{"description": fault} for fault in faults]
    return Failure(400, "\n".join(faults), details=({"@type": _BAD_REQUEST, "fieldViolations": violations},))


def _reason(error: ValueError) -> str:
    """Return what is wrong as real servers write it: the end of what was read, and a caret below."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    before, after = error.doc[max(error.pos - 20, 0) : error.pos], error.doc[error.pos : error.pos + 20]
    what = "Unexpected token." if after else "Unexpected end of string."
    line = re.sub(r"\s", " ", before + after)
    return f"{what}\n{line}\n{' ' * len(before)}^"


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while any(is_object(item) or is_list(item) for item in level):
        depth += 1
        level = [
            child for item in level for child in (item.values() if is_object(item) else item if is_list(item) else ())
        ]
    return depth


def _faults(value: object, message: _Message | None, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield path, type and value of each field that should be an object or a text, and is not."""
    if message is None:
        if not isinstance(value, str):
            yield path, "TYPE_STRING", value
        return
    if not is_object(value):
        yield path, _PACKAGE + message.name, value
        return
    for key, item in value.items():
        name = snake(key)
        if item is None or name not in message.fields:
            continue
        field = message.fields[name]
        where = f"{path}.{name}" if path else name
        if is_list(item) and name in _REPEATED:
            for index, one in enumerate(item):
                yield from _faults(one, field, f"{where}[{index}]")
        else:
            yield from _faults(item, field, where)


def _cut(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
