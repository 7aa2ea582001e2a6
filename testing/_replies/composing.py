"""Adapt the steps of a reply to a model family: cut or joined, signed, finished, counted.

Nothing is written here: steps in, steps out.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from .interaction_steps import cut
from .model import NOTHING, Candidate, Disconnect, Event, Failure, Json, Reply, Step
from .request import parts_of
from .usage import by_modality, counted, details, part_tokens, recounted, with_text_first

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing._json_types import JsonDict

    from .request import GeminiRequest
    from .style import Style


def composed(reply: Reply, request: GeminiRequest, style: Style, seed: str) -> list[Step]:
    """Return the steps of *reply* as *style* sends them to *request*; ids and signatures are derived from *seed*."""
    steps = list(reply.steps) if request.action == "streamGenerateContent" else _in_one(reply)
    if reply.exact:
        return steps
    return _counted(_finished(_signed(_cut(steps, request, style), style, seed), request, style), request, style)


def _in_one(reply: Reply) -> list[Step]:
    """Return the steps with all events joined to one, in the place of the last one."""
    steps: list[Step] = [step for step in reply.steps if not isinstance(step, Event)]
    events = reply.events
    if not events:
        return steps
    whole = events[0]
    for event in events[1:]:
        whole = _joined(whole, event)
    position = max(position for position, step in enumerate(reply.steps) if isinstance(step, Event)) + 1 - len(events)
    steps.insert(position, whole)
    return steps


def _joined(earlier: Event, later: Event) -> Event:
    """Return both events as one, with texts of the same kind joined."""
    before = {candidate.index: len(candidate.parts or ()) for candidate in earlier.candidates}
    joined = earlier + later
    return replace(
        joined,
        candidates=tuple(
            replace(candidate, parts=_run_together(candidate.parts, before.get(candidate.index, 0)))
            for candidate in joined.candidates
        ),
    )


def _run_together(parts: tuple[Json, ...] | None, seam: int) -> tuple[Json, ...] | None:
    if not parts or not 0 < seam < len(parts):
        return parts
    left, right = parts[seam - 1], parts[seam]
    if (
        "text" not in left
        or "text" not in right
        or left.get("thought") != right.get("thought")
        or "thoughtSignature" in left
    ):
        return parts
    return (*parts[: seam - 1], {**left, **right, "text": left["text"] + right["text"]}, *parts[seam + 1 :])


def _cut(steps: list[Step], request: GeminiRequest, style: Style) -> list[Step]:
    """Return the steps with loose events cut and joined in the style of the family's streams."""
    if request.action != "streamGenerateContent":
        return steps
    pieces: list[Step] = []
    for step in steps:
        if not (isinstance(step, Event) and step.loose):
            pieces.append(step)
        elif _calls(step) and pieces and _calls(pieces[-1]) and not style.streams_calls_apart:
            pieces[-1] = pieces[-1] + step  # type: ignore[operator]
        else:
            pieces.extend(_pieces(step, style))
    return _with_empty_end(pieces, style)


def _calls(step: Step) -> bool:
    """Return whether *step* is a loose event with function calls only."""
    if not (isinstance(step, Event) and step.loose):
        return False
    parts = [part for candidate in step.candidates for part in candidate.parts or ()]
    return bool(parts) and all("functionCall" in part for part in parts)


def _pieces(event: Event, style: Style) -> Iterator[Event]:
    """Yield the pieces of a loose event with a single text; yield any other event unchanged."""
    candidate = event.candidates[0] if len(event.candidates) == 1 else Candidate()
    parts = candidate.parts or ()
    if len(parts) != 1 or "text" not in parts[0] or "thought" in parts[0]:
        yield event
        return
    texts = list(cut(str(parts[0]["text"]), style.text_sizes))
    for text in texts[:-1]:
        yield Event((Candidate(candidate.index, ({"text": text},)),), loose=True)
    last = replace(candidate, parts=({**parts[0], "text": texts[-1]},))
    yield replace(event, candidates=(last,))


def _with_empty_end(steps: list[Step], style: Style) -> list[Step]:
    """Return the steps with the empty text at the end of newer streams, if the answer ends in text or in calls."""
    last = steps[-1] if steps else None
    if not (style.ends_with_empty_text and isinstance(last, Event) and last.loose and len(last.candidates) == 1):
        return steps
    candidate = last.candidates[0]
    if (
        not candidate.parts
        or not {"text", "functionCall"} & set(candidate.parts[-1])
        or "thought" in candidate.parts[-1]
    ):
        return steps
    end = Candidate(candidate.index, ({"text": ""},), candidate.fields)
    content = replace(last, candidates=(replace(candidate, fields={}),), usage=None)
    return [*steps[:-1], content, replace(last, candidates=(end,))]


def _signed(steps: list[Step], style: Style, seed: str) -> list[Step]:
    """Return the steps with the ids and signatures of newer families: on the first call, or on the last text."""
    if not style.signs:
        return steps
    parts = [part for step in steps if isinstance(step, Event) for c in step.candidates[:1] for part in c.parts or ()]
    carrier = next((part for part in parts if "functionCall" in part or "inlineData" in part), None)
    carrier = carrier or next((part for part in reversed(parts) if "text" in part and "thought" not in part), None)
    if any("thoughtSignature" in part for part in parts):
        carrier = None

    def signed(candidate: Candidate) -> Candidate:
        parts: list[Json] = []
        for position, part in enumerate(candidate.parts or ()):
            signature = {"thoughtSignature": _signature(f"{seed}{position}")} if part is carrier else {}
            if "functionCall" in part and "name" in part["functionCall"] and "id" not in part["functionCall"]:
                made = hashlib.sha256(f"{seed}{position}{part}".encode()).hexdigest()[:8]
                part = {**part, "functionCall": {**part["functionCall"], "id": made}}
            parts.append({**part, **signature})
        return replace(candidate, parts=tuple(parts)) if parts else candidate

    return [
        replace(step, candidates=tuple(map(signed, step.candidates))) if isinstance(step, Event) else step
        for step in steps
    ]


