"""Made-up exchanges with Gemini, as many as a test or a benchmark needs."""

from __future__ import annotations

import json
from typing import Any

from vcr.request import Request

from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._http.wire import dump_event, dump_json, split_events

ADDRESS = "https://generativelanguage.googleapis.com/v1/models/gemini-2.5-flash"
SENT = {"content-type": "application/json", "accept": "*/*", "user-agent": "google-genai-sdk/3.4.0 gl-python/3.11.7"}
RECEIVED = (
    ("Content-Type", "application/json; charset=UTF-8"),
    ("Vary", "Origin"),
    ("Vary", "X-Origin"),
    ("Server-Timing", "gfet4t7; dur=812"),
    ("Date", "Sun, 22 Nov 2026 12:00:00 GMT"),
)


def sent_request(text: str, *, uri: str = f"{ADDRESS}:generateContent", **config: Any) -> Request:
    """Return the request that the SDK makes of the prompt *text*."""
    body: dict[str, Any] = {"contents": [{"parts": [{"text": text}], "role": "user"}]}
    if config:
        body["generationConfig"] = config
    return Request("POST", uri, json.dumps(body).encode(), dict(SENT))


def answer_json(text: str, **more: Any) -> dict[str, Any]:
    """Return what a server answers."""
    return {
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "kdcEatqVKunY1LsP272MiAo",
        **more,
    }


def answer(text: str = "Hello.", *, at: float = 0.25, **more: Any) -> Response:
    """Return a plain answer that says *text*."""
    return Response(200, RECEIVED, (Chunk(dump_json(answer_json(text, **more)), at),), "OK")


def stream(*texts: str, ended: str = "complete") -> Response:
    """Return a streamed answer, an event for each of *texts*, a tenth of a second apart."""
    headers = (("content-type", "text/event-stream"), ("content-disposition", "attachment"))
    chunks = tuple(Chunk(dump_event(answer_json(text)), (index + 1) / 10) for index, text in enumerate(texts))
    return Response(200, headers, chunks, "OK", ended)


def events_of(response: Response) -> list[bytes]:
    """Return the events of a streamed answer."""
    return split_events(response.body)
