"""The loopback server over real sockets, asked by real google-genai clients."""

from __future__ import annotations

import io
import socket
import sys
import threading
import time
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google.genai import errors, types
from support.clients import EDGE_IDS, EDGES, asking, opened
from vcr.request import Request

from maxim_gemini.testing import GeminiServer, cassettes, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing.exceptions import CassetteMiss, ScriptError, TestKitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from google import genai

MODEL = "gemini-2.5-flash"

edges = pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)


@pytest.fixture(scope="module")
def server() -> Iterator[GeminiServer]:
    with GeminiServer(strict=False) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: GeminiServer) -> Iterator[genai.Client]:
    with asking(server.url) as client:
        yield client


async def pieces(client: genai.Client, is_async: bool, on_piece: Any = lambda _: None) -> list[str | None]:
    got: list[str | None] = []
    if is_async:
        async for chunk in await client.aio.models.generate_content_stream(model=MODEL, contents="hi"):
            got.append(chunk.text)
            on_piece(got)
    else:
        for chunk in client.models.generate_content_stream(model=MODEL, contents="hi"):
            got.append(chunk.text)
            on_piece(got)
    return got


@edges
async def test_an_event_reaches_the_client_before_the_next_one_is_sent(
    server: GeminiServer, library: str, is_async: bool
) -> None:
    gate = reply.Gate()
    server.reply(reply.stream("one") + reply.hold(gate) + reply.stream("two"))
    seen: list[bool] = []

    def on_piece(got: list[Any]) -> None:
        if len(got) == 1:
            seen.append(gate.is_open)
            gate.open()

    async with opened(library, server.url) as client:
        assert await pieces(client, is_async, on_piece) == ["one", "two"]
    assert seen == [False]


def test_a_gate_holds_back_what_comes_after_it(server: GeminiServer) -> None:
    gate = reply.Gate()
    server.reply(reply.stream("one") + reply.hold(gate) + reply.stream("two"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        path = f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
        connection.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        received = b""
        while b"one" not in received:
            received += connection.recv(65536)
        assert gate.wait_until_reached()
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(65536)
        gate.open()
        connection.settimeout(60)
        while b"two" not in received:
            received += connection.recv(65536)


@edges
async def test_a_connection_breaks_after_the_events_before(server: GeminiServer, library: str, is_async: bool) -> None:
    server.reply(reply.stream("one", "two") + reply.disconnect())
    got: list[str] = []
    async with opened(library, server.url) as client:
        with pytest.raises(Exception) as raised:  # noqa: PT011
            await pieces(client, is_async, lambda said: got.append(said[-1]))
    assert got == ["one", "two"]
    assert type(raised.value).__name__ in {"RemoteProtocolError", "ReadError", "ClientPayloadError", "ClientOSError"}


def test_a_stall_ends_with_the_clients_patience(server: GeminiServer) -> None:
    server.reply(reply.stream("one") + reply.stall())
    got: list[Any] = []
    with asking(server.url, timeout=300) as impatient, pytest.raises(Exception, match="timed out"):
        got.extend(chunk.text for chunk in impatient.models.generate_content_stream(model=MODEL, contents="hi"))


def test_a_wait_is_waited(server: GeminiServer, client: genai.Client) -> None:
    server.reply(reply.wait(0.1) + reply.text("late"))
    begun = time.monotonic()
    assert client.models.generate_content(model=MODEL, contents="hi").text == "late"
    assert time.monotonic() - begun >= 0.1


@pytest.mark.parametrize("broken", [reply.disconnect(), reply.text("never whole") + reply.disconnect()])
def test_a_plain_answer_breaks_off(server: GeminiServer, client: genai.Client, broken: reply.Reply) -> None:
    server.reply(broken)
    with pytest.raises(Exception, match=r"disconnected|peer closed|reset"):
        client.models.generate_content(model=MODEL, contents="hi")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500, 503])
