"""Live interactions: `client.aio.interactions.connect`, google-genai 3.5 and newer."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.clients import closed
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed as Closed

from maxim_gemini import MaximGeminiClient, instrument
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.maxim_ends import Wire
    from websockets.asyncio.server import ServerConnection

_interactions: Any = pytest.importorskip("google.genai._gaos.google_genai", reason="no such interactions")
pytestmark = [
    pytest.mark.skipif(
        not hasattr(_interactions.AsyncGeminiNextGenInteractions, "connect"), reason="no live interactions before 3.5"
    ),
    pytest.mark.filterwarnings("ignore:Live Interactions usage"),
]

USAGE = {"total_input_tokens": 5, "total_output_tokens": 2, "total_tokens": 7}
COMPLETED: dict[str, Any] = {"event_type": "interaction.completed", "usage": USAGE}


def answer(index: int, *texts: str) -> list[dict[str, Any]]:
    """Return the events of a step of text."""
    deltas = [{"event_type": "step.delta", "index": index, "delta": {"type": "text", "text": text}} for text in texts]
    start = {"event_type": "step.start", "index": index, "step": {"type": "model_output"}}
    return [start, *deltas, {"event_type": "step.stop", "index": index}]


class Server:
    """Plays a script: `None` waits for what the client sends next."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.received: list[list[Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def __call__(self, connection: ServerConnection) -> None:
        received: list[Any] = []
        self.received.append(received)
        self.headers.append(dict(connection.request.headers.raw_items()) if connection.request else {})
        with contextlib.suppress(Closed):
            received.append(json.loads(await connection.recv()))
            await connection.send(json.dumps({"event_type": "interaction.connected"}))
            for step in self.script:
                if step is None:
                    received.append(json.loads(await connection.recv()))
                elif isinstance(step, int):
                    await connection.close(step, "It went wrong")
                else:
                    await connection.send(step if isinstance(step, str) else json.dumps(step))
            while True:
                received.append(json.loads(await connection.recv()))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    played = Server()
    async with serve(played, "127.0.0.1", 0) as listening:
        played.url = f"http://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"
        yield played


@pytest.fixture
async def bare(server: Server) -> AsyncIterator[genai.Client]:
    client = genai.Client(api_key="test-key", http_options={"base_url": server.url})
    yield client
    await closed(client)


@pytest.fixture
def seen(wire: Wire, request: pytest.FixtureRequest) -> Iterator[FakeLogger]:
    logger = FakeLogger()
    with wire.beside(logger, request.node.nodeid):
        yield logger
        logger.writer.settle()


@pytest.fixture
def wrapped(bare: genai.Client, seen: FakeLogger) -> MaximGeminiClient:
    return MaximGeminiClient(bare, seen)


async def talk(client: Any, *inputs: Any, leaves: bool = False, **more: Any) -> list[Any]:
    """Send each input and read until a step ends; then read to the end."""
    events: list[Any] = []
    async with client.aio.interactions.connect("v1_x", **more) as connection:
        for item in inputs:
            await connection.send(item)
            async for event in connection.receive():
                events.append(event)
                if event.event_type == "step.stop":
                    break
        if not leaves:
            events += [event async for event in connection.receive()]
    return events


async def test_one_live_interaction_is_a_trace(server: Server, wrapped: Any, bare: Any, seen: FakeLogger) -> None:
    server.script = [None, *answer(0, "Hel", "lo"), COMPLETED]
    assert [str(event) for event in await talk(wrapped, "Hi")] == [str(event) for event in await talk(bare, "Hi")]
    assert server.received[0] == server.received[1]
    trace, generation = seen.trace, seen.generation
    assert (trace.name, trace.input, trace.output) == ("Interaction", "Hi", "Hello")
    assert trace.session_id == seen.session.id
    assert generation.usage["total_tokens"] == 7
    assert (generation.finish_reason, generation.metadata["interaction_id"]) == ("completed", "v1_x")
    assert generation.metrics["chunks"] == 4
    seen.assert_complete()


async def test_each_answer_is_a_generation(server: Server, wrapped: Any, seen: FakeLogger) -> None:
    server.script = [None, *answer(0, "one"), None, {"events": answer(1, "two")}, COMPLETED]
    await talk(wrapped, "first", "second")
    assert [(one.messages[-1]["content"], one.text) for one in seen.generations] == [
        ("first", "one"),
        ("second", "two"),
    ]
    assert seen.generations[0].usage == {}
    assert seen.trace.output == "onetwo"
    seen.assert_complete()


