"""A recorded request and its answer, read from the text of the file when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import bodies, format
from .format import Block, Document
from .matching import Meaning, meaning, without
from .parsing import tried
from .stored import Stored, request_of, response_of, spelling_of

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    document: Document = field(default_factory=lambda: Document({}, [], []))

    def line_of(self, index: int) -> int:
        """Return the line of the file where the interaction with that index starts."""
        return self.document.line + sum(block.text.count("\n") for block in self.document.blocks[:index])

    def interactions(self) -> list[Interaction]:
        """Return the interactions of the document."""
        found: Sequence[Block | Stored] = self.document.blocks or self.document.values
        return [Interaction(self, index, content) for index, content in enumerate(found)]


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
        return tried(response_of, self._response(), self._origin.shelf.name, self._line)

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
        return format.block(Stored(*(bodies.detached(part, attach) for part in self._content)))

    def _meaning_of(self, values: dict[str, Any]) -> Meaning:
        headers = {name: found[0] for name, found in values.get("headers", {}).items()}
        found = meaning(values["method"], values["uri"], headers, bodies.parsed(values.get("body")))
        return without(self._origin.ignored, found) if self._origin.ignored else found

    def _request(self) -> dict[str, Any]:
        content = self._content
        if not isinstance(content, Block):
            return self._attached(content.request)
        values = format.request_values(content)
        return self._attached(values) if _TAG in content.request else values

    def _response(self) -> dict[str, Any]:
        content = self._content
        if not isinstance(content, Block):
            return self._attached(content.response)
        values = format.response_values(content, self._origin.shelf.name, self._line)
        return self._attached(values) if _TAG in content.response else values

    def _line(self) -> int:
        return self._origin.line_of(self.index)

    def _attached(self, values: dict[str, Any]) -> dict[str, Any]:
        attached: dict[str, Any] = bodies.attached(values, self._origin.shelf.fetch)
        return attached
