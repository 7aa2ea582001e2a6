"""One websocket, for the HTTP edge, the cassette and the scripted replies.

A `Peer` is a server in memory: the edge gives it what the client sends, and takes what it sends. A `Tap` watches a
connection that goes to the network. Where a peer may leave the client to the real server, it has `Network` open the
connection, and passes on what goes over it. Pure: no websocket library is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from maxim_gemini.testing._clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .exchange import Response

Message: TypeAlias = str | bytes
"""The content of a text frame or a binary frame."""

ABNORMAL: Final = 1006
"""The close code of a connection that broke; it is never sent."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A message of one side."""

    message: Message
    is_sent: bool
    """`True` if the client sent it."""
    at: float = 0.0
    """Seconds after the connection was opened."""

    @property
    def data(self) -> bytes:
        """The message as bytes."""
        return self.message.encode() if isinstance(self.message, str) else self.message


@dataclass(frozen=True, slots=True)
class Close:
    """The end of a connection: its code and its reason."""

    code: int = 1000
    reason: str = ""
    by: Literal["client", "server"] = "server"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole connection: the address, and the messages of both sides, in the client's order."""

    uri: str
    headers: tuple[tuple[str, str], ...] = ()
    frames: tuple[Frame, ...] = ()
    close: Close | None = None
    """How it ended; `None` if it was still open at the end of the recording."""
    refused: Response | None = None
    """The server's refusal of the handshake; then there was no connection."""


class PeerClosed(Exception):
    """The connection has ended: there is nothing to take, and nothing can be sent."""

    def __init__(self, close: Close) -> None:
        super().__init__(close)
        self.close = close


class Peer:
    """The server, as a client in this process has it."""

    async def take(self, message: Message) -> None:
        """Take what the client sends; what is raised here reaches the client's `send`."""
        raise NotImplementedError

    async def give(self) -> Message:
        """Return the next message to the client, once there is one; raise `PeerClosed` at the end.

        May be cancelled: no message is lost by that.
        """
        raise NotImplementedError

    async def leave(self, close: Close) -> None:
        """Note that the client closes the connection; `give` then raises `PeerClosed`."""
        raise NotImplementedError


class Tap:
    """Records a connection to the network; *sent* is called with the client's messages."""

    def __init__(self, uri: str, headers: tuple[tuple[str, str], ...], sent: Callable[[Message], None]) -> None:
        self.conversation: Conversation | None = None
        """The whole connection after its end; `None` before that, and if no server has answered."""
        self._uri = uri
        self._headers = headers
        self._sent = sent
        self._opened_at = monotonic()
        self._frames: list[Frame] = []
        self._ended = False

    def frame(self, message: Message, *, is_sent: bool) -> None:
        """Record the next message of either side."""
        if not self._ended:
            self._frames.append(Frame(message, is_sent, monotonic() - self._opened_at))
            if is_sent:
                self._sent(message)

    def unsent(self) -> None:
        """Forget the last message of the client: the connection was closed before it was sent."""
        latest = next(index for index in reversed(range(len(self._frames))) if self._frames[index].is_sent)
        del self._frames[latest]

    def refused(self, response: Response) -> None:
        """Note that the server refused the handshake."""
        self._ended = True
        self.conversation = Conversation(self._uri, self._headers, refused=response)

    def unopened(self) -> None:
        """Note that there is no connection, because no server has answered."""
        self._ended = True

    def end(self, close: Close | None) -> None:
        """Record the end of the connection, once; `None` if it continues and is not recorded any longer."""
        first, self._ended = not self._ended, True
        if first:
            self.conversation = Conversation(self._uri, self._headers, tuple(self._frames), close)


if TYPE_CHECKING:
    Network: TypeAlias = Callable[[Tap], Awaitable[Peer]]
    """Opens the connection that the application asked for, watched by a tap."""
