"""The HTTP edge: where requests of google-genai are answered from memory, or go out and are watched on their way back.

`routing` says whose requests are whose, one file per HTTP library carries them, `sdk` holds what google-genai does
besides HTTP: it waits before a retry, and it looks for credentials.

    with routed(route):              # this task or thread, and the threads it starts
        client.models.generate_content(...)     # route.answer(request) decides

Nothing but this folder touches the private names of those libraries.
"""

from __future__ import annotations

from .delivery import LEFT_BY_READER, Delivery, Live, Piece
from .routing import Block, Route, blocked, routed

__all__ = ["LEFT_BY_READER", "Block", "Delivery", "Live", "Piece", "Route", "blocked", "routed"]