def _signature(seed: str) -> str:
    """Return a made-up thought signature: standard base64 of a length-prefixed secret."""
    secret = b"".join(hashlib.sha256(f"{seed}{position}".encode()).digest() for position in range(4))
    return base64.b64encode(b"\x0a" + bytes([len(secret)]) + secret).decode()


def _finished(steps: list[Step], request: GeminiRequest, style: Style) -> list[Step]:
    """Return the steps with the index and end of each candidate, and with the fields at the end of an answer."""
    last = max((position for position, step in enumerate(steps) if isinstance(step, Event)), default=-1)
    broken = any(isinstance(step, Disconnect | Failure) for step in steps[last + 1 :])
    streams = request.action == "streamGenerateContent"
    grounded = streams and any(
        "groundingMetadata" in c.fields for step in steps if isinstance(step, Event) for c in step.candidates
    )
    ends: Json = {"groundingMetadata": {}} if grounded and not style.on_vertex else {}
    finished: list[Step] = []
    for position, step in enumerate(steps):
        if isinstance(step, Event):
            final = position == last and not (broken and streams)
            step = replace(
                step,
                candidates=tuple(_finished_candidate(c, final, streams, style, ends) for c in step.candidates),
            )
        finished.append(step)
    return finished


def _finished_candidate(candidate: Candidate, final: bool, streams: bool, style: Style, ends: Json) -> Candidate:
    fields: JsonDict = {**candidate.fields}
    thinks = bool(candidate.parts) and all("thought" in part for part in candidate.parts or ())
    fields = fields if thinks else {**ends, **fields}
    if style.says_index or candidate.index:
        fields.setdefault("index", candidate.index)
    if final:
        calls = any("functionCall" in part for part in candidate.parts or ())
        fields.setdefault("finishReason", "STOP")
        if fields["finishReason"] == "STOP" and style.announces_calls and calls:
            fields.setdefault("finishMessage", "Model generated function call(s).")
        if style.says_logprobs and not streams and candidate.parts:
            digest = hashlib.sha256(repr(candidate.parts).encode()).digest()
            fields.setdefault("avgLogprobs", -int.from_bytes(digest[:4], "big") / 2**33)
    return replace(candidate, fields=fields)


def _counted(steps: list[Step], request: GeminiRequest, style: Style) -> list[Step]:
    """Return the steps with token counts: running totals in each event or, on Vertex, all in the last event."""
    own = next((step.usage for step in reversed(steps) if isinstance(step, Event) and step.usage), NOTHING)
    prompt = _prompt_usage(request, own)
    answer_tokens: dict[str, int] = {}
    thoughts = 0
    answered = False
    last = max((position for position, step in enumerate(steps) if isinstance(step, Event)), default=-1)
    counted_steps: list[Step] = []
    for position, step in enumerate(steps):
        if isinstance(step, Event):
            for part in (part for candidate in step.candidates for part in candidate.parts or ()):
                modality, tokens = part_tokens(part)
                if part.get("thought"):
                    thoughts += tokens
                else:
                    answered = True
                    answer_tokens[modality] = answer_tokens.get(modality, 0) + tokens
            usage = _usage_now(prompt, answer_tokens, answered, thoughts, own, style, final=position == last)
            if step.usage and position != last:
                usage = recounted(usage, step.usage, style)
            step = replace(step, usage=usage)
        counted_steps.append(step)
    return counted_steps


def _prompt_usage(request: GeminiRequest, own: Json) -> JsonDict:
    contents = [*request.contents, request.field("systemInstruction")]
    parts = [part for content in contents for part in parts_of(content)]
    counts = by_modality([*parts, *({"text": str(tool)} for tool in request.field("tools") or ())])
    if "promptTokenCount" in own:
        return {"promptTokenCount": own["promptTokenCount"]}
    return {"promptTokenCount": max(1, sum(counts.values())), "promptTokensDetails": details(counts or {"TEXT": 1})}


def _usage_now(
    prompt: Json, answer_tokens: dict[str, int], answered: bool, thoughts: int, own: Json, style: Style, *, final: bool
) -> JsonDict:
    """Return the counts so far: *answer_tokens* by modality, *thoughts*, and whether anything is *answered* yet."""
    if style.on_vertex and not final:
        return {"trafficType": "ON_DEMAND"}
    usage: JsonDict = {**prompt}
    if final:
        usage |= {"candidatesTokenCount": sum(answer_tokens.values()), "thoughtsTokenCount": thoughts}
        if style.counts_by_modality and any(answer_tokens.values()) and "candidatesTokenCount" not in own:
            usage["candidatesTokensDetails"] = details(with_text_first(answer_tokens))
        return counted({**usage, **own}, style)
    if answered and style.counts_while_running:
        usage["candidatesTokenCount"] = min(sum(answer_tokens.values()), own.get("candidatesTokenCount", inf))
    if answered:
        usage["thoughtsTokenCount"] = own.get("thoughtsTokenCount", thoughts)
    running = {name: own[name] for name in ("toolUsePromptTokenCount", "cachedContentTokenCount") if name in own}
    return counted({**usage, **running}, style)
