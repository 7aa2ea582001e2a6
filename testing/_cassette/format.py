"""Cassette files: text that a reviewer reads, a version-1 file of vcrpy's, and interactions that are read when needed.

A file that this module wrote is cut into interactions by its layout, without parsing them. Any other file, and one that
was edited by hand into another layout, goes through a safe YAML parser as a whole. Pure: text and values.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing._json_types import is_list, is_object

from . import bodies, layout
from .foreign import from_vcr
from .layout import NotOurLayout
from .parsing import OurLoader, VcrLoader, broken, line_of, line_of_item, line_with, parsed, tried
from .stored import Stored, request_of, response_of, vcr_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from maxim_gemini.testing._http.exchange import Response

VERSION: Final = 1
SIGNATURE: Final = "# Recorded by maxim-gemini; `maxim-gemini cassettes check` verifies it.\n"
_END: Final = "...\n"
_FIRST: Final = "- request:\n"
_SECOND: Final = "\n  response:\n"
_CONFLICT: Final = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)
_TIMES: Final = re.compile(r"^    times: [^\]]*\]\n", re.MULTILINE)


class Block(NamedTuple):
    """The text of one interaction in a file of ours, without the last line end of either half."""

    request: str
    response: str

    @property
    def text(self) -> str:
        """The interaction as it stands in the file."""
        return f"{_FIRST}{self.request}{_SECOND}{self.response}\n"

    @property
    def timeless(self) -> Block:
        """The same without the times at which its parts arrived."""
        return self._replace(response=_TIMES.sub("", self.response, count=1))


class Document(NamedTuple):
    """What is in a file."""

    head: dict[str, Any]
    blocks: list[Block]
    """The interactions of a file that has our layout."""
    values: list[Stored]
    """The interactions of any other."""
    line: int = 1
    """The line where the first block starts."""


def write(head: Mapping[str, Any], blocks: Iterable[Block]) -> str:
    """Return the text of a file."""
    metadata = f"metadata:\n{layout.dump(dict(head), 2)}\n" if head else "metadata: {}\n"
    start = f"{SIGNATURE}version: {VERSION}\n{metadata}interactions:"
    body = "".join(block.text for block in blocks)
    return f"{start}\n{body}{_END}" if body else f"{start} []\n{_END}"


def block(stored: Stored) -> Block:
    """Return the text of an interaction."""
    return Block(layout.dump(stored.request, 4), layout.dump(stored.response, 4))


def read(text: str, name: str = "the cassette") -> Document:
    """Return what is in *text*, the content of the file *name*.

    Raises:
        CassetteBroken: it is no version-1 cassette, or not a whole one; the message names file and line.
    """
    _refuse_damage(text, name)
    return _by_layout(text) or _by_yaml(text, name)


def request_values(read_block: Block) -> dict[str, Any]:
    """Return the request of an interaction of ours.

    Raises:
        NotOurLayout: somebody has edited it into another layout.
    """
    return layout.load(read_block.request, 4)


def response_values(read_block: Block, name: str, line: Callable[[], int]) -> dict[str, Any]:
    """Return the answer of an interaction of ours, which starts in that *line* of the file *name*.

    Raises:
        CassetteBroken: somebody has edited it, and it can't be read any more; the message names file and line.
    """
    try:
        return layout.load(read_block.response, 4)
    except NotOurLayout:
        # Empty lines in front, so that the parser counts the lines of the file.
        before = line() + read_block.request.count("\n") + 2
        values: dict[str, Any] = parsed("\n" * before + read_block.response, name, OurLoader)
        tried(_checked_response, values, name, lambda: before)
        return values


def read_edited(text: str, name: str) -> Document:
    """Return what is in *text* by way of a YAML parser, whatever its layout."""
    return _by_yaml(text, name)


def _refuse_damage(text: str, name: str) -> None:
    if not text or text.isspace():
        raise broken(name, None, "the file is empty. Delete it, then record it again")
    if "\n<<<<<<< " in text and (match := _CONFLICT.search(text)):
        line = line_of(text, match.start())
        raise broken(name, line, f"it has the merge conflict marker {match[0].strip()!r}. Resolve it, or record again")
    if text.startswith(SIGNATURE) and not text.endswith("\n...\n") and not text.rstrip().endswith("\n..."):
        line = text.count("\n") + 1
        raise broken(
            name, line, "the file ends too early: it should end with a line '...'. Restore it, or record again"
        )


def _by_layout(text: str) -> Document | None:
    start = text.find(f"\ninteractions:\n{_FIRST}")
    if start < 0 or not text.startswith(f"{SIGNATURE}version: {VERSION}\n") or not text.endswith(f"\n{_END}"):
        return None
    body = text[start + len(f"\ninteractions:\n{_FIRST}") : -len(_END) - 1]
    try:
        metadata = layout.load(text[:start].removeprefix(f"{SIGNATURE}version: {VERSION}\n"))
        blocks = [_cut(piece) for piece in body.split(f"\n{_FIRST}")]
    except NotOurLayout:
        return None
    if set(metadata) != {"metadata"} or not isinstance(metadata["metadata"], dict):
        return None
    return Document(metadata["metadata"], blocks, [], text.count("\n", 0, start) + 3)


def _cut(piece: str) -> Block:
    request, found, response = piece.partition(_SECOND)
    if not found:
        raise NotOurLayout(piece)
    return Block(request, response)


def _by_yaml(text: str, name: str) -> Document:
    ours = text.startswith(SIGNATURE)
    data = parsed(text, name, OurLoader if ours else VcrLoader)
    _check_version(data, text, name)
    items = data["interactions"]
    if not is_list(items):
        raise broken(name, line_with(text, "interactions"), "'interactions' is not a list")
    reader = _from_item if ours else from_vcr
    values = [tried(reader, item, name, partial(line_of_item, text, at)) for at, item in enumerate(items)]
    metadata = data.get("metadata")
    return Document(metadata if is_object(metadata) else {}, [], values)


def _check_version(data: Any, text: str, name: str) -> None:
    if is_list(data):
        raise broken(name, 1, "it is from before version 1 of vcrpy's format. Record it again")
    if not is_object(data):
        raise broken(name, 1, f"it is not a cassette but {_kind(data)}")
    if data.get("interactions") is None:
        raise broken(name, None, "it has no 'interactions': the file is not a cassette, or not a whole one")
    version = data.get("version", "none")
    if version != VERSION:
        problem = f"its version is {version!r}, and only {VERSION} can be read. Is the file whole? Else record again"
        raise broken(name, line_with(text, "version"), problem)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _from_item(item: Any) -> Stored:
    found = Stored(dict(item["request"]), dict(item["response"]))
    request_of(bodies.attached(found.request, _no_file))
    _checked_response(found.response)
    return found


def _checked_response(values: dict[str, Any]) -> Response:
    return response_of(bodies.attached(values, _no_file))


def _no_file(name: str) -> bytes:
    return b""


# vcrpy's slot for a serializer


def serialize(data: Mapping[str, Any]) -> str:
    """Write vcrpy's version-1 *data* as a cassette; large binaries stay inside."""
    blocks = [block(from_vcr(item)) for item in data["interactions"]]
    return write(data.get("metadata") or {}, blocks)


def deserialize(text: str) -> dict[str, Any]:
    """Return the version-1 data that vcrpy works on, bodies as bytes."""
    document = read(text)
    items = document.values or read_edited(text, "the cassette").values
    data: dict[str, Any] = {"version": VERSION, "interactions": [_vcr_item(item) for item in items]}
    return data | ({"metadata": document.head} if document.head else {})


def _vcr_item(item: Stored) -> dict[str, Any]:
    request = request_of(bodies.attached(item.request, _no_file))
    return {
        "request": {
            "method": request.method,
            "uri": request.uri,
            "body": request.body,
            "headers": dict(item.request.get("headers", {})),
        },
        "response": vcr_response(_checked_response(item.response)),
    }
