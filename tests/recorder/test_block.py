"""Nothing leaves for Gemini's hosts by accident: a block below every route and mock."""

from __future__ import annotations

import asyncio
import importlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.clients import EDGE_IDS, EDGES, LIBRARIES, SDK_MAJOR, SYNC_LIBRARIES, closed, opened
from support.gemini import ASK, plain
from support.loopback import Loopback, ReceivedRequest, Reply, loopback
from support.recordings import call, cassette, says

from maxim_gemini.testing import GeminiMock, GeminiRecorder, reply
from maxim_gemini.testing._http.blocking import Block, blocked
from maxim_gemini.testing._http.sdk import ReplayedCredentials, closing
from maxim_gemini.testing.exceptions import RequestNotCaught, RequestRefused, TestKitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEVELOPER, VERTEX = "https://generativelanguage.googleapis.com", "https://us-central1-aiplatform.googleapis.com"


@pytest.fixture
def block() -> Iterator[Block]:
    with blocked(Block("Use the fixture.")) as block:
        yield block


@pytest.fixture(autouse=True)
def _no_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def only_loopback(host: Any, *args: Any, **kwargs: Any) -> Any:
        assert str(host) in ("127.0.0.1", "::1"), f"{host} was looked up"
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", only_loopback)


@pytest.fixture
def live() -> Iterator[Loopback]:
    def serve(asked: ReceivedRequest, reply: Reply) -> None:
        reply.whole(plain("live"))

    with loopback(serve) as server:
        yield server


async def asked(client: genai.Client, *, is_async: bool) -> str | None:
    if is_async:
        return (await client.aio.models.generate_content(**ASK)).text
    return client.models.generate_content(**ASK).text


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_a_client_that_was_let_go_of_is_refused_in_the_same_words(
    library: str, is_async: bool, block: Block
) -> None:
    """google-genai closes it: "the client has been closed" would say nothing of the fixture that is missing."""
    async with opened(library) as client:
        pass
    with pytest.raises(RequestRefused, match=r"Use the fixture\."):
        await asked(client, is_async=is_async)
    assert len(block.refused) == 1


@pytest.mark.parametrize("base_url", [None, VERTEX])
@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_a_forgotten_fixture_sends_nothing(
    library: str, is_async: bool, base_url: str | None, block: Block
) -> None:
    async with opened(library, base_url) as client:
        with pytest.raises(RequestRefused, match=r"googleapis.com was refused before anything was sent\.\nUse the fix"):
            await asked(client, is_async=is_async)
    assert len(block.refused) == 1


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_other_hosts_are_no_business_of_the_block(
    library: str, is_async: bool, block: Block, live: Loopback
) -> None:
    async with opened(library, live.url) as client:
        assert await asked(client, is_async=is_async) == "live"
    assert block.refused == []


async def test_a_block_can_be_lifted(block: Block) -> None:
    with block.lifted():
        assert not block.refuses(DEVELOPER)
    with block.lifted(hosts=["generativelanguage.googleapis.com"]):
        assert not block.refuses(DEVELOPER)
        assert block.refuses(VERTEX)
    assert block.refuses(DEVELOPER)


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_a_recorder_goes_on_replaying(tmp_path: Path, library: str, is_async: bool, block: Block) -> None:
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    async with opened(library) as client:
        with GeminiRecorder(path):
            assert await asked(client, is_async=is_async) == "recorded"
    assert block.refused == []


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_a_mock_goes_on_answering(library: str, is_async: bool, block: Block) -> None:
    async with opened(library) as client:
        with GeminiMock(reply.text("mocked")):
            assert await asked(client, is_async=is_async) == "mocked"


def test_a_mock_serves_threads_from_before_as_it_did(block: Block) -> None:
    begin, words = threading.Event(), list[str | None]()

    def in_thread() -> None:
        begin.wait(60)
        with closing(genai.Client(api_key="any")) as client:
            words.append(client.models.generate_content(**ASK).text)

    thread = threading.Thread(target=in_thread)
    thread.start()
    with GeminiMock(reply.text("mocked")):
        begin.set()
        thread.join()
    assert words == ["mocked"]


