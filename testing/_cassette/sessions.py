"""Websocket sessions in a cassette, whose stored values are read message by message.

    uri, headers
    media       the files beside the cassette with sound and pictures: {file, from, type}
    ended       {code, reason, by}; missing where the recording ended first
    refused     the HTTP answer of a server that opened no connection: {status, headers, body}, and nothing below
    received    how the server's messages are written, where it is not the usual way; `sent` the same of the client's
    frames      {at, sent | received: value | text, media, json, type}

A value is JSON where writing it again gives the same bytes; `json` is the style of one message, `type` its kind of
frame, where they are not those of the others. `media` are three numbers for each empty `data` in the value: which file,
from which byte on, how many. Sound in PCM is one WAV file for each side, so that it can be listened to.

Pure, but for the files beside the cassette.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vcr.request import Request

from maxim_gemini.testing._http.websocket import Close, Conversation, Frame
from maxim_gemini.testing._json_types import is_list, is_object
from maxim_gemini.testing.exceptions import CassetteError

from . import bodies, json_text, yaml_reader
from .interaction import pairs, response_of, stored_headers, stored_of
from .json_text import as_text
from .messages import Ids, blobs_of, compared, given_ids, kind_of, path_of, size_of, value_of
from .scrubbing import METHOD
from .session_media import Media, Reader
from .yaml_format import FRAME, SessionBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing._http.exchange import Response

    from .interaction import Origin
    from .matching import Meaning
    from .scrubbing import Scrubber

_USUAL: Final = {"sent": {"json": json_text.REQUEST, "type": "text"}, "received": {"json": "pretty", "type": "binary"}}
_SIDE: Final = re.compile(rb'\{?"?at"?: [\d.e+-]+,?\s+"?(sent|received)')
_FRAMES: Final = b"\n  frames:"
_FRAME: Final = re.compile(re.escape(FRAME))


class StoredFrame(NamedTuple):
    """One message in its stored form."""

    values: dict[str, Any]
    is_sent: bool

    @property
    def at(self) -> float:
        """Seconds after the connection was opened."""
        return float(self.values.get("at", 0))

    @property
    def value(self) -> Any:
        """The JSON value, or the text; of media, without the data."""
        stored = self.values["sent" if self.is_sent else "received"]
        return value_of(stored) if isinstance(stored, str | bytes) else stored

    def amounts(self) -> dict[str, int]:
        """Return the amounts of media in it, in bytes by kind; empty if it has anything else."""
        blobs = blobs_of(self.value)
        slices = [*_slices(self.values.get("media", ()))]
        counts: Counter[str] = Counter()
        for blob in blobs:
            size = slices.pop(0)[2] if not blob["data"] and slices else size_of(blob["data"])
            counts[kind_of(blob)] += size
        return counts


class SessionValues(NamedTuple):
    """The values of one session."""

    session: dict[str, Any]


class WebsocketSession:
    """A recorded session."""

    def __init__(self, origin: Origin, index: int, content: SessionBlock | dict[str, Any], media: Media | None = None):
        self._origin = origin
        self._content = content
        self._media = media
        self._key: str | None = None
        self.index = index
        self.played = 0
        """How often it was replayed."""
        values = self.head
        self.path: Meaning = path_of(str(values["uri"]))
        """The address without host and version."""

    def __repr__(self) -> str:
        return f"<WebsocketSession {self.index + 1}: {self.uri}, played {self.played} times>"

    @cached_property
    def head(self) -> dict[str, Any]:
        """All values but the messages."""
        if isinstance(self._content, SessionBlock):
            above = self._content.body.partition(_FRAMES)[0]
            return yaml_reader.load(b"  " + above[2:], 2)
        return {name: value for name, value in self._content.items() if name != "frames"}

    @property
    def uri(self) -> str:
        """The address."""
        return str(self.head["uri"])

    @property
    def close(self) -> Close | None:
        """The close of the connection; `None` if the recording ended first."""
        ended = self.head.get("ended")
        return Close(int(ended["code"]), str(ended.get("reason", "")), ended.get("by", "server")) if ended else None

    @cached_property
    def refused(self) -> Response | None:
        """The server's refusal of the handshake, if there was one."""
        refused = self.head.get("refused")
        return None if refused is None else response_of(bodies.attached(refused, self._origin.shelf.fetch))

    def __len__(self) -> int:
        """Return the number of messages of both sides."""
        return len(self._starts if isinstance(self._content, SessionBlock) else self._content["frames"])

    def sides(self) -> Iterator[bool]:
        """Yield, for each message, whether the client sent it."""
        return (_is_sent(self._piece(index)) for index in range(len(self)))

    def frame(self, index: int) -> StoredFrame:
        """Return the message with that index."""
        piece = self._piece(index)
        return yaml_reader.tried(lambda _: _read(piece), None, self._origin.shelf.name, lambda: None)

    def message(self, frame: StoredFrame) -> str | bytes:
        """Return *frame* as it was on the wire.

        Raises:
            CassetteBroken: its media are missing or changed, or it is no message.
        """
        return yaml_reader.tried(self._written, frame, self._origin.shelf.name, lambda: None)

    @property
    def conversation(self) -> Conversation:
        """The whole session as it was on the wire."""
        frames = [self.frame(index) for index in range(len(self))]
        messages = tuple(Frame(self.message(frame), frame.is_sent, frame.at) for frame in frames)
        return Conversation(self.uri, tuple(pairs(self.head.get("headers"))), messages, self.close, self.refused)

    def sent(self) -> Iterator[Any]:
        """Yield the meanings of the client's messages, without media."""
        ids = Ids(self.call_ids)
        for index, is_sent in enumerate(self.sides()):
            if is_sent and not blobs_of((frame := self.frame(index)).value):
                yield compared(self.path, frame.value, ids, self._origin.ignored)

    @cached_property
    def call_ids(self) -> frozenset[str]:
        """The ids of all function calls of the server."""
        words = (b"toolCall", b"tool_call", b"step")  # without one, the message need not be read, which takes long
        pieces = enumerate(map(self._piece, range(len(self))))
        calls = [i for i, piece in pieces if not isinstance(piece, bytes) or any(word in piece for word in words)]
        return frozenset(name for index in calls for name in given_ids(self.frame(index).value))

    # What an interaction has, too

    @property
    def key(self) -> str:
        """The meaning of all client messages of the session, as text."""
        if self._key is None:
            self._key = self.whole_meaning.key
        return self._key

    @property
    def fingerprint(self) -> str:
        """A short form of the key."""
        return bodies.digest(self.key.encode(errors="surrogatepass"))

    @property
    def request(self) -> Request:
        """The opening of the session as a request, whose body is the client's first message."""
        first = next((frame for index in range(len(self)) if (frame := self.frame(index)).is_sent), None)
        body = None if first is None else json.dumps(first.value, default=str).encode()
        return Request(METHOD, self.uri, body, dict(pairs(self.head.get("headers"))))

    @property
    def meaning(self) -> Meaning:
        """The meaning of the session's opening."""
        return self.path._replace(body=next(self.sent(), None))

    @property
    def whole_meaning(self) -> Meaning:
        """The meaning of all client messages of the session."""
        return self.path._replace(body=[*self.sent()])

    @property
    def values(self) -> SessionValues:
        """Its stored values."""
        if isinstance(self._content, SessionBlock):
            return SessionValues({**self.head, "frames": [self.frame(index).values for index in range(len(self))]})
        return SessionValues(self._content)

    def block(self, attach: bodies.Attach) -> SessionBlock:
        """Return it in the form of the file; *attach* writes its media."""
        if isinstance(self._content, SessionBlock):
            return self._content
        content = dict(self._content)
        if self._media is not None:
            content |= {"media": media} if (media := self._media.stored(attach)) else {}
        if "refused" in content:
            content["refused"] = bodies.detached(content["refused"], attach)
        frames = content.pop("frames")
        return SessionBlock.of(content, frames)

    # Its parts

    def _piece(self, index: int) -> Any:
        """Return one message as text of the file, or as values."""
        if not isinstance(self._content, SessionBlock):
            return self._content["frames"][index]
        start = self._starts[index]
        end = self._starts[index + 1] - len(FRAME) if index + 1 < len(self._starts) else None
        return self._content.body[start:end]

    @cached_property
    def _starts(self) -> array[int]:
        """The positions of the messages in the text, so that a long session is not in memory twice."""
        assert isinstance(self._content, SessionBlock)
        body = self._content.body
        below = body.find(_FRAMES)
        frames = _FRAME.finditer(body, below) if below >= 0 else ()
        return array("Q", (frame.end() for frame in frames))

    @cached_property
    def _reader(self) -> Reader:
        if self._media is not None:
            return self._media.reader()
        return Reader(self._origin.shelf, self.head.get("media") or ())

    def check(self) -> None:
        """Read every message, the close and the head, and raise whatever is wrong with one of them."""
        for position in range(len(self)):
            # By its parts: the reader that a replay has would raise an error of its own, without the line.
            frame = _read(self._piece(position))
            if "media" not in frame.values:  # else its file would have to be read
                self._written(frame)
            float(frame.at)
        _ = self.close, self.refused, self.key

    def _written(self, frame: StoredFrame) -> str | bytes:
        side = "sent" if frame.is_sent else "received"
        usual: dict[str, str] = {**_USUAL[side], **(self.head.get(side) or {})}
        stored = frame.values[side]
        if is_object(stored) or is_list(stored):
            slices = _slices(frame.values.get("media", ()))
            value = _filled(stored, (self._reader.text(*one) for one in slices)) if "media" in frame.values else stored
            data = json_text.write(value, frame.values.get("json", usual["json"]))
        else:
            data = stored if isinstance(stored, bytes) else str(stored).encode()
        return data if frame.values.get("type", usual["type"]) == "binary" else data.decode()


