"""A server with TLS: HTTPS and secure websockets, trusted by who trusts its certificate, and by nobody else."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import errors, types
from support.live_clients import LIVE_MODEL, texts, turn

from maxim_gemini.testing import GeminiRecorder, GeminiServer, TestKitError, reply
from maxim_gemini.testing._http.sdk import closing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = "gemini-2.5-flash"
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
BROKEN = "EOF occurred|peer closed connection|Connection reset"


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer(tls=True) as server:
        server.always(reply.text("Paris."))
        yield server


def client_of(server: GeminiServer) -> genai.Client:
    return genai.Client(api_key="any", http_options=types.HttpOptions(**server.http_options))


async def ask_live(client: genai.Client) -> str:
    try:
        async with client.aio.live.connect(model=LIVE_MODEL) as session:
            return texts(await turn(session, "Hi"))
    finally:
        await client.aio.aclose()


def test_plain_requests_and_streams_go_over_tls(server: GeminiServer) -> None:
    server.reply(reply.text("Paris."), reply.stream("Pa", "ris."))
    assert server.url.startswith("https://127.0.0.1:")
    with closing(client_of(server)) as client:
        assert client.models.generate_content(model=MODEL, contents="Hi").text == "Paris."
        stream = client.models.generate_content_stream(model=MODEL, contents="Hi")
        assert [chunk.text for chunk in stream] == ["Pa", "ris."]
    assert {request.url.partition("/v1")[0] for request in server.requests} == {server.url}


async def test_async_requests_go_over_tls(server: GeminiServer) -> None:
    client = client_of(server)
    answer = await client.aio.models.generate_content(model=MODEL, contents="Hi")
    await client.aio.aclose()
    assert answer.text == "Paris."


async def test_live_sessions_go_over_tls(server: GeminiServer) -> None:
    assert await ask_live(client_of(server)) == "Paris."
    assert server.requests[0].url.startswith(f"wss{server.url[5:]}")


async def test_a_server_without_tls_gives_options_for_a_client_too() -> None:
    with GeminiServer(reply.text("Paris."), reply.live(reply.text("Rome."))) as server:
        assert server.http_options == {"base_url": server.url}
        with closing(client_of(server)) as client:
            assert client.models.generate_content(model=MODEL, contents="Hi").text == "Paris."
        assert await ask_live(client_of(server)) == "Rome."
        with pytest.raises(TestKitError, match="has no TLS: make it with tls=True"):
            _ = server.ca_file


@pytest.mark.parametrize("records", [False, True])
async def test_who_does_not_trust_it_does_not_speak_to_it(
    server: GeminiServer, tmp_path: Path, *, records: bool
) -> None:
    """Also not without TLS, which is how a server that has none is spoken to."""
    options = types.HttpOptions(base_url=server.url)
    recorder = GeminiRecorder(tmp_path / "a.yaml", record="once", base_url=server.url)
    with recorder if records else nullcontext(), closing(genai.Client(api_key="any", http_options=options)) as client:
        with pytest.raises(Exception, match=UNTRUSTED):
            client.models.generate_content(model=MODEL, contents="Hi")
        with pytest.raises(ssl.SSLCertVerificationError, match=UNTRUSTED):
            await ask_live(client)
    assert not server.requests


PROGRAM = """
import asyncio
from google import genai
from google.genai import types

client = genai.Client(api_key="any")
print(client.models.generate_content(model="gemini-2.5-flash", contents="Hi").text)

async def live():
    async with client.aio.live.connect(model="gemini-live-2.5-flash-preview") as session:
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="Hi")]))
        async for message in session.receive():
            print(message.text or "", end="", flush=True)

asyncio.run(live())
"""


def test_another_process_trusts_it_by_its_file(server: GeminiServer, tmp_path: Path) -> None:
    environment = {"GOOGLE_GEMINI_BASE_URL": server.url, "SSL_CERT_FILE": str(server.ca_file), "PATH": "/usr/bin:/bin"}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert run.stdout == "Paris.\nParis.", run.stderr


def test_the_file_goes_with_the_server() -> None:
    with GeminiServer(tls=True) as server:
        path = server.ca_file
        assert path.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert not path.exists()
    with pytest.raises(TestKitError, match="is not running"):
        _ = server.ca_file


@pytest.mark.parametrize("host", ["localhost", "::1", "0.0.0.0"])
async def test_on_every_address_of_this_machine(host: str) -> None:
    with GeminiServer(reply.text("Paris."), reply.live(reply.text("Rome.")), tls=True, host=host) as server:
        with closing(client_of(server)) as client:
            assert client.models.generate_content(model=MODEL, contents="Hi").text == "Paris."
        assert await ask_live(client_of(server)) == "Rome."


@pytest.mark.parametrize("end", [reply.disconnect(), reply.close(1008, "expired")], ids=repr)
async def test_ends_of_connections(end: reply.Reply) -> None:
    script = reply.live(reply.text("Hello.") + end), reply.stream("a") + reply.disconnect()
    with GeminiServer(*script, tls=True) as server:
        with pytest.raises(errors.APIError) as caught:
            await ask_live(client_of(server))
        with closing(client_of(server)) as client, pytest.raises(Exception, match=BROKEN):
            list(client.models.generate_content_stream(model=MODEL, contents="Hi"))
    assert caught.value.code == (1008 if "1008" in repr(end) else 1006)


def test_what_is_recorded_over_tls_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "tls.yaml"

    def talk(client: genai.Client) -> list[Any]:
        with closing(client):
            answer = client.models.generate_content(model=MODEL, contents="Hi").text
            return [answer, asyncio.run(ask_live(client))]

    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(reply.text("Paris."), reply.live(reply.text("Rome.")), tls=True))
        stack.enter_context(GeminiRecorder(path, record="once", base_url=server.url))
        live = talk(client_of(server))
    assert live == ["Paris.", "Rome."]
    assert "uri: wss://127.0.0.1" in path.read_text()
    with GeminiRecorder(path, strict=True):
        assert talk(genai.Client(api_key="any")) == live
