"""A recorded request and its answer, read from the text of the file when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from . import bodies, yaml_reader
from .content_encoding import Room
from .matching import Meaning, meaning, without
from .stored import Stored, checked, pairs, request_of, response_of, spelling_of
from .vcr import from_vcr
from .yaml_format import INDENT, Block
from .yaml_reader import tried

if TYPE_CHECKING:
    from collections.abc import Callable

    from vcr.request import Request

    from maxim_gemini.testing._http.exchange import Response

    from .store import Shelf

_TAG = " !"
_LONGEST_SPELLED = 4096
"""Characters of a meaning up to which the bytes of the request are held beside it."""


@dataclass(slots=True)
class Origin:
    """What the interactions of one cassette have in common."""

    shelf: Shelf
    ignored: tuple[str, ...] = ()
    """Places in the body of a request that don't matter for matching."""
    head: dict[str, Any] = field(default_factory=dict[str, Any])
    is_edited: bool = False
    """Whether the text of the file is not as this project writes it."""

    def read(self) -> list[Interaction]:
        """Return the interactions of the file.

        Raises:
            CassetteError: there is none, or it can't be read; the message names file and line.
        """
        text, name = self.shelf.read(), self.shelf.name
        document = yaml_reader.read(text, name)
        self.head, self.is_edited = document.head, not document.blocks
        form = checked if document.ours else partial(from_vcr, room=Room())
        found: list[Interaction] = []
        for index, content in enumerate(document.blocks or document.items):
            reader = partial(self._interaction, index, form)
            found.append(tried(reader, content, name, partial(yaml_reader.line_of_item, text, index)))
        return found

    def _interaction(self, index: int, form: Callable[[Any], Stored], content: Any) -> Interaction:
        return Interaction(self, index, content if isinstance(content, Block) else form(content))


class Interaction:
    """A recorded request and its answer."""

    __slots__ = ("_content", "_origin", "index", "key", "played", "spelling")

    def __init__(self, origin: Origin, index: int, content: Block | Stored) -> None:
        self._origin = origin
        self._content = content
        self.index = index
        self.played = 0
        """How often its answer was given."""
        values = self._request()
        self.key = self._meaning_of(values).key
        self.spelling = spelling_of(values) if len(self.key) <= _LONGEST_SPELLED else None
        """What a request of the same meaning looks like to the byte, if its body alone decides."""

    def __repr__(self) -> str:
        request = self.request
        return f"<Interaction {self.index + 1}: {request.method} {request.uri}, played {self.played} times>"

    @property
    def request(self) -> Request:
        """The request."""
        return request_of(self._request())

    @property
    def response(self) -> Response:
        """The answer, one chunk for each event of a stream."""
        return tried(lambda _: response_of(self._response()), None, self._origin.shelf.name, lambda: None)

    @property
    def meaning(self) -> Meaning:
        """What the request asks for."""
        return self._meaning_of(self._request())

    @property
    def values(self) -> Stored:
        """Its stored values."""
        return Stored(self._request(), self._response())

    @property
    def fingerprint(self) -> str:
        """The key in short, to carry it to other processes."""
        return bodies.digest(self.key.encode(errors="surrogatepass"))

    def block(self, attach: bodies.Attach) -> Block:
        """Return its text in a file, large binaries kept by *attach*."""
        if isinstance(self._content, Block):
            return self._content
        return Block.of(*(bodies.detached(part, attach) for part in self._content))

    def _meaning_of(self, values: dict[str, Any]) -> Meaning:
        headers = dict(pairs(values.get("headers")))
        found = meaning(values["method"], values["uri"], headers, bodies.parsed(values.get("body")))
        return without(self._origin.ignored, found) if self._origin.ignored else found

    def _request(self) -> dict[str, Any]:
        content = self._content
        if not isinstance(content, Block):
            return self._attached(content.request)
        values = yaml_reader.load(content.request, INDENT)
        return self._attached(values) if _TAG in content.request else values

    def _response(self) -> dict[str, Any]:
        content = self._content
        if not isinstance(content, Block):
            return self._attached(content.response)
        values = yaml_reader.load(content.response, INDENT)
        return self._attached(values) if _TAG in content.response else values

    def _attached(self, values: dict[str, Any]) -> dict[str, Any]:
        attached: dict[str, Any] = bodies.attached(values, self._origin.shelf.fetch)
        return attached
