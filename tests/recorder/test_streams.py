"""A stream reaches its reader as it arrives while it is recorded, and ends on replay as it ended then."""

from __future__ import annotations

import asyncio
import importlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import EDGE_IDS, EDGES, LIBRARIES, SYNC_LIBRARIES, client_over, closed, opened
from support.gemini import ASK, event, text_of
from support.loopback import SSE, ReceivedRequest, Reply, loopback

from maxim_gemini.testing._http.exchange import COMPLETE
from maxim_gemini.testing._recorder.recorder import GeminiRecorder
from maxim_gemini.testing.exceptions import CassetteMiss

if TYPE_CHECKING:
    from pathlib import Path

    from google import genai

PATIENCE = 10.0


class Gated:
    """A server that sends its second event only when the first has been seen."""

    def __init__(self) -> None:
        self.first_was_seen = threading.Event()
        self.second_was_withheld = False

    def __call__(self, request: ReceivedRequest, reply: Reply) -> None:
        reply.head(200, SSE)
        reply.send(event("first"))
        self.second_was_withheld = self.first_was_seen.wait(PATIENCE)
        reply.send(event("second"))


@pytest.mark.parametrize("library", SYNC_LIBRARIES)
def test_an_event_arrives_before_the_next_is_sent_while_recording(tmp_path: Path, library: str) -> None:
    server = Gated()
    with loopback(server) as at, GeminiRecorder(tmp_path / "s.yaml", record="once") as recorder:
        seen = []
        client = client_over(library, at.url)
        for chunk in client.models.generate_content_stream(**ASK):
            seen.append(chunk.text)
            server.first_was_seen.set()
        asyncio.run(closed(client))
    assert seen == ["first", "second"]
    assert server.second_was_withheld
    assert [len(i.response.chunks) for i in recorder.cassette.interactions] == [2]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_an_event_arrives_before_the_next_is_sent_while_recording_async(tmp_path: Path, library: str) -> None:
    server = Gated()
    with loopback(server) as at:
        async with GeminiRecorder(tmp_path / "s.yaml", record="once"):
            seen = []
            client = client_over(library, at.url)
            async for chunk in await client.aio.models.generate_content_stream(**ASK):
                seen.append(chunk.text)
                server.first_was_seen.set()
            await closed(client)
    assert seen == ["first", "second"]
    assert server.second_was_withheld


def endless(request: ReceivedRequest, reply: Reply) -> None:
    reply.head(200, SSE)
    for number in range(20):
        reply.send(event(f"{number} "))
        threading.Event().wait(0.02)


def dropping(request: ReceivedRequest, reply: Reply) -> None:
    reply.head(200, SSE)
    for number in range(3):
        reply.send(event(f"{number} "))
    threading.Event().wait(0.05)
    reply.drop()


async def read(client: genai.Client, is_async: bool, most: int = 99) -> tuple[list[str], str]:
    """Return the texts of at most so many chunks, and the name of the error that ended them."""
    texts: list[str] = []
    try:
        if is_async:
            stream = await client.aio.models.generate_content_stream(**ASK)
            while len(texts) < most and (chunk := await anext(stream, None)) is not None:
                texts.append(text_of(chunk))
            await stream.aclose()  # type: ignore[attr-defined]
        else:
            chunks = client.models.generate_content_stream(**ASK)
            while len(texts) < most and (chunk := next(chunks, None)) is not None:
                texts.append(text_of(chunk))
            chunks.close()  # type: ignore[attr-defined]
    except Exception as error:
        return texts, type(error).__name__
    finally:
        await closed(client)
    return texts, ""


BROKEN = {"httpx": "RemoteProtocolError", "httpx2": "RemoteProtocolError", "aiohttp": "ClientPayloadError"}


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
def test_a_stream_left_early_is_kept_as_far_as_it_was_read(tmp_path: Path, library: str, is_async: bool) -> None:
    path = tmp_path / "left.yaml"
    with loopback(endless) as server, GeminiRecorder(path, record="once") as recorder:
        texts, _ = asyncio.run(read(client_over(library, server.url), is_async, most=2))
    assert texts == ["0 ", "1 "]
    (interaction,) = recorder.cassette.interactions
    assert interaction.response.ended == "closed by the reader"
    assert b"19 " not in interaction.response.body

    with GeminiRecorder(path):
        assert asyncio.run(read(client_over(library), is_async, most=2)) == (["0 ", "1 "], "")


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_a_stream_still_open_at_the_end_of_the_block_is_kept_as_far_as_it_was_read(
    tmp_path: Path, library: str, is_async: bool
) -> None:
    stream: Any
    with loopback(endless) as server:
        client = client_over(library, server.url)
        async with GeminiRecorder(tmp_path / "open.yaml", record="once") as recorder:
            if is_async:
                stream = await client.aio.models.generate_content_stream(**ASK)
                chunk = await anext(stream)
            else:
                stream = client.models.generate_content_stream(**ASK)
                chunk = next(stream)
        (interaction,) = recorder.cassette.interactions
        assert (text_of(chunk), interaction.response.ended) == ("0 ", "closed by the reader")
        await stream.aclose() if is_async else stream.close()
        await closed(client)


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
def test_reading_on_where_the_recorded_reader_left_is_a_miss(tmp_path: Path, library: str, is_async: bool) -> None:
    path = tmp_path / "left.yaml"
    with loopback(endless) as server, GeminiRecorder(path, record="once"):
        asyncio.run(read(client_over(library, server.url), is_async, most=2))
    read_on: tuple[list[str], str] = ([], "")
    with pytest.raises(CassetteMiss, match="only 2 events of this answer were read"), GeminiRecorder(path):
        read_on = asyncio.run(read(client_over(library), is_async))
    assert read_on == (["0 ", "1 "], "CassetteMiss")


