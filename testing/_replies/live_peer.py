"""A scripted live session in the client's own process: the server is a task beside it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from maxim_gemini.testing._http.websocket import Close, Message, Peer, PeerClosed

from .live_player import play
from .request import GeminiRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .model import Reply
    from .script import Script


class ScriptedPeer(Peer):
    """The server's side of one connection; it begins with the client's first message."""

    def __init__(self, script: Script, url: str, headers: Mapping[str, str]) -> None:
        self._script = script
        self._url = url
        self._headers = tuple(headers.items())
        self._to_server: asyncio.Queue[Message | Close] = asyncio.Queue()
        self._to_client: asyncio.Queue[Message | Close] = asyncio.Queue()
        self._ended: Close | None = None
        self._playing: asyncio.Task[None] | None = None

    async def take(self, message: Message) -> None:
        """Pass *message* to the server."""
        if self._ended is not None:
            raise PeerClosed(self._ended)
        if self._playing is None:
            request = GeminiRequest.of("WEBSOCKET", self._url, self._headers, message)
            session = self._script.converse(request)
            self._playing = asyncio.create_task(play(self._script, self, request, session, _at_once))
        else:
            self._to_server.put_nowait(message)
        await asyncio.sleep(0)  # as a socket does, or a client that only sends would never let the server speak

    async def give(self) -> Message:
        """Return the server's next message."""
        return await _next(self._to_client)

    async def leave(self, close: Close) -> None:
        """Tell the server that the client has closed the connection, and wait until it has stopped."""
        self._ended = self._ended or close
        for queue in (self._to_server, self._to_client):
            queue.put_nowait(close)
        if self._playing is not None:
            with suppress(asyncio.CancelledError):
                await self._playing

    # The server's side: a `Channel`

    async def receive(self) -> Message:
        """Return the client's next message."""
        return await _next(self._to_server)

    async def send(self, message: Message) -> None:
        """Send *message* to the client."""
        self._to_client.put_nowait(message)
        await asyncio.sleep(0)  # so that a client hears it while the server goes on

    async def close(self, close: Close) -> None:
        """End the connection."""
        self._ended = self._ended or close
        self._to_client.put_nowait(close)


async def _next(queue: asyncio.Queue[Message | Close]) -> Message:
    item = await queue.get()
    if isinstance(item, Close):
        queue.put_nowait(item)  # for whoever asks again
        raise PeerClosed(item)
    return item


async def _at_once(function: Callable[[], Reply]) -> Reply:
    return function()
