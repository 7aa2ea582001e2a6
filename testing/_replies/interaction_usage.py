"""Estimate the token counts of an interaction, by the rules of `usage.py`: four characters a token; sums are exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .interaction_steps import whole
from .model import NOTHING, Event
from .usage import IMAGE_TOKENS, text_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maxim_gemini.testing._json_types import JsonDict

    from .model import Json, Step
    from .request import GeminiRequest
    from .style import Style

_COUNTS: Final = {
    "promptTokenCount": "total_input_tokens",
    "cachedContentTokenCount": "total_cached_tokens",
    "candidatesTokenCount": "total_output_tokens",
    "toolUsePromptTokenCount": "total_tool_use_tokens",
    "thoughtsTokenCount": "total_thought_tokens",
    "totalTokenCount": "total_tokens",
}
_DETAILS: Final = {
    "promptTokensDetails": "input_tokens_by_modality",
    "cacheTokensDetails": "cached_tokens_by_modality",
    "candidatesTokensDetails": "output_tokens_by_modality",
    "toolUsePromptTokensDetails": "tool_use_tokens_by_modality",
}
_ORDER: Final = (
    "total_tokens", "total_input_tokens", "input_tokens_by_modality", "total_cached_tokens",
    "cached_tokens_by_modality", "total_output_tokens", "output_tokens_by_modality", "total_tool_use_tokens",
    "tool_use_tokens_by_modality", "total_thought_tokens",
)  # fmt: skip


def interaction_usage(steps: tuple[Step, ...], request: GeminiRequest, style: Style) -> JsonDict:
    """Return the token counts of *steps* and *request*: those of the reply's own `usage`, or estimates."""
    own = _own(steps)
    parts = _made(steps)
    prompt = _by_modality(content for step in request.input_steps for content in step.get("content", ()))
    prompt["text"] = (
        prompt.get("text", 0) + text_tokens(request.system) + text_tokens(str(request.field("tools") or ""))
    )
    counted: JsonDict = {
        "total_input_tokens": max(1, sum(prompt.values())),
        **({} if style.on_vertex else {"total_cached_tokens": 0}),
        "total_output_tokens": sum(_by_modality(parts["output"]).values()),
        **({} if style.on_vertex else {"total_tool_use_tokens": 0}),
        "total_thought_tokens": sum(_by_modality(parts["thought"]).values()),
        **own,
    }
    if "total_input_tokens" not in own:
        counted.setdefault("input_tokens_by_modality", _listed(prompt or {"text": 1}))
    counted.setdefault("input_tokens_by_modality", _listed({"text": counted["total_input_tokens"]}))
    pictures = {name: count for name, count in _by_modality(parts["output"]).items() if name != "text"}
    if (pictures or style.on_vertex) and "total_output_tokens" not in own:
        counted.setdefault("output_tokens_by_modality", _listed(pictures or {"text": counted["total_output_tokens"]}))
    added = ("total_input_tokens", "total_output_tokens", "total_thought_tokens", "total_tool_use_tokens")
    counted.setdefault("total_tokens", sum(counted.get(name, 0) for name in added))
    known: JsonDict = {name: counted[name] for name in _ORDER if name in counted}
    return {**known, **{name: value for name, value in counted.items() if name not in known}}


def _own(steps: tuple[Step, ...]) -> JsonDict:
    usages = [step.usage for step in steps if isinstance(step, Event) and step.usage]
    own: JsonDict = {}
    for name, value in (usages[-1] if usages else NOTHING).items():
        if name in _COUNTS:
            own[_COUNTS[name]] = value
        elif name in _DETAILS:
            own[_DETAILS[name]] = _listed({item["modality"].lower(): item["tokenCount"] for item in value})
        elif name not in ("trafficType", "serviceTier"):
            own[name] = value
    return own


def _made(steps: tuple[Step, ...]) -> dict[str, list[Json]]:
    """Return the contents of the model, and the thoughts separately; calls count as the text of their arguments."""
    parts: dict[str, list[Json]] = {"output": [], "thought": []}
    for step in whole(steps):
        parts["output"] += step.get("content", ()) if step.get("type") == "model_output" else ()
        parts["thought"] += step.get("summary", ())
        if step.get("type") == "function_call":
            parts["output"].append({"type": "text", "text": f"{step.get('name')}{step.get('arguments')}"})
    return parts


def _by_modality(contents: Iterable[Json]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for content in contents:
        kind = str(content.get("type", "text"))
        tokens = text_tokens(str(content.get("text", ""))) if kind == "text" else IMAGE_TOKENS
        counts[kind] = counts.get(kind, 0) + tokens
    return counts


def _listed(counts: dict[str, int]) -> list[JsonDict]:
    return [{"modality": modality, "tokens": tokens} for modality, tokens in counts.items()]
