"""What counts as Gemini traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.clients import EDGE_IDS, EDGES, SYNC_LIBRARIES, opened
from support.gemini import ASK, plain
from support.loopback import ReceivedRequest, Reply, loopback
from support.recordings import call, cassette, says

from maxim_gemini.testing._http.gemini_hosts import is_among, is_gemini_host, is_gemini_traffic, is_token_exchange
from maxim_gemini.testing._recorder.recorder import GeminiRecorder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "host",
    [
        "generativelanguage.googleapis.com",
        "GenerativeLanguage.GoogleAPIs.com",
        "aiplatform.googleapis.com",
        "us-central1-aiplatform.googleapis.com",
        "europe-west4-aiplatform.googleapis.com",
        "aiplatform.us.rep.googleapis.com",
        "aiplatform.eu.rep.googleapis.com",
        "aiplatform.mtls.googleapis.com",
        "us-central1-aiplatform.mtls.googleapis.com",
        "us-central1-aiplatform.mtls.sandbox.googleapis.com",
        "generativelanguage.googleapis.com.",
        "generativelanguage.mtls.googleapis.com",
        "generativelanguage.us.rep.googleapis.com",
        "aiplatform.europe-west4.rep.googleapis.com",
        "autopush-generativelanguage.sandbox.googleapis.com",
        "staging-generativelanguage.sandbox.googleapis.com",
        "preprod-generativelanguage.googleapis.com",
        "daily-generativelanguage.sandbox.googleapis.com",
        "autopush-aiplatform.sandbox.googleapis.com",
        "us-central1-autopush-aiplatform.sandbox.googleapis.com",
        "us-central1-staging-aiplatform.sandbox.googleapis.com",
        "us-central1-aiplatform-endpoint1.p.googleapis.com",
        "2224094319688548252.europe-west4-841529064496.prediction.vertexai.goog",
    ],
)
def test_googles_hosts_are_in_scope(host: str) -> None:
    assert is_gemini_host(host)
    assert is_gemini_traffic(f"https://{host}/v1/models/x:generateContent", {})
    assert is_gemini_traffic(f"https://{host}:443/upload/v1beta/files", {})


@pytest.mark.parametrize(
    "host",
    [
        "app.getmaxim.ai",
        "storage.googleapis.com",
        "oauth2.googleapis.com",
        "generativelanguage.googleapis.com.evil.example",
        "notaiplatform.googleapis.com",
        "notgenerativelanguage.googleapis.com",
        "generativelanguage.example.googleapis.com",
        "www.googleapis.com",
        "bigquery.googleapis.com",
        "us-central1-run.googleapis.com",
        "secretmanager.us-central1.rep.googleapis.com",
        "aiplatform.googleapis.com.evil.example.",
        "example-aiplatform.example.com",
        "prediction.vertexai.goog",
        "1.us-central1-2.prediction.vertexai.goog.evil.example",
        "127.0.0.1",
        "",
    ],
)
def test_other_hosts_are_not(host: str) -> None:
    assert not is_gemini_host(host)
    assert not is_gemini_traffic(f"https://{host}/v1/x", {"x-goog-api-key": "k", "user-agent": "curl"})


@pytest.mark.parametrize(
    ("url", "hosts", "among"),
    [
        ("http://myproxy.example/x", ["MyProxy.Example"], True),
        ("http://myproxy.example:8080/x", ["MyProxy.Example"], True),
        ("http://myproxy.example./x", ["myproxy.example"], True),
        ("http://myproxy.example/x", ["myproxy.example."], True),
        ("http://127.0.0.1:8080/x", ["127.0.0.1:8080"], True),
        ("http://127.0.0.1:8081/x", ["127.0.0.1:8080"], False),
        ("http://gateway.example/x", ["gateway.example:80"], True),
        ("wss://gateway.example/x", ["https://gateway.example/gemini"], True),
        ("https://gateway.example:8443/x", ["https://gateway.example"], False),
        ("http://[::1]:8080/x", ["::1"], True),
        ("http://[::1]:8080/x", ["[::1]"], True),
        ("http://[::1]:8080/x", ["[::1]:8080"], True),
        ("http://[::1]:8080/x", ["[::1]:8081"], False),
        ("http://[::1]:8080/x", ["http://[::1]:8080"], True),
        ("http://user:word@gateway.example/x", ["gateway.example"], True),
        ("http://gateway.example.evil.example/x", ["gateway.example"], False),
        ("http://gateway.example:port/x", ["gateway.example"], False),
        ("/x", ["gateway.example"], False),
    ],
)
def test_a_users_hosts_with_and_without_ports(url: str, hosts: list[str], among: bool) -> None:
    assert is_among(url, hosts) is among


def test_what_google_genai_sends_is_in_scope_wherever_it_goes() -> None:
    sdk = {"x-goog-api-client": "google-genai-sdk/3.4.0 gl-python/3.11.7"}
    assert is_gemini_traffic("http://gateway.internal/gemini/v1/models", sdk)
    assert is_gemini_traffic("http://127.0.0.1:80/upload?upload_id=1", {"x-goog-upload-command": "upload, finalize"})
    assert not is_gemini_traffic("http://gateway.internal/", {"x-goog-api-client": "gapic/1.0"})


def test_token_servers_are_known() -> None:
    assert is_token_exchange("https://oauth2.googleapis.com/token")
    assert not is_token_exchange("https://generativelanguage.googleapis.com/token")


@pytest.mark.parametrize("library", SYNC_LIBRARIES)
def test_a_tokens_recorded_exchange_is_not_called_unused(tmp_path: Path, library: str) -> None:
    from vcr.request import Request

    token = (Request("POST", "https://oauth2.googleapis.com/token", b"x", {}), says("token"))
    path = cassette(tmp_path / "vertex.yaml", token, (call(), says("ok")))
    with GeminiRecorder(path, strict=True) as recorder:
        assert recorder.bare_client.models.generate_content(**ASK).text == "ok"
    assert recorder.outcome.unused == 0


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_others_traffic_and_keys_are_never_in_a_cassette(tmp_path: Path, library: str, is_async: bool) -> None:
    import importlib

    def serve(request: ReceivedRequest, reply: Reply) -> None:
        reply.whole(plain("ok"))

    path = tmp_path / "mine.yaml"
    secret = {"x-maxim-api-key": "a-secret-of-maxim"}
    with loopback(serve) as server, GeminiRecorder(path, record="once"):
        async with opened(library, server.url) as client:
            if is_async:
                await client.aio.models.generate_content(**ASK)
            else:
                client.models.generate_content(**ASK)
        log = f"{server.url}/api/sdk/v3/log"
        if library == "aiohttp":
            import aiohttp

            async with aiohttp.ClientSession() as session, session.post(log, headers=secret, data=b"log"):
                pass
        else:
            async with importlib.import_module(library).AsyncClient() as other:
                await other.post(log, headers=secret, content=b"log")
    text = path.read_text(encoding="utf-8")
    assert [request.path for request in server.requests][-1] == "/api/sdk/v3/log"
    assert "generateContent" in text
    assert "api/sdk" not in text
    assert "a-secret-of-maxim" not in text


async def test_hosts_named_by_the_user_are_in_scope(tmp_path: Path) -> None:
    import importlib

    path = cassette(tmp_path / "hosts.yaml", (call(), says("ok")))
    library = importlib.import_module(SYNC_LIBRARIES[0])
    body = call().body
    with GeminiRecorder(path, hosts=["gateway.example"]) as recorder:
        async with library.AsyncClient() as client:
            url = "https://gateway.example/v1beta/models/gemini-2.5-flash:generateContent"
            assert (await client.post(url, content=body)).content == plain("ok")
    assert recorder.outcome.replayed == 1