@pytest.mark.parametrize("library", SYNC_LIBRARIES)
def test_respx_of_the_users_own_goes_on_answering(library: str, block: Block) -> None:
    import respx

    if library != "httpx":
        pytest.skip("respx knows httpx only")
    httpx: Any = importlib.import_module(library)
    with respx.mock(base_url=DEVELOPER) as router:
        router.get("/v1/models").respond(json={"models": []})
        assert httpx.get(f"{DEVELOPER}/v1/models").json() == {"models": []}
    with pytest.raises(RequestRefused):
        httpx.get(f"{DEVELOPER}/v1/models")


@pytest.mark.parametrize("library", SYNC_LIBRARIES)
def test_vcrpy_goes_on_replaying(library: str, tmp_path: Path, block: Block) -> None:
    import vcr

    path = tmp_path / "vcrpy.yaml"
    path.write_text(
        "version: 1\ninteractions:\n"
        f"- request: {{method: GET, uri: '{DEVELOPER}/v1/models', body: null, headers: {{}}}}\n"
        "  response: {status: {code: 200, message: OK}, headers: {}, body: {string: '{}'}}\n",
        encoding="utf-8",
    )
    httpx: Any = importlib.import_module(library)
    with vcr.use_cassette(path, record_mode="none"):
        assert httpx.get(f"{DEVELOPER}/v1/models").text == "{}"


def test_a_proxy_does_not_help(monkeypatch: pytest.MonkeyPatch, block: Block, live: Loopback) -> None:
    monkeypatch.setenv("HTTPS_PROXY", live.url)
    monkeypatch.setenv("HTTP_PROXY", live.url)
    with closing(genai.Client(api_key="any")) as client, pytest.raises(RequestRefused):
        client.models.generate_content(**ASK)
    assert live.requests == []


def test_requests_and_sessions_of_google_auth(block: Block) -> None:
    requests = pytest.importorskip("requests")
    from google.auth.transport.requests import AuthorizedSession

    with pytest.raises(RequestRefused):
        requests.post(f"{DEVELOPER}/v1/models/x:generateContent", json={})
    session = AuthorizedSession(ReplayedCredentials())  # type: ignore[no-untyped-call]
    with session, pytest.raises(RequestRefused):
        session.post(f"{VERTEX}/v1/projects/x", json={})


def test_no_token_is_fetched_either(block: Block) -> None:
    class Credentials(ReplayedCredentials):
        def refresh(self, request: Any) -> None:
            raise AssertionError("a token was fetched")

    credentials = Credentials()
    credentials.token = None
    with (
        closing(genai.Client(vertexai=True, project="p", location="us-central1", credentials=credentials)) as client,
        pytest.raises(RequestRefused, match="Getting a token for"),
    ):
        client.models.generate_content(**ASK)


# Websockets


async def open_live(client: genai.Client) -> None:
    async with client.aio.live.connect(model="gemini-live"):
        pytest.fail("it was opened")


async def open_music(client: genai.Client) -> None:
    async with client.aio.live.music.connect(model="lyria"):
        pytest.fail("it was opened")


async def open_interaction(client: genai.Client) -> None:
    if not hasattr(client.aio, "interactions") or not hasattr(client.aio.interactions, "connect"):
        pytest.skip("this version has no live interactions")
    async with client.aio.interactions.connect("v1_x"):
        pytest.fail("it was opened")


async def open_bare(client: genai.Client) -> None:
    from websockets.asyncio.client import connect

    async for _ in connect(f"{DEVELOPER.replace('https', 'wss')}/ws"):
        pytest.fail("it was opened")


OPENING = [open_live, open_music, open_interaction, open_bare]
IGNORED = pytest.mark.filterwarnings("ignore:.*(experimental|Experimental).*")


