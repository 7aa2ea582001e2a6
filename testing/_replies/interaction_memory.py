"""The interactions of one server, by id: they can be read, cancelled, deleted and continued."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .interaction_steps import compact
from .interaction_writing import (
    error_fields,
    finished,
    interaction_json,
    interaction_misfit,
    steps_of,
    write_interaction,
    written,
)
from .model import Document, Failure, InteractionSettings, InteractionStep, Reply

if TYPE_CHECKING:
    from maxim_gemini.testing._json_types import JsonDict

    from .render import Answer
    from .request import GeminiRequest

_RUNNING: Final = ("id", "created", "updated", "service_tier", "object", "model", "agent", "environment_id")
"""The fields of an interaction while it runs."""


@dataclass(slots=True)
class _Kept:
    """One interaction."""

    reply: Reply
    input_steps: list[JsonDict]
    """Its input, as steps."""
    size: int
    is_running: bool
    polls: int
    """The number of polls that will still find it in progress."""


class Interactions:
    """The latest interactions: at most *keep* of them, of *keep_bytes* in all. Safe to use from several threads."""

    def __init__(self, *, keep: int, keep_bytes: int) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def create(self, reply: Reply, request: GeminiRequest, ordinal: int) -> Answer:
        """Write *reply* as the answer to a request for an interaction, and keep it."""
        previous = request.field("previousInteractionId")
        if previous and previous not in self._kept:
            return written(_unknown(str(previous)), request)
        if interaction_misfit(reply, request):
            return write_interaction(reply, request, ordinal=ordinal)  # raises it
        whole = finished(reply, request, ordinal)
        settings = whole.interaction or InteractionSettings()
        if "id" not in settings.fields or request.field("store") is False:
            return written(whole, request)
        runs = request.field("background") is True
        self._add(str(settings.fields["id"]), whole, request, runs)
        return written(_running(whole) if runs and not request.streams else whole, request)

    def _add(self, name: str, reply: Reply, request: GeminiRequest, runs: bool) -> None:
        size = len(compact(interaction_json(reply, request))) + len(request.body)
        polls = (reply.interaction.polls or 0) if reply.interaction else 0
        with self._lock:
            self._drop(name)
            self._kept[name] = _Kept(reply, request.input_steps, size, runs, polls)
            self._bytes += size
            while len(self._kept) > self._keep or (self._bytes > self._keep_bytes and len(self._kept) > 1):
                self._drop(next(iter(self._kept)))

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        self._bytes -= kept.size if kept else 0

    def answer(self, request: GeminiRequest) -> Reply | None:
        """Return the answer to a request for an interaction that is, or was, kept here; `None` for all others."""
        name = request.interaction_id
        if not name or request.interaction_call not in ("get", "cancel", "delete"):
            return None
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                return _unknown(name)
            if request.interaction_call == "delete":
                self._drop(name)
                return Reply((Document("resource", {}),), exact=True)
            if request.interaction_call == "get":
                return _got(kept, request)
            if not kept.is_running:
                return Reply((Failure(400, f"The interaction is not in progress: interactions/{name}"),), exact=True)
            kept.is_running, kept.polls = False, 0
            kept.reply = _running(kept.reply, status="cancelled")
            return kept.reply


def _unknown(name: str) -> Reply:
    return Reply((Failure(400, f"Invalid interaction name: interactions/{name}"),), exact=True)


def _got(kept: _Kept, request: GeminiRequest) -> Reply:
    if kept.is_running and kept.polls and not request.streams:
        kept.polls -= 1
        return _running(kept.reply)
    kept.is_running = False
    failed = kept.reply.failure
    steps = tuple(map(InteractionStep, steps_of(kept.reply)))
    if request.streams:
        return replace(kept.reply, steps=(*steps, failed) if failed else steps, exact=True)
    settings = kept.reply.interaction or InteractionSettings()
    fields = dict(settings.fields)
    if failed is not None:
        fields |= {"status": "failed", "errors": [error_fields(failed)["error"]]}
    if request.query.get("include_input") == "true":
        fields["input"] = kept.input_steps
    inputs = map(InteractionStep, kept.input_steps)
    return replace(kept.reply, steps=(*inputs, *steps), interaction=replace(settings, fields=fields), exact=True)


def _running(reply: Reply, status: str = "in_progress") -> Reply:
    """Return *reply* without its result."""
    settings = reply.interaction or InteractionSettings()
    fields = {name: settings.fields[name] for name in _RUNNING if name in settings.fields} | {"status": status}
    return Reply((), interaction=replace(settings, fields=fields), exact=True, wire=reply.wire)
