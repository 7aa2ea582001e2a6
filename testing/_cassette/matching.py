"""The meaning of a request: the parts that do not depend on the SDK's version or on the HTTP library.

It consists of the method, the path without API version, the query, and the meaning of the body. Versions of the SDK
write the same call differently: `mime_type` or `mimeType`, base64 in one alphabet or the other, tools as JSON schema or
as Gemini's own. HTTP libraries send it differently, and the project of a request is scrubbed in a recording. All these
differences are ignored. The id that connects a function call with its result only counts by its position: many
frameworks make up other ids in each run.

Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from maxim_gemini.testing._json_types import JsonDict, is_list, is_object

from . import json_paths
from .json_text import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_VERSION: Final = re.compile(r"^(/upload)?/v\d+(?:(?:alpha|beta)\d*)?(?=/)")
_PROJECT: Final = re.compile(r"\bprojects/[^/\s]+")
_RESOURCE: Final = re.compile(r"((?://[\w.-]+/)?projects/)[^/\s]+(?=/\S+\Z)")
"""Matches a value that is nothing but the name of a resource."""
_BOUNDARY: Final = re.compile(r"boundary=\"?([^\";]+)")
_SNAKE: Final = re.compile(r"_+([a-z0-9])")
_DEFAULTS: Final = frozenset({("stream", "false"), ("include_input", "false")})
"""Parameters with their default values, which newer SDKs write."""
_IRRELEVANT: Final = frozenset({"key", "prettyPrint", "$prettyPrint", "access_token"})
_BYTES: Final = frozenset({"data", "thoughtSignature", "imageBytes", "videoBytes", "audioBytes", "bytesBase64Encoded"})
_OWN: Final = frozenset({"args", "arguments", "response", "labels", "partialArgs", "result", "text"})
"""Members whose content is the application's own, so that `user_id` there is not `userId`."""
_EMPTY: Final = frozenset({"generationConfig", "stream", "background"})
"""Members of a body that mean nothing if they are empty or false."""
_SCHEMAS: Final = {
    "parameters": "parameters",
    "parametersJsonSchema": "parameters",
    "responseSchema": "responseSchema",
    "responseJsonSchema": "responseSchema",
}
_NAMED: Final = frozenset({"properties", "$defs", "defs"})
_LITERAL: Final = frozenset({"enum", "required", "default", "example", "examples", "const"})
_CALLS: Final = frozenset({"functionCall", "toolCall"})
_RESULTS: Final = frozenset({"functionResponse", "toolResponse"})
_UPLOAD_STEP: Final = re.compile(r"(start|upload|query|finalize|cancel)(, *finalize)?", re.IGNORECASE)


