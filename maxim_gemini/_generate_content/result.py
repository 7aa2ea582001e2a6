"""Convert a response, or its chunks, to a result, metadata and function calls.

Pure: no logger and no network, and no chunk is kept or changed.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from .._core.tool_calls import RequestedCall, in_openai_form
from .._core.values import JsonDict, described, mapping, size_of
from .parts import attached, placeholder
from .pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.genai import types

    from .._core.values import Attachment
    from .partial_args import PartialCall

# Fields of a candidate for which Maxim's result has no place.
_CANDIDATE_METADATA: Final = (
    "finish_message",
    "safety_ratings",
    "grounding_metadata",
    "citation_metadata",
    "url_context_metadata",
    "avg_logprobs",
    "logprobs_result",
)


class Choice:
    """One candidate, merged from its chunks."""

    __slots__ = ("finish_reason", "metadata", "others", "partial", "texts", "thoughts", "tool_calls")

    def __init__(self, finish_reason: str | None = None) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.others: list[str] = []
        self.tool_calls: list[JsonDict] = []
        self.finish_reason = finish_reason
        self.metadata = Pieces()
        self.partial: PartialCall | None = None

    @property
    def text(self) -> str | None:
        """The answer without thoughts; `None` if there is no text."""
        return "".join(self.texts) if self.texts else None

    def in_maxim(self, index: int) -> JsonDict:
        """Return the choice in OpenAI's form."""
        message: JsonDict = {"role": "assistant", "content": self.text}
        if self.tool_calls:
            message["tool_calls"] = self.tool_calls
        return {"index": index, "message": message, "logprobs": None, "finish_reason": self.finish_reason}

    def remarks(self) -> JsonDict:
        """Return the metadata of the candidate: all that its message has no field for."""
        if not (self.metadata.merged or self.thoughts or self.others):
            return {}
        remarks = dict(self.metadata.merged)
        if self.thoughts:
            remarks["thoughts"] = "".join(self.thoughts)
        if self.others:
            remarks["parts"] = self.others
        return remarks


class ContentAnswer:
    """The model's answer so far. It keeps the text of a stream, not the chunks."""

    __slots__ = ("_choices", "_id_of", "_metadata", "attachments", "blocked", "created", "usage")

    def __init__(self, id_of: Callable[[types.FunctionCall], str]) -> None:
        self._choices: dict[int, Choice] = {}
        self._id_of = id_of
        self._metadata: JsonDict = {}
        self.attachments: list[tuple[Attachment, str]] = []
        self.blocked: str | None = None
        self.usage: types.GenerateContentResponseUsageMetadata | None = None
        self.created = int(time.time())

    def add(self, response: types.GenerateContentResponse) -> list[RequestedCall]:
        """Add a response, or a chunk of one; return the functions that its first candidate requests."""
        # With `should_return_http_response` the SDK returns the body without parsing it.
        if response.candidates is None and (
            body := getattr(getattr(response, "sdk_http_response", None), "body", None)
        ):
            response = _read(body, type(response))
        if response.usage_metadata is not None:
            self.usage = response.usage_metadata  # running totals, which may get smaller: only the last object is valid
        if response.response_id is not None:
            self._metadata["response_id"] = response.response_id
        if response.model_version is not None:
            self._metadata["model_version"] = response.model_version
        if (feedback := response.prompt_feedback) is not None:
            if feedback.block_reason is not None:
                self.blocked = named(feedback.block_reason)
                self._metadata["block_reason"] = self.blocked
            if feedback.block_reason_message is not None:
                self._metadata["block_reason_message"] = feedback.block_reason_message
            if feedback.safety_ratings:
                self._metadata["prompt_safety_ratings"] = dumped(feedback.safety_ratings)
        requested: list[RequestedCall] = []
        for position, candidate in enumerate(response.candidates or ()):
            index = position if candidate.index is None else candidate.index
            calls = self._add_candidate(index, candidate)
            # The SDK only runs the functions of the first candidate.
            if position == 0:
                requested = calls
        return requested

    def finish(self) -> list[RequestedCall]:
        """Complete function calls whose last piece is missing; return those of the first candidate."""
        requested: list[RequestedCall] = []
        for index, choice in self._choices.items():
            if choice.partial is not None:
                calls = self._complete(choice)
                if index == 0:
                    requested = calls
        return requested

    @property
    def text(self) -> str:
        """The text of the first candidate, or the reason for which the prompt was blocked."""
        if self.blocked is not None:
            return f"[blocked: {self.blocked}]"
        choice = self._choices.get(0)
        return (choice and choice.text) or ""

    @property
    def finish_reason(self) -> str | None:
        """The finish reason of the first candidate."""
        choice = self._choices.get(0)
        return choice.finish_reason if choice else self.blocked

    def result(self, response_id: str, model: str) -> JsonDict:
        """Return the result in OpenAI's form; *response_id* and *model* are used where the API gave none."""
        result: JsonDict = {
            "id": self._metadata.get("response_id") or response_id,
            "object": "chat.completion",
            "created": self.created,
            "model": self._metadata.get("model_version") or model,
            "choices": [self._choices[index].in_maxim(index) for index in sorted(self._choices)],
        }
        # Maxim shows the finish reason of a choice, so a blocked prompt needs one.
        if self.blocked is not None and not result["choices"]:
            result["choices"] = [Choice(self.blocked).in_maxim(0)]
        if usage := usage_in_maxim(self.usage):
            result["usage"] = usage
        return result

    def metadata(self) -> JsonDict:
        """Return the metadata of the answer: all that the result has no field for."""
        metadata = dict(self._metadata)
        for index in sorted(self._choices):
            if remarks := self._choices[index].remarks():
                metadata |= remarks if index == 0 else {f"candidate_{index}": remarks}
        if (traffic := getattr(self.usage, "traffic_type", None)) is not None:
            metadata["traffic_type"] = named(traffic)
        return metadata

    def _add_candidate(self, index: int, candidate: types.Candidate) -> list[RequestedCall]:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice()
        requested: list[RequestedCall] = []
        if candidate.content is not None:
            for part in candidate.content.parts or ():
                if (text := part.text) is not None:
                    (choice.thoughts if part.thought else choice.texts).append(text)
                elif (call := part.function_call) is not None:
                    requested += self._add_call(choice, call)
                elif attachment := attached(part):
                    self.attachments.append((attachment, "thoughts" if part.thought else "output"))
                    (choice.thoughts if part.thought else choice.others).append(described(attachment))
                elif other := placeholder(part):
                    (choice.thoughts if part.thought else choice.others).append(other)
        if candidate.finish_reason is not None:
            choice.finish_reason = named(candidate.finish_reason)
        # By name, because each release of google-genai has other ones of these fields.
        fields = vars(candidate)
        for name in _CANDIDATE_METADATA:
            if (value := fields.get(name)) is not None:
                choice.metadata.add(name, dumped(value))
        return requested

    def _add_call(self, choice: Choice, call: types.FunctionCall) -> list[RequestedCall]:
        if choice.partial is not None or getattr(call, "will_continue", None):
            requested = self._complete(choice) if call.name else []  # a piece with a name begins another call
            if choice.partial is None:
                from .partial_args import PartialCall  # not with this module: only Vertex streams calls, on request

                choice.partial = PartialCall(call)
            else:
                choice.partial.add(call)
            return requested if getattr(call, "will_continue", None) else requested + self._complete(choice)
        call_id = self._id_of(call)
        choice.tool_calls.append(in_openai_form(call_id, call.name, call.args))
        return [RequestedCall(call_id, call)]

    def _complete(self, choice: Choice) -> list[RequestedCall]:
        if choice.partial is None:
            return []
        call = choice.partial.whole()
        choice.partial = None
        return self._add_call(choice, call)


