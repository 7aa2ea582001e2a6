"""`Reply`: Gemini's answer to one request, and how it comes over the wire.

A reply is a row of steps: events that hold parts, pauses between them, and what may break them off. Replies add up with
`+`: first the one, then the other; what only completes an event (a finish reason, a count, grounding) joins the event
before it.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from maxim_gemini.testing._json_types import JsonDict
from maxim_gemini.testing.exceptions import ScriptError

if TYPE_CHECKING:
    from .request import GeminiRequest

Json: TypeAlias = Mapping[str, Any]

Schema: TypeAlias = Literal["steps", "outputs"]
"""How an interaction is written: in steps, or, until May 2026, in outputs."""

NOTHING: Json = {}
"""No fields."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The content of one candidate in one event, in the wire's own words."""

    index: int = 0
    parts: tuple[Json, ...] | None = None
    """`None`: this event has no content of the candidate; empty: a content without parts."""
    fields: Json = field(default_factory=JsonDict)
    """What stands beside the content: `finishReason`, `groundingMetadata` ..."""
    role: str | None = "model"

    def __add__(self, later: Candidate) -> Candidate:
        parts = later.parts if self.parts is None else (*self.parts, *(later.parts or ()))
        role = later.role if self.parts is None else self.role
        return Candidate(self.index, parts, {**self.fields, **later.fields}, role)


@dataclass(frozen=True, slots=True)
class Event:
    """What comes at once: one server-sent event, or a piece of a plain answer."""

    candidates: tuple[Candidate, ...] = ()
    usage: Json | None = None
    """Counts by their wire names; `None`: counted when the reply is written."""
    fields: Json = field(default_factory=JsonDict)
    """What stands beside the candidates: `promptFeedback`."""
    loose: bool = False
    """May be cut and joined as the model family does; else it stays one event."""
    completes: bool = False
    """Belongs to the event before it."""

    def __add__(self, later: Event) -> Event:
        """Return both as one event."""
        joined = {candidate.index: candidate for candidate in self.candidates}
        for candidate in later.candidates:
            known = joined.get(candidate.index)
            joined[candidate.index] = known + candidate if known else candidate
        usage = self.usage if later.usage is None else {**(self.usage or {}), **later.usage}
        return replace(self, candidates=tuple(joined.values()), usage=usage, fields={**self.fields, **later.fields})


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing comes for so long."""

    seconds: float
    """`inf`: until the client gives up."""


class Gate:
    """Holds a reply back until a test opens it.

    ```python
    gate = reply.Gate()
    server.reply(reply.stream("first") + reply.hold(gate) + reply.stream("second"))
    ...                                # the client has `first`, and waits
    gate.open()
    ```
    """

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._reached = threading.Event()

    def __repr__(self) -> str:
        return f"<Gate {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether it lets replies pass."""
        return self._opened.is_set()

    def open(self) -> None:
        """Let the reply go on."""
        self._opened.set()

    def reach(self) -> None:
        """Note that a reply has come to it."""
        self._reached.set()

    def wait_until_reached(self, seconds: float = 5.0) -> bool:
        """Wait until everything before the gate was sent; return whether that came within *seconds*."""
        return self._reached.wait(seconds)

    def pass_through(self, seconds: float = 30.0) -> None:
        """Wait until it is open, in a thread of the reply's own; raise `ScriptError` after *seconds*."""
        self.reach()
        if not self._opened.wait(seconds):
            raise ScriptError(f"a reply waited {seconds:g} s at a closed gate: call gate.open()")


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait at a gate."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The connection breaks."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error: in place of an answer, or in the middle of a stream."""

    code: int
    message: str | None = None
    status: str | None = None
    details: tuple[Json, ...] | None = None


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A body, or events, that are sent as they stand."""

    body: bytes | None = None
    """`None`: *events* are written in the style of real servers."""
    events: tuple[Any, ...] = ()
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """The answer to a method that generates nothing: token counts, embeddings, files, caches."""

    kind: Literal["tokens", "embedding", "resource"]
    value: Any
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class InteractionStep:
    """A whole step of an interaction, in the wire's own words."""

    step: Json
    deltas: tuple[Json, ...] | None = None
    """The deltas in which it streams; `None`: as real servers cut it."""


