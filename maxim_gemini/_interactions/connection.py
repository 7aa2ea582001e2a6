"""A live interaction: converts the events of its websocket to a trace, with a generation for each answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from .._core.generation import CANCELLED, SUCCESS
from .._core.values import as_json, mapping
from .call import InteractionChains
from .steps import JsonDict, listed

if TYPE_CHECKING:
    from .._core.connection import Frame
    from .._core.generation import Outcome, Start
    from .call import InteractionCall

_OTHER_INPUT: Final = frozenset({"user_action", "world_setup"})
"""Events of the application that are no content; they are logged as JSON."""


class Event(dict[str, Any]):
    """An event of a connection, in a form that can be read like an event of a stream."""

    @property
    def event_type(self) -> Any:
        """The kind of event."""
        return self.get("event_type")


class LiveInteraction:
    """One connection to the interaction *interaction_id*, recorded by *call*, which it ends if *is_own*."""

    def __init__(self, call: InteractionCall, interaction_id: str, *, is_own: bool) -> None:
        self._call = call
        self._is_own = is_own
        self._id = interaction_id
        self._input: list[Any] = []
        self._sent_at: Start | None = None

    def begin(self) -> None:
        """Do nothing: the first event begins the trace."""

    def take(self, frame: Frame) -> None:
        """Read the events of the next frame; the SDK raises an error if it is no JSON."""
        try:
            message = mapping(json.loads(frame.content)) or {}
        except ValueError:
            return
        for event in filter(None, map(mapping, listed(message.get("events")) or [message])):
            kind = str(event.get("event_type") or "")
            if frame.is_sent:
                self._sent(kind, event, frame.at)
            else:
                self._received(kind, event, frame.at)

    def _sent(self, kind: str, event: JsonDict, at: Start) -> None:
        if kind == "input":
            self._input += listed(event.get("content"))
        elif kind in _OTHER_INPUT:
            self._input.append(as_json(event))
        elif kind == "interaction.create":
            self._call.configure({name: value for name, value in event.items() if name != "event_type"})
        elif kind == "interaction.cancel":
            self._finish(CANCELLED, {"status": "cancelled"}, at)
        else:
            return
        self._sent_at = at

    def _received(self, kind: str, event: JsonDict, at: Start) -> None:
        if kind in ("interaction.completed", "interaction.cancelled", "interaction.canceled"):
            status = kind.removeprefix("interaction.").replace("canceled", "cancelled")
            head = {name: event[name] for name in ("usage", "created", "updated") if event.get(name)}
            self._finish(SUCCESS, {"status": status, **head, **_failure_in(event.get("status"))}, at)
        elif kind == "error" or kind.startswith("step."):
            self._answer(at)
            self._call.add(Event(event), at)

    def _answer(self, at: Start) -> None:
        """Begin a generation at the first event after new input."""
        if self._call.generation is not None and not self._input:
            return
        # No event marks the end of an answer: new input does.
        self._call.learn({"status": "requires_action" if self._call.waits_for_functions else "completed"})
        self._ask(self._sent_at or at)

    def _ask(self, at: Start) -> None:
        sent, self._input = self._input, []
        self._call.ask({"input": sent}, at)
        self._call.learn({"id": self._id, "status": "in_progress"})

    def _finish(self, outcome: Outcome, head: JsonDict, at: Start) -> None:
        """End the interaction; *head* may have the last token counts."""
        if self._input or (self._call.generation is None and head.get("usage")):
            self._ask(self._sent_at or at)
        self._call.learn(head)
        self._call.log.shared(InteractionChains).end(self._id)
        self._call.end(outcome)

    def close(self, outcome: Outcome, at: Start, code: int) -> None:
        """End the call. A broken connection is an error, even if the interaction continues to run."""
        self.end(outcome, at)

    def end(self, outcome: Outcome, at: Start) -> None:
        """End the call, if the interaction has not ended yet."""
        if self._input:
            self._ask(self._sent_at or at)
        if self._is_own:
            self._call.end(outcome)


def _failure_in(status: object) -> JsonDict:
    """Return the error in a status: one with a code other than 0."""
    error = mapping(status)
    return {"errors": [error], "status": "failed"} if error and error.get("code") else {}
