"""A real HTTP server on 127.0.0.1 that does what a test tells it, byte by byte."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SSE = (("Content-Type", "text/event-stream"),)
JSON = (("Content-Type", "application/json; charset=UTF-8"),)


@dataclass
class ReceivedRequest:
    """A request, as it was received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply:
    """The answer to one request, under the hands of a test."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler
        self._chunked = False

    def head(self, status: int, headers: Iterable[tuple[str, str]] = JSON) -> None:
        self._handler.send_response(status)
        for name, value in headers:
            self._handler.send_header(name, value)
        self._chunked = True
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def send(self, data: bytes) -> None:
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self._handler.wfile.flush()

    def whole(self, body: bytes, status: int = 200, headers: Iterable[tuple[str, str]] = JSON) -> None:
        self.head(status, headers)
        if body:
            self.send(body)

    def drop(self) -> None:
        self._chunked = False
        self._handler.close_connection = True

    def finish(self) -> None:
        if self._chunked:
            self._handler.wfile.write(b"0\r\n\r\n")
            self._handler.wfile.flush()


Script = Callable[[ReceivedRequest, Reply], None]


@dataclass
class Loopback:
    """The server: its address, and the requests that it has received."""

    script: Script
    url: str = ""
    requests: list[ReceivedRequest] = field(default_factory=list)


@contextmanager
def loopback(script: Script) -> Iterator[Loopback]:
    """Serve *script* on a free port while the block runs."""
    server = Loopback(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else small writes wait 40 ms for each other

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = ReceivedRequest(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            server.requests.append(request)
            reply = Reply(self)
            server.script(request, reply)
            reply.finish()

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    httpd = Server(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
