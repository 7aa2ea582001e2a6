"""Build an interaction's steps from its whole answer, or from the events of a stream.

The API has had two schemas: `steps` (since May 2026) and `outputs` (before). Events that the SDK does not know keep
their raw JSON, so all are read as plain JSON data. Pure: no logger, no network, and arguments are never changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from .._core.values import mapping

JsonDict: TypeAlias = dict[str, Any]

MEDIA: Final = frozenset({"image", "audio", "video", "document"})

_FIRST_SCHEMA: Final = {
    "interaction.start": "interaction.created",
    "interaction.complete": "interaction.completed",
    "content.start": "step.start",
    "content.delta": "step.delta",
    "content.stop": "step.stop",
}
"""Events of the first schema, with their present names."""

_KNOWN: Final = frozenset({*_FIRST_SCHEMA.values(), "interaction.status_update", "error"})

UNREADABLE: Final = "unreadable"
"""The kind of an event that is no JSON object: google-genai hands it over as it came, as text perhaps."""

_UNKNOWN_EVENTS: Final = 20
"""Unknown events of one interaction that are kept."""

# Keys under which an incomplete step keeps its pieces. Steps of the API have no such names.
_PIECES: Final = "_pieces"
_ARGUMENTS: Final = "_arguments"


def plain(value: Any) -> Any:
    """Return *value*, an object of the SDK or JSON data, as plain JSON data."""
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return _without_envelopes(dump(mode="json", by_alias=True, exclude_none=True, warnings=False))
    if isinstance(value, Mapping):
        members: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {str(key): plain(item) for key, item in members.items()}
    return [plain(item) for item in listed(value)] if isinstance(value, list | tuple) else value


def _without_envelopes(value: Any) -> Any:
    """Return *value* with unknown objects as the server sent them: google-genai 2 dumps them in an envelope."""
    members = mapping(value)
    if members is not None:
        if members.get("is_unknown") is True and "raw" in members:
            return members["raw"]
        return {key: _without_envelopes(item) for key, item in members.items()}
    return [_without_envelopes(item) for item in listed(value)] if isinstance(value, list) else value


def listed(value: Any) -> list[Any]:
    """Return *value* as a list: the items of a list, no items for `None`, and otherwise the value itself."""
    if isinstance(value, list | tuple):
        return list(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [] if value is None else [value]


class Interaction(NamedTuple):
    """An interaction so far, in plain JSON data."""

    head: JsonDict
    """All fields except the steps: id, status, model or agent ..."""
    steps: list[JsonDict]
    """The steps, in the newer schema."""
    usage: JsonDict | None
    """The last running total."""
    error: JsonDict | None
    """The error of an error event."""


class Steps:
    """Builds an interaction from whole answers and from events."""

    __slots__ = ("_by_index", "_error", "_head", "_parts", "_resumes", "_usage", "unknown", "unknown_events")

    def __init__(self) -> None:
        self.unknown: list[str] = []
        """Unknown kinds of events and deltas."""
        self.unknown_events: list[JsonDict] = []
        """The first of the unknown events, unchanged."""
        self._resumes = 0
        self._parts: dict[int, int] = {}  # the number of resumes before each step
        self._head: JsonDict = {}
        self._usage: JsonDict | None = None
        self._error: JsonDict | None = None
        self._by_index: dict[int, JsonDict] = {}

    def folded(self) -> Interaction:
        """Return the interaction so far."""
        steps = {index: _whole(step) for index, step in sorted(self._by_index.items())}
        if self._resumes:
            steps = {index: step for index, step in steps.items() if not self._is_sent_again(index, steps)}
        return Interaction(self._head, list(steps.values()), self._usage, self._error)

    def resume(self) -> None:
        """Prepare for a stream that continues after an event: the API sends steps near it again, with other indices."""
        self._resumes += 1

    def _is_sent_again(self, index: int, steps: dict[int, JsonDict]) -> bool:
        part = self._parts.get(index, 0)
        later = (step for other, step in steps.items() if other > index and self._parts.get(other, 0) > part)
        return any(_begins(step, steps[index]) for step in later)

    def add_interaction(self, interaction: Any) -> None:
        """Add a whole interaction; if it has no steps, the earlier ones stay."""
        value = plain(interaction)
        if (data := mapping(value)) is None:
            self._read_event(UNREADABLE, {UNREADABLE: value})
            return
        steps = data.pop("steps", None)
        if not steps and "outputs" in data:
            steps = [_as_step(output) for output in data.pop("outputs") or ()]
        self._read_head(data)
        if steps:
            self._by_index = {index: dict(step) for index, step in enumerate(steps)}

    def add_event(self, event: Any) -> None:
        """Add one event of a stream."""
        delta = getattr(event, "delta", None)
        text = getattr(delta, "text", None)
        if isinstance(text, str) and getattr(delta, "type", None) == "text":  # nine of ten events
            _add_text(self._step(event.index, "model_output"), text)
            self._read_usage(getattr(event, "metadata", None))
            return
        data: JsonDict = plain(event)
        kind = str(data.get("event_type") or data.get("type") or "")
        self._read_event(_FIRST_SCHEMA.get(kind, kind), data)

    def _read_event(self, kind: str, data: JsonDict) -> None:
        if kind not in _KNOWN:
            self.unknown.append(kind)
            if len(self.unknown_events) < _UNKNOWN_EVENTS:
                self.unknown_events.append(data)
            return
        self._read_usage(data.get("metadata"))
        if kind == "error":
            error = data.get("error")
            if isinstance(error, dict) and error:  # empty ones occur in the middle of streams, and mean nothing
                self._error = error
        elif kind in ("interaction.created", "interaction.completed"):
            self.add_interaction(data.get("interaction") or {})
        elif kind == "interaction.status_update":
            names = {"interaction_id": "id", "status": "status", "continuation_token": "continuation_token"}
            self._read_head({name: data[key] for key, name in names.items() if data.get(key)} | _usage_in(data))
        elif kind == "step.start":
            self._parts[_index(data)] = self._resumes
            self._by_index[_index(data)] = dict(data["step"]) if "step" in data else _as_step(data.get("content") or {})
        elif kind == "step.delta":
            self._read_delta(self._step(_index(data), "model_output"), dict(data.get("delta") or {}))
        else:
            self._read_head(_usage_in(data))

    def _step(self, index: int, kind: str) -> JsonDict:
        step = self._by_index.get(index)
        if step is None:
            self._parts[index] = self._resumes
            step = self._by_index[index] = {"type": kind}
        return step

    def _read_head(self, data: JsonDict) -> None:
        if usage := data.pop("usage", None):
            self._usage = usage
        self._head |= {name: value for name, value in data.items() if value not in (None, "")}

    def _read_usage(self, metadata: Any) -> None:
        if metadata and (totals := plain(metadata)):
            self._usage = totals.get("total_usage") or totals.get("usage") or self._usage

    def _read_delta(self, step: JsonDict, delta: JsonDict) -> None:
        kind = delta.pop("type", "")
        if kind == "text":
            _add_text(step, delta.get("text") or "")
        elif kind in ("text_annotation_delta", "text_annotation"):
            _add_text(step, "").setdefault("annotations", []).extend(delta.get("annotations") or [delta])
        elif kind == "thought_summary":
            step.setdefault("summary", []).append(delta.get("content"))
        elif kind == "arguments_delta":
            step.setdefault(_ARGUMENTS, []).append(delta.get("arguments") or "")
        elif kind in MEDIA:
            _add_media(step, {"type": kind, **delta})
        else:  # a tool's call or result, or a signature: whole values; empty ones mean nothing
            if kind not in ("thought_signature", step.get("type")):
                self.unknown.append(kind)
                if step.get("type") == "model_output":  # an unknown kind of content
                    step.setdefault(_PIECES, []).append({"type": kind, **delta})
                    return
            step |= {name: value for name, value in delta.items() if value not in (None, "")}


def _begins(whole: Any, beginning: Any) -> bool:
    """Return whether *whole* begins with *beginning*, at every level."""
    if isinstance(beginning, str):
        return isinstance(whole, str) and whole.startswith(beginning)
    if isinstance(beginning, list):
        of_whole, parts = listed(whole), listed(beginning)  # pyright: ignore[reportUnknownArgumentType]
        return len(of_whole) >= len(parts) and all(map(_begins, of_whole, parts))
    if (members := mapping(beginning)) is not None:
        named = mapping(whole)
        return named is not None and all(_begins(named.get(name), item) for name, item in members.items())
    return bool(whole == beginning)


def _index(data: JsonDict) -> int:
    index = data.get("index")
    return index if isinstance(index, int) else 0


def _usage_in(data: JsonDict) -> JsonDict:
    return {"usage": data["usage"]} if data.get("usage") else {}


def _as_step(output: JsonDict) -> JsonDict:
    """Return an output of the first schema as a step: there, text and media were in no step."""
    if output.get("type") in MEDIA or output.get("type") == "text":
        return {"type": "model_output", "content": [output] if len(output) > 1 else []}
    return dict(output)


def _add_text(step: JsonDict, text: str) -> JsonDict:
    """Append *text* to the last content of *step*, if that is text, or to a new one; return that content."""
    content: list[JsonDict] = step.setdefault(_PIECES, [])
    if not content or content[-1]["type"] != "text":
        content.append({"type": "text", "text": []})
    content[-1]["text"].append(text)
    return content[-1]


def _add_media(step: JsonDict, media: JsonDict) -> None:
    """Add *media* to *step*; pieces of audio are joined to one sound."""
    content: list[JsonDict] = step.setdefault(_PIECES, [])
    data = [media.pop("data")] if "data" in media else []
    if data and content and media["type"] == "audio" and content[-1] == {**media, "data": content[-1].get("data")}:
        content[-1]["data"] += data
    else:
        content.append({**media, "data": data} if data else media)


def _whole(step: JsonDict) -> JsonDict:
    """Return *step* with its pieces joined."""
    whole = {name: value for name, value in step.items() if name not in (_PIECES, _ARGUMENTS)}
    if content := step.get(_PIECES):
        texts = [{**item, "text": "".join(item["text"])} if item["type"] == "text" else item for item in content]
        whole["content"] = [*whole.get("content", ()), *texts]
    if arguments := step.get(_ARGUMENTS):
        whole["arguments"] = "".join(arguments)
        with suppress(ValueError):  # the stream ended in the middle of them
            whole["arguments"] = json.loads(whole["arguments"])
    return whole
