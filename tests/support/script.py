"""A Gemini on 127.0.0.1 that gives the answers it was told to give, one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from maxim_gemini.testing._http import wire
from support.loopback import JSON, SSE, ReceivedRequest, Reply

Answer = Callable[[Reply], None]


class Gemini:
    """The script: what to answer next, and what was asked so far."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._answers: list[Answer] = []

    def __call__(self, request: ReceivedRequest, reply: Reply) -> None:
        self.requests.append(json.loads(request.body))
        self.headers.append(request.headers)
        self.paths.append(request.path)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        answer(reply)

    def forget(self) -> None:
        """Drop the answers that were not asked for."""
        self._answers.clear()

    def says(self, *responses: dict[str, Any]) -> Gemini:
        """Answer with one response each; the last one again and again."""
        self._answers += [_whole(response) for response in responses]
        return self

    def streams(self, *chunks: dict[str, Any], failing: dict[str, Any] | None = None) -> Gemini:
        """Answer with one stream of *chunks*, then fail in mid-stream."""
        self._answers.append(_streamed(chunks, failing))
        return self

    def fails(self, code: int, status: str, message: str = "no") -> Gemini:
        """Answer with an error."""
        body = wire.dump_json(error(code, status, message))
        self._answers.append(lambda reply: reply.whole(body, code))
        return self

    def does(self, answer: Answer) -> Gemini:
        """Answer in the test's own way."""
        self._answers.append(answer)
        return self


def _whole(response: dict[str, Any]) -> Answer:
    return lambda reply: reply.whole(wire.dump_json(response), headers=JSON)


def _streamed(chunks: tuple[dict[str, Any], ...], failing: dict[str, Any] | None) -> Answer:
    def answer(reply: Reply) -> None:
        reply.head(200, SSE)
        for chunk in chunks:
            reply.send(wire.dump_event(chunk))
        if failing is not None:
            reply.send(wire.dump_json(failing))

    return answer


def error(code: int, status: str, message: str = "no") -> dict[str, Any]:
    """Return the body of an error."""
    return {"error": {"code": code, "message": message, "status": status}}


def response(*parts: dict[str, Any] | str, reason: str | None = "STOP", **more: Any) -> dict[str, Any]:
    """Return a response, or a chunk, with one candidate made of *parts*."""
    content_parts = [{"text": part} if isinstance(part, str) else part for part in parts]
    candidate: dict[str, Any] = {"content": {"parts": content_parts, "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": usage(3, 2), "responseId": "r-1", "modelVersion": "m-1", **more}


def chunks(*texts: str) -> tuple[dict[str, Any], ...]:
    """Return the chunks of one stream; only the last has a finish reason."""
    last = len(texts) - 1
    return tuple(response(text, reason="STOP" if index == last else None) for index, text in enumerate(texts))


def call(name: str, call_id: str | None = None, **args: Any) -> dict[str, Any]:
    """Return a part that asks for a function."""
    request: dict[str, Any] = {"name": name, "args": args}
    return {"functionCall": {"id": call_id, **request} if call_id else request}


def usage(prompt: int, candidates: int, **more: int) -> dict[str, int]:
    """Return a usage object."""
    total = prompt + candidates + sum(more.values())
    return {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "totalTokenCount": total, **more}
