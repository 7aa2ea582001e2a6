"""One test for both sides of google-genai: the calls of the sync and of the async client, under one name."""

from __future__ import annotations

from typing import Any, NamedTuple

from google.genai.chats import AsyncChat, Chat
from google.genai.models import AsyncModels, Models

MODEL = "gemini-2.5-flash"


class Kinds(NamedTuple):
    """The SDK's classes of one side."""

    models: Any
    chat: Any


class Sync:
    """`client.models`, `client.chats`."""

    is_async = False
    kinds = Kinds(Models, Chat)

    def models(self, client: Any) -> Any:
        return client.models

    def chats(self, client: Any) -> Any:
        return client.chats

    async def generate(self, client: Any, contents: Any = "Hi", **more: Any) -> Any:
        return client.models.generate_content(model=MODEL, contents=contents, **more)

    async def open(self, client: Any, contents: Any = "Hi", **more: Any) -> Any:
        return client.models.generate_content_stream(model=MODEL, contents=contents, **more)

    async def send(self, chat: Any, *message: Any, **more: Any) -> Any:
        return chat.send_message(*message, **more)

    async def open_turn(self, chat: Any, *message: Any, **more: Any) -> Any:
        return chat.send_message_stream(*message, **more)

    async def next(self, stream: Any) -> Any:
        return next(stream)

    async def read(self, stream: Any) -> list[Any]:
        return list(stream)

    async def throw(self, stream: Any, *thrown: Any) -> Any:
        return stream.throw(*thrown)

    async def close(self, stream: Any) -> None:
        stream.close()

    def __repr__(self) -> str:
        return type(self).__name__.lower()


class Async(Sync):
    """`client.aio.models`, `client.aio.chats`."""

    is_async = True
    kinds = Kinds(AsyncModels, AsyncChat)

    def models(self, client: Any) -> Any:
        return client.aio.models

    def chats(self, client: Any) -> Any:
        return client.aio.chats

    async def generate(self, client: Any, contents: Any = "Hi", **more: Any) -> Any:
        return await client.aio.models.generate_content(model=MODEL, contents=contents, **more)

    async def open(self, client: Any, contents: Any = "Hi", **more: Any) -> Any:
        return await client.aio.models.generate_content_stream(model=MODEL, contents=contents, **more)

    async def send(self, chat: Any, *message: Any, **more: Any) -> Any:
        return await chat.send_message(*message, **more)

    async def open_turn(self, chat: Any, *message: Any, **more: Any) -> Any:
        return await chat.send_message_stream(*message, **more)

    async def next(self, stream: Any) -> Any:
        return await anext(stream)

    async def read(self, stream: Any) -> list[Any]:
        return [chunk async for chunk in stream]

    async def throw(self, stream: Any, *thrown: Any) -> Any:
        return await stream.athrow(*thrown)

    async def close(self, stream: Any) -> None:
        await stream.aclose()


SIDES = (Sync(), Async())
