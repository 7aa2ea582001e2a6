"""Describe a websocket session in a few lines: the messages of client and server, in order."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._cassette.messages import size_of
from maxim_gemini.testing._json_types import JsonDict, is_object, mapping

from .lines import Line, call_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing._cassette.sessions import StoredFrame, WebsocketSession

_JOINED: Final = frozenset({"model", "transcription", "transcribed", "sound out", "sound in"})
_NORMAL: Final = (1000, 1001)


def outcome(session: WebsocketSession) -> str:
    """Return the number of messages, and how the session ended."""
    if session.refused is not None:
        return f"refused with {session.refused.status} {session.refused.reason}".rstrip()
    sent = sum(session.sides())
    parts = [f"{sent} sent, {len(session) - sent} received"]
    if close := session.close:
        parts.append(f"closed by the {close.by} with {close.code}" + (f" ({close.reason})" if close.reason else ""))
    return ", ".join(parts)


def is_broken(session: WebsocketSession) -> bool:
    """Return whether there was no connection, or it ended in an error."""
    if session.refused is not None:
        return True
    return session.close is not None and session.close.code not in _NORMAL


def messages(session: WebsocketSession) -> Iterator[Line]:
    """Yield all messages, as they are stored."""
    yield from _refusal(session)
    for index in range(len(session)):
        frame = session.frame(index)
        yield Line("sent" if frame.is_sent else "received", _json(frame.value))


def lines(session: WebsocketSession) -> list[Line]:
    """Return the lines of a session, the pieces of one text or of one sound joined."""
    joined: list[Line] = [*_refusal(session)]
    sizes: Counter[int] = Counter()
    for index in range(len(session)):
        for line, size in _lines(session.frame(index)):
            if joined and joined[-1].who == line.who and line.who in _JOINED:
                joined[-1] = Line(line.who, joined[-1].text + ("" if size else line.text))
            else:
                joined.append(line)
            sizes[len(joined) - 1] += size
    return [
        Line(line.who, f"{line.text}, {sizes[index]:,} bytes") if sizes[index] else line
        for index, line in enumerate(joined)
    ]


def answer(session: WebsocketSession) -> JsonDict:
    """Return the parts of the server's messages to compare: texts, transcriptions, calls, amount of sound, the end."""
    texts: dict[str, str] = {}
    sound = 0
    for index, is_sent in enumerate(session.sides()):
        for line, size in () if is_sent else _lines(session.frame(index)):
            sound += size
            if not size and line.who != "usage":
                texts[line.who] = texts.get(line.who, "") + line.text
    refused = {"refused": outcome(session)} if session.refused else {}
    return {**refused, "ended": session.head.get("ended"), "sound_bytes": sound, **texts}


def _refusal(session: WebsocketSession) -> Iterator[Line]:
    if session.refused is not None and session.refused.body:
        yield Line("refusal", session.refused.body.decode(errors="replace"))


def _lines(frame: StoredFrame) -> Iterator[tuple[Line, int]]:
    value = frame.value
    if not is_object(value):
        yield Line("sent" if frame.is_sent else "received", str(value)), 0
    elif frame.is_sent:
        amounts = frame.amounts()
        yield from ((Line("sound in", kind), size) for kind, size in amounts.items())
        if not amounts:
            yield from ((Line(name, _json(member)), 0) for name, member in value.items())
    else:
        yield from _received(value, frame)


def _received(value: JsonDict, frame: StoredFrame) -> Iterator[tuple[Line, int]]:
    content = value.get("serverContent")
    for name, member in value.items():
        if name == "toolCall":
            calls = mapping(member).get("functionCalls") or ()
            yield Line("calls", ", ".join(call_text(call.get("name"), call.get("args")) for call in calls)), 0
        elif name == "usageMetadata":
            yield Line("usage", _json(member)), 0
        elif name != "serverContent":
            yield Line(name, _json(member)), 0
    slices = iter(frame.values.get("media", ())[2::3])
    for name, member in content.items() if is_object(content) else ():
        if name == "modelTurn" and is_object(member):
            yield from (_part(part, slices) for part in member.get("parts") or ())
        elif name == "outputTranscription" and is_object(member):
            yield Line("transcription", str(member.get("text", ""))), 0
        elif name == "inputTranscription" and is_object(member):
            yield Line("transcribed", str(member.get("text", ""))), 0
        else:
            yield Line(name, "" if member is True else _json(member)), 0


def _part(part: JsonDict, slices: Iterator[int]) -> tuple[Line, int]:
    if "text" in part:
        return Line("thought" if part.get("thought") else "model", str(part["text"])), 0
    if is_object(blob := part.get("inlineData")):
        data = str(blob.get("data", ""))
        return Line("sound out", str(blob.get("mimeType", ""))), size_of(data) if data else next(slices, 0)
    return Line("model", _json(part)), 0


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