@IGNORED
@pytest.mark.parametrize("opens", OPENING)
async def test_no_websocket_leaves_by_accident(opens: Any, block: Block) -> None:
    client = genai.Client(api_key="any")
    with pytest.raises(RequestRefused, match="A websocket to generativelanguage"):
        await opens(client)
    await closed(client)


@IGNORED
@pytest.mark.parametrize("opens", OPENING)
async def test_no_websocket_leaves_in_mode_none(opens: Any, tmp_path: Path) -> None:
    client = genai.Client(api_key="any")
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    with pytest.raises(TestKitError, match="A websocket was to be opened"), GeminiRecorder(path):
        await opens(client)
    await closed(client)


@IGNORED
@pytest.mark.parametrize("opens", OPENING[:3])
async def test_no_websocket_leaves_a_mock(opens: Any) -> None:
    client = genai.Client(api_key="any")
    with pytest.raises(TestKitError, match="no reply is left for <WEBSOCKET"), GeminiMock():
        await opens(client)
    await closed(client)


@IGNORED
@pytest.mark.skipif(SDK_MAJOR < 3, reason="older versions always open wss:// addresses")
async def test_a_websocket_to_the_users_own_address_is_in_scope(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = genai.Client(api_key="any", http_options={"base_url": f"http://127.0.0.1:{port}"})
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    with pytest.raises(TestKitError, match="websocket"), GeminiRecorder(path):
        await open_interaction(client)
    server.close()
    await closed(client)


# Code that is older than a block


def asking_later(base_url: str | None) -> tuple[threading.Thread, threading.Event, list[object]]:
    begin, answers = threading.Event(), list[object]()

    def in_thread() -> None:
        begin.wait(60)
        options: Any = {"base_url": base_url} if base_url else None
        with closing(genai.Client(api_key="any", http_options=options)) as client:
            try:
                answers.append(client.models.generate_content(**ASK).text)
            except TestKitError as error:
                answers.append(error)

    thread = threading.Thread(target=in_thread)
    thread.start()
    return thread, begin, answers


def test_a_thread_from_before_is_reported_by_a_block_without_everywhere(tmp_path: Path, live: Loopback) -> None:
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    thread, begin, answers = asking_later(live.url)
    recorder = GeminiRecorder(path).__enter__()
    begin.set()
    thread.join()
    with pytest.warns(RequestNotCaught, match=r"requests to 127.0.0.1 went past .*everywhere=True"):
        recorder.__exit__(None, None, None)
    assert answers == ["live"]


def test_a_thread_from_before_is_caught_by_a_block_with_everywhere(tmp_path: Path, live: Loopback) -> None:
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    thread, begin, answers = asking_later(live.url)
    with GeminiRecorder(path, everywhere=True):
        begin.set()
        thread.join()
    assert answers == ["recorded"]


def test_what_went_past_is_noted_on_the_error_of_a_block(tmp_path: Path, live: Loopback) -> None:
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    thread, begin, _ = asking_later(live.url)
    with pytest.raises(ValueError, match="the test's own") as raised, GeminiRecorder(path):  # noqa: PT012
        begin.set()
        thread.join()
        raise ValueError("the test's own")
    assert "everywhere=True" in raised.value.__notes__[0]


def test_a_blocked_thread_from_before_gets_the_reason(tmp_path: Path, block: Block) -> None:
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    thread, begin, answers = asking_later(None)
    with GeminiRecorder(path):  # which has nothing to warn of
        begin.set()
        thread.join()
    assert [type(answer) for answer in answers] == [RequestRefused]
    assert "older than its block" in str(answers[0])


async def test_a_task_from_before_is_reported(tmp_path: Path, live: Loopback) -> None:
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    begin = asyncio.Event()

    async def in_task() -> str | None:
        await begin.wait()
        async with opened(LIBRARIES[0], live.url) as client:
            return await asked(client, is_async=True)

    task = asyncio.create_task(in_task())
    await asyncio.sleep(0)
    with pytest.warns(RequestNotCaught):  # noqa: PT031
        async with GeminiRecorder(path):
            begin.set()
            assert await task == "live"
