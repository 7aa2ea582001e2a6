"""Interactions as vcrpy, or a tool on top of it, has stored them over the years.

Pure.
"""

from __future__ import annotations

import json
from typing import Any, Final

from vcr.request import Request

from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._json_types import is_object

from . import bodies, json_text
from .content_encoding import Room, decoded
from .requests import as_bytes
from .stored import Stored, pairs, stored_of


def from_vcr(item: Any, room: Room | None = None) -> Stored:
    """Return the stored values of an interaction as vcrpy, or a tool on top of it, keeps it; *room* is its file's."""
    request, response = dict(item["request"]), dict(item["response"])
    headers = pairs(response.get("headers"))
    encoding = ", ".join(value for name, value in headers if name.lower() == "content-encoding")
    body = decoded(_vcr_body(response), encoding, room or Room())
    kept = [(name, value) for name, value in headers if name.lower() not in _ABOUT_THE_ENCODING]
    status = response.get("status") or {"code": response["status_code"], "message": ""}
    answer = Response(int(status["code"]), tuple(kept), (Chunk(body),) if body else (), status.get("message") or "")
    asked = Request(
        str(request["method"]).upper(),
        str(request["uri"]),
        _vcr_request_body(request),
        dict(pairs(request.get("headers"))),
    )
    return stored_of(asked, answer)


_ABOUT_THE_ENCODING: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def _vcr_request_body(request: dict[str, Any]) -> bytes | None:
    if "parsed_body" in request:
        return json.dumps(request["parsed_body"]).encode()
    body = request.get("body")
    if is_object(body):
        return bodies.raw(body, json_text.REQUEST)
    return None if body is None else as_bytes(body)


def _vcr_body(response: dict[str, Any]) -> bytes:
    if "parsed_body" in response:
        return json.dumps(response["parsed_body"]).encode()
    if "content" in response:
        return as_bytes(response["content"] or b"")
    body = response.get("body")
    if is_object(body):
        if "base64_string" in body:
            return as_bytes(body["base64_string"])
        if "string" in body:
            return as_bytes(body["string"] or b"")
        return bodies.raw(body, json_text.ANSWER)
    return as_bytes(body or b"")
