"""An application in another process, with its own wrapped client, is tested through the loopback server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from maxim_gemini.testing import GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parent / "application" / "web.py"


@pytest.fixture(scope="module")
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server


@pytest.fixture(scope="module")
def application(server: GeminiServer) -> Iterator[httpx.Client]:
    """Start the application with nothing but the environment to tell it where Gemini is."""
    environment = {**os.environ, "GOOGLE_GEMINI_BASE_URL": server.url, "GEMINI_API_KEY": "any"}
    process = subprocess.Popen([sys.executable, str(PROGRAM)], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def test_it_answers_what_the_script_says_and_traces_it(server: GeminiServer, application: httpx.Client) -> None:
    server.when(text="capital of France").reply(reply.text("Paris."))
    answer = application.get("/ask", params={"question": "The capital of France?"}).json()
    assert answer == {"answer": "Paris.", "traced": "Paris.", "traces": 1}
    assert server.requests[-1].text == "The capital of France?"
    assert server.requests[-1].headers["x-goog-api-key"] == "any"


def test_it_passes_pieces_on_before_the_answer_is_whole(server: GeminiServer, application: httpx.Client) -> None:
    gate = reply.Gate()
    server.reply(reply.stream("Pa") + reply.hold(gate) + reply.stream("ris."))
    with application.stream("GET", "/stream", params={"question": "The capital?"}) as response:
        lines = response.iter_lines()
        assert next(lines) == '"Pa"'
        assert not gate.is_open
        gate.open()
        assert list(lines) == ['"ris."']


def test_it_fails_as_gemini_fails(server: GeminiServer, application: httpx.Client) -> None:
    server.reply(reply.error(503))
    assert application.get("/ask", params={"question": "Busy?"}).status_code == 500
