"""Write a reply to a request to the Interactions API as status, headers and body, like real servers.

Ids, signatures and times are derived from the request and from its place in the script, so that recording twice gives
the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import http
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._http import wire
from maxim_gemini.testing._json_types import JsonDict, is_list, is_object
from maxim_gemini.testing.exceptions import ScriptError

from .failures import error_body
from .interaction_steps import TEXT_SIZES, Steps, Streamed, compact, outputs, streamed, streamed_outputs, unfit, whole
from .interaction_usage import interaction_usage
from .model import (
    NOTHING,
    Disconnect,
    Document,
    Event,
    Failure,
    Hold,
    InteractionEvent,
    InteractionSettings,
    InteractionStep,
    KeepAlive,
    Pause,
    Reply,
    Schema,
    Verbatim,
)
from .ordering import ordered
from .render import EVENTS_TYPE, JSON_TYPE, Answer, common_headers
from .style import Style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .model import Json, Step
    from .render import Heads, Sent
    from .request import GeminiRequest

PLAIN_TYPE: Final = "application/json"
"""The media type of an interaction's JSON, without a charset."""
DONE: Final = b"event: done\ndata: [DONE]\n\n"

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ORDER: Final = (
    "id", "status", "outputs", "usage", "role", "created", "updated", "service_tier", "environment_id", "steps",
    "object", "input", "model", "agent",
)  # fmt: skip
_CREATED: Final = ("id", "status", "object", "model")
EVENTS: Final[dict[Schema, tuple[str, str, str]]] = {
    "steps": ("interaction.created", "step", "interaction.completed"),
    "outputs": ("interaction.start", "content", "interaction.complete"),
}
"""The names of events by schema: of the first event, of steps, and of the last event."""
CODES: Final = {400: "invalid_request", 401: "unauthenticated", 403: "permission_denied"}
"""The codes of errors with another name than their HTTP status."""
_MESSAGES: Final = {
    429: "Resource has been exhausted (e.g. check quota).",
    503: "The model is currently experiencing high demand, spikes in demand are usually temporary. "
    "Please try again later.",
}
_BLOCKED: Final = "The request was blocked because it contains prohibited content."
_CHAIN: Final = re.compile(rb"\n(.)", re.DOTALL)
_EVENT_ID: Final = re.compile(rb"(\d+)_text_\d+")


def write_interaction(reply: Reply, request: GeminiRequest, *, ordinal: int = 0) -> Answer:
    """Write *reply* as the answer to *request*, the *ordinal*-th of its script; raise `ScriptError` on a misfit."""
    reason = interaction_misfit(reply, request)
    if reason:
        raise ScriptError(f"{reply!r} can't answer {request!r}: {reason}")
    return written(finished(reply, request, ordinal), request)


def interaction_misfit(reply: Reply, request: GeminiRequest) -> str:
    """Return why *reply* can't answer *request* to the Interactions API; empty if it can."""
    documents = [step for step in reply.steps if isinstance(step, Document)]
    if documents and (documents[0].kind != "resource" or request.interaction_call == "create"):
        return f"it answers {documents[0].kind}, and an interaction was requested"
    reason = next((reason for event in reply.events if (reason := unfit(event))), "")
    if reason:
        return f"an interaction has no {reason}"
    polls = reply.interaction.polls if reply.interaction and request.interaction_call == "create" else None
    if polls is not None and not request.field("background"):
        return f"polls={polls} is for a request with background=True"
    if reply.failure and _content(reply) and not request.streams:
        return "an error after content can only come in a stream"
    return ""


def _content(reply: Reply) -> list[Step]:
    return [step for step in reply.steps if isinstance(step, Event | InteractionStep | InteractionEvent)]


# What the reply leaves open