@dataclass(frozen=True, slots=True)
class InteractionEvent:
    """An event in the stream of an interaction, in the wire's own words. A plain answer is without it."""

    fields: Json


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """A comment in the stream of an interaction, which readers skip."""


@dataclass(frozen=True, slots=True)
class InteractionSettings:
    """The fields of the whole interaction, and how it is served."""

    fields: Json = field(default_factory=JsonDict)
    """By their wire names: `id`, `status`, `usage` ..."""
    polls: int | None = None
    """How often it is still in progress when it is polled; `None`: never."""
    schema: Schema = "steps"
    is_sorted: bool = False
    """Whether the names in its JSON are in alphabetical order, as they were until February 2026."""

    def __or__(self, later: InteractionSettings) -> InteractionSettings:
        return InteractionSettings(
            {**self.fields, **later.fields},
            self.polls if later.polls is None else later.polls,
            "outputs" if "outputs" in (self.schema, later.schema) else "steps",
            self.is_sorted or later.is_sorted,
        )


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A message of a live server, in the wire's own words."""

    fields: Json


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was spoken, as text: of the model, or of the user."""

    text: str
    is_input: bool
    if_requested: bool
    """Only where the client's setup asks for transcriptions."""


@dataclass(frozen=True, slots=True)
class AfterAudio:
    """Wait for so many seconds of the user's audio."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Interruption:
    """Wait for the user to speak, and break the turn off."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """The server closes the websocket."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server answers the handshake of a websocket with an error."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class LiveSession:
    """One connection: what the server answers, turn by turn."""

    turns: tuple[Turn, ...]
    setup: Json
    """What `setupComplete` holds."""


Step: TypeAlias = (
    Event
    | Pause
    | Hold
    | Disconnect
    | Failure
    | Verbatim
    | Document
    | InteractionStep
    | InteractionEvent
    | KeepAlive
    | LiveMessage
    | Transcription
    | AfterAudio
    | Interruption
    | Hangup
    | Refusal
    | LiveSession
)

Turn: TypeAlias = "Reply | Callable[[GeminiRequest], Reply | Awaitable[Reply]]"
"""What a live server answers in one turn: a reply, or a function that makes one of the session so far."""

_LAST = (Disconnect, Failure, Verbatim, Document, Interruption, Hangup, Refusal, LiveSession)
_LIVE = (LiveMessage, Transcription, AfterAudio, Interruption, Hangup, Refusal, LiveSession)


@dataclass(frozen=True)
class Reply:
    """What Gemini answers to one request. Made by the functions of `maxim_gemini.testing.reply`; added up with `+`."""

    steps: tuple[Step, ...]
    identity: Json = field(default_factory=JsonDict)
    """`modelVersion`, `responseId`, `createTime` and the other fields of the whole answer."""
    exact: bool = False
    """Written as it stands: nothing is counted, cut, joined or added."""
    wire: Literal["gemini", "vertex"] | None = None
    """Whose style it is written in; `None`: that of the requested backend."""
    interaction: InteractionSettings | None = None
    """What only interactions have; `None`: nothing."""

    def __add__(self, later: object) -> Self:
        if not isinstance(later, Reply):
            return NotImplemented
        _check_order(self, later)
        mine, others = self.interaction, later.interaction
        settings = mine | others if mine and others else mine or others
        steps, first = list(self.steps), later.steps[:1]
        if first and steps and isinstance(first[0], Event) and first[0].completes and isinstance(steps[-1], Event):
            steps[-1] = steps[-1] + first[0]
            first = ()
        return replace(
            self,
            steps=(*steps, *first, *later.steps[1:]),
            identity={**self.identity, **later.identity},
            exact=self.exact or later.exact,
            wire=later.wire or self.wire,
            interaction=settings,
        )

    def __repr__(self) -> str:
        return f"<Reply {', '.join(map(_shown, self.steps)) or 'nothing'}>"

    @property
    def events(self) -> tuple[Event, ...]:
        """Its events, without what is between them."""
        return tuple(step for step in self.steps if isinstance(step, Event))

    @property
    def failure(self) -> Failure | None:
        """The error that it ends with."""
        return next((step for step in self.steps if isinstance(step, Failure)), None)

    @property
    def text(self) -> str:
        """The answer's text, thoughts left out, of the first candidate."""
        return "".join(text for step in self.steps for text in _texts(step))

    @property
    def session(self) -> LiveSession | None:
        """The live session that it is."""
        return next((step for step in self.steps if isinstance(step, LiveSession)), None)

    @property
    def refusal(self) -> Failure | None:
        """What the handshake of a websocket is refused with."""
        return next((step.failure for step in self.steps if isinstance(step, Refusal)), None)

    @property
    def needs_live(self) -> bool:
        """Whether it holds what only a live session has."""
        return any(isinstance(step, _LIVE) for step in self.steps)

    @property
    def needs_interactions(self) -> bool:
        """Whether it holds what only the Interactions API has."""
        only = InteractionStep | InteractionEvent | KeepAlive
        return self.interaction is not None or any(isinstance(step, only) for step in self.steps)