def _is_sent(piece: Any) -> bool:
    if isinstance(piece, bytes):
        match = _SIDE.match(piece)
        if match is None:
            raise ValueError(f"{piece!r:.60} is no message")
        return match[1] == b"sent"
    return "sent" in piece


def _read(piece: Any) -> StoredFrame:
    if isinstance(piece, bytes):
        values: dict[str, Any] = json.loads(piece) if piece.startswith(b"{") else yaml_reader.load(b"      " + piece, 6)
    else:
        values = dict(piece)
    if ("sent" in values) == ("received" in values):
        raise ValueError("a message is either 'sent' or 'received'")
    return StoredFrame(values, "sent" in values)


def _slices(numbers: Any) -> Iterator[tuple[int, int, int]]:
    values = [int(number) for number in numbers]
    yield from zip(values[::3], values[1::3], values[2::3], strict=True)


def _filled(value: Any, texts: Iterator[str]) -> Any:
    """Return *value* with each empty `data` replaced by the next of *texts*."""
    if is_object(value):
        return {
            name: next(texts) if name == "data" and member == "" else _filled(member, texts)
            for name, member in value.items()
        }
    return [_filled(item, texts) for item in value] if is_list(value) else value


def checked_session(origin: Origin, index: int, content: Any, *, is_sealed: bool) -> WebsocketSession:
    """Return a session of a file; if the file was edited, all of it is checked.

    Raises:
        Exception: it is none.
    """
    if is_sealed:
        return WebsocketSession(origin, index, SessionBlock(content))
    session = WebsocketSession(origin, index, dict(content))
    session.check()
    return session


