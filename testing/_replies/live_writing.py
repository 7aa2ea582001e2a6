"""Write a turn of a live session as the messages of a server, and the waits between them.

Deterministic: ids are derived from the session's setup and from their place in it. Pure.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from maxim_gemini.testing._json_types import JsonDict
from maxim_gemini.testing.exceptions import ScriptError

from . import usage as counting
from .model import (
    AfterAudio,
    Candidate,
    Disconnect,
    Event,
    Failure,
    Hangup,
    Hold,
    InteractionEvent,
    Interruption,
    LiveMessage,
    Pause,
    Reply,
    Transcription,
    Verbatim,
)
from .style import Style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .model import Json, Step
    from .request import GeminiRequest

Action: TypeAlias = JsonDict | bytes | Pause | Hold | Disconnect | AfterAudio | Interruption | Hangup
"""An action of a live server: it sends a message, as JSON or unchanged, waits, or ends the connection."""

_CLOSE_CODES: Final = {400: 1007, 401: 1008, 403: 1008, 404: 1008}
"""The close codes of the Live API for HTTP statuses of other methods; 1011 for all others."""
_BESIDE: Final = ("groundingMetadata", "urlContextMetadata")


def written(turn: Reply, request: GeminiRequest, number: int) -> Iterator[Action]:
    """Yield the server's actions for the *turn* with that *number*, in the session that *request* opened.

    Raises:
        ScriptError: the turn has steps that no live session has.
    """
    for position, step in enumerate(turn.steps):
        if isinstance(step, Event) and is_live_interaction(request):
            yield from _interaction_step(step, request, number, position)
        else:
            yield from _actions(step, request, f"{number}.{position}")
    if is_finished(turn) and not is_live_interaction(request):
        yield from ending(turn, request)


def is_finished(turn: Reply) -> bool:
    """Return whether the server completes *turn*: not if it waits for functions, or was broken off."""
    if turn.exact or not turn.steps or any(isinstance(step, Verbatim) for step in turn.steps):
        return False
    return not isinstance(turn.steps[-1], Hangup | Disconnect | Failure) and not calls_of(turn)


def calls_of(turn: Reply) -> list[JsonDict]:
    """Return the function calls of *turn*."""
    parts = [part for event in turn.events for candidate in event.candidates for part in candidate.parts or ()]
    return [part["functionCall"] for part in parts if "functionCall" in part]


def ending(turn: Reply, request: GeminiRequest) -> Iterator[JsonDict]:
    """Yield the messages that complete *turn*."""
    if any(isinstance(step, Interruption) for step in turn.steps):
        yield {"serverContent": {"interrupted": True}}
    else:
        yield {"serverContent": {"generationComplete": True}}
    yield {"serverContent": {"turnComplete": True}, "usageMetadata": _usage(turn, request)}


def _actions(step: Step, request: GeminiRequest, seed: str) -> Iterator[Action]:
    match step:
        case Event():
            yield from _content(step, request, seed)
        case LiveMessage(fields=fields) | InteractionEvent(fields=fields):
            yield dict(fields)
        case Transcription():
            name = "inputTranscription" if step.is_input else "outputTranscription"
            snake = "input_audio_transcription" if step.is_input else "output_audio_transcription"
            if not step.if_requested or {f"{name[:-13]}AudioTranscription", snake} & request.setup.keys():
                yield {"serverContent": {name: {"text": step.text}}}
        case Verbatim(body=bytes() as body):
            yield body
        case Verbatim(events=events):
            yield from map(dict, events)
        case Failure(code=code, message=message):
            yield Hangup(_CLOSE_CODES.get(code, 1011), message or f"error {code}")
        case Interruption() | Pause() | Hold() | Disconnect() | AfterAudio() | Hangup():
            yield step
        case _:
            raise ScriptError(f"a live session has no {type(step).__name__.lower()}: {step!r}")


def _content(event: Event, request: GeminiRequest, seed: str) -> Iterator[Action]:
    if event.candidates[1:] or "promptFeedback" in event.fields:
        raise ScriptError(f"a live session has one candidate, and blocks no prompt: {event!r}")
    candidate = event.candidates[0] if event.candidates else Candidate()
    parts = list(candidate.parts or ())
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    others = [part for part in parts if "functionCall" not in part]
    content: JsonDict = {"modelTurn": {"parts": [dict(part) for part in others]}} if others else {}
    content |= {name: candidate.fields[name] for name in _BESIDE if name in candidate.fields}
    if "BidiGenerateMusic" in request.url and others:
        # Music comes as a list of sounds, and not as the turn of a model.
        content = {"audioChunks": [part["inlineData"] for part in others if "inlineData" in part]}
    if content:
        yield {"serverContent": content}
    if calls:
        numbered = enumerate(calls)
        yield {"toolCall": {"functionCalls": [_with_id(call, request, f"{seed}.{i}") for i, call in numbered]}}


def is_live_interaction(request: GeminiRequest) -> bool:
    """Return whether *request* opens a live interaction, which is made of events."""
    return request.path.endswith("/interactions/live")


def _interaction_step(event: Event, request: GeminiRequest, number: int, position: int) -> Iterator[Action]:
    """Yield the events of one step: start, content and stop."""
    parts = [part for candidate in event.candidates for part in candidate.parts or ()]
    for index, part in enumerate(parts):
        step, delta = _step_of(part, request, f"{number}.{position}.{index}")
        at = {"index": 100 * number + position + index}
        yield {"event_type": "step.start", **at, "step": step}
        if delta:
            yield {"event_type": "step.delta", **at, "delta": delta}
        yield {"event_type": "step.stop", **at}


def _step_of(part: Json, request: GeminiRequest, seed: str) -> tuple[JsonDict, JsonDict | None]:
    if call := part.get("functionCall"):
        named = _with_id(call, request, seed)
        return {"type": "function_call", "id": named["id"], "name": named["name"], "arguments": named["args"]}, None
    if blob := part.get("inlineData"):
        kind = str(blob["mimeType"])
        delta = {"type": kind.partition("/")[0], "mime_type": kind, "data": blob["data"]}
        return {"type": "model_output"}, delta
    if "text" in part and not part.get("thought"):
        return {"type": "model_output"}, {"type": "text", "text": part["text"]}
    raise ScriptError(f"a live interaction has no {next(iter(part), 'empty part')}: send it by reply.interaction_event")


def _with_id(call: Any, request: GeminiRequest, seed: str) -> JsonDict:
    digits = int.from_bytes(hashlib.sha256(request.body + seed.encode()).digest()[:8], "big")
    return {"name": call["name"], "args": call.get("args", {}), "id": call.get("id") or f"function-call-{digits}"}


def _usage(turn: Reply, request: GeminiRequest) -> JsonDict:
    """Return the token counts of *turn*: estimates with exact sums."""
    on_vertex = Style.of(request.model, turn.wire or request.backend).on_vertex
    name = "candidates" if on_vertex else "response"
    parts = [part for event in turn.events for candidate in event.candidates for part in candidate.parts or ()]
    answer = counting.by_modality(parts)
    prompt = sum(counting.text_tokens(str(message)) for message in request.messages) or 1
    own = {key: value for event in turn.events for key, value in (event.usage or {}).items()}
    answered = own.pop("candidatesTokenCount", None)
    details = own.pop("candidatesTokensDetails", None) or counting.details(answer)
    counts: JsonDict = {"promptTokenCount": prompt}
    counts[f"{name}TokenCount"] = sum(answer.values()) if answered is None else answered
    counts |= {key: value for key, value in own.items() if not key.endswith("Details")}
    addends = ("promptTokenCount", f"{name}TokenCount", "toolUsePromptTokenCount", "thoughtsTokenCount")
    counts.setdefault("totalTokenCount", sum(int(counts.get(key, 0)) for key in addends))
    counts["promptTokensDetails"] = counting.details({"TEXT": counts["promptTokenCount"]})
    counts[f"{name}TokensDetails"] = details
    counts |= {key: value for key, value in own.items() if key.endswith("Details")}
    return {key: value for key, value in counts.items() if value not in (None, [])}
