"""The parts of a server that a live session needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from maxim_gemini.testing._http.websocket import Close, Message

    from .model import Reply


class Channel(Protocol):
    """One connection, from the server's side."""

    async def receive(self) -> Message:
        """Return the client's next message; raise `PeerClosed` if it has closed the connection."""
        ...

    async def send(self, message: Message) -> None: ...

    async def close(self, close: Close) -> None:
        """Close the connection; with the code of an abnormal closure, break it."""
        ...


class InThread(Protocol):
    """Runs a function that may block, without stopping other work."""

    def __call__(self, function: Callable[[], Reply], /) -> Awaitable[Reply]: ...
