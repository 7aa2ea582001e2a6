"""A real logger against the mocked ingestion API."""

from __future__ import annotations

import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import maxim
import pytest
import respx
from google import genai
from maxim.logger import FileAttachment, Logger
from support.maxim_flows import PNG, answer, attachments, generation_config, large, many, one_answer
from support.maxim_versions import since

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import GeminiMock, MaximApi, reply
from maxim_gemini.testing._logs.maxim import maxim_hands_out


def test_a_real_logger_posts_and_the_views_show_it() -> None:
    with MaximApi() as api:
        logger = api.logger("my-repository")
        one_answer(logger)
        api.flush()
        assert type(logger) is Logger
        assert {post.repository for post in api.posts} == {"my-repository"}
        assert api.trace.output == "Sunny."
        assert api.generation.usage["total_tokens"] == 17
        api.assert_complete()


def test_batches_are_sent_by_threads_of_the_logger() -> None:
    with MaximApi() as api:
        many(api.logger())
        api.flush()
        assert len(api.posts) > 3
        assert len(api.traces) == 120
        api.assert_complete()


@since(3, 14, 12, reason="an uploaded file has no MIME type")
def test_attachments_are_uploaded_to_storage() -> None:
    with MaximApi() as api:
        attachments(api.logger())
        api.flush()
        (plot,) = api.trace.attachments
        assert (plot.name, plot.mime_type, plot.content) == ("plot.png", "image/png", PNG)
        assert sorted(upload.mime_type for upload in api.uploads.values()) == ["image/png", "text/plain"]
        assert "log-repository/trace/trace-e/files/original/file-1" in api.uploads


def test_a_file_is_uploaded(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("hello")
    with MaximApi() as api:
        trace = api.logger().trace({"id": "t"})
        trace.add_attachment(FileAttachment(path=str(file), mime_type="text/plain"))
        api.flush()
        (attachment,) = api.trace.attachments
        assert (attachment.type, attachment.mime_type, attachment.content) == ("file", "text/plain", b"hello")


def test_a_large_log_goes_through_storage_and_is_read_from_there() -> None:
    with MaximApi() as api:
        large(api.logger())
        api.flush()
        (post,) = api.posts
        assert len(post.text) < 10_000
        assert "storage{id=" in post.text
        assert len(api.generation.messages[0]["content"]) == 1_000_000


@pytest.mark.parametrize("failure", [401, 429, 500, "timeout", "refused", "disconnected"])
def test_what_could_not_be_sent_is_kept_on_disk_and_sent_again_later(failure: Any) -> None:
    with MaximApi() as api:
        api.fail(failure)
        one_answer(api.logger())
        api.flush()
        assert len(api.traces) == 0
        assert [commit.id for commit in api.spilled][:2] == ["trace-a", "trace-a"]
        assert {post.answer for post in api.posts} == {failure}
        api.recover()
        api.flush()
        assert api.spilled == ()
        assert api.posts[-1].replayed
        assert api.trace.output == "Sunny."
        api.assert_complete()


@pytest.mark.parametrize(("failure", "waits"), [(500, []), ("timeout", [1.0, 2.0])])
def test_only_a_broken_connection_is_tried_again_and_nothing_waits(
    failure: Any, waits: list[float], slept: list[float]
) -> None:
    with MaximApi() as api:
        api.fail(failure, times=2)
        one_answer(api.logger())
        api.flush()
        assert max(slept, default=0) < 0.01  # it looks again and again whether the writer is done
        assert api.waits == waits
        assert [post.answer for post in api.posts] == ([500] if failure == 500 else ["timeout", "timeout", 200])


@since(3, 14, 20, reason="what could not be sent is tried for ever")
def test_a_file_that_is_never_taken_is_given_up_but_kept() -> None:
    with MaximApi() as api:
        api.fail(500)
        one_answer(api.logger())
        for _ in range(7):
            api.flush()
        tries = len(api.posts)
        api.flush()
        assert len(api.posts) == tries
        assert api.spilled


def test_a_slow_answer_delays_the_flush() -> None:
    with MaximApi() as api:
        one_answer(api.logger())
        api.slow(0.05)
        began = time.monotonic()
        api.flush()
        assert time.monotonic() - began >= 0.05
        assert api.trace.ended


def test_a_failed_upload_leaves_its_mark() -> None:
    with MaximApi() as api:
        api.fail(500, on="upload-url")
        attachments(api.logger())
        api.flush()
        assert api.uploads == {}
        assert api.trace.attachments == ()
        assert api.generation.text == "Sunny."


def test_a_wrong_key_is_refused() -> None:
    with MaximApi(key="right") as api:
        one_answer(Logger({"id": "r"}, "wrong", api.base_url))
        api.flush()
        assert {post.answer for post in api.posts} == {401}
        one_answer(api.logger())
        api.flush()
        assert api.posts[-1].accepted


def test_a_log_repository_that_does_not_exist_takes_nothing() -> None:
    with MaximApi(repositories={"mine"}) as api:
        one_answer(api.logger("other"))
        api.flush()
        assert [post.answer for post in api.posts] == [404]
        one_answer(api.logger("mine"))
        api.flush()
        assert api.trace.id == "trace-a"


def test_a_logger_that_raises_raises_what_the_api_answers() -> None:
    with MaximApi() as api:
        logger = api.logger(raise_exceptions=True)
        with pytest.raises(ValueError, match="Invalid ID"):
            logger.trace({"id": "not valid"})


def test_the_applications_own_maxim_posts_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAXIM_API_KEY", "key")
    with MaximApi() as api:
        with maxim_hands_out(lambda _: api.logger("from-the-app")):
            logger = maxim.Maxim().logger({"id": "from-the-app"})
        one_answer(logger)
        api.flush()
        assert api.trace.name == "Ask"


def test_a_request_without_a_route_is_refused() -> None:
    with MaximApi() as api:
        response = httpx.get(f"{api.base_url}/api/sdk/v9/other")
        assert response.status_code == 404
        assert "has no route for GET /api/sdk/v9/other" in response.text


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"live")

    def log_message(self, *_: Any) -> None:
        pass