def test_errors_reach_the_client_as_its_own(server: GeminiServer, client: genai.Client, code: int) -> None:
    server.reply(reply.error(code), reply.error(code))
    with pytest.raises(errors.APIError) as raised:
        client.models.generate_content(model=MODEL, contents="hi")
    assert raised.value.code == code
    with pytest.raises(errors.APIError) as streamed:
        list(client.models.generate_content_stream(model=MODEL, contents="hi"))
    assert streamed.value.code == code


def test_what_was_requested_is_there_to_see(server: GeminiServer, client: genai.Client) -> None:
    server.reply(reply.text("hi"))
    config = types.GenerateContentConfig(system_instruction="Be brief.", temperature=0.5)
    client.models.generate_content(model=MODEL, contents=list[Any](["Say", "hi"]), config=config)
    asked = server.requests[-1]
    assert (asked.model, asked.action, asked.backend) == (MODEL, "generateContent", "gemini")
    assert (asked.text, asked.system, asked.config) == ("Sayhi", "Be brief.", {"temperature": 0.5})
    assert asked.headers["x-goog-api-key"] == "any"
    assert repr(asked).endswith("models/gemini-2.5-flash:generateContent 'Sayhi'>")


def test_files_are_uploaded_listed_read_and_deleted(client: genai.Client) -> None:
    data = b"0123456789" * 1_000_000
    file = client.files.upload(file=io.BytesIO(data), config={"mime_type": "text/plain", "display_name": "digits"})
    assert (file.size_bytes, file.mime_type, file.display_name, file.state.name) == (  # type: ignore[union-attr]
        len(data), "text/plain", "digits", "ACTIVE",
    )  # fmt: skip
    assert file.name
    assert client.files.get(name=file.name).uri == file.uri
    assert [one.name for one in client.files.list(config={"page_size": 1})] == [file.name]
    assert client.files.download(file=file.name) == data
    client.files.delete(name=file.name)
    with pytest.raises(errors.ClientError, match="may not exist"):
        client.files.get(name=file.name)


def test_caches_are_made_listed_renewed_and_deleted(client: genai.Client) -> None:
    config = types.CreateCachedContentConfig(contents="a long text", display_name="long")
    cache = client.caches.create(model=MODEL, config=config)
    assert cache.name
    assert (cache.display_name, cache.usage_metadata.total_token_count) == ("long", 3)  # type: ignore[union-attr]
    renewed = client.caches.update(name=cache.name, config=types.UpdateCachedContentConfig(ttl="60s"))
    assert renewed.name == client.caches.get(name=cache.name).name
    assert [one.name for one in client.caches.list()] == [cache.name]
    client.caches.delete(name=cache.name)
    with pytest.raises(errors.ClientError, match="CachedContent not found"):
        client.caches.get(name=cache.name)


def test_tokens_are_counted_texts_embedded_and_models_listed(client: genai.Client) -> None:
    assert client.models.count_tokens(model=MODEL, contents="12345678").total_tokens == 2
    one, other, same = (
        client.models.embed_content(model="gemini-embedding-001", contents=text).embeddings[0].values  # type: ignore[index]
        for text in ("a", "b", "a")
    )
    assert one == same != other
    assert f"models/{MODEL}" in [model.name for model in client.models.list(config={"page_size": 3})]
    assert client.models.get(model=MODEL).input_token_limit == 1048576


def test_replies_by_model_by_text_and_by_predicate() -> None:
    with GeminiServer(reply.text("in order")) as server, asking(server.url) as client:
        server.when(model="gemini-2.5-pro").reply(reply.text("pro"))
        server.when(text="weather").always(lambda asked: reply.text(f"sunny, {asked.model}"))
        server.when(lambda asked: asked.streams).reply(reply.stream("s", "t"))
        said = [
            client.models.generate_content(model="gemini-2.5-pro", contents="hi").text,
            client.models.generate_content(model=MODEL, contents="hi").text,
            client.models.generate_content(model=MODEL, contents="the weather?").text,
            *[chunk.text for chunk in client.models.generate_content_stream(model=MODEL, contents="hi")],
        ]
    assert said == ["pro", "in order", f"sunny, {MODEL}", "s", "t"]


