"""Write cassette files: version 1 of vcrpy's format, in a readable layout with a single way to write each value.

A container that fits on its line is written there as JSON (which is YAML, too); a larger one is a block. Text is plain
if that is unambiguous, a literal block if it has several lines, and a JSON string otherwise, so that YAML's rules can't
change a value (`no`, `1e3`, dates, spaces at the end of a line).

The last line has a seal, the hash of the text above it. While the seal fits, the file was not edited, and it can be
read by its layout alone, without a YAML parser. Pure: values and bytes, since a large file is costly to decode, and
most of it is never looked at.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

from maxim_gemini.testing._json_types import JsonDict, is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

VERSION: Final = 1
SIGNATURE: Final = "# Recorded by maxim-gemini; `maxim-gemini cassettes check` verifies it.\n"
START: Final = f"{SIGNATURE}version: {VERSION}\n".encode()
REQUEST: Final = b"- request:\n"
RESPONSE: Final = b"\n  response:\n"
WEBSOCKETS: Final = b"websockets:\n"
SESSION: Final = b"- uri: "
"""How every websocket session begins."""
FRAME: Final = b"\n    - "
"""Before every message of a websocket session, whose continuation lines are further to the right."""
INDENT: Final = 4
"""Indentation of the members of a request and of a response."""
_LAYOUT: Final = b"1"
"""Changes whenever the layout does: the seals of older files no longer fit, and they are read as YAML."""
_SEAL: Final = b"... # seal "

WIDTH: Final = 100
"""Most columns of a container on one line."""

_WORDS: Final = r"""[\w ./,;!?'"()\[\]{}+*=%&@$<>~^|-]*"""
_PLAIN: Final = re.compile(rf"[^\W\d_]{_WORDS}(?::(?=\S){_WORDS})*(?<! )")
_AT: Final = re.compile(rb'(?m)(?<=^    - )(?:\{"at": [\d.]+|at: [\d.]+)')
_KEY: Final = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_NOT_PRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NOT_LITERAL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_RESERVED: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NUMBERS_A_LINE: Final = 8


class Attachment(NamedTuple):
    """A value that is a file beside the cassette."""

    name: str
    form: str = "file"
    """`file`: the bytes of the file; `base64` or `base64url`: its bytes written in that alphabet."""


class Block(NamedTuple):
    """One interaction in the form of the file, without the last line end of either half."""

    request: bytes
    response: bytes

    @classmethod
    def of(cls, request: JsonDict, response: JsonDict) -> Block:
        """Return the block of an interaction."""
        return cls(_encoded(dump(request, INDENT)), _encoded(dump(response, INDENT)))

    @property
    def whole(self) -> bytes:
        """Both halves, and what stands around them."""
        return b"".join((REQUEST, self.request, RESPONSE, self.response, b"\n"))

    @property
    def timeless(self) -> Block:
        """The same without the times at which its parts arrived."""
        # In columns, since the body, which is further to the right, may have such a member, too.
        before, _, after = self.response.partition(b"\n    times: [")
        return self._replace(response=before + after.partition(b"]")[2]) if after else self


class SessionBlock(NamedTuple):
    """One websocket session in the form of the file, from `- uri: ` on, without the last line end."""

    body: bytes

    @classmethod
    def of(cls, head: dict[str, Any], frames: Iterable[dict[str, Any]]) -> SessionBlock:
        """Return the block of a session whose first value is its `uri`."""
        lines = [line for frame in frames for line in _item(frame, "    ")]
        above = f"- {dump(head, 2)[2:]}"
        return cls(_encoded("\n".join([above, *(["  frames:", *lines] if lines else ["  frames: []"])])))

    @property
    def whole(self) -> bytes:
        """The session, and the line end behind it."""
        return self.body + b"\n"

    @property
    def timeless(self) -> SessionBlock:
        """The same without the times at which its messages passed."""
        return self._replace(body=_AT.sub(b"", self.body))


def _encoded(text: str) -> bytes:
    # Half a surrogate pair is refused when the file is saved: by then it is known what it is a part of.
    return text.encode(errors="surrogatepass")


def write(head: Mapping[str, Any], blocks: Iterable[Block], sessions: Iterable[SessionBlock] = ()) -> bytes:
    """Return the content of a file."""
    metadata = _encoded(f"metadata:\n{dump(dict(head), 2)}\n" if head else "metadata: {}\n")
    interactions = [block.whole for block in blocks]
    websockets = [session.whole for session in sessions]
    above = b"".join(
        (
            *(START, metadata, b"interactions:\n" if interactions else b"interactions: []\n", *interactions),
            *((WEBSOCKETS, *websockets) if websockets else ()),
        )
    )
    return above + seal(above)


def seal(above: bytes | memoryview) -> bytes:
    """Return the last line of a file that has *above* in front of it."""
    sealed = hashlib.sha256(_LAYOUT)
    sealed.update(above)
    return _SEAL + sealed.hexdigest()[:32].encode() + b"\n"


def seal_of(data: bytes) -> int | None:
    """Return where the seal of a file starts, if it fits; `None` where the file was edited."""
    start = data.rfind(_SEAL)
    return start if start >= 0 and data[start:] == seal(memoryview(data)[:start]) else None


# Values


def dump(members: JsonDict, indent: int = 0) -> str:
    """Write *members* as a block mapping that starts in column *indent*, without a last line end."""
    return "\n".join(_block(members, " " * indent))


def _block(value: Any, pad: str) -> Iterator[str]:
    if is_object(value):
        for key, member in value.items():
            yield from _entry(f"{pad}{_key(key)}:", member, pad)
    else:
        for item in value:
            yield from _item(item, pad)


def _entry(head: str, value: object, pad: str) -> Iterator[str]:
    if _is_block(value, WIDTH - len(head)):
        yield head
        yield from _block(value, pad + "  ")
    else:
        first, *rest = _scalar(value, pad + "  ")
        yield f"{head} {first}"
        yield from rest


def _item(value: object, pad: str) -> Iterator[str]:
    if _is_block(value, WIDTH - len(pad) - 2):
        lines = _block(value, pad + "  ")
        yield f"{pad}- {next(lines).lstrip(' ')}"
        yield from lines
    else:
        first, *rest = _scalar(value, pad + "  ")
        yield f"{pad}- {first}"
        yield from rest


def _is_block(value: object, room: int) -> bool:
    # What is empty has no lines of its own, however little room there is for it.
    if not (is_object(value) or is_list(value)) or not value or _is_long_list_of_numbers(value):
        return False
    return _room_after(value, room) < 0


def _room_after(value: object, room: int) -> int:
    """Return how many of *room* columns are left after *value* as JSON; negative if it does not fit on one line."""
    if is_object(value):
        for key, member in value.items():
            room = _room_after(member, room - len(key) - 6)
            if room < 0:
                return room
    elif is_list(value):
        for item in value:
            room = _room_after(item, room - 2)
            if room < 0:
                return room
    elif isinstance(value, str):
        return -1 if "\n" in value else room - len(value) - 2
    elif isinstance(value, bytes | Attachment):
        return -1
    else:
        return room - len(repr(value))
    return room


def _is_long_list_of_numbers(value: object) -> TypeGuard[list[float]]:
    if not is_list(value) or len(value) <= _NUMBERS_A_LINE:
        return False
    return all(type(item) in (int, float) for item in value)


def _scalar(value: object, pad: str) -> Iterator[str]:
    if isinstance(value, Attachment):
        yield f"!{value.form} {_json(value.name)}"
    elif isinstance(value, bytes):
        yield f'!!binary "{base64.b64encode(value).decode()}"'
    elif isinstance(value, str):
        yield from _text(value, pad)
    elif _is_long_list_of_numbers(value):
        starts = range(0, len(value), _NUMBERS_A_LINE)
        lines = [json.dumps(value[start : start + _NUMBERS_A_LINE])[1:-1] for start in starts]
        yield f"[{lines[0]},"
        yield from (f"{pad}{line}," for line in lines[1:-1])
        yield f"{pad}{lines[-1]}]"
    else:
        yield _json(value)


def _text(text: str, pad: str) -> Iterator[str]:
    if "\n" in text and _is_literal(text):
        lines = text.split("\n")
        yield "|-" if lines[-1] else "|"
        yield from (f"{pad}{line}" if line else "" for line in (lines if lines[-1] else lines[:-1]))
    elif _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        yield text
    else:
        yield _json(text)


def _is_literal(text: str) -> bool:
    """Return whether *text* can be a literal block, and has no spaces that an editor may strip."""
    # YAML takes leading spaces for indentation, and editors remove trailing ones.
    if text[0] in " \t\n" or text[-1] in " \t" or text.endswith("\n\n") or " \n" in text or "\t\n" in text:
        return False
    return not _NOT_LITERAL.search(text)


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) and key.lower() not in _RESERVED else _json(key)


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() and "\x7f" not in text else _NOT_PRINTABLE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
