"""Replies as JSON of the wire: the base of the functions of `reply`, and of the readers of recorded bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from maxim_gemini.testing.exceptions import ScriptError

from .failures import check_code
from .model import Candidate, Event, Failure, Json, Reply


def part(fields: Json) -> Reply:
    """Return a reply of one part, which a stream may cut and join as the model family does."""
    return Reply((Event((Candidate(parts=(dict(fields),)),), loose=True),))


def pieces(*texts: str) -> Reply:
    """Return a reply of *texts*, each in a separate event."""
    return Reply(tuple(Event((Candidate(parts=({"text": checked_text(text)},)),)) for text in texts))


def beside(**fields: Any) -> Reply:
    """Set *fields* of the candidate, beside its content."""
    return Reply((Event((Candidate(fields=fields),), completes=True),))


def prompt_feedback(feedback: Json) -> Reply:
    """Set the *feedback* on the prompt."""
    return Reply((Event(fields={"promptFeedback": dict(feedback)}, completes=True),))


def failure(
    code: int, message: str | None = None, *, status: str | None = None, details: Sequence[Json] | None = None
) -> Reply:
    """Return an error; raise `ScriptError` if *code* is not one of an error."""
    return Reply((Failure(check_code(code), message, status, None if details is None else tuple(details)),))


def described(backend: Literal["gemini", "vertex"] | None, fields: Json) -> Reply:
    """Set *fields* of the whole answer, in the style of *backend*."""
    return Reply((), identity=dict(fields), wire=backend)


def event(*replies: Reply) -> Reply:
    """Send all of *replies* in one event."""
    joined = Event()
    for reply in replies:
        for one in only_events(reply):
            joined = joined + one
    return replace(combined(replies), steps=(joined,))


def exactly(*replies: Reply) -> Reply:
    """Send *replies* unchanged: nothing is counted, signed, cut or finished for them."""
    return replace(combined(replies), exact=True)


def candidate(index: int, reply: Reply) -> Reply:
    """Make *reply* the content of the candidate with that *index*."""
    return replace(
        reply,
        steps=tuple(
            replace(step, candidates=tuple(replace(c, index=index) for c in step.candidates), loose=False)
            if isinstance(step, Event)
            else step
            for step in reply.steps
        ),
    )


def combined(replies: Sequence[Reply]) -> Reply:
    """Return *replies* added together; an empty reply if there are none."""
    joined = Reply(())
    for reply in replies:
        joined = joined + reply
    return joined


def only_events(reply: Reply) -> tuple[Event, ...]:
    """Return the events of *reply*; raise `ScriptError` if it has other steps."""
    if any(not isinstance(step, Event) for step in reply.steps):
        raise ScriptError(f"{reply!r} has more than content: it can't be a part of an event or a candidate")
    return reply.events


def checked_text(text: str) -> str:
    """Return *text*; raise `ScriptError` if no server can send it."""
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ScriptError(f"text must be a str, got {text!r}")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ScriptError(f"no server sends half a surrogate pair: {text[:80]!r}")
    return text


def checked_json(value: Any) -> Any:
    """Return *value*; raise `ScriptError` if it can't be written as JSON."""
    match value:
        case Mapping():
            return {str(key): checked_json(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple():
            return [checked_json(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case float() if not math.isfinite(value):
            raise ScriptError(f"JSON has no number for {value}: send it as a string")
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ScriptError(f"{value!r} has no form in JSON: give objects, lists, text, numbers, booleans or None")
