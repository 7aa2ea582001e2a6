"""What is said in the tests of live sessions, by Gemini and by the application."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from google.genai import types

if TYPE_CHECKING:
    from maxim_gemini import MaximGeminiClient

MODEL = "gemini-live-2.5-flash-preview"
DONE: dict[str, Any] = {
    "serverContent": {"turnComplete": True},
    "usageMetadata": {"promptTokenCount": 7, "responseTokenCount": 3, "totalTokenCount": 10},
}


def text(*words: str) -> list[dict[str, Any]]:
    return [{"serverContent": {"modelTurn": {"parts": [{"text": word}]}}} for word in words]


def spoken(words: str, sound: bytes = b"\1\0" * 240) -> dict[str, Any]:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": base64.b64encode(sound).decode()}
    turn = {"parts": [{"inlineData": blob}]}
    return {"serverContent": {"modelTurn": turn, "outputTranscription": {"text": words}}}


def transcription(words: str) -> dict[str, Any]:
    return {"serverContent": {"inputTranscription": {"text": words}}}


def calling(*calls: tuple[str | None, str]) -> dict[str, Any]:
    return {"toolCall": {"functionCalls": [{"id": i, "name": name, "args": {"n": i}} for i, name in calls]}}


async def ask(session: Any, words: str = "Hi") -> None:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=words)]))


async def turn(session: Any) -> list[types.LiveServerMessage]:
    return [message async for message in session.receive()]


async def converse(client: MaximGeminiClient, *words: str) -> None:
    async with client.aio.live.connect(model=MODEL) as session:
        for one in words:
            await ask(session, one)
            await turn(session)


async def speak(session: Any, seconds: float = 0.1) -> None:
    blob = types.Blob(data=b"\2\0" * round(16_000 * seconds), mime_type="audio/pcm;rate=16000")
    await session.send_realtime_input(audio=blob)