def test_a_request_without_a_reply_is_reported_to_the_client_and_fails_the_test() -> None:
    server = GeminiServer()
    server.start()
    said = r"501 UNIMPLEMENTED.*no reply is left"
    with asking(server.url) as client, pytest.raises(errors.ServerError, match=said):
        client.models.generate_content(model=MODEL, contents="hi")
    with pytest.raises(
        ScriptError, match=r"no reply is left for <POST /v.*generateContent 'hi'> \(from the start\): add"
    ):
        server.__exit__(None, None, None)


def test_a_reply_without_a_request_fails_the_test() -> None:
    said = r"unused replies:\n  <Reply 'hi'> \(in order\)\nrequests: none"
    with pytest.raises(ScriptError, match=said), GeminiServer(reply.text("hi")):
        pass


def test_the_tests_own_failure_is_not_hidden_by_the_script() -> None:
    with pytest.raises(ZeroDivisionError), GeminiServer(reply.text("hi")):
        raise ZeroDivisionError


def test_a_port_in_use_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TestKitError, match=f"127.0.0.1:{port} is in use: .* port=0 for a free one"):
            GeminiServer(port=port).start()


def test_it_leaves_no_thread_and_no_socket_and_may_be_started_again() -> None:
    before = threading.active_count()
    server = GeminiServer()
    with pytest.raises(TestKitError, match="not running"):
        _ = server.url
    for _ in range(2):
        server.start()
        port = server.port
        with pytest.raises(TestKitError, match="running already"):
            server.start()
        server.stop()
        server.stop()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert threading.active_count() == before


