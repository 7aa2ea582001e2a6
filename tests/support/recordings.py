"""Cassettes made without a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http.exchange import Chunk, Response
from support.gemini import event, plain

if TYPE_CHECKING:
    from pathlib import Path

SSE_HEADERS = (("content-type", "text/event-stream"),)
JSON_HEADERS = (("content-type", "application/json; charset=UTF-8"),)
BASE = "https://generativelanguage.googleapis.com/v1beta/"


def request(path: str, body: Any = None, method: str = "POST") -> Request:
    """Return a request of the Developer API."""
    return Request(method, BASE + path, None if body is None else json.dumps(body).encode(), {})


def call(prompt: str = "Hi", *, stream: bool = False) -> Request:
    """Return a request for an answer to *prompt*."""
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return request(f"models/gemini-2.5-flash:{method}", {"contents": [{"parts": [{"text": prompt}], "role": "user"}]})


def says(text: str) -> Response:
    """Return a plain answer."""
    return Response(200, JSON_HEADERS, (Chunk(plain(text)),))


def streams(*texts: str, gap: float = 0.0, ended: str = "complete") -> Response:
    """Return a streamed answer, an event for each text, *gap* seconds apart."""
    chunks = tuple(Chunk(event(text), gap * (number + 1)) for number, text in enumerate(texts))
    return Response(200, SSE_HEADERS, chunks, "OK", ended)


def fails(status: int, name: str) -> Response:
    """Return an error answer."""
    error = {"error": {"code": status, "message": f"This is {name}.", "status": name}}
    return Response(status, JSON_HEADERS, (Chunk(json.dumps(error).encode()),))


def cassette(path: Path, *interactions: tuple[Request, Response]) -> Path:
    """Write a cassette of *interactions* to *path*."""
    made = Cassette(path)
    for request, answered in interactions:
        made.record(request, answered)
    made.save()
    return path


def with_missing_file(text: str) -> str:
    """Return the text of a cassette with one answer, whose body is now in a file that is not there."""
    before, _, _ = text.partition("  response:\n")
    answer = 'status: {"code": 200}\n    body:\n      string: !file "hello.0123456789abcdef.bin"\n...\n'
    return f"{before}  response:\n    {answer}"
