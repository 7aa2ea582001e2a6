"""The layout of a cassette's YAML: one way to write every value, and a reader that is fast because there is only one.

A container that fits on its line is written there as JSON (which YAML can read); anything larger is a block. Text is
plain where that is unambiguous, a literal block where it has lines of its own, and a JSON string elsewhere, so that
there is no rule of YAML's that a value could fall victim to (`no`, `1e3`, dates, spaces at the end of a line).

The reader knows this layout and nothing else. Whatever it does not know it refuses with `NotOurLayout`, and the caller
asks a real YAML parser: an edited file is still a YAML file. Pure: text and values.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

from maxim_gemini.testing._json_types import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH: Final = 100
"""Columns that a container on one line may reach."""

_WORDS: Final = r"""[\w ./,;!?'"()\[\]{}+*=%&@$<>~^|-]*"""
_PLAIN: Final = re.compile(rf"[^\W\d_]{_WORDS}(?::(?=\S){_WORDS})*(?<! )")
_KEY: Final = re.compile(r"""(?:([A-Za-z_][\w-]*)|("(?:[^"\\]|\\.)+")):(?: (.+))?$""", re.ASCII)
_NOT_PRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NOT_LITERAL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_RESERVED: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_ATTACHMENT: Final = re.compile(r'!(file|base64|base64url) ("(?:[^"\\]|\\.)+")')
_BINARY: Final = re.compile(r'!!binary "([A-Za-z0-9+/=]*)"')
_NUMBERS_A_LINE: Final = 8


class NotOurLayout(ValueError):
    """The text is not as this module writes it; a YAML parser may still be able to read it."""


class Attachment(NamedTuple):
    """A file beside the cassette that stands for a value."""

    name: str
    form: str = "file"
    """`file`: the bytes of the file; `base64` or `base64url`: its bytes written in that alphabet."""


def _no_constant(name: str) -> Any:
    raise NotOurLayout(name)


_decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode


# Writing


def dump(members: dict[str, Any], indent: int = 0) -> str:
    """Write *members* as a block mapping that starts in column *indent*, without a last line end."""
    return "\n".join(_block(members, " " * indent))


def _block(value: Any, pad: str) -> Iterator[str]:
    if is_object(value):
        for key, member in _items(value):
            yield from _entry(f"{pad}{_key(key)}:", member, pad)
    else:
        for item in value:
            yield from _item(item, pad)


def _items(members: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    yield from members.items()


def _entry(head: str, value: Any, pad: str) -> Iterator[str]:
    if _is_block(value, WIDTH - len(head)):
        yield head
        yield from _block(value, pad + "  ")
    else:
        first, *rest = _scalar(value, pad + "  ")
        yield f"{head} {first}"
        yield from rest


def _item(value: Any, pad: str) -> Iterator[str]:
    if _is_block(value, WIDTH - len(pad) - 2):
        lines = _block(value, pad + "  ")
        yield f"{pad}- {next(lines).lstrip(' ')}"
        yield from lines
    else:
        first, *rest = _scalar(value, pad + "  ")
        yield f"{pad}- {first}"
        yield from rest


def _is_block(value: Any, room: int) -> bool:
    return (is_object(value) or is_list(value)) and _room_after(value, room) < 0 and not _is_long_list_of_numbers(value)


def _room_after(value: Any, room: int) -> int:
    """Return what is left of *room* columns after *value* as JSON; below 0 as soon as it can't be on one line."""
    if is_object(value):
        for key, member in _items(value):
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


def _scalar(value: Any, pad: str) -> Iterator[str]:
    if isinstance(value, Attachment):
        yield f"!{value.form} {_json(value.name)}"
    elif isinstance(value, bytes):
        yield f'!!binary "{base64.b64encode(value).decode()}"'
    elif isinstance(value, str):
        yield from _text(value, pad)
    elif _is_long_list_of_numbers(value):
        yield from _numbers(value, pad)
    else:
        yield _json(value)


def _numbers(values: list[float], pad: str) -> Iterator[str]:
    starts = range(0, len(values), _NUMBERS_A_LINE)
    lines = [json.dumps(values[start : start + _NUMBERS_A_LINE])[1:-1] for start in starts]
    yield f"[{lines[0]},"
    yield from (f"{pad}{line}," for line in lines[1:-1])
    yield f"{pad}{lines[-1]}]"


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
    """Tell whether a literal block can hold *text*, and an editor that strips spaces would leave it alone."""
    if text[0] in " \t\n" or text[-1] in " \t" or text.endswith("\n\n") or " \n" in text or "\t\n" in text:
        return False
    return not _NOT_LITERAL.search(text)


def _key(key: str) -> str:
    match = _KEY.match(f"{key}:")
    return key if match and match[1] and key.lower() not in _RESERVED else _json(key)


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() and "\x7f" not in text else _NOT_PRINTABLE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


# Reading


def load(text: str, indent: int = 0) -> dict[str, Any]:
    """Read what `dump` has written; anything else raises `NotOurLayout`."""
    return _Reader(text).members(indent)


class _Reader:
    __slots__ = ("at", "lines")

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.lines.append("\0")
        self.at = 0

    def members(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        pad = " " * indent
        lines, inner = self.lines, indent + 2
        while (line := lines[self.at]).startswith(pad) and line != "\0":
            key, rest = (_cut if len(line) > WIDTH else _cut_before)(line[indent:])
            self.at += 1
            found[key] = self.block(inner) if rest is None else self.value(rest, inner)
        if not found or (indent == 0 and line != "\0"):
            raise NotOurLayout(line)
        return found

    def block(self, indent: int) -> Any:
        return self.items(indent) if self.lines[self.at].startswith("- ", indent) else self.members(indent)

    def items(self, indent: int) -> list[Any]:
        found: list[Any] = []
        pad = " " * indent
        mark = pad + "- "
        while (line := self.lines[self.at]).startswith(mark):
            rest = line[indent + 2 :]
            if rest.startswith("- ") or _KEY.match(rest):
                # The mark is two columns wide: without it this is the first line of an inner block.
                self.lines[self.at] = f"{pad}  {rest}"
                found.append(self.block(indent + 2))
            else:
                self.at += 1
                found.append(self.value(rest, indent + 2))
        return found

    def value(self, rest: str, indent: int) -> Any:
        first = rest[:1]
        if first in '"{-0123456789':
            return _whole(rest)
        if first == "[":
            return _whole(rest if rest.endswith("]") else self.joined(rest, " " * indent))
        if first == "|":
            return self.literal(rest, indent)
        if first == "!":
            return _tagged(rest)
        return (_word if len(rest) > WIDTH else _word_before)(rest)

    def joined(self, first: str, pad: str) -> str:
        pieces = [first]
        while not pieces[-1].endswith("]"):
            line = self.lines[self.at]
            if not line.startswith(pad) or '"' in line:
                raise NotOurLayout(line)
            pieces.append(line)
            self.at += 1
        return "".join(pieces)

    def literal(self, head: str, indent: int) -> str:
        pad = " " * indent
        found: list[str] = []
        while not (line := self.lines[self.at]) or line.startswith(pad):
            found.append(line[indent:])
            self.at += 1
        if head not in ("|", "|-") or not found or not found[0] or found[0][0].isspace():
            raise NotOurLayout(head)
        text = "\n".join(found).rstrip("\n")
        if _NOT_LITERAL.search(text):
            raise NotOurLayout(text)
        return text if head == "|-" else text + "\n"


def _cut(line: str) -> tuple[str, str | None]:
    """Return the key of *line*, and what stands behind it, if anything does."""
    match = _KEY.match(line)
    if match is None:
        raise NotOurLayout(line)
    plain, quoted, rest = match.groups()
    return _known_key(plain) if plain else _whole(quoted), rest


def _known_key(key: str) -> str:
    if len(key) < 6 and key.lower() in _RESERVED:
        raise NotOurLayout(key)
    return key


def _word(text: str) -> str | bool | None:
    """Return the constant or the plain text that *text* is."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    raise NotOurLayout(text)


# Every interaction of a cassette has many lines in common with the others. Long ones are not: they would only be held.
_cut_before: Final = lru_cache(maxsize=1024)(_cut)
_word_before: Final = lru_cache(maxsize=1024)(_word)


def _whole(rest: str) -> Any:
    try:
        value, end = _decode(rest)
    except (ValueError, RecursionError):
        raise NotOurLayout(rest) from None
    if end != len(rest):
        raise NotOurLayout(rest)
    return value


def _tagged(rest: str) -> Attachment | bytes:
    if match := _ATTACHMENT.fullmatch(rest):
        return Attachment(_whole(match[2]), match[1])
    if match := _BINARY.fullmatch(rest):
        try:
            return base64.b64decode(match[1], validate=True)
        except binascii.Error:
            pass
    raise NotOurLayout(rest)
