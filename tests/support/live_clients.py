"""Live sessions of the tests: clients, turns, what is in the messages."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from google import genai
from google.genai import types

from maxim_gemini.testing import GeminiServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.genai.live import AsyncSession

    from maxim_gemini.testing import GeminiMock

LIVE_MODEL = "gemini-live-2.5-flash-preview"
MICROPHONE = "audio/pcm;rate=16000"


def client_of(scripted: GeminiServer | GeminiMock | None = None) -> genai.Client:
    """Return a client of a server, or one for Google's own address."""
    options = {"base_url": scripted.url} if isinstance(scripted, GeminiServer) else None
    return genai.Client(api_key="any", http_options=options)  # type: ignore[arg-type]


@asynccontextmanager
async def session_of(
    scripted: GeminiServer | GeminiMock | None = None, /, model: str = LIVE_MODEL, **config: Any
) -> AsyncIterator[AsyncSession]:
    """Hold a live session."""
    client = client_of(scripted)
    try:
        async with client.aio.live.connect(model=model, config=config or None) as session:  # type: ignore[arg-type]
            yield session
    finally:
        if hasattr(client.aio, "aclose"):
            await client.aio.aclose()
        if hasattr(client, "close"):
            client.close()


async def turn(session: AsyncSession, text: str | None = None) -> list[types.LiveServerMessage]:
    """Ask *text*, if there is one, and return the messages of the answer."""
    if text is not None:
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
    return [message async for message in session.receive()]


async def speak(session: AsyncSession, size: int, pieces: int = 1, mime_type: str = MICROPHONE) -> None:
    """Send *size* bytes of sound in so many pieces."""
    for _ in range(pieces):
        await session.send_realtime_input(audio=types.Blob(data=bytes(size // pieces), mime_type=mime_type))


def texts(messages: list[types.LiveServerMessage]) -> str:
    """Return the text of *messages*."""
    parts = (
        part
        for message in messages
        if message.server_content and message.server_content.model_turn
        for part in message.server_content.model_turn.parts or ()
    )
    return "".join(part.text or "" for part in parts)


def spoken(messages: list[types.LiveServerMessage]) -> bytes:
    """Return the sound of *messages*."""
    return b"".join(message.data or b"" for message in messages)


def contents(messages: list[types.LiveServerMessage], name: str) -> list[Any]:
    """Return what the server's contents hold under *name*."""
    values = [getattr(message.server_content, name) for message in messages if message.server_content]
    return [value for value in values if value is not None]
