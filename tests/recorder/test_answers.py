"""Answers of every form: each HTTP library records the same file, and plays what the others have recorded."""

from __future__ import annotations

import gzip
import importlib
import re
import socketserver
import threading
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.clients import EDGE_IDS, EDGES

from maxim_gemini.testing import GeminiRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON = b"content-type: application/json"
BODY = b'{"a": 1}'


def http(status: bytes, *headers: bytes, body: bytes = b"", length: bool = True) -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, *([b"content-length: %d" % len(body)] if length else [])]
    return b"\r\n".join([*lines, b"", body])


CHUNKS = b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n'
ANSWERS = {
    "plain": http(b"200 OK", JSON, body=BODY),
    "empty": http(b"200 OK", JSON),
    "no-content": http(b"204 No Content", b"x-a: 1", length=False),
    "not-modified": http(b"304 Not Modified", b"content-length: 5", length=False),
    "utf-8-header": http(b"200 OK", JSON, "x-note: Grüße, 中".encode(), body=BODY),
    "latin-1-header": http(b"200 OK", JSON, "x-note: Grüße".encode("latin-1"), body=BODY),
    "empty-header": http(b"200 OK", JSON, b"x-empty:", b"x-space:   a  b  ", body=BODY),
    "repeated-headers": http(b"200 OK", JSON, b"x-a: 1", b"x-b: 0", b"X-A: 2", body=BODY),
    "reason": http("404 Nicht hübsch".encode(), JSON, body=BODY),
    "gzip": http(b"200 OK", JSON, b"content-encoding: gzip", body=gzip.compress(BODY)),
    "gzip-in-capitals": http(b"200 OK", JSON, b"Content-Encoding: GZIP", body=gzip.compress(BODY)),
    "deflate": http(b"200 OK", JSON, b"content-encoding: deflate", body=zlib.compress(BODY)),
    "identity": http(b"200 OK", JSON, b"content-encoding: identity", body=BODY),
    "encoding-without-body": http(b"200 OK", JSON, b"content-encoding: gzip"),
    "unknown-encoding": http(b"200 OK", JSON, b"content-encoding: x-own", body=BODY),
    "early-hints": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + http(b"200 OK", JSON, body=BODY),
    "chunked": http(b"200 OK", JSON, b"transfer-encoding: chunked", body=CHUNKS + b"\r\n", length=False),
    "trailer": http(b"200 OK", JSON, b"transfer-encoding: chunked", body=CHUNKS + b"x-t: 1\r\n\r\n", length=False),
    "until-closed": http(b"200 OK", JSON, b"connection: close", body=BODY, length=False),
    "redirect": http(b"307 Temporary Redirect", b"location: /plain"),
    "redirect-with-body": http(b"302 Found", b"location: /redirect", b"content-type: text/html", body=b"gone"),
    "redirect-in-chunks": http(
        b"301 Moved", b"location: /gzip", b"transfer-encoding: chunked", body=CHUNKS + b"\r\n", length=False
    ),
    "redirect-with-cookie": http(b"303 See Other", b"location: /plain", b"set-cookie: a=1"),
}
PACKING = {"content-length", "content-encoding", "transfer-encoding", "connection", "trailer", "set-cookie"}
"""Headers that tell how an answer was packed, which nobody needs again, and what no cassette holds."""


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.split()
            while self.rfile.readline().strip():
                pass
            answer = ANSWERS[path.decode().strip("/")]
            if method == b"HEAD":
                hints = answer.startswith(b"HTTP/1.1 103")
                answer = b"\r\n\r\n".join([*answer.split(b"\r\n\r\n")[: 1 + hints], b""])
            self.wfile.write(answer)
            if b"connection: close" in answer:
                return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Received(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    redirects: list[int]


async def received(library: str, is_async: bool, method: str, url: str) -> Received:
    module: Any = importlib.import_module(library)
    if library == "aiohttp":
        async with module.ClientSession() as session, session.request(method, url) as answer:
            body = await answer.read()
            headers = [(k, v.encode("utf-8", "surrogateescape")) for k, v in answer.headers.items()]
            return Received(answer.status, meant(headers), body, [past.status for past in answer.history])
    if is_async:
        async with module.AsyncClient(follow_redirects=True) as client:
            answer = await client.request(method, url)
    else:
        with module.Client(follow_redirects=True) as client:
            answer = client.request(method, url)
    raw = [(name.decode(), value) for name, value in answer.headers.raw]
    return Received(answer.status_code, meant(raw), answer.content, [past.status_code for past in answer.history])


def meant(headers: list[tuple[str, bytes]]) -> list[tuple[str, str]]:
    return sorted((name.lower(), text(value)) for name, value in headers if name.lower() not in PACKING)


def text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def answers_in(path: Path) -> str:
    """Return what the file holds besides the requests, whose headers are the library's own, and times."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not re.search("times:|_at:|seal", line)]
    return re.sub(r"(?s)request:.*?response:", "response:", "\n".join(lines))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_every_library_records_the_same_and_plays_the_others(
    tmp_path: Path, url: str, name: str, method: str
) -> None:
    live = [await received(*edge, method, f"{url}/{name}") for edge in EDGES]
    assert live == [live[0]] * len(live)
    files = [tmp_path / f"{edge}.yaml" for edge in EDGE_IDS]
    for edge, path in zip(EDGES, files, strict=True):
        with GeminiRecorder(path, record="once", hosts=[url]):
            assert await received(*edge, method, f"{url}/{name}") == live[0]
    assert [answers_in(path) for path in files] == [answers_in(files[0])] * len(files)
    for path in files:
        for edge in EDGES:
            with GeminiRecorder(path, hosts=[url], strict=True):
                assert await received(*edge, method, f"{url}/{name}") == live[0]
