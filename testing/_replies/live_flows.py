"""Typical flows of the Live API; `flows.py` has those of `generate_content`."""

# pyright: reportUnknownMemberType=false
# `send_realtime_input` of google-genai takes images of Pillow, which need not be there.

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing import reply

from .flows import Flow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.genai import Client, types
    from google.genai.live import AsyncSession

    from .model import Reply

    Talk = Callable[[Client], Awaitable[object]]

MODEL: Final = "gemini-live-2.5-flash-preview"
_PIECE: Final = 640
"""Bytes of sound in 20 ms."""

LIVE_FLOWS: Final[dict[str, Flow]] = {}
"""Every flow by name."""


def _flow(name: str, description: str, *script: Reply) -> Callable[[Talk], Talk]:
    def add(talk: Talk) -> Talk:
        def play(client: Client) -> object:
            return asyncio.run(_closed(client, talk))

        LIVE_FLOWS[name] = Flow(name, description, script, play)
        return talk

    return add


async def _closed(client: Client, talk: Talk) -> object:
    try:
        return await talk(client)
    finally:
        if hasattr(client.aio, "aclose"):
            await client.aio.aclose()


@_flow("live_text", "A live session of two turns in text.", reply.live(reply.text("Paris."), reply.text("Rome.")))
async def _text(client: Client) -> object:
    async with client.aio.live.connect(model=MODEL, config={"response_modalities": ["TEXT"]}) as session:  # type: ignore[arg-type]
        return [await _turn(session, f"What is the capital of {country}?") for country in ("France", "Italy")]


@_flow(
    "live_audio",
    "A question asked by voice, answered by voice, both transcribed.",
    reply.live(reply.input_transcription("What time is it?") + reply.speech("It is noon.", seconds=0.2)),
)
async def _audio(client: Client) -> object:
    async with client.aio.live.connect(model=MODEL, config=_TRANSCRIBED) as session:
        await _speak(session, 10)
        await session.send_realtime_input(audio_stream_end=True)
        return await _turn(session)


@_flow(
    "live_function_call",
    "A function that runs in the middle of a live turn.",
    reply.live(reply.function_call("get_weather", city="Kyiv"), reply.text("It is sunny in Kyiv.")),
)
async def _function_call(client: Client) -> object:
    from google.genai import types

    seen: list[object] = []
    declaration = types.FunctionDeclaration(name="get_weather", description="Return the weather of a city.")
    config = types.LiveConnectConfig(tools=[types.Tool(function_declarations=[declaration])])
    async with client.aio.live.connect(model=MODEL, config=config) as session:
        await session.send_client_content(turns=_content("How is the weather in Kyiv?"))
        async for message in session.receive():
            seen += _seen(message)
            for call in (message.tool_call and message.tool_call.function_calls) or []:
                result = types.FunctionResponse(id=call.id, name=call.name, response={"result": "sunny"})
                await session.send_tool_response(function_responses=result)
    return seen


@_flow(
    "live_interruption",
    "The user speaks while the model does.",
    reply.live(
        reply.speech("Once upon a time there was", seconds=0.2) + reply.interrupted(),
        reply.input_transcription("Stop!") + reply.speech("Yes?", seconds=0.1),
    ),
)
async def _interruption(client: Client) -> object:
    from google.genai import types

    seen: list[object] = []
    async with client.aio.live.connect(model=MODEL, config=_TRANSCRIBED) as session:
        await session.send_client_content(turns=_content("Tell me a story."))
        async for message in session.receive():
            seen += _seen(message)
            if seen[-1:] == [" was"]:  # then the server waits: who sends what first is always the same
                await session.send_realtime_input(activity_start=types.ActivityStart())
        await _speak(session, 10)
        await session.send_realtime_input(activity_end=types.ActivityEnd())
        return [seen, await _turn(session)]


@_flow(
    "live_resumption",
    "A server that goes away, and a session that is resumed on another connection.",
    reply.live(reply.text("Nice to meet you, Ada.") + reply.resumption("handle-1") + reply.go_away(5)),
    reply.live(reply.text("Your name is Ada.")),
)
async def _resumption(client: Client) -> object:
    from google.genai import types

    seen: list[object] = []
    handle: str | None = None
    for text in ("Hi, I am Ada.", "What is my name?"):
        config = types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(handle=handle))
        async with client.aio.live.connect(model=MODEL, config=config) as session:
            await session.send_client_content(turns=_content(text))
            async for message in session.receive():
                seen += _seen(message)
                if message.session_resumption_update is not None:
                    handle = message.session_resumption_update.new_handle
    return [seen, handle]


@_flow(
    "live_closed",
    "A connection that the server closes in the middle of an answer.",
    reply.live(reply.text("Let me ") + reply.close(1011, "The service is overloaded.")),
)
async def _is_closed(client: Client) -> object:
    from google.genai.errors import APIError

    async with client.aio.live.connect(model=MODEL) as session:
        try:
            return await _turn(session, "Sing.")
        except APIError as error:
            return [error.code, str(error)]


@_flow(
    "interaction_live",
    "An interaction that is connected to by a websocket.",
    reply.live(reply.text("Paris.")),
)
async def _interaction(client: Client) -> object:
    seen: list[object] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is experimental
        interactions: Any = client.aio.interactions
        async with interactions.connect("v1_live") as connection:
            async for event in connection.receive():
                kind = str(event.event_type)
                seen.append(kind)
                if kind == "interaction.connected":
                    await connection.send("What is the capital of France?")
                if kind == "step.stop":
                    await connection.complete()
    return seen


_TRANSCRIBED: Final[Any] = {
    "response_modalities": ["AUDIO"],
    "input_audio_transcription": {},
    "output_audio_transcription": {},
}


def _content(text: str) -> types.Content:
    from google.genai import types

    return types.Content(role="user", parts=[types.Part(text=text)])


async def _speak(session: AsyncSession, pieces: int) -> None:
    from google.genai import types

    for _ in range(pieces):
        await session.send_realtime_input(audio=types.Blob(data=bytes(_PIECE), mime_type="audio/pcm;rate=16000"))


async def _turn(session: AsyncSession, text: str | None = None) -> list[object]:
    if text is not None:
        await session.send_client_content(turns=_content(text))
    return [one async for message in session.receive() for one in _seen(message)]


def _seen(message: types.LiveServerMessage) -> list[object]:
    """Return a program's view of *message*, as JSON; for sound, only its amount."""
    content = message.server_content
    parts = (content and content.model_turn and content.model_turn.parts) or []
    seen: list[object] = [part.text for part in parts if part.text]
    seen += [f"{len(part.inline_data.data or b'')} bytes" for part in parts if part.inline_data]
    if content is not None:
        pair = (content.input_transcription, content.output_transcription)
        seen += [one.text for one in pair if one is not None]
        seen += [name for name in ("interrupted", "turn_complete") if getattr(content, name)]
    if message.go_away is not None:
        seen.append("go away")
    calls = (message.tool_call and message.tool_call.function_calls) or []
    return [*seen, *([call.name, call.args] for call in calls)]
