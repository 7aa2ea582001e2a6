"""Gemini's interactions on 127.0.0.1, as real servers write them, and both sides of the client's calls."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.loopback import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.loopback import Loopback, ReceivedRequest
    from support.script import Gemini

MODEL = "gemini-3-flash-preview"
CONTENT = (("Content-Type", "application/json"),)
USAGE = {"total_tokens": 12, "total_input_tokens": 5, "total_output_tokens": 4, "total_thought_tokens": 3}


def interaction(number: int = 1, *steps: dict[str, Any], status: str = "completed", **fields: Any) -> dict[str, Any]:
    """Return a whole interaction `v1_NUMBER` as the API writes it."""
    return {
        "id": f"v1_{number}",
        "status": status,
        "usage": USAGE,
        "steps": list(steps),
        "object": "interaction",
        "model": MODEL,
        **fields,
    }


def output(*texts: str) -> dict[str, Any]:
    """Return a step that holds *texts*."""
    return {"type": "model_output", "content": [{"type": "text", "text": text} for text in texts]}


def function_call(name: str = "weather", call_id: str = "call-1", **arguments: Any) -> dict[str, Any]:
    """Return a step that asks for a function."""
    return {"type": "function_call", "id": call_id, "name": name, "arguments": arguments}


def events(*texts: str, number: int = 1, status: str = "completed") -> list[dict[str, Any]]:
    """Return the events of a streamed interaction with one output of *texts*."""
    head = {"id": f"v1_{number}", "object": "interaction", "model": MODEL}
    deltas = [{"index": 0, "delta": {"text": text, "type": "text"}, "event_type": "step.delta"} for text in texts]
    return [
        {"interaction": {**head, "status": "in_progress"}, "event_type": "interaction.created"},
        {"interaction_id": head["id"], "status": "in_progress", "event_type": "interaction.status_update"},
        {"index": 0, "step": {"type": "model_output"}, "event_type": "step.start"},
        *deltas,
        {"index": 0, "event_type": "step.stop"},
        {"interaction": {**head, "status": status, "usage": USAGE}, "event_type": "interaction.completed"},
    ]


class Interactions:
    """The script of a server: what to answer next, and what was asked."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self._answers: list[Callable[[Reply], None]] = []

    def __call__(self, request: ReceivedRequest, reply: Reply) -> None:
        self.requests.append(request)
        self._answers.pop(0)(reply)

    @property
    def bodies(self) -> list[Any]:
        """What was asked, as JSON."""
        return [json.loads(request.body) for request in self.requests if request.body]

    def answers(self, *values: Any, status: int = 200) -> None:
        """Answer with one JSON value each; bytes are sent as they are."""
        for value in values:
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self._answers.append(partial(Reply.whole, body=body, status=status, headers=CONTENT))

    def answers_by(self, answer: Callable[[Reply], None]) -> None:
        """Have *answer* write the next answer."""
        self._answers.append(answer)

    def streams(self, events: list[Any], *, done: bool = True, breaks: bool = False) -> None:
        """Answer with *events*, text among them as it is, then with `done`, or break the connection."""

        def answer(reply: Reply) -> None:
            reply.head(200, (("Content-Type", "text/event-stream"),))
            for event in events:
                name, data = ("message", event) if isinstance(event, str) else (event["event_type"], json.dumps(event))
                reply.send(f"event: {name}\ndata: {data}\n\n".encode())
            if breaks:
                reply.drop()
            elif done:
                reply.send(b"event: done\ndata: [DONE]\n\n")

        self._answers.append(answer)


def _whole(body: bytes, status: int, reply: Reply) -> None:
    reply.whole(body, status, CONTENT)


class SyncCalls:
    """`client.interactions`."""

    is_async = False

    def of(self, client: Any) -> Any:
        return client.interactions

    async def create(self, client: Any, **request: Any) -> Any:
        return client.interactions.create(**{"model": MODEL, "input": "Hi", **request})

    async def call(self, client: Any, method: str, *args: Any, **request: Any) -> Any:
        return getattr(client.interactions, method)(*args, **request)

    async def next(self, stream: Any) -> Any:
        return next(stream)

    async def read(self, stream: Any) -> list[Any]:
        return list(stream)

    async def close(self, stream: Any) -> None:
        stream.close()

    async def raw(self, client: Any, **request: Any) -> Any:
        return client.interactions.with_raw_response.create(**{"model": MODEL, "input": "Hi", **request})

    def __repr__(self) -> str:
        return "sync"


class AsyncCalls(SyncCalls):
    """`client.aio.interactions`."""

    is_async = True

    def of(self, client: Any) -> Any:
        return client.aio.interactions

    async def create(self, client: Any, **request: Any) -> Any:
        return await client.aio.interactions.create(**{"model": MODEL, "input": "Hi", **request})

    async def call(self, client: Any, method: str, *args: Any, **request: Any) -> Any:
        return await getattr(client.aio.interactions, method)(*args, **request)

    async def next(self, stream: Any) -> Any:
        return await anext(stream)

    async def read(self, stream: Any) -> list[Any]:
        return [event async for event in stream]

    async def close(self, stream: Any) -> None:
        await stream.close()

    async def raw(self, client: Any, **request: Any) -> Any:
        return await client.aio.interactions.with_raw_response.create(**{"model": MODEL, "input": "Hi", **request})

    def __repr__(self) -> str:
        return "async"


CALLS = (SyncCalls(), AsyncCalls())


@pytest.fixture
def served(gemini: Gemini, loopback_server: Loopback) -> Interactions:
    """Gemini's interactions on 127.0.0.1, which answer as the test tells them to."""
    script = Interactions()
    loopback_server.script = script
    return script


@pytest.fixture(params=CALLS, ids=repr)
def calls(request: pytest.FixtureRequest) -> SyncCalls:
    """The sync calls, then the async ones."""
    shape: SyncCalls = request.param
    return shape