def _read(body: str, kind: type[types.GenerateContentResponse]) -> types.GenerateContentResponse:
    """Return the response in *body*, which the SDK did not parse."""
    try:
        return kind.model_validate(json.loads(body))
    except ValueError:
        part = {"text": f"[HTTP response, {size_of(body.encode())}]"}
        return kind.model_validate({"candidates": [{"content": {"parts": [part]}}]})


def named(member: object) -> str:
    """Return the value of an enumeration's member as the API wrote it, even if it is unknown to the SDK."""
    return str(getattr(member, "_value_", member))  # `value` is a slow descriptor before Python 3.12


def dumped(value: Any) -> Any:
    """Return *value* as plain JSON data."""
    if isinstance(value, list):
        return [dumped(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if (members := mapping(value)) is not None:
        return {name: dumped(item) for name, item in members.items()}
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", exclude_none=True) if dump else value


def usage_in_maxim(usage: types.GenerateContentResponseUsageMetadata | None) -> JsonDict | None:
    """Return token counts in OpenAI's form; `None` if the API gave none. A single missing count is 0."""
    if usage is None:
        return None
    prompt, tools = usage.prompt_token_count, usage.tool_use_prompt_token_count
    candidates, thoughts = usage.candidates_token_count, usage.thoughts_token_count
    if prompt is None and candidates is None and usage.total_token_count is None:
        return None
    total = usage.total_token_count
    sent, received = (prompt or 0) + (tools or 0), (candidates or 0) + (thoughts or 0)
    counted: JsonDict = {
        "prompt_tokens": sent,
        "completion_tokens": received,
        "total_tokens": sent + received if total is None else total,
    }
    cached = usage.cached_content_token_count
    by_modality = usage.prompt_tokens_details or usage.candidates_tokens_details or usage.cache_tokens_details
    if not by_modality and cached is None and tools is None and thoughts is None:
        return counted
    for side, modalities, counts in (
        ("input", usage.prompt_tokens_details, {"cached_tokens": cached, "tool_use_tokens": tools}),
        ("output", usage.candidates_tokens_details, {"reasoning_tokens": thoughts}),
        ("cached", usage.cache_tokens_details, {"cached_tokens": cached}),
    ):
        details = {name: count for name, count in counts.items() if count is not None}
        for one in modalities or ():
            if one.modality is not None:
                details[f"{named(one.modality).lower()}_tokens"] = one.token_count or 0
        if details:
            counted[f"{side}_token_details"] = details
    return counted
