"""JSON with its fields in the order in which real servers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maxim_gemini.testing._json_types import JsonDict

    from .model import Candidate, Event, Json
    from .style import Style

_ANSWER_ORDER: Final = (
    "candidates", "promptFeedback", "usageMetadata", "modelVersion", "createTime", "responseId", "turnToken",
)  # fmt: skip
_CANDIDATE_ORDER: Final = (
    "content", "finishReason", "safetyRatings", "citationMetadata", "index", "finishMessage", "avgLogprobs",
    "logprobsResult", "groundingMetadata", "urlContextMetadata",
)  # fmt: skip
_USAGE_ORDER: Final = (
    "promptTokenCount", "candidatesTokenCount", "totalTokenCount", "cachedContentTokenCount", "trafficType",
    "promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "toolUsePromptTokenCount",
    "toolUsePromptTokensDetails", "thoughtsTokenCount", "serviceTier",
)  # fmt: skip


def answer_json(event: Event, identity: Json, style: Style) -> JsonDict:
    """Return *event* as the JSON of an answer that says *identity* of itself."""
    candidates = [_candidate_json(candidate, style) for candidate in event.candidates]
    answer: JsonDict = {"candidates": candidates} if candidates else {}
    answer |= event.fields
    if event.usage is not None:
        answer["usageMetadata"] = ordered(event.usage, _USAGE_ORDER)
    return ordered({**answer, **identity}, _ANSWER_ORDER)


def _candidate_json(candidate: Candidate, style: Style) -> JsonDict:
    fields = dict(candidate.fields)
    if candidate.parts is not None:
        parts: JsonDict = {"parts": list(candidate.parts)} if candidate.parts else {}
        role: JsonDict = {"role": candidate.role} if candidate.role else {}
        fields["content"] = role | parts if style.on_vertex else parts | role
    return ordered(fields, _CANDIDATE_ORDER)


def ordered(fields: Json, order: tuple[str, ...]) -> JsonDict:
    """Return *fields* in that *order*; all others come last."""
    known = {name: fields[name] for name in order if name in fields}
    return {**known, **{name: value for name, value in fields.items() if name not in known}}