def test_its_thread_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test may change what can be imported, and how, while the server starts."""
    importing: list[str] = []

    class Noting(MetaPathFinder):
        def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
            importing.append(f"{fullname} in {threading.current_thread().name}")

    for name in [name for name in sys.modules if name.startswith("uvicorn.protocols.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Noting(), *sys.meta_path])
    with GeminiServer():
        pass
    assert importing
    assert [one for one in importing if "GeminiServer" in one] == []


def test_stopping_does_not_wait_for_a_stalled_answer() -> None:
    server = GeminiServer(reply.stream("one") + reply.stall())
    server.start()
    with asking(server.url) as client:
        stream = client.models.generate_content_stream(model=MODEL, contents="hi")
        assert next(iter(stream)).text == "one"
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 60
        with pytest.raises(Exception, match=r"peer closed|reset"):
            next(iter(stream))


def test_it_plays_a_cassette(tmp_path: Path) -> None:
    body = '{"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}'
    url = f"https://generativelanguage.googleapis.com/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    said = b'data: {"candidates": [{"content": {"parts": [{"text": "%s"}],"role": "model"}}]}\r\n\r\n'
    chunks = (Chunk(said % b"one" + said % b"two"),)
    cassette = Cassette.load(tmp_path / "recorded.yaml", allow_missing=True)
    headers = (("content-type", "text/event-stream"),)
    cassette.record(Request("POST", url, body, {}), Response(200, headers, chunks))
    cassette.save()
    server = GeminiServer(cassette=tmp_path / "recorded.yaml", strict=False)
    with server, asking(server.url, api_version="v1beta") as client:
        assert [c.text for c in client.models.generate_content_stream(model=MODEL, contents="hi")] == ["one", "two"]
        with pytest.raises(errors.ServerError, match="501"):
            client.models.generate_content(model=MODEL, contents="something else")
        with pytest.raises(CassetteMiss):
            server.check()
        with pytest.raises(ScriptError, match="replies can only be added to a script"):
            server.reply(reply.text("hi"))


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 here")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        pytest.param("::1", "[::1]", marks=needs_ipv6),
        pytest.param("[::1]", "[::1]", marks=needs_ipv6),
        pytest.param("::", "[::1]", marks=needs_ipv6),
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_its_address_is_one_that_a_client_can_use(host: str, shown: str) -> None:
    with GeminiServer(reply.text("hi"), host=host) as server, asking(server.url) as client:
        assert server.url == f"http://{shown}:{server.port}"
        assert client.models.generate_content(model=MODEL, contents="x").text == "hi"
        assert server.requests[0].url.startswith(server.url)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_one_clear_error(host: str) -> None:
    with pytest.raises(TestKitError, match=f"^{host}:0 can't be listened on: "):
        GeminiServer(host=host).start()


@needs_ipv6
def test_a_port_in_use_is_named_with_brackets() -> None:
    with GeminiServer(host="::1") as server:
        second = GeminiServer(host="::1", port=server.port)
        with pytest.raises(TestKitError, match=rf"^\[::1\]:{server.port} is in use"):
            second.start()


def test_replies_and_a_cassette_are_too_much() -> None:
    with pytest.raises(ScriptError, match="either replies or a cassette"):
        GeminiServer(reply.text("hi"), cassette=cassettes.path("text"))


@pytest.mark.parametrize(
    ("ended", "error"), [("RemoteProtocolError", httpx.RemoteProtocolError), ("ReadTimeout", httpx.ReadTimeout)]
)
def test_a_cassette_is_played_at_its_pace_and_ends_as_it_ended(
    tmp_path: Path, ended: str, error: type[Exception]
) -> None:
    path = f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    body = b'{"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}'
    pieces = (Chunk(b'data: {"a": 1}\n\n', 0.1), Chunk(b'data: {"a": 2}\n\n', 0.4))
    cassette = Cassette.load(tmp_path / "paced.yaml", allow_missing=True)
    sent = Request("POST", f"https://generativelanguage.googleapis.com{path}", body, {})
    cassette.record(sent, Response(200, (("content-type", "text/event-stream"),), pieces, ended=ended))
    cassette.save()
    got: list[bytes] = []
    with GeminiServer(cassette=tmp_path / "paced.yaml", pace="recorded", strict=False) as server:
        began = time.monotonic()
        with httpx.stream("POST", server.url + path, content=body, timeout=1) as answer, pytest.raises(error):
            got.extend(answer.iter_raw())
    assert got == [piece.data for piece in pieces]
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/upload/v1beta/files?upload_id=upload-9", b"x", 404, "Requested upload was not found."),
        ("GET", "/v1beta/files/none:download?alt=media", None, 403, "the File none"),
        ("PATCH", "/v1beta/cachedContents/none", b'{"ttl": "60s"}', 403, "CachedContent not found"),
        ("GET", "/v1beta/tunedModels", None, 200, "{}"),
        ("GET", "/v1beta1/publishers/google/models/gemini-2.5-flash", None, 200, '"versionId"'),
        (
            "POST",
            "/v1beta1/publishers/google/models/e:predict",
            b'{"instances": [{"content": "a"}]}',
            200,
            "statistics",
        ),
    ],
)
def test_what_the_server_answers_by_itself(
    server: GeminiServer, method: str, path: str, body: bytes | None, status: int, text: str
) -> None:
    answer = httpx.request(method, server.url + path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert text in answer.text


def test_a_stream_without_events_waits_too(server: GeminiServer) -> None:
    server.reply(reply.text("a") + reply.wait(0.2) + reply.text("b"))
    began = time.monotonic()
    url = f"{server.url}/v1beta/models/{MODEL}:streamGenerateContent"
    answer = httpx.post(url, json={"contents": [{"parts": [{"text": "hi"}]}]}).json()
    assert time.monotonic() - began >= 0.2
    assert [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in answer] == ["a", "b"]


def test_an_error_written_for_the_other_backend_speaks_of_its_models(server: GeminiServer) -> None:
    server.reply(reply.error(404) + reply.response(backend="vertex"))
    url = f"{server.url}/v1beta/models/{MODEL}:generateContent"
    answer = httpx.post(url, json={"contents": [{"parts": [{"text": "hi"}]}]})
    assert answer.status_code == 404
    assert "publishers/google/models" in answer.text.lower()


def test_an_answer_that_is_no_http_breaks_off_and_fails_the_test() -> None:
    def ask() -> None:
        broken = reply.raw("x", headers={"x-mine": "a\r\nb"})
        with GeminiServer(broken) as server, pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.url}/v1beta/models/{MODEL}:generateContent", json={"contents": []})

    with pytest.raises(Exception, match="header"):
        ask()
