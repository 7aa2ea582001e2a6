"""Maxim's ingestion API as a real server on loopback: slow, failing, away, or losing its answers.

    with Backend() as backend:
        logger = backend.logger()
        backend.fail(429, times=3)

Run as a program it prints its port, and is steered by JSON put to `/control`; `/received` says what it got.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen

from maxim.logger import Logger

LINE = re.compile(r"(\w+)\{id=([^,]+),action=([^,]+),data=(.*)\}", re.DOTALL)


@dataclass
class Received:
    """What arrived, and how the next requests are answered."""

    delay: float = 0.0
    status: int = 0
    times: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    lose_answers: int = 0
    poison: str = ""
    posts: list[bytes] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def failure(self) -> int:
        """Return the status to fail with, or 0."""
        with self.lock:
            self.attempts.append(time.monotonic())
            if self.status and self.times:
                self.times -= 1
                return self.status
        return 0

    @property
    def lines(self) -> list[str]:
        """The logs in order of arrival, the large ones from where they were stored."""
        with self.lock:
            lines = [line for post in self.posts for line in post.decode().split("\n") if line]
        return [self._whole(line) for line in lines]

    def _whole(self, line: str) -> str:
        if line.startswith("storage{"):
            return self.stored[json.loads(line[line.index("data=") + 5 : -1])["key"]].decode()
        return line

    def summary(self) -> dict[str, int]:
        """Return how many generations and logs arrived, how many of them twice, and how many out of order."""
        lines = self.lines
        began, ended = Counter[str](), Counter[str]()
        open_traces, disorder = set[str](), 0
        for line in lines:
            match = LINE.fullmatch(line)
            assert match is not None, line[:200]
            entity, entity_id, action = match[1], match[2], match[3]
            match entity, action:
                case "trace", "create":
                    open_traces.add(entity_id)
                case "trace", "add-generation":
                    began[json.loads(match[4])["id"]] += 1
                    disorder += entity_id not in open_traces
                case "generation", "end":
                    ended[entity_id] += 1
                    disorder += entity_id not in began
                case "trace", "end":
                    disorder += entity_id not in open_traces
                    open_traces.discard(entity_id)
                case _:
                    pass
        twice = sum(count - 1 for count in Counter(lines).values())
        summary = {"logs": len(lines), "began": len(began), "ended": len(ended), "twice": twice, "disorder": disorder}
        return {**summary, "posts": len(self.posts)}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    @property
    def received(self) -> Received:
        """What arrived at the server."""
        assert isinstance(self.server, Server)
        return self.server.received

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        received, path = self.received, urlsplit(self.path)
        if path.path == "/received":
            self.answer(200, received.summary())
        elif not path.path.endswith("/upload-url"):
            self.answer(200, {"data": {"id": "repository"}})
        elif status := received.failure():
            self.answer(status, {"error": {"message": f"HTTP {status}"}})
        else:
            self.answer(
                200, {"data": {"url": f"http://{self.headers['host']}/storage/{parse_qs(path.query)['key'][0]}"}}
            )

    def do_PUT(self) -> None:
        received, body = self.received, self.body()
        if self.path == "/control":
            with received.lock:
                vars(received).update(json.loads(body))
        else:
            time.sleep(received.delay)
            received.stored[unquote(self.path.removeprefix("/storage/"))] = body
        self.answer(200, {})

    def do_POST(self) -> None:
        received, body = self.received, self.body()
        time.sleep(received.delay)
        status = received.failure()
        if not status and received.poison and received.poison.encode() in body:
            status = received.status or 500
        if not status:
            with received.lock:
                received.posts.append(body)
                if received.lose_answers:
                    received.lose_answers -= 1
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
        self.answer(status or 200, {"error": {"message": f"HTTP {status}"}} if status else {"data": {}})

    def body(self) -> bytes:
        """Read the body of the request."""
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status: int, content: object) -> None:
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "content-length": str(len(body)),
            **(self.received.headers if status >= 400 else {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A server whose connections end with it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, received: Received) -> None:
        self.received = received
        self.connections = deque[Any](maxlen=1000)
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of connections that broke."""


class Backend:
    """A backend in a thread of this process."""

    def __init__(self) -> None:
        self.received = Received()
        self.server: Server | None = None
        self.port = 0
        self.come()

    def come(self) -> None:
        """Listen, at the same port as before."""
        self.server = Server(self.port, self.received)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def go(self) -> None:
        """Listen no more, and break the connections."""
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()
        for connection in self.server.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.port}"

    def fail(self, status: int, times: int = 1_000_000, **headers: str) -> None:
        """Answer with that status."""
        self.received.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.received.times, self.received.status = times, status

    def recover(self) -> None:
        """Take everything again."""
        self.received.times = 0
        self.received.poison = ""

    def logger(self, id: str = "repository") -> Logger:
        """Return a real logger that sends here."""
        return Logger({"id": id}, "a key", self.url)

    @property
    def lines(self) -> list[str]:
        """The logs that arrived."""
        return self.received.lines

    @property
    def summary(self) -> dict[str, int]:
        """What arrived, in numbers."""
        return self.received.summary()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.go()


def control(port: int, **changes: Any) -> None:
    """Change how a backend in another process answers."""
    request = Request(f"http://127.0.0.1:{port}/control", json.dumps(changes).encode(), method="PUT")
    urlopen(request).close()


def received(port: int) -> dict[str, int]:
    """Return what a backend in another process got."""
    with urlopen(f"http://127.0.0.1:{port}/received") as answer:
        summary: dict[str, int] = json.load(answer)
        return summary


if __name__ == "__main__":
    print(Backend().port, flush=True)
    threading.Event().wait()
