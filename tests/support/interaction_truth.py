"""What Maxim must have received of an interaction, worked out from its raw JSON alone."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from support.tally import count
from support.truth import check_nothing_failed

if TYPE_CHECKING:
    from support.interaction_programs import InteractionRun


class RawInteraction:
    """What an answer says, read from its raw JSON."""

    def __init__(self, body: str) -> None:
        self.is_stream = not body.lstrip().startswith(("{", "["))
        self.texts: list[str] = []
        self.calls: dict[str, str] = {}
        self.status: str | None = None
        self.total: int | None = None
        self.ran: set[str] = set()
        self.id: str | None = None
        self.kinds: set[str] = set()
        """The types of its steps, contents, deltas and events."""
        if not self.is_stream:
            value = json.loads(body)
            self._whole(value if isinstance(value, dict) else {})
            return
        for line in body.split("\n"):  # `splitlines` would split at U+2028 inside of a text
            if line.startswith("data:") and "[DONE]" not in line:
                with suppress(ValueError):  # a corrupt one: the application gets its text, the trace has a remark
                    self._event(json.loads(line[5:]))

    def _whole(self, value: dict[str, Any]) -> None:
        for step in value.get("steps") or value.get("outputs") or ():
            self._step(step)
        self.status, self.id = value.get("status"), value.get("id")
        self.total = (value.get("usage") or {}).get("total_tokens")

    def _event(self, event: dict[str, Any]) -> None:
        delta = event.get("delta") or {}
        self.kinds |= {str(event.get("event_type")), *({str(delta.get("type"))} if delta else ())}
        if delta.get("type") == "text":
            self.texts.append(delta.get("text") or "")
        if delta.get("type") == "function_call":
            self.calls[delta["id"]] = delta["name"]
        self._step(event.get("step") or event.get("content") or {})
        head = event.get("interaction") or {}
        self.status = head.get("status") or event.get("status") or self.status
        self.id = head.get("id") or self.id
        self.total = (head.get("usage") or {}).get("total_tokens", self.total)

    def _step(self, step: dict[str, Any]) -> None:
        kind = step.get("type")
        self.kinds |= {str(item.get("type")) for item in (step, *(step.get("content") or ())) if item}
        if kind == "text":
            self.texts.append(step.get("text") or "")
        elif kind == "model_output":
            self.texts += [item.get("text") or "" for item in step.get("content") or () if item["type"] == "text"]
        elif kind == "function_call" and step.get("name"):
            self.calls[step.get("id") or str(len(self.calls))] = step["name"]
        elif kind == "function_result":
            self.ran.add(step["call_id"])

    @property
    def text(self) -> str:
        """The text of its outputs."""
        return "".join(self.texts)

    @property
    def requested(self) -> list[str]:
        """The functions that the application is asked to run."""
        return [name for call_id, name in self.calls.items() if call_id not in self.ran]

    @property
    def is_text(self) -> bool:
        """Whether nothing but text, thoughts and function calls is in it: other things stand in the text as remarks."""
        return self.kinds <= _TEXTUAL


_TEXTUAL = {
    *("model_output", "text", "thought", "function_call", "thought_signature", "thought_summary", "arguments_delta"),
    *("interaction.created", "interaction.status_update", "interaction.completed"),
    *("step.start", "step.delta", "step.stop"),
}


def check_interactions(run: InteractionRun) -> None:
    """Compare each generation with the answer that it stands for, and each chain with its session."""
    assert run.logger is not None
    check_nothing_failed(run.logger)
    sessions: dict[str, str | None] = {}
    latest = {generation_id: number for number, generation_id in run.generations.items()}
    for generation_id, number in latest.items():  # google-genai may send the request of one remote call again
        generation = run.logger.generations[generation_id]
        request = json.loads(run.gemini.requests[number][-1])
        trace = next(trace for trace in run.logger.traces if generation_id in {one.id for one in trace.generations})
        before = request.get("previous_interaction_id")
        labels = run.labels[number]
        if not labels:
            assert trace.session_id is not None
            assert sessions.get(before) in (None, trace.session_id)
            count("invariants: a chain is one session")
        if generation.metadata.get("interaction_id"):
            # A call in a trace of the application's own begins no session: the chain's begins with the next call.
            session_id = labels.get("session_id") if "trace_id" in labels else trace.session_id
            sessions[str(generation.metadata["interaction_id"])] = session_id
        if request.get("background") or generation.error or _LEFT & generation.metadata.keys():
            continue
        raw = RawInteraction(bytes(run.gemini.bodies[number]).decode())
        if not raw.id or not raw.is_text:
            continue
        received = {
            "text": generation.text or "",
            "calls": [call.name for call in generation.tool_calls],
            "status": generation.metadata.get("status"),
            "total": (generation.usage or {}).get("total_tokens"),
        }
        expected = {"text": raw.text, "calls": raw.requested, "status": raw.status, "total": raw.total}
        assert received == expected, (number, raw.kinds)
        count("invariants: generation of an interaction equals raw answer")
    assert {one.id for one in run.logger.generations} == latest.keys()


_LEFT = {"stopped_early", "cancelled", "abandoned"}