class Meaning(NamedTuple):
    """The meaning of a request."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    upload: tuple[str, ...]
    """The step of a resumable upload; two steps may have the same address and body."""
    body: Any
    """The normalized JSON value, or bytes."""

    @property
    def key(self) -> str:
        """The meaning as text, equal for equal meanings."""
        return _written(self)

    @property
    def recorded_forms(self) -> list[Meaning]:
        """This meaning, and its forms in recordings without Google's headers, or without an upload's id."""
        steps = [self.upload[:count] for count in range(len(self.upload), -1, -1)]
        without_id = tuple(pair for pair in self.query if pair[0] != "upload_id")
        return [
            self._replace(query=query, upload=step)
            for query in dict.fromkeys((self.query, without_id))
            for step in steps
        ]


def meaning(method: str, uri: str, headers: Mapping[str, str], body: object) -> Meaning:
    """Return the meaning of a request, whose *body* is a JSON value or bytes."""
    path, query = _address(uri)
    if isinstance(body, bytes) and body.startswith(b"--"):
        boundary = _BOUNDARY.search(headers.get("content-type", ""))  # another in every request
        body = body.replace(boundary[1].encode(), b"boundary") if boundary else body
    return Meaning(method.upper(), path, query, _upload(headers) if "upload" in uri else (), body_meaning(body))


def meaning_of(request: Any) -> Meaning:
    """Return the meaning of a request of vcrpy."""
    return meaning(request.method, request.uri, request.headers, value_of(request.body or b""))


@lru_cache(maxsize=4096)
def _address(uri: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    parts = urlsplit(uri)
    path = _PROJECT.sub("projects/*", _VERSION.sub(lambda match: match[1] or "", parts.path) or "/")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    return path, tuple(sorted(pair for pair in pairs if pair not in _DEFAULTS and pair[0] not in _IRRELEVANT))


def _digest(data: bytes) -> str:
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"


# Binary members are compared by their digest: a picture of a megabyte would be in every key and every diff.
_written = json.JSONEncoder(sort_keys=True, default=_digest).encode


def _upload(headers: Mapping[str, str]) -> tuple[str, ...]:
    command, offset = headers.get("x-goog-upload-command"), headers.get("x-goog-upload-offset")
    if command is None or not _UPLOAD_STEP.fullmatch(command):
        return ()  # left out of the recording, or made unreadable
    return (command,) if offset is None else (command, offset)


def body_meaning(body: Any) -> Any:
    """Return the meaning of the JSON value *body*, whichever SDK has written it."""
    if not is_object(body):
        return _value(body)
    # The SDK sends an empty generationConfig along, and that there is to be no stream: some versions of it and some
    # applications do not.
    members = {key: value for key, value in _members(body).items() if key not in _EMPTY or value}
    calls = dict[str, str]()
    _count_calls(members, calls)
    return _with_counted_calls(members, calls) if calls else members


def _count_calls(value: object, calls: dict[str, str]) -> None:
    """Add the ids of the calls in *value* to *calls*, with the text that replaces each: the number of the call."""
    if is_list(value):
        for item in value:
            _count_calls(item, calls)
    elif is_object(value):
        for key, item in sorted(value.items()):
            if key not in _OWN and not isinstance(item, str):
                _count_calls(item, calls)
            if key == "id" and _is_call_step(value):
                calls.setdefault(item, f"(call {len(calls) + 1})")
            elif key in _CALLS and is_object(item) and isinstance(item.get("id"), str):
                calls.setdefault(item["id"], f"(call {len(calls) + 1})")


def _is_call_step(step: JsonDict) -> bool:
    return str(step.get("type")).endswith("_call") and isinstance(step.get("id"), str)


def _with_counted_calls(value: object, calls: Mapping[str, str], within: str = "") -> Any:
    """Return *value* with the ids of *calls* replaced, in the calls and in their results."""
    if is_list(value):
        return [_with_counted_calls(item, calls) for item in value]
    if not is_object(value):
        return value
    members: JsonDict = {}
    for key, item in value.items():
        is_id = key == "callId" or (key == "id" and (within in _CALLS | _RESULTS or _is_call_step(value)))
        if is_id and isinstance(item, str):
            members[key] = calls.get(item, item)
        else:
            members[key] = item if key in _OWN else _with_counted_calls(item, calls, key)
    return members


def _value(value: object) -> Any:
    if isinstance(value, str):
        return _RESOURCE.sub(r"\1*", value) if value.startswith(("projects/", "//")) else value
    if is_object(value):
        return _members(value)
    if is_list(value):
        return [_value(item) for item in value]
    # Newer SDKs write the temperature 0 as 0.0.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _members(members: JsonDict) -> JsonDict:
    normalized: JsonDict = {}
    for name, value in members.items():
        key = _camel(name)
        if value is None:
            continue
        if key in _OWN:
            normalized[key] = value
        elif key in _BYTES and isinstance(value, str):
            normalized[key] = value.replace("-", "+").replace("_", "/").rstrip("=")
        elif key in _SCHEMAS:
            normalized[_SCHEMAS[key]] = _schema(value)
        elif key == "functionDeclarations" and is_list(value):
            normalized[key] = [_declaration(item) for item in value]
        else:
            normalized[key] = _value(value)
    return normalized


def _declaration(value: object) -> Any:
    """Return a function's declaration without the schema of its result, which only newer SDKs send."""
    if not is_object(value):
        return value
    return {key: item for key, item in _members(value).items() if key not in ("response", "responseSchema")}


def _schema(value: object) -> Any:
    if is_list(value):
        return [_schema(item) for item in value]
    if not is_object(value):
        return value
    normalized: JsonDict = {}
    for name, item in value.items():
        key = _camel(name)
        if key == "propertyOrdering" or item is None:
            continue
        if key == "type" and isinstance(item, str):
            normalized[key] = item.upper()
        elif key in _NAMED and is_object(item):
            normalized[key] = {inner: _schema(member) for inner, member in item.items()}
        else:
            normalized[key] = item if key in _LITERAL else _schema(item)
    return normalized


@lru_cache(maxsize=4096)
def _camel(name: str) -> str:
    return _SNAKE.sub(lambda match: match[1].upper(), name) if "_" in name else name


def without(paths: Iterable[str], whole: Meaning) -> Meaning:
    """Return a meaning without *paths* of its body, such as `generationConfig.seed` or `contents[].role`."""
    body = whole.body
    for path in paths:
        steps = json_paths.parsed(path)
        # The SDK of today says generation_config where the body that is compared has generationConfig.
        for spelling in {steps, tuple(_camel(step) if isinstance(step, str) else step for step in steps)}:
            body = json_paths.without(body, spelling)
    return whole._replace(body=body)
