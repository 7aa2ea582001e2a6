"""A model behind HTTP that gives the same answer to every request, after a while: so quick that a benchmark of its
clients measures them.

Run as a program, with the answer's body, its media type and the seconds that it waits on average, it prints its port.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One connection, on which a client makes one request after the other."""

    def __init__(self, answer: bytes, seconds: float) -> None:
        self._answer = answer
        self._seconds = seconds
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            # Not all after the same time: else the client's tasks go on in step.
            asyncio.get_running_loop().call_later(self._seconds * random.uniform(0.5, 1.5), self._reply)

    def _reply(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(self._answer)


async def serve(body: bytes, media_type: str, seconds: float) -> None:
    """Serve until the process is ended."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(head.encode() + body, seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1].encode(), sys.argv[2], float(sys.argv[3])))
