"""A recorded request and its answer. Their stored values are read from the text of the file when they are needed.

Pure, but for the large binaries, which are files beside the cassette.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from vcr.request import Request

from maxim_gemini.testing._http.exchange import COMPLETE, Chunk, Response
from maxim_gemini.testing._json_types import is_list, is_object

from . import bodies, json_text, yaml_reader
from .matching import Meaning, meaning, without
from .requests import body_of
from .yaml_format import INDENT, Attachment, Block
from .yaml_reader import tried

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .store import Shelf

_TAG: Final = b" !"
"""Before every value that is a file, or binary."""
_LONGEST_SPELLED: Final = 4096
"""Length of a meaning up to which the bytes of the request are kept with it."""


@dataclass(slots=True)
class Origin:
    """Settings that the interactions of one cassette share."""

    shelf: Shelf
    ignored: tuple[str, ...] = ()
    """JSON paths in the bodies of requests that are not compared."""
    head: dict[str, Any] = field(default_factory=dict[str, Any])
    is_edited: bool = False
    """`True` if the text of the file is not in this project's layout."""


class Interaction:
    """A recorded request and its answer."""

    __slots__ = ("_content", "_origin", "index", "key", "played", "spelling")

    def __init__(self, origin: Origin, index: int, content: Block | Stored) -> None:
        self._origin = origin
        self._content = content
        self.index = index
        self.played = 0
        """How often its answer was played."""
        values = self._request()
        self.key = self._meaning_of(values).key
        self.spelling = spelling_of(values) if len(self.key) <= _LONGEST_SPELLED else None
        """The exact bytes of a request with the same meaning, if only the body is compared."""

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
        """The meaning of the request."""
        return self._meaning_of(self._request())

    @property
    def values(self) -> Stored:
        """Its stored values."""
        return Stored(self._request(), self._response())

    @property
    def fingerprint(self) -> str:
        """A short form of the key, for other processes."""
        return bodies.digest(self.key.encode(errors="surrogatepass"))

    def block(self, attach: bodies.Attach) -> Block:
        """Return it in the form of the file; *attach* writes large binaries."""
        if isinstance(self._content, Block):
            return self._content
        return Block.of(*(bodies.detached(part, attach) for part in self._content))

    def _meaning_of(self, values: dict[str, Any]) -> Meaning:
        headers = dict(pairs(values.get("headers")))
        whole = meaning(values["method"], values["uri"], headers, bodies.parsed(values.get("body")))
        return without(self._origin.ignored, whole) if self._origin.ignored else whole

    def _request(self) -> dict[str, Any]:
        return self._attached(self._content.request)

    def _response(self) -> dict[str, Any]:
        return self._attached(self._content.response)

    def _attached(self, half: bytes | dict[str, Any]) -> dict[str, Any]:
        values = yaml_reader.load(half, INDENT) if isinstance(half, bytes) else half
        if isinstance(half, bytes) and _TAG not in half:
            return values
        attached: dict[str, Any] = bodies.attached(values, self._origin.shelf.fetch)
        return attached


# The stored values, and back


class Stored(NamedTuple):
    """The values of one interaction: the two members of a version-1 file, bodies in their stored forms."""

    request: dict[str, Any]
    response: dict[str, Any]


def stored_of(request: Request, response: Response) -> Stored:
    """Return the stored values of an exchange."""
    sent = {
        "method": request.method.upper(),
        "uri": request.uri,
        "headers": stored_headers(request.headers.items()),
        "body": bodies.stored_request(body_of(request)),
    }
    body = bodies.stored_answer(response.body)
    answer = {
        "status": {"code": response.status, "message": response.reason},
        "headers": stored_headers(response.headers),
        "ended": None if response.ended == COMPLETE else response.ended,
        "times": _times(response, body),
        "body": body,
    }
    return Stored(
        *({key: value for key, value in half.items() if value not in (None, {}, [])} for half in (sent, answer))
    )


def stored_headers(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return *headers* in the stored form: sorted, each with all its values."""
    stored: dict[str, list[str]] = {}
    for name, value in headers:
        stored.setdefault(name.lower(), []).append(value)
    return dict(sorted(stored.items()))


def _times(response: Response, body: object) -> list[float]:
    """Return, for each piece of the stored *body*, the second at which its last byte arrived."""
    times: list[float] = []
    received = iter(response.chunks)
    have, need, now = 0, 0, 0.0
    for piece in bodies.pieces(body, json_text.ANSWER):
        need += len(piece)
        while have < need:
            chunk = next(received)
            have, now = have + len(chunk.data), chunk.at
        times.append(round(now, 3))
    return times if any(times) else []


def checked(item: Any) -> Stored:
    """Return the values of an interaction that was read from a file of ours, if they are those of one.

    Raises:
        Exception: they are not.
    """
    values = Stored(dict(item["request"]), dict(item["response"]))
    request_of(bodies.attached(values.request, _any_file))
    body = values.response["body"]
    # How many pieces a binary has is seen when its file is read.
    timeless = is_object(body) and isinstance(body.get("string"), Attachment)
    response = {name: value for name, value in values.response.items() if not timeless or name != "times"}
    response_of(bodies.attached(response, _any_file))
    return values


def _any_file(name: str) -> bytes:
    return b"\0"


def request_of(values: Mapping[str, Any]) -> Request:
    """Return a request from its stored values."""
    body = values.get("body")
    data = None if body is None else bodies.raw(body, json_text.REQUEST)
    urlsplit(str(values["uri"]))
    return Request(str(values["method"]), str(values["uri"]), data, dict(pairs(values.get("headers"))))


Spelling = tuple[str, str, bytes]
"""Method, address and body of a request, to the byte."""


def spelling_of(values: Mapping[str, Any]) -> Spelling | None:
    """Return how the SDK spells a request of these stored values; `None` where its headers count, too."""
    uri, body = values["uri"], values.get("body")
    if "upload" in uri or not is_object(body) or "json" not in body or len(body) > 1:
        return None
    return values["method"], uri, json_text.write(body["json"], json_text.REQUEST)


def response_of(values: Mapping[str, Any]) -> Response:
    """Return an answer from its stored values, one chunk for each event."""
    parts = bodies.pieces(values["body"], json_text.ANSWER)
    times = values.get("times") or [0.0] * len(parts)
    if len(times) != len(parts):
        raise ValueError(f"it has {len(parts)} pieces, but {len(times)} times")
    if not all(isinstance(at, int | float) and 0 <= at < inf for at in times):
        raise ValueError(f"times are seconds, not {times!r:.60}")
    chunks = tuple(map(Chunk, parts, times))
    status, ended = values["status"], str(values.get("ended", COMPLETE))
    headers, reason = tuple(pairs(values.get("headers"))), str(status.get("message", ""))
    return Response(int(status["code"]), headers, chunks, reason, ended)


def pairs(headers: Any) -> list[tuple[str, str]]:
    """Return stored headers, whose values may be lists, as pairs."""
    items: Iterable[tuple[Any, Any]] = headers.items() if is_object(headers) else headers or ()
    return [
        (str(name), value.decode("latin-1") if isinstance(value, bytes) else str(value))
        for name, values in items
        for value in (values if is_list(values) else (values,))
    ]
