"""Estimate token counts, with exact sums like real ones.

Nothing here tokenises: about four characters of text are a token, a picture is 258. What is exact is the arithmetic:
the total is prompt and tool-use prompt and answer and thoughts, a count of zero is left out, and the counts of a
Developer API stream are running totals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maxim_gemini.testing._json_types import is_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maxim_gemini.testing._json_types import JsonDict

    from .model import Json
    from .style import Style

IMAGE_TOKENS: Final = 258
AUDIO_TOKENS_PER_BYTE: Final = 1 / 1500

_ADDENDS: Final = ("promptTokenCount", "candidatesTokenCount", "toolUsePromptTokenCount", "thoughtsTokenCount")


def text_tokens(text: str) -> int:
    """Return an estimate of the tokens in *text*; 0 only for an empty one."""
    return -(-len(text) // 4)


def part_tokens(part: Json) -> tuple[str, int]:
    """Return the modality of a part, in either spelling, and an estimate of its tokens."""
    if "text" in part:
        return "TEXT", text_tokens(str(part["text"]))
    blob = part.get("inlineData") or part.get("inline_data") or part.get("fileData") or part.get("file_data")
    if not is_object(blob):
        return "TEXT", text_tokens(str({key: value for key, value in part.items() if key != "thoughtSignature"})) // 2
    kind = str(blob.get("mimeType", blob.get("mime_type", ""))).partition("/")[0]
    if kind == "audio":
        return "AUDIO", max(1, int(len(str(blob.get("data", ""))) * AUDIO_TOKENS_PER_BYTE))
    modality = {"image": "IMAGE", "video": "VIDEO", "application": "DOCUMENT"}.get(kind, "TEXT")
    return modality, IMAGE_TOKENS if modality != "TEXT" else text_tokens(str(blob.get("data", "")))


def by_modality(parts: Iterable[Json]) -> dict[str, int]:
    """Return the tokens of *parts* by modality, text first."""
    counts: dict[str, int] = {}
    for modality, tokens in map(part_tokens, parts):
        counts[modality] = counts.get(modality, 0) + tokens
    return with_text_first(counts)


def with_text_first(counts: dict[str, int]) -> dict[str, int]:
    """Return *counts* by modality in the order of the wire: text first, without zeros."""
    return {modality: tokens for modality, tokens in {"TEXT": 0, **counts}.items() if tokens}


def details(counts: dict[str, int]) -> list[JsonDict]:
    """Return *counts* in the form of the wire."""
    return [{"modality": modality, "tokenCount": tokens} for modality, tokens in counts.items()]


def total(usage: Json) -> int:
    """Return the total of *usage* by the rule of real servers."""
    return sum(int(usage.get(name, 0)) for name in _ADDENDS)


def recounted(usage: Json, own: Json, style: Style) -> JsonDict:
    """Return *usage* with the reply's *own* counts instead; the total and the details follow."""
    return counted({**{name: usage[name] for name in _ADDENDS if name in usage}, **own}, style)


def counted(usage: Json, style: Style) -> JsonDict:
    """Return *usage* with total, details by modality and the backend's tier or traffic type, without zeros."""
    counts = {name: value for name, value in usage.items() if value != 0}
    counts.setdefault("totalTokenCount", total(usage))
    if prompt := counts.get("promptTokenCount"):
        counts.setdefault("promptTokensDetails", details({"TEXT": prompt}))
    if style.counts_by_modality and (answer := counts.get("candidatesTokenCount")):
        counts.setdefault("candidatesTokensDetails", details({"TEXT": answer}))
    if tools := counts.get("toolUsePromptTokenCount"):
        counts.setdefault("toolUsePromptTokensDetails", details({"TEXT": tools}))
    if cached := counts.get("cachedContentTokenCount"):
        counts.setdefault("cacheTokensDetails", details({"TEXT": cached}))
    counts.setdefault(*(("trafficType", "ON_DEMAND") if style.on_vertex else ("serviceTier", "standard")))
    return counts
