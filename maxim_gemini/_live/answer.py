"""Convert Gemini's messages in a live session to one answer: result, metadata, function calls and sound. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from .._core.tool_calls import RequestedCall, in_openai_form
from .._core.values import mapping
from .frames import JsonDict, blob, member, members_of, read_part
from .sound import MODEL_RATE, Sound

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.values import Attachment


class FunctionCall(NamedTuple):
    """A function that the model requests."""

    id: str | None
    name: str | None
    args: JsonDict


class LiveAnswer:
    """One answer, message by message. *id_of* makes the ids of its function calls; *seconds* of its sound are kept."""

    __slots__ = (
        "_calls",
        "_files",
        "_id_of",
        "_others",
        "_sound",
        "_texts",
        "_thoughts",
        "_transcript",
        "about",
        "finish_reason",
        "usage",
    )

    def __init__(self, id_of: Callable[[FunctionCall], str], seconds: float) -> None:
        self._id_of = id_of
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._transcript: list[str] = []
        self._others: list[str] = []
        self._calls: list[RequestedCall] = []
        self._files: list[tuple[Attachment, str]] = []
        self._sound = Sound(seconds, MODEL_RATE)
        self.about: JsonDict = {}
        """More metadata."""
        self.finish_reason: str | None = None
        self.usage: JsonDict | None = None

    @property
    def text(self) -> str:
        """The text, or the transcription of the sound."""
        return "".join(self._texts) or "".join(self._transcript)

    @property
    def has_calls(self) -> bool:
        """`True` if it requests functions."""
        return bool(self._calls)

    @property
    def attachments(self) -> list[tuple[Attachment, str]]:
        """The sound, and other media."""
        return [*((sound, "output") for sound in self._sound.attachments("model audio")), *self._files]

    def add(self, response: JsonDict) -> list[RequestedCall]:
        """Add a message; return the functions that it requests."""
        content = member(response, "server_content")
        for part in members_of(member(content, "model_turn"), "parts"):
            self._add_part(part)
        if isinstance(text := member(member(content, "output_transcription"), "text"), str):
            self._transcript.append(text)
        for name in ("grounding_metadata", "url_context_metadata"):
            if value := member(content, name):
                self.about[name] = value
        requested = [self._requested(call) for call in members_of(member(response, "tool_call"), "function_calls")]
        self._calls += requested
        return requested

    def _add_part(self, part: JsonDict) -> None:
        sound = blob(member(part, "inline_data"))
        if sound is not None and sound[0].startswith("audio/"):
            self._sound.add(*sound)
            return
        is_thought = bool(part.get("thought"))
        text, attachment = read_part(part)
        if attachment is not None:
            self._files.append((attachment, "thoughts" if is_thought else "output"))
        if is_thought:
            self._thoughts.append(text)
        elif attachment is None and isinstance(part.get("text"), str):
            self._texts.append(text)
        elif text:
            self._others.append(text)

    def _requested(self, call: JsonDict) -> RequestedCall:
        requested = FunctionCall(call.get("id"), call.get("name"), mapping(call.get("args")) or {})
        return RequestedCall(self._id_of(requested), requested)

    def finish(self) -> list[RequestedCall]:
        """Return nothing: the calls in a message are always complete."""
        return []

    def message(self) -> JsonDict:
        """Return the answer as a message in OpenAI's form."""
        message: JsonDict = {"role": "assistant", "content": self.text or None}
        if self._calls:
            message["tool_calls"] = [in_openai_form(one.id, one.call.name, one.call.args) for one in self._calls]
        return message

    def result(self, response_id: str, model: str) -> JsonDict:
        """Return the result in OpenAI's form."""
        choice = {"index": 0, "message": self.message(), "logprobs": None, "finish_reason": self.finish_reason}
        result: JsonDict = {
            "id": response_id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [choice],
        }
        if usage := usage_of(self.usage):
            result["usage"] = usage
        return result

    def metadata(self) -> JsonDict:
        """Return the metadata of the answer: all that the result has no field for."""
        metadata = dict(self.about)
        if self._thoughts:
            metadata["thoughts"] = "".join(self._thoughts)
        if self._others:
            metadata["parts"] = self._others
        if self._texts and self._transcript:
            metadata["output_transcription"] = "".join(self._transcript)
        return metadata | self._sound.metadata("output")


def usage_of(usage: JsonDict | None) -> JsonDict | None:
    """Return token counts in OpenAI's form; `None` if the API gave none.

    Vertex counts the answer under `candidates`, with or without the thoughts: the total decides which.
    """
    if not usage:
        return None
    prompt, tools, thoughts = (_count(usage, name) for name in ("prompt", "tool_use_prompt", "thoughts"))
    answered = _count(usage, "response") or _count(usage, "candidates")
    total = member(usage, "total_token_count")
    total = total if isinstance(total, int) else prompt + tools + answered + thoughts
    sent = prompt + tools
    counted: JsonDict = {
        "prompt_tokens": sent,
        "completion_tokens": answered if sent + answered == total else answered + thoughts,
        "total_tokens": total,
    }
    cached = _count(usage, "cached_content")
    for side, names, extra in (
        ("input", ("prompt_tokens_details",), {"cached_tokens": cached, "tool_use_tokens": tools}),
        ("output", ("response_tokens_details", "candidates_tokens_details"), {"reasoning_tokens": thoughts}),
        ("cached", ("cache_tokens_details",), {}),
    ):
        details = {name: count for name, count in extra.items() if count}
        for one in (one for name in names for one in members_of(usage, name)):
            details[f"{str(one.get('modality')).lower()}_tokens"] = _number(member(one, "token_count"))
        if details:
            counted[f"{side}_token_details"] = details
    return counted


def _count(usage: JsonDict, name: str) -> int:
    return _number(member(usage, f"{name}_token_count"))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
