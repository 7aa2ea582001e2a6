"""`GeminiRecorder` as a test uses it: its clients, its logger, as a decorator, without pytest."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gemini import ASK, plain
from support.loopback import ReceivedRequest, Reply, loopback
from support.recordings import JSON_HEADERS, call, cassette, request, says, streams

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, GeminiRecorder
from maxim_gemini.testing._http.exchange import Chunk, Response

if TYPE_CHECKING:
    from pathlib import Path

    from vcr.request import Request

BODY = {"contents": [{"parts": [{"text": "Hi"}], "role": "user"}]}
VERTEX = "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/my-project/locations/us-central1"


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    return cassette(tmp_path / "hello.yaml", (call(), says("Hello!")))


def vertex_call(base: str = VERTEX) -> Request:
    made = request("", BODY)
    made.uri = f"{base}/publishers/google/models/gemini-2.5-flash:generateContent"
    return made


# Clients


def test_its_client_is_traced_by_its_logger(hello: Path) -> None:
    with GeminiRecorder(hello) as recorder:
        assert isinstance(recorder.client, MaximGeminiClient)
        assert isinstance(recorder.logger, FakeLogger)
        reply = recorder.client.models.generate_content(**ASK)
        assert recorder.logger.trace.output == reply.text == "Hello!"
        assert recorder.client is recorder.client
    recorder.logger.assert_complete()


async def test_its_client_has_an_async_side(tmp_path: Path) -> None:
    path = cassette(tmp_path / "s.yaml", (call(stream=True), streams("Hel", "lo!")))
    async with GeminiRecorder(path) as recorder:
        chunks = [c.text async for c in await recorder.client.aio.models.generate_content_stream(**ASK)]
        assert chunks == ["Hel", "lo!"]
        assert recorder.logger.trace.output == "Hello!"


def test_any_client_and_any_logger_can_be_its_own(hello: Path) -> None:
    client, logger = genai.Client(api_key="mine"), FakeLogger()
    for given_client in (client, lambda: client):
        with GeminiRecorder(hello, client=given_client, logger=logger) as recorder:
            assert recorder.bare_client is client
            assert recorder.client.models.generate_content(**ASK).text == "Hello!"
    assert len(logger.traces) == 2


def test_an_applications_own_client_is_caught(hello: Path) -> None:
    client = genai.Client(api_key="made before")
    with GeminiRecorder(hello) as recorder:
        assert client.models.generate_content(**ASK).text == "Hello!"
        assert recorder.wrap(client).models
    assert [r.url.partition("/models")[2] for r in recorder.requests] == ["/gemini-2.5-flash:generateContent"]


def test_replay_needs_no_key_and_does_not_use_one_that_is_there(hello: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "the-real-key")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    with GeminiRecorder(hello) as recorder:
        assert recorder.client.models.generate_content(**ASK).text == "Hello!"
    assert recorder.requests[0].headers["x-goog-api-key"] == "replayed-key"


def test_a_client_of_the_application_needs_no_key_on_replay(hello: Path) -> None:
    with GeminiRecorder(hello):
        client = genai.Client()
        assert client.models.generate_content(**ASK).text == "Hello!"
    with pytest.raises(ValueError, match=r"(?i)key"):
        genai.Client()


def test_recording_uses_the_key_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "the-real-key-of-the-environment")

    def serve(asked: ReceivedRequest, reply: Reply) -> None:
        reply.whole(plain("live"))

    path = tmp_path / "live.yaml"
    with loopback(serve) as server, GeminiRecorder(path, record="once", base_url=server.url) as recorder:
        recorder.client.models.generate_content(**ASK)
    assert server.requests[0].headers["x-goog-api-key"] == "the-real-key-of-the-environment"
    assert "the-real-key-of-the-environment" not in path.read_text(encoding="utf-8")


# Vertex


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_vertex_cassette_replays_with_made_up_credentials(tmp_path: Path, is_async: bool) -> None:
    path = cassette(tmp_path / "vertex.yaml", (vertex_call(), says("From Vertex.")))

    async def ask() -> str | None:
        async with GeminiRecorder(path, strict=True) as recorder:
            if is_async:
                return (await recorder.client.aio.models.generate_content(**ASK)).text
            return recorder.client.models.generate_content(**ASK).text

    assert asyncio.run(ask()) == "From Vertex."


def test_vertex_in_express_mode_replays(tmp_path: Path) -> None:
    express = "https://aiplatform.googleapis.com/v1beta1"
    path = cassette(tmp_path / "express.yaml", (vertex_call(express), says("Express.")))
    with GeminiRecorder(path, strict=True) as recorder:
        assert recorder.client.models.generate_content(**ASK).text == "Express."


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_vertex_client_of_the_application_asks_google_for_nothing(
    tmp_path: Path, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "there-is-none.json"))
    path = cassette(tmp_path / "vertex.yaml", (vertex_call(), says("From Vertex.")))

    async def ask() -> str | None:
        client = genai.Client(vertexai=True, project="another-project", location="us-central1")
        if is_async:
            return (await client.aio.models.generate_content(**ASK)).text
        return client.models.generate_content(**ASK).text

    with GeminiRecorder(path, strict=True) as recorder:
        assert asyncio.run(ask()) == "From Vertex."
    assert recorder.requests[0].headers["authorization"] == "Bearer replayed-token"


def test_expired_credentials_are_not_refreshed_on_replay(tmp_path: Path) -> None:
    from google.auth.credentials import Credentials

    class Expired(Credentials):
        def refresh(self, request: Any) -> None:
            raise AssertionError("asked Google for a token")

    path = cassette(tmp_path / "vertex.yaml", (vertex_call(), says("From Vertex.")))
    with GeminiRecorder(path, strict=True):
        client = genai.Client(vertexai=True, project="p", location="us-central1", credentials=Expired())  # type: ignore[no-untyped-call]
        assert client.models.generate_content(**ASK).text == "From Vertex."


def test_a_client_certificate_does_not_lead_past_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api_client = type(genai.Client(api_key="x")._api_client)
    if not hasattr(api_client, "_use_google_auth_sync"):
        pytest.skip("google-genai has no client certificates yet")
    monkeypatch.setattr(api_client, "_use_google_auth_sync", lambda self: True)
    path = cassette(tmp_path / "vertex.yaml", (vertex_call(), says("From Vertex.")))
    with GeminiRecorder(path, strict=True) as recorder:
        assert recorder.client.models.generate_content(**ASK).text == "From Vertex."


# As a decorator


def test_each_call_of_a_decorated_function_begins_anew(hello: Path) -> None:
    recorder = GeminiRecorder(hello)

    @recorder
    def greet(name: str) -> str:
        """Greet."""
        return f"{name}: {recorder.client.models.generate_content(**ASK).text}"

    assert [greet("a"), greet(name="b")] == ["a: Hello!", "b: Hello!"]
    assert (greet.__name__, greet.__doc__) == ("greet", "Greet.")
    assert len(recorder.logger.traces) == 1


async def test_async_functions_can_be_decorated(hello: Path) -> None:
    recorder = GeminiRecorder(hello)

    @recorder
    async def greet() -> str | None:
        return (await recorder.client.aio.models.generate_content(**ASK)).text

    assert [await greet(), await greet()] == ["Hello!", "Hello!"]


def test_it_works_with_given(hello: Path) -> None:
    recorder = GeminiRecorder(hello, strict=True)

    @given(model=st.sampled_from(["gemini-2.5-flash", "models/gemini-2.5-flash"]), suffix=st.text(max_size=5))
    @settings(max_examples=10)
    @recorder
    def answers_whatever_follows(model: str, suffix: str) -> None:
        answer = recorder.client.models.generate_content(model=model, contents="Hi").text
        assert f"{answer}{suffix}".startswith("Hello!")

    answers_whatever_follows()


def test_it_works_inside_given(hello: Path) -> None:
    @given(prefix=st.text(max_size=5))
    @settings(max_examples=10)
    def answers_every_time(prefix: str) -> None:
        with GeminiRecorder(hello, strict=True) as recorder:
            assert prefix + (recorder.client.models.generate_content(**ASK).text or "") == prefix + "Hello!"

    answers_every_time()


# Alone


def test_it_works_without_pytest(hello: Path) -> None:
    script = f"""
        import sys
        from maxim_gemini.testing import GeminiRecorder
        with GeminiRecorder({str(hello)!r}) as recorder:
            print(recorder.client.models.generate_content(model="gemini-2.5-flash", contents="Hi").text)
            print(recorder.outcome)
        assert "pytest" not in sys.modules
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[0] == "Hello!"
    assert run.stdout.splitlines()[1] == "Outcome(replayed=1, recorded=0, live=0, unused=0, missed=0)"


def test_it_shows_itself(hello: Path) -> None:
    with GeminiRecorder(hello) as recorder:
        pass
    assert repr(recorder).startswith(f"<GeminiRecorder {hello.as_posix()!r} record=none Outcome(replayed=0,")


def test_an_answer_without_a_body_replays(tmp_path: Path) -> None:
    made = request("files/abc", method="DELETE")
    path = cassette(tmp_path / "empty.yaml", (made, Response(200, JSON_HEADERS, (Chunk(b"{}"),))))
    with GeminiRecorder(path, strict=True) as recorder:
        recorder.client.files.delete(name="files/abc")