def _texts(step: Step) -> list[str]:
    if isinstance(step, InteractionStep):
        contents = step.step.get("content", ()) if step.step.get("type") == "model_output" else ()
        return [str(content["text"]) for content in contents if "text" in content]
    candidates = step.candidates[:1] if isinstance(step, Event) else ()
    parts = [part for candidate in candidates for part in candidate.parts or ()]
    return [str(part["text"]) for part in parts if "text" in part and not part.get("thought")]


def _check_order(earlier: Reply, later: Reply) -> None:
    end = earlier.steps[-1] if earlier.steps else None
    if isinstance(end, _LAST) and later.steps:
        raise ScriptError(f"nothing comes after {_shown(end)}: make {later!r} a reply of its own")
    second = next((step for step in later.steps if isinstance(step, Verbatim | Document | Refusal)), None)
    if second is not None and _first_event(earlier):
        raise ScriptError(f"{_shown(second)} is a whole answer: it can't follow {earlier!r}")
    blocks_later = _blocked(later) and _first_event(earlier)
    if blocks_later or (_blocked(earlier) and any(event.candidates for event in later.events)):
        raise ScriptError(f"a blocked prompt has no candidates: {earlier!r} and {later!r} can't be one reply")


def _first_event(reply: Reply) -> Event | None:
    return next((step for step in reply.steps if isinstance(step, Event)), None)


def _blocked(reply: Reply) -> bool:
    first = _first_event(reply)  # nothing else is in a reply that blocks the prompt
    return first is not None and "blockReason" in first.fields.get("promptFeedback", ())


def _shown(step: Step) -> str:
    match step:
        case Event():
            shown = [_shown_part(part) for candidate in step.candidates for part in candidate.parts or ()]
            shown += [str(c.fields["finishReason"]) for c in step.candidates if "finishReason" in c.fields]
            return " ".join([*shown, *step.fields]) or "empty event"
        case Failure(code=code):
            return f"error {code}"
        case Pause(seconds=seconds):
            return f"wait {seconds:g} s"
        case Document(kind=kind):
            return kind
        case Verbatim(status=status):
            return f"raw {status}"
        case InteractionStep(step=fields):
            return " ".join(str(fields[name]) for name in ("type", "name") if name in fields)
        case InteractionEvent(fields=fields):
            return f"event {fields.get('event_type', '')}".strip()
        case LiveMessage(fields=fields):
            return " ".join(fields)
        case Transcription(text=text):
            return f"transcription {text!r}"
        case Hangup(code=code):
            return f"close {code}"
        case Refusal(failure=failure):
            return f"refuse {failure.code}"
        case LiveSession(turns=turns):
            return f"live session of {len(turns)} turns"
        case _:
            return type(step).__name__.lower()


def _shown_part(part: Json) -> str:
    kind = next(iter(part), "nothing")
    value = part.get(kind)
    if kind == "text":
        return repr(value if len(str(value)) <= 40 else f"{str(value)[:37]}...")
    return f"{kind} {value['name']}" if isinstance(value, Mapping) and "name" in value else kind