@pytest.mark.parametrize("library", SYNC_LIBRARIES)
def test_the_message_about_an_answer_that_was_left_holds_no_key_and_no_project(tmp_path: Path, library: str) -> None:
    httpx = importlib.import_module(library)
    path, key = tmp_path / "left.yaml", "AI" + "zaSyD" + "k3Y" * 10 + "xyz"
    uri = f"/v1beta/projects/my-project-1/locations/x/models/m:streamGenerateContent?alt=sse&key={key}"

    def ask(base: str, most: int | None) -> None:
        with httpx.stream("POST", base + uri, json={}, headers={"x-goog-api-client": "google-genai-sdk/3"}) as response:
            for number, _ in enumerate(response.iter_bytes(), 1):
                if number == most:
                    return

    with loopback(endless) as server:
        with GeminiRecorder(path, record="once", base_url=server.url):
            ask(server.url, 1)
        with pytest.raises(CassetteMiss, match="of this answer") as caught, GeminiRecorder(path, base_url=server.url):
            ask(server.url, None)
    assert key not in str(caught.value)
    assert "my-project-1" not in str(caught.value)
    assert key not in path.read_text()


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
@pytest.mark.parametrize(
    ("ended", "errors"),
    [("ReadTimeout", {"ReadTimeout", "SocketTimeoutError"}), ("ReadError", {"ReadError", "ClientOSError"})],
)
def test_a_stream_fails_in_a_replay_as_it_failed_whatever_library_recorded_it(
    tmp_path: Path, library: str, is_async: bool, ended: str, errors: set[str]
) -> None:
    path = tmp_path / "failed.yaml"
    with loopback(dropping) as server, GeminiRecorder(path, record="once"):
        asyncio.run(read(client_over(library, server.url), is_async))
    text = path.read_text()
    path.write_text(text.replace(f"ended: {BROKEN[library]}", f"ended: {ended}"))
    with GeminiRecorder(path):
        texts, error = asyncio.run(read(client_over(library, server.url), is_async))
    assert texts == ["0 ", "1 ", "2 "]
    assert error in errors


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
def test_a_stream_that_broke_is_kept_and_breaks_again(tmp_path: Path, library: str, is_async: bool) -> None:
    path = tmp_path / "broken.yaml"
    with loopback(dropping) as server, GeminiRecorder(path, record="once") as recorder:
        live = asyncio.run(read(client_over(library, server.url), is_async))
    assert live == (["0 ", "1 ", "2 "], BROKEN[library])
    assert recorder.cassette.interactions[0].response.ended == BROKEN[library]
    for other, other_is_async in EDGES:
        with GeminiRecorder(path):
            replayed = asyncio.run(read(client_over(other), other_is_async))
        assert replayed == (["0 ", "1 ", "2 "], BROKEN[other])


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_cancelled_stream_is_kept_as_far_as_it_went(tmp_path: Path, library: str) -> None:
    seen = asyncio.Event()

    async def consume(client: genai.Client) -> None:
        async for chunk in await client.aio.models.generate_content_stream(**ASK):
            assert text_of(chunk) == "only"
            seen.set()

    def one_and_silence(request: ReceivedRequest, reply: Reply) -> None:
        reply.head(200, SSE)
        reply.send(event("only"))
        released.wait(PATIENCE)

    released = threading.Event()
    with loopback(one_and_silence) as server:
        async with GeminiRecorder(tmp_path / "c.yaml", record="once") as recorder:
            client = client_over(library, server.url)
            task = asyncio.create_task(consume(client))
            await seen.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            released.set()
            await closed(client)
    (interaction,) = recorder.cassette.interactions
    assert (interaction.response.ended, interaction.response.body) == ("closed by the reader", event("only"))


def test_a_whole_answer_is_complete(tmp_path: Path) -> None:
    def serve(request: ReceivedRequest, reply: Reply) -> None:
        reply.head(200, SSE)
        reply.send(event("all"))

    for library, is_async in EDGES:
        path = tmp_path / f"{library}{is_async}.yaml"
        with loopback(serve) as server, GeminiRecorder(path, record="once") as recorder:
            asyncio.run(read(client_over(library, server.url), is_async))
        assert [i.response.ended for i in recorder.cassette.interactions] == [COMPLETE]


def test_an_encoded_answer_is_kept_decoded(tmp_path: Path) -> None:
    import gzip

    from support.gemini import plain

    def serve(request: ReceivedRequest, reply: Reply) -> None:
        reply.whole(
            gzip.compress(plain("zipped")), 200, (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
        )

    async def call(library: str, is_async: bool, url: str | None = None) -> Any:
        async with opened(library, url) as client:
            if is_async:
                return (await client.aio.models.generate_content(**ASK)).text
            return client.models.generate_content(**ASK).text

    for library, is_async in EDGES:
        path = tmp_path / f"{library}{is_async}.yaml"
        with loopback(serve) as server, GeminiRecorder(path, record="once") as recorder:
            assert asyncio.run(call(library, is_async, server.url)) == "zipped"
        (interaction,) = recorder.cassette.interactions
        assert interaction.response.body == plain("zipped")
        assert interaction.response.header("content-encoding") == ""
        for other, other_is_async in EDGES:
            with GeminiRecorder(path):
                assert asyncio.run(call(other, other_is_async)) == "zipped"
