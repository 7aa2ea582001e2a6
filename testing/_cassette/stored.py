"""An exchange as the values that are stored of it, and back.

Pure.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from vcr.request import Request

from maxim_gemini.testing._http.exchange import COMPLETE, Chunk, Response
from maxim_gemini.testing._json_types import is_list, is_object

from . import bodies, json_text
from .requests import body_of
from .yaml_format import Attachment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Stored(NamedTuple):
    """The values of one interaction: the two members of a version-1 file, bodies in their stored forms."""

    request: dict[str, Any]
    response: dict[str, Any]


def stored_of(request: Request, response: Response) -> Stored:
    """Return the stored values of an exchange."""
    asked = {"method": request.method.upper(), "uri": request.uri, "headers": _headers_form(request.headers.items())}
    answer_body = bodies.stored_answer(response.body)
    answer = {
        "status": {"code": response.status, "message": response.reason},
        "headers": _headers_form(response.headers),
        "ended": None if response.ended == COMPLETE else response.ended,
        "times": _times(response, answer_body),
        "body": answer_body,
    }
    return Stored(_said(asked | {"body": bodies.stored_request(body_of(request))}), _said(answer))


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """Return *values* without those that say nothing."""
    return {name: value for name, value in values.items() if value is not None and value != {} and value != []}


def _headers_form(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return dict(sorted(found.items()))


def _times(response: Response, body: Any) -> list[float]:
    """Return, for every piece of the stored *body*, the second in which the last byte of it arrived."""
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
    found = Stored(dict(item["request"]), dict(item["response"]))
    request_of(bodies.attached(found.request, _any_file))
    body = found.response["body"]
    # How many pieces a binary has is seen when its file is read.
    timeless = isinstance(body, dict) and isinstance(body.get("string"), Attachment)
    response = {name: value for name, value in found.response.items() if not timeless or name != "times"}
    response_of(bodies.attached(response, _any_file))
    return found


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
    """Return how the SDK spells a request of these stored values; `None` where a header has a say in what it means."""
    uri, body = values["uri"], values.get("body")
    if "upload" in uri or not is_object(body) or body.keys() != {"json"}:
        return None
    return values["method"], uri, bodies.raw(body, json_text.REQUEST)


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


def vcr_response(response: Response) -> dict[str, Any]:
    """Return *response* as the mapping that vcrpy's stubs replay."""
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": _headers_form(response.headers),
        "body": {"string": response.body},
    }


def pairs(headers: Any) -> list[tuple[str, str]]:
    """Return stored headers, whose values may be lists, as pairs."""
    items: Iterable[tuple[Any, Any]] = headers.items() if is_object(headers) else headers or ()
    return [
        (str(name), value.decode("latin-1") if isinstance(value, bytes) else str(value))
        for name, values in items
        for value in (values if is_list(values) else (values,))
    ]
