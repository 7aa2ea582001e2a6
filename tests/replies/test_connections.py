"""The server's connections: prompt, fair, and noticed when they go."""

from __future__ import annotations

import logging
import multiprocessing
import operator
import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.clients import asking

from maxim_gemini.testing import GeminiServer, reply
from maxim_gemini.testing._replies.render import write
from maxim_gemini.testing._replies.request import GeminiRequest

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "gemini-2.5-flash"
BODY = b'{"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}'


def posted(server: GeminiServer, action: str = "streamGenerateContent?alt=sse") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = f"POST /v1beta/models/{MODEL}:{action} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n\r\n"
    connection.sendall(head.encode() + BODY)
    return connection


def eventually(true: Callable[[], bool]) -> bool:
    for _ in range(2000):
        if true():
            return True
        time.sleep(0.005)
    return False


def test_no_connection_delays_small_pieces() -> None:
    seen: list[int] = []
    with GeminiServer(reply.stream("a") + reply.hold(gate := reply.Gate()) + reply.stream("b")) as server:
        connection = posted(server)
        assert gate.wait_until_reached()
        assert server._running
        for one in server._running._server.server_state.connections:
            transport = one.transport
            seen.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        gate.open()
        connection.close()
    assert [bool(value) for value in seen] == [True]


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_leaves_a_long_stream_is_noticed(leave: str, caplog: pytest.LogCaptureFixture) -> None:
    with GeminiServer(strict=False) as server, caplog.at_level(logging.DEBUG):
        server.always(reply.stream(*["word"] * 4000))
        connection = posted(server)
        connection.recv(300)
        if leave == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        with asking(server.url) as client:
            client.models.count_tokens(model=MODEL, contents="hi")
        running = server._running
        assert running
        assert eventually(lambda: not running.deliveries)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_a_client_that_leaves_a_stall_or_a_gate_is_noticed() -> None:
    for waits in (reply.stall(), reply.hold(reply.Gate()), reply.wait(3600)):
        with GeminiServer(reply.stream("a") + waits) as server:
            connection = posted(server)
            connection.recv(300)
            assert server._running
            deliveries = server._running.deliveries
            assert deliveries
            connection.close()
            assert eventually(partial(operator.not_, deliveries))


def test_a_client_that_does_not_read_holds_up_neither_others_nor_the_end() -> None:
    with GeminiServer(reply.stream(*["x" * 10_000] * 2000), reply.text("hi")) as server:
        slow = posted(server)
        slow.recv(100)
        with asking(server.url) as client:
            assert client.models.generate_content(model=MODEL, contents="hi").text == "hi"
        started = time.monotonic()
    assert time.monotonic() - started < 60
    slow.close()


def test_a_client_that_sends_its_request_slowly_and_in_chunks_is_answered() -> None:
    with GeminiServer(reply.text("hi")) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            path = f"/v1beta/models/{MODEL}:generateContent"
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            for byte in head.encode():
                connection.sendall(bytes([byte]))
            for start in range(0, len(BODY), 7):
                piece = BODY[start : start + 7]
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert b'"text": "hi"' in received
        assert server.requests[0].body == BODY


def test_a_client_that_stops_in_the_middle_of_its_request_is_forgotten() -> None:
    with GeminiServer() as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(
                b"POST /v1beta/models/m:generateContent HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{"
            )
        time.sleep(0.05)
        assert server.requests == []


@pytest.mark.parametrize("action", ["streamGenerateContent?alt=sse", "generateContent"])
def test_work_grows_in_step_with_a_streams_length(action: str) -> None:
    request = GeminiRequest.of("POST", f"http://x/v1beta/models/{MODEL}:{action}", [], BODY)

    def steps(pieces: int) -> int:
        """Return the functions that are called: the same on any machine."""
        calls = 0

        def count(*_: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        try:
            scripted = reply.stream("x")
            for _ in range(pieces - 1):
                scripted = scripted + reply.stream("x")
            write(scripted, request)
        finally:
            sys.setprofile(None)
        return calls

    assert steps(800) < 2.5 * steps(400)


def test_several_servers_do_not_mix() -> None:
    with GeminiServer(reply.text("one")) as one, GeminiServer(reply.text("two")) as two:
        assert one.url != two.url
        with asking(two.url) as client:
            assert client.models.generate_content(model=MODEL, contents="hi").text == "two"
        with asking(one.url) as client:
            assert client.models.generate_content(model=MODEL, contents="hi").text == "one"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_is_served_and_holds_nothing_open() -> None:
    context = multiprocessing.get_context("fork")
    answered, may_end = context.Queue(), context.Event()
    with GeminiServer(reply.text("hi"), strict=False) as server:
        port = server.port

        def child() -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(
                    f"POST /v1beta/models/{MODEL}:generateContent HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                    f"content-length: {len(BODY)}\r\n\r\n".encode()
                    + BODY
                )
                answered.put(b'"hi"' in b"".join(iter(lambda: connection.recv(65536), b"")))
            may_end.wait(60)
            server.stop()

        process = context.Process(target=child)
        process.start()
        assert answered.get(timeout=60) is True
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the fork keeps the port"
    may_end.set()
    process.join(60)
    assert process.exitcode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_that_stops_its_copy_leaves_the_server_running() -> None:
    context = multiprocessing.get_context("fork")
    with GeminiServer(reply.text("hi")) as server:
        process = context.Process(target=server.stop)
        process.start()
        process.join(60)
        assert process.exitcode == 0
        with asking(server.url) as client:
            assert client.models.generate_content(model=MODEL, contents="hi").text == "hi"


def test_a_server_left_running_does_not_keep_the_process() -> None:
    script = (
        "from maxim_gemini.testing import GeminiServer, reply\n"
        "server = GeminiServer(reply.text('x')); server.start(); print(server.port)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_stopping_does_not_wait_for_a_reply_function() -> None:
    hold, reached = threading.Event(), threading.Event()

    def waits(_: GeminiRequest) -> reply.Reply:
        reached.set()
        hold.wait(120)
        return reply.text("late")

    server = GeminiServer(waits)
    server.start()
    connection = posted(server)
    assert reached.wait(60)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 60
    hold.set()
    connection.close()