def finished(reply: Reply, request: GeminiRequest, ordinal: int) -> Reply:
    """Return *reply* with all fields that real servers add: id, status, usage, times, a signed thought."""
    settings = reply.interaction or InteractionSettings()
    if reply.exact or any(isinstance(step, Verbatim | Document) for step in reply.steps):
        return replace(reply, interaction=settings)
    blocked = any("blockReason" in event.fields.get("promptFeedback", ()) for event in reply.events)
    if blocked:
        return Reply((Failure(400, _BLOCKED, "prohibited_content"),), exact=True, interaction=settings)
    style = Style.of(request.model, reply.wire or request.backend)
    seed = hashlib.sha256(request.resource.encode() + request.body + str(ordinal).encode()).digest()
    steps = _with_thought(reply.steps, seed) if request.model else reply.steps
    moment = (_EPOCH + timedelta(seconds=ordinal)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made: JsonDict = {
        "id": _id(seed, request, style),
        "status": _status(replace(reply, interaction=settings)),
        "usage": interaction_usage(steps, request, style),
        **({"role": "model" if request.model else "agent"} if settings.schema == "outputs" else {}),
        "created": moment,
        "updated": moment,
        **({"service_tier": "standard"} if request.model and not style.on_vertex else {}),
        "object": "interaction",
        **({"model": request.model} if request.model else {"agent": request.agent} if request.agent else {}),
    }
    fields = {name: value for name, value in {**made, **settings.fields}.items() if value is not None}
    return replace(reply, steps=steps, interaction=replace(settings, fields=fields))


def _with_thought(steps: tuple[Step, ...], seed: bytes) -> tuple[Step, ...]:
    """Return *steps* with a signed thought at the beginning, as of real models, if they have none."""
    begun = (
        isinstance(step, InteractionStep)
        or (isinstance(step, Event) and any(c.parts or c.fields for c in step.candidates))
        for step in steps
    )
    position = next((position for position, has_content in enumerate(begun) if has_content), None)
    if position is None or any(map(_thinks, steps)):
        return steps
    secret = b"".join(hashlib.sha256(seed + bytes([number])).digest() for number in range(4))
    signature = base64.b64encode(b"\x0a" + bytes([len(secret)]) + secret).decode()
    return (*steps[:position], InteractionStep({"signature": signature, "type": "thought"}), *steps[position:])


def _thinks(step: Step) -> bool:
    if isinstance(step, InteractionStep):
        return step.step.get("type") == "thought"
    parts = [part for c in step.candidates for part in c.parts or ()] if isinstance(step, Event) else []
    return any("thought" in part or "thoughtSignature" in part for part in parts)


def _status(reply: Reply) -> str:
    fields = reply.interaction.fields if reply.interaction else NOTHING
    if "continuation_token" in fields:
        return "requires_continuation"
    if fields.get("errors"):
        return "failed"
    steps = steps_of(reply)
    answered = {step.get("call_id") for step in steps}
    if any(step.get("type") == "function_call" and step.get("id") not in answered for step in steps):
        return "requires_action"
    ends = [c.fields.get("finishReason") for event in reply.events for c in event.candidates]
    return "incomplete" if "MAX_TOKENS" in ends else "completed"


def _id(seed: bytes, request: GeminiRequest, style: Style) -> str:
    """Return an id as real servers make it: the id of the chain, which all its interactions share, and its own."""
    own = base64.urlsafe_b64encode(seed[:17]).rstrip(b"=")
    if style.on_vertex and request.agent:
        packed = b"\n\x10" + seed[:8].hex().encode() + b"\x10\x08\x1a\x03275*\x04main"
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")
    chain = chain_of(str(request.field("previous_interaction_id") or "")) or own
    packed = b"\n" + bytes([len(chain)]) + chain + b"\x12" + bytes([len(own)]) + own
    return "v1_" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def chain_of(interaction_id: str) -> bytes:
    """Return the name of the chain in an id; empty if it has none."""
    data = _decoded(interaction_id)
    length = _CHAIN.match(data)
    return data[2 : 2 + length[1][0]] if length else b""


def _decoded(token: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(token.removeprefix("v1_") + "===") if token.startswith("v1_") else b""
    except (binascii.Error, ValueError):
        return b""


# Bytes


def written(reply: Reply, request: GeminiRequest) -> Answer:
    """Write a finished *reply* as the answer to *request*."""
    style = Style.of(request.model, reply.wire or request.backend)
    last = reply.steps[-1] if reply.steps else None
    waits = tuple(step for step in reply.steps if isinstance(step, Pause | Hold))
    if isinstance(last, Failure) and not _content(reply):
        body = error_json(last, request)
        return Answer(last.code, (("content-type", JSON_TYPE), *common_headers(style)), (*waits, body))
    heads = (("content-type", EVENTS_TYPE if request.streams else PLAIN_TYPE), *common_headers(style))
    if isinstance(last, Document):
        return Answer(200, heads, (*waits, compact(last.value).encode()))
    if isinstance(last, Verbatim):
        return _verbatim(last, heads, waits, request)
    sent = _events(reply, request, style) if request.streams else _plain(reply, request)
    return Answer(200, heads, tuple(sent))


def error_json(failure: Failure, request: GeminiRequest) -> bytes:
    """Return the body of an error; that of a bad key, which is refused earlier, has another form."""
    if failure.code == 400 and failure.message is None and failure.status is None:
        return b"[" + wire.dump_json(error_body(failure, request), end=b"\n]")
    return compact(error_fields(failure)).encode()


def code_of(status: int) -> str:
    """Return the code of an error with that HTTP status."""
    return CODES.get(status) or re.sub(r"\W+", "_", _phrase(status).lower())


def _phrase(status: int) -> str:
    return http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "Unknown"


def error_fields(failure: Failure) -> JsonDict:
    """Return an error as an interaction has it: its code is a name."""
    phrase = _phrase(failure.code)
    code = failure.status or code_of(failure.code)
    message = failure.message if failure.message is not None else _MESSAGES.get(failure.code, f"{phrase}.")
    details = {} if failure.details is None else {"details": list(failure.details)}
    return {"error": {"message": message, "code": code, **details}}


def _verbatim(verbatim: Verbatim, heads: Heads, waits: tuple[Sent, ...], request: GeminiRequest) -> Answer:
    own = {name.lower() for name, _ in verbatim.headers}
    heads = (*(pair for pair in heads if pair[0] not in own), *verbatim.headers)
    if verbatim.body is not None:
        bodies = [verbatim.body]
    elif request.streams:
        bodies = [_event(event, InteractionSettings()) for event in verbatim.events]
    else:
        bodies = [compact(verbatim.only_value(request)).encode()]
    return Answer(verbatim.status, heads, (*waits, *bodies))


def _plain(reply: Reply, request: GeminiRequest) -> Iterator[Sent]:
    data = _dumped(interaction_json(reply, request), reply.interaction or InteractionSettings())
    breaks = any(isinstance(step, Disconnect) for step in reply.steps)
    for step in reply.steps:
        if isinstance(step, Pause | Hold):
            yield step
    yield data[: len(data) // 2] if breaks else data
    if breaks:
        yield Disconnect()


def interaction_json(reply: Reply, request: GeminiRequest) -> JsonDict:
    """Return a finished *reply* as a plain answer's JSON."""
    settings = reply.interaction or InteractionSettings()
    steps = steps_of(reply)
    shown: JsonDict = {settings.schema: outputs(steps) if settings.schema == "outputs" else steps}
    shown = shown if steps else {}
    return ordered({**_shown_fields(reply, request), **shown}, _ORDER)


def _shown_fields(reply: Reply, request: GeminiRequest) -> JsonDict:
    fields = dict(reply.interaction.fields) if reply.interaction else {}
    if request.field("store") is False and not reply.exact:
        fields.pop("id", None)
    return fields


def steps_of(reply: Reply) -> list[Json]:
    """Return the whole steps of a finished *reply*."""
    return whole(reply.steps, _seed(reply))


def _seed(reply: Reply) -> str:
    return str(reply.interaction.fields.get("id", "")) if reply.interaction else ""


def _events(reply: Reply, request: GeminiRequest, style: Style) -> Iterator[Sent]:
    """Yield the events of a stream, and the waits between them."""
    settings = reply.interaction or InteractionSettings()
    own = {step.fields.get("event_type") for step in reply.steps if isinstance(step, InteractionEvent)}
    stream = _Stream(reply, request, style)
    fields = _shown_fields(reply, request)
    ahead = 0
    while ahead < len(reply.steps) and isinstance(reply.steps[ahead], KeepAlive | Pause | Hold):
        yield from stream.sent(reply.steps[ahead])
        ahead += 1
    if stream.resumed_from is None:
        for event in opening_events(fields, settings.schema):
            if event["event_type"] not in own:
                yield _event(event, settings)
    else:
        yield _event({"index": stream.resumed_from, "event_type": "step.stop"}, settings)
    for step in reply.steps[ahead:]:
        yield from stream.sent(step)
        if isinstance(step, Failure | Disconnect):
            return
    yield from stream.close()
    ending = ending_event(fields, settings.schema)
    if ending["event_type"] not in own:
        yield _event(ending, settings)
    yield DONE


def opening_events(fields: Json, schema: Schema) -> list[JsonDict]:
    """Return the two events with which the stream of an interaction of these *fields* begins."""
    begun = {**fields, "status": "in_progress"}
    named = {"interaction_id": fields["id"]} if "id" in fields else {}
    return [
        {"interaction": {name: begun[name] for name in _CREATED if name in begun}, "event_type": EVENTS[schema][0]},
        {**named, "status": "in_progress", "event_type": "interaction.status_update"},
    ]


def ending_event(fields: Json, schema: Schema) -> JsonDict:
    """Return the event with which it ends: it has no steps."""
    ended = {name: value for name, value in fields.items() if name not in ("steps", "outputs", "input")}
    return {"interaction": ordered(ended, _ORDER), "event_type": EVENTS[schema][2]}


class _Stream:
    """Numbers the steps of one stream, and opens and closes them."""

    def __init__(self, reply: Reply, request: GeminiRequest, style: Style) -> None:
        self._settings = reply.interaction or InteractionSettings()
        self._style = style
        self._steps = Steps(_seed(reply))
        self._word = EVENTS[self._settings.schema][1]
        self._is_exact = reply.exact
        self._is_replay = request.interaction_call == "get"
        self._open: Json | None = None
        self._may_join = False
        event_id = _EVENT_ID.fullmatch(_decoded(request.query.get("last_event_id", ""))) if self._is_replay else None
        self.resumed_from = int(event_id[1]) if event_id else None
        """The index of the step up to which the reader has everything."""
        self._index = -1 if self.resumed_from is None else self.resumed_from

    def sent(self, step: Step) -> Iterator[Sent]:
        match step:
            case Event():
                cuts = step.loose and not (self._is_exact or self._is_replay)
                for partial in self._steps.of_event(step):
                    yield from self._partial(partial, TEXT_SIZES if cuts else None)
            case InteractionStep():
                yield from self.close()
                named = self._steps.named(step)
                shown = self._streamed(named.step, None if self._is_exact or self._is_replay else TEXT_SIZES)
                if step.deltas is not None and shown:
                    shown = [Streamed(shown[0].start, step.deltas)]
                for one in shown:
                    yield from self._deltas(one, joins=False)
                yield from self.close()
            case InteractionEvent():
                yield from self.close()
                self._index += step.fields.get("event_type") == f"{self._word}.start"
                yield _event(step.fields, self._settings)
            case KeepAlive():
                yield b": keep-alive\n\n"
            case Failure():
                yield from self.close()
                yield _event({**error_fields(step), "event_type": "error"}, self._settings)
            case Pause() | Hold() | Disconnect():
                yield step
            case _:
                pass

    def close(self) -> Iterator[bytes]:
        """Yield the end of the open step, if there is one."""
        if self._open is not None:
            yield _event({"index": self._index, "event_type": f"{self._word}.stop"}, self._settings)
            self._open = None

    def _partial(self, step: Json, sizes: tuple[int, ...] | None) -> Iterator[bytes]:
        for one in self._streamed(step, sizes):
            yield from self._deltas(one, joins=one.joins)

    def _streamed(self, step: Json, sizes: tuple[int, ...] | None) -> list[Streamed]:
        if self._settings.schema == "outputs":
            return streamed_outputs(step, sizes=sizes)
        return [streamed(step, on_vertex=self._style.on_vertex, sizes=sizes)]

    def _deltas(self, one: Streamed, *, joins: bool) -> Iterator[bytes]:
        if not (joins and self._open == one.start):
            yield from self.close()
            self._index += 1
            self._open = one.start
            name = "step" if self._word == "step" else "content"
            opened = {"index": self._index, name: one.start, "event_type": f"{self._word}.start"}
            yield _event(opened, self._settings)
        for delta in one.deltas:
            numbered: dict[str, str] = {}
            if self._is_replay and delta.get("type") == "text":  # only the texts of a resumed stream have ids
                token = f"{self._index}_text_{len(str(delta['text'])) // TEXT_SIZES[-1]}"
                numbered["event_id"] = "v1_" + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
            event = {"index": self._index, "delta": delta, **numbered, "event_type": f"{self._word}.delta"}
            yield _event(event, self._settings)


def _event(fields: Json, settings: InteractionSettings) -> bytes:
    kind = str(fields.get("event_type", "message")) if is_object(fields) else "message"
    return b"event: " + kind.encode() + b"\ndata: " + _dumped(fields, settings) + b"\n\n"


def _dumped(value: object, settings: InteractionSettings) -> bytes:
    return compact(_sorted(value) if settings.is_sorted else value).encode()


def _sorted(value: object) -> Any:
    if is_object(value):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if is_list(value) else value