async def test_functions_are_answered_by_a_later_input(server: Server, wrapped: Any, seen: FakeLogger) -> None:
    call = {"type": "function_call", "id": "c1", "name": "look_up", "arguments": {"a": 1}}
    steps = [{"event_type": "step.start", "index": 0, "step": call}, {"event_type": "step.stop", "index": 0}]
    server.script = [None, *steps, None, *answer(1, "Done"), COMPLETED]
    result = {"type": "function_result", "call_id": "c1", "name": "look_up", "result": "42"}
    await talk(wrapped, "Hi", {"event_type": "input", "content": [result]})
    assert [(one.name, one.arguments, one.returned) for one in seen.tool_calls] == [("look_up", {"a": 1}, 42)]
    assert seen.generations[0].finish_reason == "tool_calls"
    seen.assert_complete(strict=False)


async def test_what_else_the_application_sends_is_logged(server: Server, wrapped: Any, seen: FakeLogger) -> None:
    server.script = [None, None, None, *answer(0, "Done")]
    async with wrapped.aio.interactions.connect("v1_x") as connection:
        await connection.send({"event_type": "interaction.create", "agent": "deep-research"})
        await connection.send({"event_type": "user_action", "action": "click"})
        await connection.send("Go on")
        async for event in connection.receive():
            if event.event_type == "step.stop":
                break
        await connection.send({"event_type": "interaction.cancel"})
    assert seen.trace.input is not None
    assert "click" in seen.trace.input
    assert "Go on" in seen.trace.input
    assert "deep-research" in str(seen.as_dict())
    assert "cancelled" in str(seen.as_dict())
    seen.assert_complete()


async def test_a_connection_that_is_left_was_stopped_early(server: Server, wrapped: Any, seen: FakeLogger) -> None:
    server.script = [None, *answer(0, "Hel")]
    await talk(wrapped, "Hi", leaves=True)
    assert seen.trace.output == "Hel"
    assert "stopped_early" in seen.generation.metadata
    seen.assert_complete()


@pytest.mark.parametrize("end", [1008, 1011, "no json", {"error": 1}])
async def test_errors_are_those_of_the_bare_client(
    server: Server, wrapped: Any, bare: Any, seen: FakeLogger, end: Any
) -> None:
    server.script = [None, *answer(0, "Hel")[:2], end]
    raised: list[tuple[type[BaseException], str]] = []
    for client in (bare, wrapped):
        with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever the bare client raises
            await talk(client, "Hi")
        raised.append((caught.type, str(caught.value)))
    assert raised[0] == raised[1]
    error = seen.generation.error
    if isinstance(end, int):
        assert error is not None
        assert error.code == str(end)
    seen.assert_complete()


async def test_an_interaction_that_fails_is_an_error(server: Server, wrapped: Any, seen: FakeLogger) -> None:
    server.script = [None, {**COMPLETED, "status": {"code": 13, "message": "internal"}}]
    await _to_the_end(wrapped)
    error = seen.generation.error
    assert error is not None
    assert (error.message, error.code) == ("internal", "13")
    seen.assert_complete()


async def _to_the_end(client: Any) -> None:
    async with client.aio.interactions.connect("v1_x") as connection:
        await connection.send("Hi")
        async for _ in connection.receive():
            pass


async def test_labels_are_honoured_and_never_sent(server: Server, wrapped: Any, bare: Any, seen: FakeLogger) -> None:
    bare._api_client._http_options.headers["x-maxim-trace-tags"] = '{"team": "voice"}'
    server.script = [None, *answer(0, "Hello"), COMPLETED]
    await talk(wrapped, "Hi", extra_headers={"x-maxim-session-id": "my-session", "x-other": "1"}, generation_name="n")
    assert (seen.trace.session_id, seen.generation.name) == ("my-session", "n")
    assert not [name for name in server.headers[0] if name.lower().startswith("x-maxim-")]
    assert server.headers[0]["x-other"] == "1"


async def test_the_context_is_the_sdks_own(server: Server, wrapped: Any, bare: Any) -> None:
    assert type(wrapped.aio.interactions.connect("v1_x")) is type(bare.aio.interactions.connect("v1_x"))
    connection = await wrapped.aio.interactions.connect("v1_x")
    await connection.detach()
    assert server.url


async def test_a_connection_of_a_bare_client_is_traced_once_in_an_instrumented_process(
    server: Server, bare: genai.Client, wrapped: MaximGeminiClient, seen: FakeLogger
) -> None:
    others = FakeLogger()
    server.script = [None, *answer(0, "Hel", "lo"), COMPLETED]
    with instrument(others):
        of_bare = await talk(bare, "Hi")
        await talk(wrapped, "Hi")
    with instrument(others, skip=lambda call: call.method == "interactions.connect"):
        skipped = await talk(bare, "Hi")
    for logger in (seen, others):
        logger.writer.settle()
        assert [one.output for one in logger.traces] == ["Hello"]
        logger.assert_complete()
    assert of_bare == skipped == await talk(bare, "Hi")