# Recorded


def recorded(
    origin: Origin, index: int, conversation: Conversation, scrubber: Scrubber, limit: int
) -> WebsocketSession:
    """Return *conversation* as a session, without secrets.

    Raises:
        CassetteError: it has more than *limit* bytes of media.
    """
    clean = scrubber.of_session(conversation)
    media = Media(origin.shelf)
    frames = [_stored(frame, clean, media) for frame in conversation.frames]
    # In two steps: whether a kind of media is small is known only when all of it is there.
    media.settle()
    for values in frames:
        media.place(values)
    if media.size > limit:
        raise CassetteError(
            f"{origin.shelf.name}: a live session has {media.size:,} bytes of sound and pictures, and at most "
            f"{limit:,} are kept: record a shorter one, or raise media_limit"
        )
    head: dict[str, Any] = {
        "uri": clean.address(conversation.uri),
        "headers": stored_headers(clean.headers(conversation.headers)),
        "ended": _ended(conversation.close, clean),
        "refused": _refused(conversation, clean),
        **_styles(frames),
        "frames": frames,
    }
    return WebsocketSession(
        origin, index, {name: value for name, value in head.items() if value not in (None, {})}, media
    )


def _refused(conversation: Conversation, clean: Scrubber) -> dict[str, Any] | None:
    if conversation.refused is None:
        return None
    handshake = Request(METHOD, conversation.uri, None, dict(conversation.headers))
    return stored_of(*clean.exchange(handshake, conversation.refused)).response


def _ended(close: Close | None, clean: Scrubber) -> dict[str, Any] | None:
    if close is None:
        return None
    return {"code": close.code, **({"reason": clean.text(close.reason)} if close.reason else {}), "by": close.by}


def _stored(frame: Frame, clean: Scrubber, media: Media) -> dict[str, Any]:
    side = "sent" if frame.is_sent else "received"
    data = frame.data
    value = json_text.storable(data)
    style = None if value is None else json_text.style_of(value, data, [_USUAL[side]["json"]])
    kind = "text" if isinstance(frame.message, str) else "binary"
    stored: dict[str, Any] = {"at": round(frame.at, 3)}
    if style is None:
        return {**stored, side: clean.value(as_text(data)), "json": None, "type": kind}
    slices: list[int] = []
    emptied = media.emptied(value, side, slices)
    stored |= {side: clean.json(emptied), "json": style, "type": kind}
    return {**stored, "media": slices} if slices else stored


def _styles(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """Remove the styles that all frames of a side share, and return them."""
    common: dict[str, Any] = {}
    for side, usual in _USUAL.items():
        own = [frame for frame in frames if side in frame]
        most = dict(usual)
        for name in ("json", "type"):
            counts = Counter(frame[name] for frame in own if frame[name] is not None)
            most[name] = counts.most_common(1)[0][0] if counts else usual[name]
        for frame in own:
            for name in ("json", "type"):
                if frame[name] in (None, most[name]):
                    del frame[name]
        if differing := {name: value for name, value in most.items() if value != usual[name]}:
            common[side] = differing
    return common
