"""Wire data and calls as small as they can be."""

from __future__ import annotations

from typing import Any

from maxim_gemini.testing._http import wire

ASK: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "Hi"}
"""Keyword arguments of a call."""


def answer(text: str) -> dict[str, Any]:
    """Return the JSON of an answer that says *text*."""
    content = {"parts": [{"text": text}], "role": "model"}
    candidate = {"content": content, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "modelVersion": "gemini-2.5-flash"}


def event(text: str) -> bytes:
    """Return a server-sent event that says *text*."""
    return wire.dump_event(answer(text))


def plain(text: str) -> bytes:
    """Return the body of a plain answer that says *text*."""
    return wire.dump_json(answer(text))


def text_of(chunk: Any) -> str:
    """Return what *chunk* says, without the SDK's warnings."""
    return "".join(part.text or "" for part in chunk.candidates[0].content.parts)
