"""One HTTP exchange, as the cassette, the scripted replies and the HTTP edge hand it to each other.

Requests are vcrpy's own `vcr.request.Request`; answers are the two small classes below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COMPLETE: Final = "complete"
"""How an answer ended that was received whole. Anything else is a reason, such as `RemoteProtocolError`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer's body, as it came off the wire."""

    data: bytes
    at: float = 0.0
    """Seconds after the request was sent."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: decoded of any transfer or content encoding, in the pieces in which it came."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    chunks: tuple[Chunk, ...] = ()
    reason: str = ""
    ended: str = COMPLETE

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(chunk.data for chunk in self.chunks)

    def header(self, name: str, default: str = "") -> str:
        """Return the first header of that name, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), default)