def test_other_traffic_passes_through() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with MaximApi():
            assert httpx.get(f"http://127.0.0.1:{server.server_port}/").text == "live"
    finally:
        server.shutdown()
        server.server_close()


async def _fetched(url: str) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).text


@pytest.mark.parametrize("maxim_first", [True, False])
def test_another_respx_router_keeps_what_is_its_own(maxim_first: bool) -> None:
    other = respx.MockRouter()
    other.get("https://example.com/").respond(text="mine")
    api = MaximApi()
    routers = [api, other] if maxim_first else [other, api]
    with routers[0] as first, routers[1] as second:  # type: ignore[attr-defined]
        ingestion = first if maxim_first else second
        assert httpx.get("https://example.com/").text == "mine"
        assert asyncio.run(_fetched("https://example.com/")) == "mine"
        with pytest.raises(respx.models.AllMockedAssertionError):
            httpx.get("https://example.com/unknown")
        one_answer(ingestion.logger())
        ingestion.flush()
        assert ingestion.trace.ended


@pytest.mark.parametrize("maxim_first", [True, False])
def test_gemini_can_be_mocked_beside_it(maxim_first: bool) -> None:
    requested: list[str] = []

    def application(ingestion: Any) -> None:
        client = MaximGeminiClient(genai.Client(api_key="any"), ingestion.logger())
        requested.append(client.models.generate_content(model="gemini-2.5-flash", contents="The capital?").text or "")
        ingestion.flush()
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://127.0.0.1:9/")

    if maxim_first:
        with MaximApi() as api, GeminiMock(reply.text("Paris.")):
            application(api)
    else:
        with GeminiMock(reply.text("Paris.")), MaximApi() as api:
            application(api)
    assert requested == [api.trace.output] == ["Paris."]


def test_nothing_stays_behind() -> None:
    before = set(threading.enumerate())
    with MaximApi() as api:
        logger = api.logger()
        one_answer(logger)
        api.fail(500)
        api.flush()
        folder = Path(logger.writer.logs_dir)
        assert list(folder.iterdir())
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    assert set(threading.enumerate()) <= before
    assert not folder.exists()
    assert Logger.trace.__module__ == "maxim.logger.logger"
    assert time.sleep is __import__("maxim.logger.writer", fromlist=["time"]).time.sleep


def test_generations_before_their_trace_are_read_all_the_same() -> None:
    with MaximApi() as api:
        logger = api.logger()
        logger.trace_add_generation("t", generation_config("g")).result(answer())
        api.flush()
        logger.trace({"id": "t"}).end()
        api.flush()
        api.assert_complete()
        assert api.trace.generation.text == "Sunny."
