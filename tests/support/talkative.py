"""A Gemini on 127.0.0.1 that repeats what it is told."""

from __future__ import annotations

import json
from typing import Any

from maxim_gemini.testing._http import wire
from support.loopback import SSE, ReceivedRequest, Reply


def talk(request: ReceivedRequest, reply: Reply) -> None:
    """Answer with what was said, in one piece or, where a stream is asked for, word by word."""
    text = f"You said: {_text_of(json.loads(request.body))}"
    if "streamGenerateContent" in request.path:
        reply.head(200, SSE)
        for word in text.split():
            reply.send(wire.dump_event(_answer(f"{word} ")))
    else:
        reply.whole(wire.dump_json(_answer(text)))


def _text_of(body: dict[str, Any]) -> str:
    return str(body["contents"][-1]["parts"][0]["text"])


def _answer(text: str) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "reply-1",
    }
