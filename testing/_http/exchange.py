"""One HTTP exchange, for the cassette, the scripted replies and the HTTP edge.

Requests are vcrpy's own `vcr.request.Request`; answers are the two small classes below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COMPLETE: Final = "complete"
"""The end of an answer that was received completely. All others are reasons, such as `RemoteProtocolError`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer's body, as it was received."""

    data: bytes
    at: float = 0.0
    """Seconds after the request was sent."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, without transfer or content encoding, in the pieces in which it was received."""

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
        """Return the first header with that name, in upper or lower case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), default)
