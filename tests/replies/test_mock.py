"""`gemini_mock`: one script on every HTTP library."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import time
from typing import Any

import httpx
import pytest
import respx
from google import genai
from google.genai import types
from respx.mocks import Mocker
from support.clients import EDGE_IDS, EDGES, LIBRARIES, opened

from maxim_gemini.testing import GeminiMock, reply
from maxim_gemini.testing.exceptions import ScriptError

MODEL = "gemini-2.5-flash"
edges = pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)


async def said(client: genai.Client, is_async: bool) -> Any:
    if is_async:
        return (await client.aio.models.generate_content(model=MODEL, contents="hi")).text
    return client.models.generate_content(model=MODEL, contents="hi").text


async def streamed(client: genai.Client, is_async: bool, into: list[Any]) -> list[Any]:
    if is_async:
        async for chunk in await client.aio.models.generate_content_stream(model=MODEL, contents="hi"):
            into.append(chunk.text)  # noqa: PERF401 (it breaks in the middle)
    else:
        into.extend(chunk.text for chunk in client.models.generate_content_stream(model=MODEL, contents="hi"))
    return into


@edges
async def test_one_script_serves_every_library(library: str, is_async: bool) -> None:
    with GeminiMock(reply.text("hello"), reply.stream("a", "b"), reply.error(429)) as mock:
        async with opened(library) as client:
            assert await said(client, is_async) == "hello"
            assert await streamed(client, is_async, []) == ["a", "b"]
            with pytest.raises(genai.errors.ClientError, match="429 RESOURCE_EXHAUSTED"):
                await said(client, is_async)
    assert [(asked.text, asked.streams) for asked in mock.requests] == [("hi", False), ("hi", True), ("hi", False)]


@edges
async def test_streams_break_and_stall_with_the_errors_of_the_library(library: str, is_async: bool) -> None:
    with GeminiMock(reply.stream("a") + reply.disconnect(), reply.stream("a") + reply.stall()):
        async with opened(library) as client:
            got: list[Any] = []
            with pytest.raises(Exception) as broken:  # noqa: PT011
                await streamed(client, is_async, got)
            with pytest.raises(Exception) as stalled:  # noqa: PT011
                await streamed(client, is_async, got)
    assert got == ["a", "a"]
    assert type(broken.value).__module__.partition(".")[0] == library
    assert type(broken.value).__name__ in {"RemoteProtocolError", "ClientPayloadError"}
    assert "Timeout" in type(stalled.value).__name__


@edges
async def test_a_gate_holds_a_stream(library: str, is_async: bool) -> None:
    gate = reply.Gate()
    got: list[Any] = []

    def open_when_reached() -> None:
        if gate.wait_until_reached():
            got.append("reached")
            gate.open()

    opener = threading.Thread(target=open_when_reached)
    opener.start()
    with GeminiMock(reply.stream("a") + reply.hold(gate) + reply.stream("b")):
        async with opened(library) as client:
            await streamed(client, is_async, got)
    opener.join()
    assert got == ["a", "reached", "b"]


def test_routers_are_respx_and_take_routes_of_the_users_own() -> None:
    with GeminiMock(reply.text("hi")) as mock:
        assert isinstance(mock.router, respx.MockRouter)
        mock.routers["httpx"].get("https://example.com/health").respond(204)
        assert httpx.get("https://example.com/health").status_code == 204
        client = genai.Client(api_key="any")
        client.models.generate_content(model=MODEL, contents="hi")
        assert mock.router["gemini"].call_count == 1
    with pytest.raises(ScriptError, match="not in use"):
        _ = mock.router


def test_other_traffic_passes_through() -> None:
    with GeminiMock(), pytest.raises(httpx.ConnectError):
        httpx.get("http://127.0.0.1:9/")


async def test_other_traffic_passes_through_async() -> None:
    async with GeminiMock(strict=False), httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:9/")
        with pytest.raises(ScriptError, match="no reply is left"):
            await client.post(f"https://generativelanguage.googleapis.com/v1/models/{MODEL}:generateContent", json={})


def test_nothing_is_left_patched_and_a_registered_mocker_is_reused() -> None:
    if importlib.util.find_spec("httpcore2") is None:
        pytest.skip("no httpx2 here")
    with GeminiMock():
        first = Mocker.registry["httpcore2"]
    with GeminiMock():
        assert Mocker.registry["httpcore2"] is first
        assert first.routers
    assert not first.routers
    assert not first._patches


def test_a_swallowed_miss_fails_the_test_and_so_does_a_reply_left_over() -> None:
    client = genai.Client(api_key="any")
    with pytest.raises(ScriptError, match="no reply is left"), GeminiMock(), pytest.raises(ScriptError):
        client.models.generate_content(model=MODEL, contents="hi")
    with pytest.raises(ScriptError, match="unused replies"), GeminiMock(reply.text("hi")):
        pass
    with GeminiMock(reply.text("hi"), strict=False):
        pass


async def test_it_is_an_async_context_manager_and_serves_many_at_once() -> None:
    async with GeminiMock() as mock, opened(LIBRARIES[0]) as client:
        mock.always(lambda asked: reply.text(f"echo {asked.text}"))
        asked = [client.aio.models.generate_content(model=MODEL, contents=f"{number}") for number in range(20)]
        answers = await asyncio.gather(*asked)
    assert [answer.text for answer in answers] == [f"echo {number}" for number in range(20)]


def test_vertex_is_served_too() -> None:
    from google.oauth2.credentials import Credentials

    token: Any = Credentials(token="any")  # type: ignore[no-untyped-call]
    client = genai.Client(vertexai=True, project="p", location="us-central1", credentials=token)
    with GeminiMock(reply.text("hi")) as mock:
        answer = client.models.generate_content(model=MODEL, contents="hi")
    assert mock.requests[0].backend == "vertex"
    assert answer.candidates
    assert (answer.create_time is None, answer.candidates[0].avg_logprobs is None) == (False, False)


def test_the_next_reply_answers_only_what_it_fits() -> None:
    """A model's answer waits for a model to be asked, a resource for what is no model's method."""
    tuned = {"name": "models/tuned", "displayName": "Tuned"}
    client = genai.Client(api_key="any")
    with GeminiMock(reply.text("hi"), reply.resource(tuned), reply.token_count(7)):
        assert client.models.get(model=MODEL).name == f"models/{MODEL}"
        assert client.models.generate_content(model=MODEL, contents="hi").text == "hi"
        assert client.models.get(model=MODEL).display_name == "Tuned"
        assert client.models.get(model=MODEL).name == f"models/{MODEL}"
        assert client.models.count_tokens(model=MODEL, contents="hi").total_tokens == 7


@edges
async def test_a_connection_that_breaks_before_the_answer_is_the_error_of_the_library(
    library: str, is_async: bool
) -> None:
    with GeminiMock(reply.disconnect()):
        async with opened(library) as client:
            with pytest.raises(Exception) as broken:  # noqa: PT011
                await said(client, is_async)
    assert type(broken.value).__module__.partition(".")[0] == library
    if library != "aiohttp":
        assert str(broken.value) == "Server disconnected without sending a response."


@pytest.mark.skipif(not hasattr(types, "HttpRetryOptions"), reason="this google-genai does not try again by itself")
def test_a_mock_leaves_the_waits_between_retries_alone() -> None:
    retries = types.HttpRetryOptions(attempts=2, initial_delay=0.3, jitter=0)
    with GeminiMock(reply.error(503), reply.text("hello")) as mock:
        client = genai.Client(api_key="any", http_options=types.HttpOptions(retry_options=retries))
        began = time.monotonic()
        assert client.models.generate_content(model="gemini-2.5-flash", contents="hi").text == "hello"
    assert time.monotonic() - began >= 0.3
    assert len(mock.requests) == 2
