"""Recorded bytes -> the reply that says the same."""

from __future__ import annotations

import base64
import json
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing._http import wire
from maxim_gemini.testing.exceptions import ScriptError

from . import building as say
from .interaction_reading import is_interaction, parse_interaction
from .model import Candidate, Event, Json, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .request import Backend

_IDENTITY: Final = {"modelVersion": "model_version", "responseId": "response_id", "createTime": "create_time"}
_USAGE: Final = {
    "promptTokenCount": "prompt",
    "candidatesTokenCount": "candidates",
    "thoughtsTokenCount": "thoughts",
    "toolUsePromptTokenCount": "tool_use",
    "cachedContentTokenCount": "cached",
    "totalTokenCount": "total",
    "promptTokensDetails": "prompt_details",
    "candidatesTokensDetails": "candidates_details",
    "toolUsePromptTokensDetails": "tool_use_details",
    "cacheTokensDetails": "cached_details",
    "serviceTier": "service_tier",
    "trafficType": "traffic_type",
}


def parse(body: bytes | str, *, status: int = 200, backend: Backend = "gemini") -> Reply:
    """Return the reply that a recorded *body* is: of a plain answer, of an error, or of server-sent events.

    Raise `ScriptError` where the vocabulary can't say it.
    """
    data = body.encode() if isinstance(body, str) else body
    if is_interaction(data):
        return parse_interaction(data, status=status, backend=backend)
    if data.lstrip().startswith(b"data:"):
        return _stream(data, backend)
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise ScriptError(f"this is neither JSON nor server-sent events ({error}): {data[:60]!r}") from None
    if not isinstance(answer, dict):
        raise ScriptError(f"an answer of Gemini is a JSON object, not {data[:60]!r}")
    if "error" in answer:
        return _error(answer)  # pyright: ignore[reportUnknownArgumentType]
    if status != 200:
        raise ScriptError(f"an answer with status {status} holds an error: {data[:60]!r}")
    return say.exactly(_event(answer), _identity(answer, backend))  # pyright: ignore[reportUnknownArgumentType]


def _stream(data: bytes, backend: Backend) -> Reply:
    replies: list[Reply] = []
    for block in wire.split_events(data):
        said = wire.event_data(block)
        answer = json.loads(block if said is None else said)
        replies.append(_error(answer) if "error" in answer else say.event(_event(answer)) + _identity(answer, backend))
    return say.exactly(*replies)


def _error(answer: Json) -> Reply:
    fields: dict[str, Any] = answer["error"]
    code, message = fields["code"], fields.get("message")
    return say.error(code, message, status=fields.get("status"), details=fields.get("details"))


def _identity(answer: Json, backend: Backend) -> Reply:
    own = {
        name: value for name, value in answer.items() if name not in ("candidates", "usageMetadata", "promptFeedback")
    }
    return say.response(backend=backend, **{_IDENTITY.get(name, name): value for name, value in own.items()})


def _event(answer: Json) -> Reply:
    said = [say.candidate(place, _candidate(one)) for place, one in _numbered(answer.get("candidates", ()))]
    if "promptFeedback" in answer:
        said.append(say.prompt_feedback(answer["promptFeedback"]))
    if "usageMetadata" in answer:
        said.append(_usage(answer["usageMetadata"]))
    return say.event(*said)


def _numbered(candidates: Any) -> list[tuple[int, Json]]:
    return [(int(one.get("index", place)), one) for place, one in enumerate(candidates)]


def _usage(fields: Json) -> Reply:
    return say.usage(**{_USAGE.get(name, name): _counts(value) for name, value in fields.items()})


def _counts(value: Any) -> Any:
    return {item["modality"]: item["tokenCount"] for item in value} if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


def _candidate(fields: Json) -> Reply:
    content = fields.get("content")
    said = [] if content is None else [_content(content)]
    beside = {name: value for name, value in fields.items() if name != "content"}
    said += [_BESIDE.get(name, _any(name))(value) for name, value in beside.items()]
    return say.event(*said)


def _any(name: str) -> Callable[[Any], Reply]:
    return lambda value: say.beside(**{name: value})


_BESIDE: Final[dict[str, Callable[[Any], Reply]]] = {
    "index": say.index,
    "avgLogprobs": say.average_logprobs,
    "groundingMetadata": lambda value: say.grounding(metadata=value),
    "urlContextMetadata": lambda value: say.url_context(metadata=value),
    "logprobsResult": lambda value: say.logprobs(result=value),
}


def _content(content: Json) -> Reply:
    parts = content.get("parts")
    role = content.get("role")
    if not parts:
        return Reply((Event((Candidate(parts=(), role=role),)),))
    said = reduce(add, map(_part, parts))
    if role == "model":
        return say.event(said)
    events = tuple(Event((Candidate(0, event.candidates[0].parts, role=role),)) for event in said.events)
    return Reply(events)


def _part(part: Mapping[str, Any]) -> Reply:
    fields = dict(part)
    signature = fields.pop("thoughtSignature", None)
    thinks = fields.pop("thought", False)
    kind = next(iter(fields), "")
    said: Any = fields.get(kind)
    known = _PARTS.get(kind)
    if known is None or len(fields) != 1 or not known.fits(said):
        return say.part(part)
    return known.say(said, signature, thinks)


class _Part(NamedTuple):
    """A kind of part that has a word of its own."""

    fits: Callable[[Any], bool]
    say: Callable[[Any, str | None, bool], Reply]


def _has(*required: str, optional: tuple[str, ...] = ()) -> Callable[[Any], bool]:
    def fits(said: Any) -> bool:
        return isinstance(said, dict) and {*required} <= {*said} <= {*required, *optional}  # pyright: ignore[reportUnknownArgumentType]

    return fits


def _is_text(said: Any) -> bool:
    return isinstance(said, str)


def _text(said: Any, signature: str | None, thinks: bool) -> Reply:
    return (say.thought if thinks else say.text)(said, signature=signature)


def _call(said: Any, signature: str | None, _: bool) -> Reply:
    return say.function_call(said["name"], said["args"], call_id=said.get("id"), signature=signature)


def _blob(said: Any, signature: str | None, _: bool) -> Reply:
    return say.blob(base64.b64decode(said["data"]), said["mimeType"], signature=signature)


def _code(said: Any, signature: str | None, _: bool) -> Reply:
    return say.code(said["code"], language=said["language"], code_id=said.get("id"), signature=signature)


def _code_result(said: Any, signature: str | None, _: bool) -> Reply:
    return say.code_result(said.get("output"), outcome=said["outcome"], code_id=said.get("id"), signature=signature)


_PARTS: Final[dict[str, _Part]] = {
    "text": _Part(_is_text, _text),
    "functionCall": _Part(_has("name", "args", optional=("id",)), _call),
    "executableCode": _Part(_has("language", "code", optional=("id",)), _code),
    "codeExecutionResult": _Part(_has("outcome", optional=("output", "id")), _code_result),
    "inlineData": _Part(_has("mimeType", "data"), _blob),
}
