"""`Reply`: Gemini's answer to one request, and how it is sent.

A reply is a sequence of steps: events with parts, pauses, and faults that end it. Replies are added with `+`: the steps
of the first one, then those of the second. A step that only completes an event (a finish reason, a count, grounding)
joins the event before it.
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
"""The schema of an interaction: steps or, until May 2026, outputs."""

NOTHING: Json = {}
"""No fields."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The content of one candidate in one event, as JSON of the wire."""

    index: int = 0
    parts: tuple[Json, ...] | None = None
    """The parts; `None` for an event without a content of the candidate, empty for a content without parts."""
    fields: Json = field(default_factory=JsonDict)
    """The other fields of the candidate: `finishReason`, `groundingMetadata` ..."""
    role: str | None = "model"

    def __add__(self, later: Candidate) -> Candidate:
        parts = later.parts if self.parts is None else (*self.parts, *(later.parts or ()))
        role = later.role if self.parts is None else self.role
        return Candidate(self.index, parts, {**self.fields, **later.fields}, role)


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, or a piece of a plain answer, sent at once."""

    candidates: tuple[Candidate, ...] = ()
    usage: Json | None = None
    """The token counts by their wire names; `None`: they are estimated when the reply is written."""
    fields: Json = field(default_factory=JsonDict)
    """The fields beside the candidates: `promptFeedback`."""
    loose: bool = False
    """`True` if it may be cut and joined in the style of the model family; otherwise it stays one event."""
    completes: bool = False
    """`True` if it belongs to the event before it."""

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
    """A pause."""

    seconds: float
    """The length; `inf`: until the client gives up."""


class Gate:
    """Stops a reply until the test opens the gate.

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
        """`True` if it is open."""
        return self._opened.is_set()

    def open(self) -> None:
        """Let the replies at the gate continue."""
        self._opened.set()

    def reach(self) -> None:
        """Note that a reply has reached the gate."""
        self._reached.set()

    def wait_until_reached(self, seconds: float = 5.0) -> bool:
        """Wait until everything before the gate was sent; return whether it was within *seconds*."""
        return self._reached.wait(seconds)

    def pass_through(self, seconds: float = 30.0) -> None:
        """Wait, in the reply's thread, until the gate is open; raise `ScriptError` after *seconds*."""
        self.reach()
        if not self._opened.wait(seconds):
            raise ScriptError(f"a reply waited {seconds:g} s at a closed gate: call gate.open()")


@dataclass(frozen=True, slots=True)
class Hold:
    """A wait at a gate."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A broken connection."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, in place of an answer or in the middle of a stream."""

    code: int
    message: str | None = None
    status: str | None = None
    details: tuple[Json, ...] | None = None


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A body, or events, that are sent unchanged."""

    body: bytes | None = None
    """The body; `None`: *events* are written in the style of real servers."""
    events: tuple[Any, ...] = ()
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    def only_value(self, request: object) -> Any:
        """Return the one event that a plain answer to *request* can be."""
        if len(self.events) != 1:
            raise ScriptError(
                f"{len(self.events)} raw events can't answer {request!r}: a plain answer is one JSON value"
            )
        return self.events[0]


@dataclass(frozen=True, slots=True)
class Document:
    """The answer of a method that generates no content: token counts, embeddings, files, caches."""

    kind: Literal["tokens", "embedding", "resource"]
    value: Any
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class InteractionStep:
    """A whole step of an interaction, as JSON of the wire."""

    step: Json
    deltas: tuple[Json, ...] | None = None
    """The deltas of its stream; `None`: cut as by real servers."""


@dataclass(frozen=True, slots=True)
class InteractionEvent:
    """An event in the stream of an interaction, as JSON of the wire. A plain answer leaves it out."""

    fields: Json


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """A comment in the stream of an interaction, which readers ignore."""


@dataclass(frozen=True, slots=True)
class InteractionSettings:
    """The fields of the whole interaction, and how it is served."""

    fields: Json = field(default_factory=JsonDict)
    """The fields, by their wire names: `id`, `status`, `usage` ..."""
    polls: int | None = None
    """How many polls find it still in progress; `None`: none."""
    schema: Schema = "steps"
    is_sorted: bool = False
    """`True` if the names in its JSON are in alphabetical order, as they were until February 2026."""

    def __or__(self, later: InteractionSettings) -> InteractionSettings:
        return InteractionSettings(
            {**self.fields, **later.fields},
            self.polls if later.polls is None else later.polls,
            "outputs" if "outputs" in (self.schema, later.schema) else "steps",
            self.is_sorted or later.is_sorted,
        )


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A message of a live server, as JSON of the wire."""

    fields: Json


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcription of the model's speech, or of the user's."""

    text: str
    is_input: bool
    if_requested: bool
    """`True` if it is only sent if the client's setup asks for transcriptions."""


@dataclass(frozen=True, slots=True)
class AfterAudio:
    """A wait for some seconds of the user's audio."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Interruption:
    """A wait for the user to speak, which then breaks off the turn."""


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
    """A live session: the server's answers, turn by turn."""

    turns: tuple[Turn, ...]
    setup: Json
    """The fields of `setupComplete`."""


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
"""One turn of a live server: a reply, or a function that makes one from the session so far."""

_LAST = (Disconnect, Failure, Verbatim, Document, Interruption, Hangup, Refusal, LiveSession)
_LIVE = (LiveMessage, Transcription, AfterAudio, Interruption, Hangup, Refusal, LiveSession)


@dataclass(frozen=True)
class Reply:
    """Gemini's answer to one request. Made by the functions of `maxim_gemini.testing.reply`, and added with `+`."""

    steps: tuple[Step, ...]
    identity: Json = field(default_factory=JsonDict)
    """The fields of the whole answer: `modelVersion`, `responseId`, `createTime` ..."""
    exact: bool = False
    """`True` if it is sent unchanged: nothing is counted, cut, joined or added."""
    wire: Literal["gemini", "vertex"] | None = None
    """The backend whose style it is written in; `None`: the requested one."""
    interaction: InteractionSettings | None = None
    """Settings that only interactions have."""

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
        """The events, without pauses and faults."""
        return tuple(step for step in self.steps if isinstance(step, Event))

    @property
    def failure(self) -> Failure | None:
        """The error at its end; `None` if there is none."""
        return next((step for step in self.steps if isinstance(step, Failure)), None)

    @property
    def text(self) -> str:
        """The text of the first candidate, without thoughts."""
        return "".join(text for step in self.steps for text in _texts(step))

    @property
    def session(self) -> LiveSession | None:
        """The live session, if it is one."""
        return next((step for step in self.steps if isinstance(step, LiveSession)), None)

    @property
    def refusal(self) -> Failure | None:
        """The refusal of a websocket's handshake, if it is one."""
        return next((step.failure for step in self.steps if isinstance(step, Refusal)), None)

    @property
    def needs_live(self) -> bool:
        """`True` if it has steps that only a live session has."""
        return any(isinstance(step, _LIVE) for step in self.steps)

    @property
    def needs_interactions(self) -> bool:
        """`True` if it has steps that only the Interactions API has."""
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
            return f"live session of {len(turns)} turn{'s' * (len(turns) != 1)}"
        case _:
            return type(step).__name__.lower()


def _shown_part(part: Json) -> str:
    kind = next(iter(part), "nothing")
    value = part.get(kind)
    if kind == "text":
        return repr(value if len(str(value)) <= 40 else f"{str(value)[:37]}...")
    return f"{kind} {value['name']}" if isinstance(value, Mapping) and "name" in value else kind
