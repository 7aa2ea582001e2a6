"""What Maxim must have heard of an answer, worked out from its raw JSON alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maxim_gemini._core.logger import Ledger
from support.tally import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maxim_gemini.testing import FakeLogger
    from support.programs import Run


def check_against_the_wire(run: Run) -> None:
    """Compare each generation with the answer that it stands for."""
    assert run.logger is not None
    check_nothing_failed(run.logger)
    for number, generation_id in run.generations.items():
        generation = run.logger.generations[generation_id]
        events = run.gemini.spoken(number)
        logged = {
            "text": generation.text or "",
            "usage": {name: count for name, count in generation.usage.items() if name.endswith("_tokens")},
            "finish_reason": generation.finish_reason,
            "tool_calls": [(call.name, call.arguments) for call in generation.tool_calls],
        }
        assert logged == truth(events), (number, events)
        count("invariants: generation equals raw answer")
    assert len(set(run.generations.values())) == len(run.generations) == len(run.gemini.requests)


def truth(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the raw *events* of one answer say."""
    parts = [part for candidate in _first_candidates(events) for part in _parts(candidate)]
    reasons = [one["finishReason"] for one in _first_candidates(events) if one.get("finishReason")]
    blocks = [
        event["promptFeedback"]["blockReason"] for event in events if event.get("promptFeedback", {}).get("blockReason")
    ]
    return {
        "text": "".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        "usage": _usage([event["usageMetadata"] for event in events if event.get("usageMetadata") is not None]),
        "finish_reason": (reasons or [None if any(_candidates(events)) else (blocks or [None])[-1]])[-1],
        "tool_calls": [(call["name"], call.get("args", {})) for part in parts if (call := part.get("functionCall"))],
    }


def _candidates(events: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for event in events:
        for position, candidate in enumerate(event.get("candidates", ())):
            yield candidate.get("index", position), candidate


def _first_candidates(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is said of the candidate with the lowest index."""
    numbered = list(_candidates(events))
    lowest = min((index for index, _ in numbered), default=0)
    return [candidate for index, candidate in numbered if index == lowest]


def _parts(candidate: dict[str, Any]) -> Iterable[dict[str, Any]]:
    parts: Iterable[dict[str, Any]] = candidate.get("content", {}).get("parts", ())
    return parts


def _usage(counted: list[dict[str, Any]]) -> dict[str, int]:
    last = counted[-1] if counted else {}
    if not {"promptTokenCount", "candidatesTokenCount", "totalTokenCount"} & last.keys():
        return {}
    prompt = last.get("promptTokenCount", 0) + last.get("toolUsePromptTokenCount", 0)
    answer = last.get("candidatesTokenCount", 0) + last.get("thoughtsTokenCount", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": last.get("totalTokenCount", prompt + answer),
    }


def check_nothing_failed(logger: FakeLogger) -> None:
    """Check that no step of the wrapper's own raised an exception, which it would only have warned of."""
    assert not [kind for kind in Ledger.of(logger)._warned if kind.endswith(("Error", "Exception"))]
    count("invariants: no step of the wrapper failed")
