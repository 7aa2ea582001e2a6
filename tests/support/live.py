"""A server of the Live API on loopback, and the real sessions of the corpus to play on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from google.genai import live, types
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from .corpus import corpus_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    import pytest
    from websockets.asyncio.server import ServerConnection

SETUP_COMPLETE = b'{\n  "setupComplete": {}\n}\n'


class Wait(NamedTuple):
    """The server waits for frames of the client."""

    frames: int = 1


class Close(NamedTuple):
    """The server closes the connection; without a code it breaks it."""

    code: int | None = 1000
    reason: str = ""


class Pause(NamedTuple):
    """The server sends nothing for some seconds."""

    seconds: float


Step = Wait | Close | Pause | bytes | str | dict[str, Any]


class Gemini:
    """Plays *script* to whoever connects; afterwards it reads what comes until the client closes."""

    def __init__(self) -> None:
        self.script: Sequence[Any] = ()  # of steps
        self.before_setup: Step = b""
        self.received: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self.port = 0
        self._closes: list[asyncio.Future[tuple[int | None, str | None]]] = []

    async def __call__(self, connection: ServerConnection) -> None:
        closed = asyncio.get_running_loop().create_future()
        self._closes.append(closed)
        received = list[str]()
        self.received.append(received)
        self.headers.append(dict(connection.request.headers.raw_items()) if connection.request else {})
        with contextlib.suppress(ConnectionClosed):
            received.append(str(await connection.recv()))
            for step in (self.before_setup or SETUP_COMPLETE, *self.script):
                await self._do(step, connection, received)
            while True:
                received.append(str(await connection.recv()))
        closed.set_result((connection.close_code, connection.close_reason))

    async def closes(self) -> list[tuple[int | None, str | None]]:
        """Return how each connection was closed, once they all are."""
        return [await closed for closed in self._closes]

    async def _do(self, step: Step, connection: ServerConnection, received: list[str]) -> None:
        if isinstance(step, Wait):
            received += [str(await connection.recv()) for _ in range(step.frames)]
        elif isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Close):
            if step.code is None:
                connection.transport.abort()
            else:
                await connection.close(step.code, step.reason)
        else:
            await connection.send(json.dumps(step, indent=2).encode() if isinstance(step, dict) else step)


@contextlib.asynccontextmanager
async def gemini_on_loopback(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gemini]:
    """Serve on loopback, and have the SDK, which asks for TLS always, connect there without."""
    gemini = Gemini()
    async with serve(gemini, "127.0.0.1", 0, max_size=None) as server:
        gemini.port = next(iter(server.sockets)).getsockname()[1]
        monkeypatch.setattr(live, "ws_connect", functools.partial(_to_loopback, gemini))
        yield gemini


def _to_loopback(gemini: Gemini, uri: str, **options: Any) -> connect:
    options.pop("ssl", None)
    path = uri.partition("://")[2].partition("/")[2]
    return connect(f"ws://127.0.0.1:{gemini.port}/{path}", max_size=None, proxy=None, **options)


class Recorded(NamedTuple):
    """A real session: what went over the websocket, without the setup and its confirmation."""

    name: str
    is_vertex: bool
    model: str
    setup: dict[str, Any]
    frames: list[tuple[str, str]]
    """Each with its direction, `sent` or `received`."""

    def __repr__(self) -> str:
        return self.name

    @property
    def received(self) -> list[dict[str, Any]]:
        """What the server sent."""
        return [json.loads(text) for direction, text in self.frames if direction == "received"]

    @property
    def sent(self) -> list[dict[str, Any]]:
        """What the client sent."""
        return [json.loads(text) for direction, text in self.frames if direction == "sent"]

    @property
    def script(self) -> list[Step]:
        """What a server does that plays it: each frame comes when the client has sent all that it had sent then."""
        return [Wait() if direction == "sent" else text.encode() for direction, text in self.frames]


@functools.cache
def recorded_sessions() -> tuple[Recorded, ...]:
    """Return every recorded session; empty where there is no corpus."""
    folder = corpus_folder()
    return (
        tuple(_read(path.read_text(), path.stem) for path in sorted((folder / "live").glob("*.json"))) if folder else ()
    )


def _read(text: str, name: str) -> Recorded:
    data = json.loads(text)
    frames = [(frame["direction"], frame["text"]) for frame in data["frames"]]
    setup = next(json.loads(text)["setup"] for direction, text in frames if direction == "sent" and '"setup"' in text)
    rest = [(direction, text) for direction, text in frames if '"setup"' not in text and '"setupComplete"' not in text]
    return Recorded(name, data["backend"] == "vertex", data["model"], setup, rest)


def member(message: Any, name: str) -> Any:
    """Return a member written in snake case or in camel case."""
    if not isinstance(message, dict):
        return None
    first, *rest = name.split("_")
    return message.get(name, message.get(first + "".join(word.capitalize() for word in rest)))


async def send(session: Any, message: dict[str, Any]) -> None:
    """Send what was recorded as an application does, by the SDK's methods."""
    if (content := member(message, "client_content")) is not None:
        turns = [types.Content.model_validate(turn) for turn in content.get("turns") or ()]
        await session.send_client_content(turns=turns, turn_complete=bool(member(content, "turn_complete")))
    elif (response := member(message, "tool_response")) is not None:
        responses = [types.FunctionResponse.model_validate(one) for one in _functions(response)]
        await session.send_tool_response(function_responses=responses)
    else:
        given = member(message, "realtime_input")
        for name in ("audio", "video", "media"):
            if blob := member(given, name):
                await session.send_realtime_input(**{name: types.Blob.model_validate(blob)})
        for blob in member(given, "media_chunks") or ():
            await session.send_realtime_input(media=types.Blob.model_validate(blob))
        if text := member(given, "text"):
            await session.send_realtime_input(text=text)


def _functions(response: Any) -> Iterator[dict[str, Any]]:
    responses = member(response, "function_responses")
    for number, one in enumerate(responses if isinstance(responses, list) else [responses]):
        yield {"id": f"id-{number}", **one}


async def play(client: Any, recorded: Recorded) -> list[types.LiveServerMessage]:
    """Be the application of a recorded session: send and receive in the same order; return what was received."""
    config = {"system_instruction": "Be brief.", "response_modalities": ["AUDIO"]}
    received = list[types.LiveServerMessage]()
    async with client.aio.live.connect(model=recorded.model.rpartition("/")[2], config=config) as session:
        messages = aiter(_messages(session))
        for direction, text in recorded.frames:
            if direction == "sent":
                await send(session, json.loads(text))
            else:
                received.append(await anext(messages))
    return received


async def _messages(session: Any) -> AsyncIterator[types.LiveServerMessage]:
    while True:
        async for message in session.receive():
            yield message
