"""Files, caches, batches, uploads and the rest replay as calls of models do."""

from __future__ import annotations

import asyncio
import io
import json
import re
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import EDGE_IDS, EDGES, SDK_MAJOR, opened
from support.loopback import ReceivedRequest, Reply, loopback

from maxim_gemini.testing._recorder.recorder import GeminiRecorder
from maxim_gemini.testing.exceptions import CassetteMiss

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from google import genai

CONTENT = bytes(range(256)) * 40
FILE = {"name": "files/abc", "uri": "https://x/files/abc", "mimeType": "image/png", "sizeBytes": str(len(CONTENT))}
CACHE = {"name": "cachedContents/c1", "model": "models/gemini-2.5-flash", "expireTime": "2030-01-01T00:00:00Z"}
BATCH = {"name": "batches/b1", "metadata": {"state": "BATCH_STATE_SUCCEEDED", "displayName": "nightly"}}
ANSWERS: list[tuple[str, str, Any]] = [
    ("POST", r"/files$", None),
    ("GET", r"/files/abc:download", CONTENT),
    ("GET", r"/files/abc$", {**FILE, "state": "ACTIVE"}),
    ("GET", r"/files\b", {"files": [FILE]}),
    ("DELETE", r"/files/abc$", {}),
    ("POST", r"/cachedContents$", CACHE),
    ("GET", r"/cachedContents/c1$", CACHE),
    ("PATCH", r"/cachedContents/c1$", CACHE),
    ("GET", r"/cachedContents\b", {"cachedContents": [CACHE]}),
    ("POST", r":batchGenerateContent$", BATCH),
    ("GET", r"/batches/b1$", BATCH),
    ("POST", r":batchEmbedContents$", {"embeddings": [{"values": [0.25, -1.5, 3.0]}]}),
    ("POST", r":countTokens$", {"totalTokens": 31}),
    ("GET", r"/models/gemini-2.5-flash$", {"name": "models/gemini-2.5-flash", "inputTokenLimit": 1048576}),
    ("GET", r"/models\b", {"models": [{"name": "models/gemini-2.5-flash"}]}),
]


class Gemini:
    """As much of the Gemini API as these tests ask for."""

    def __init__(self) -> None:
        self.url = ""
        self.uploaded = b""

    def __call__(self, asked: ReceivedRequest, reply: Reply) -> None:
        if asked.headers.get("x-goog-upload-command") == "start":
            reply.head(
                200,
                [("Content-Type", "text/plain"), ("X-Goog-Upload-URL", f"{self.url}/upload/v1beta/files?upload_id=u1")],
            )
        elif "x-goog-upload-offset" in asked.headers:
            self._take(asked, reply)
        else:
            self._answer(asked, reply)

    def _take(self, asked: ReceivedRequest, reply: Reply) -> None:
        self.uploaded += asked.body
        is_last = "finalize" in asked.headers["x-goog-upload-command"]
        status = ("X-Goog-Upload-Status", "final" if is_last else "active")
        body = json.dumps({"file": FILE}).encode() if is_last else b""
        reply.whole(body, headers=[("Content-Type", "application/json"), status])

    def _answer(self, asked: ReceivedRequest, reply: Reply) -> None:
        path = asked.path.partition("?")[0]
        answer = next(
            answer for method, pattern, answer in ANSWERS if method == asked.method and re.search(pattern, path)
        )
        reply.whole(answer if isinstance(answer, bytes) else json.dumps(answer, indent=2).encode())


class Side:
    """One side of a client: sync calls and async ones, awaited alike."""

    def __init__(self, client: genai.Client, is_async: bool) -> None:
        self._side: Any = client.aio if is_async else client
        self.is_async = is_async

    def __getattr__(self, name: str) -> Any:
        return getattr(self._side, name)

    async def get(self, answer: Any) -> Any:
        return await answer if self.is_async else answer

    async def items(self, pager: Any) -> list[Any]:
        pager = await self.get(pager)
        return [item async for item in pager] if self.is_async else list(pager)


async def files(side: Side) -> Any:
    uploaded = await side.get(side.files.upload(file=io.BytesIO(CONTENT), config={"mime_type": "image/png"}))
    got = await side.get(side.files.get(name="files/abc"))
    listed = await side.items(side.files.list())
    content = await side.get(side.files.download(file="files/abc"))
    await side.get(side.files.delete(name="files/abc"))
    return uploaded.name, uploaded.size_bytes, got.state, [file.name for file in listed], content


async def caches(side: Side) -> Any:
    config = {"contents": [{"role": "user", "parts": [{"text": "long"}]}], "ttl": "60s"}
    created = await side.get(side.caches.create(model="models/gemini-2.5-flash", config=config))
    got = await side.get(side.caches.get(name=created.name))
    updated = await side.get(side.caches.update(name=created.name, config={"ttl": "90s"}))
    return created.name, got.model, updated.expire_time, [c.name for c in await side.items(side.caches.list())]


async def batches(side: Side) -> Any:
    request = {"contents": [{"parts": [{"text": "Hi"}], "role": "user"}]}
    created = await side.get(side.batches.create(model="models/gemini-2.5-flash", src=[request]))
    got = await side.get(side.batches.get(name=created.name))
    return created.name, got.state


async def numbers(side: Side) -> Any:
    embedded = await side.get(side.models.embed_content(model="gemini-embedding-001", contents="Hi"))
    counted = await side.get(side.models.count_tokens(model="gemini-2.5-flash", contents="Hi"))
    model = await side.get(side.models.get(model="gemini-2.5-flash"))
    listed = await side.items(side.models.list())
    return embedded.embeddings[0].values, counted.total_tokens, model.input_token_limit, [m.name for m in listed]


FLOWS = [files, caches, *([batches] if SDK_MAJOR >= 2 else []), numbers]


def play(flow: Callable[[Side], Awaitable[Any]], library: str, is_async: bool, url: str | None = None) -> Any:
    async def run() -> Any:
        async with opened(library, url) as client:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some of these are experimental, and say so
                return await flow(Side(client, is_async))

    return asyncio.run(run())


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
def test_it_replays_over_every_library(
    tmp_path: Path, flow: Callable[[Side], Awaitable[Any]], library: str, is_async: bool
) -> None:
    path = tmp_path / f"{flow.__name__}.yaml"
    with loopback(gemini := Gemini()) as server, GeminiRecorder(path, record="once") as recorder:
        gemini.url = server.url
        live = play(flow, library, is_async, server.url)
    assert gemini.uploaded == (CONTENT if flow is files else b"")
    for other, other_is_async in EDGES:
        with GeminiRecorder(path, strict=True):
            assert play(flow, other, other_is_async) == live
    assert len(recorder.cassette.interactions) == recorder.outcome.live


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_an_upload_in_several_parts_replays(tmp_path: Path, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("google.genai._api_client.CHUNK_SIZE", 4096)

    async def upload(side: Side) -> Any:
        return (await side.get(side.files.upload(file=io.BytesIO(CONTENT), config={"mime_type": "image/png"}))).name

    library = EDGES[-1][0] if is_async else EDGES[0][0]
    path = tmp_path / "upload.yaml"
    with loopback(gemini := Gemini()) as server, GeminiRecorder(path, record="once") as recorder:
        gemini.url = server.url
        assert play(upload, library, is_async, server.url) == "files/abc"
    assert (gemini.uploaded, recorder.outcome.live) == (CONTENT, 4)
    with GeminiRecorder(path, strict=True):
        assert play(upload, library, is_async) == "files/abc"


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
def test_the_waits_of_an_upload_that_gets_no_status_are_skipped(
    tmp_path: Path, library: str, is_async: bool, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setattr("google.genai._api_client.INITIAL_RETRY_DELAY", 0.3)

    class Slow(Gemini):
        failures = 1

        def _take(self, asked: ReceivedRequest, reply: Reply) -> None:
            if self.failures:
                self.failures -= 1
                reply.whole(b"", 503)
            else:
                super()._take(asked, reply)

    async def upload(side: Side) -> Any:
        return (await side.get(side.files.upload(file=io.BytesIO(CONTENT), config={"mime_type": "image/png"}))).name

    path = tmp_path / "upload.yaml"
    with loopback(gemini := Slow()) as server, GeminiRecorder(path, record="once") as recorder:
        gemini.url = server.url
        assert play(upload, library, is_async, server.url) == "files/abc"
    assert recorder.waits == []
    slept.clear()
    with GeminiRecorder(path, strict=True) as recorder:
        assert play(upload, library, is_async) == "files/abc"
    assert (recorder.waits, slept) == ([0.3], [])


needs_interactions = pytest.mark.skipif(SDK_MAJOR < 3, reason="interactions have another shape before google-genai 3")


@needs_interactions
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_interactions_replay_and_retry_without_waiting(tmp_path: Path, is_async: bool, slept: list[float]) -> None:
    answers = iter([503, 200])

    def serve(asked: ReceivedRequest, reply: Reply) -> None:
        done = {"id": "i1", "object": "interaction", "status": "completed", "model": "gemini-2.5-flash"}
        status = next(answers)
        reply.whole(json.dumps(done if status == 200 else {"error": {"code": "unavailable"}}).encode(), status)

    async def interact(side: Side) -> Any:
        return (await side.get(side.interactions.create(model="gemini-2.5-flash", input="Hi"))).id

    library, path = EDGES[0][0], tmp_path / "interaction.yaml"
    with loopback(serve) as server, GeminiRecorder(path, record="once"):
        assert play(interact, library, is_async, server.url) == "i1"
    slept.clear()
    with GeminiRecorder(path, strict=True) as recorder:
        assert play(interact, library, is_async) == "i1"
    assert (len(recorder.waits), slept) == (1, [])
    with pytest.raises(CassetteMiss), GeminiRecorder(path) as recorder:  # noqa: PT012 - the block raises
        play(interact, library, is_async)
        play(interact, library, is_async)
    assert len(recorder.misses) == 1


UPLOADED = {"file": {"name": "files/f", "mimeType": "text/plain"}}


@pytest.mark.parametrize("library_and_kind", EDGES, ids=EDGE_IDS)
@pytest.mark.parametrize("query", ["?upload_id=u1&upload_protocol=resumable", "?upload_protocol=resumable"])
@pytest.mark.parametrize(
    "headers", ["{}", "{x-goog-upload-command: ['upload, finalize']}", "{x-goog-upload-offset: ['0']}"]
)
def test_an_upload_whose_google_headers_or_id_were_left_out_of_the_recording(
    tmp_path: Path, library_and_kind: tuple[str, bool], query: str, headers: str
) -> None:
    library, is_async = library_and_kind
    address = "https://generativelanguage.googleapis.com/upload/v1beta/files"
    step = f"{address}?upload_id=u1&upload_protocol=resumable"
    path = tmp_path / "foreign.yaml"
    path.write_text(
        f"""\
version: 1
interactions:
- request:
    {{method: POST, uri: '{address}', body: '{{"file": {{"mimeType": "text/plain", "sizeBytes": 5}}}}', headers: {{}}}}
  response:
    status: {{code: 200, message: OK}}
    headers: {{x-goog-upload-url: ['{step}'], x-goog-upload-status: [active]}}
    body: {{string: ''}}
- request: {{method: POST, uri: '{address}{query}', body: hello, headers: {headers}}}
  response:
    status: {{code: 200, message: OK}}
    headers: {{x-goog-upload-status: [final], content-type: [application/json]}}
    body: {{string: '{json.dumps(UPLOADED)}'}}
""",
        encoding="utf-8",
    )

    async def upload() -> str | None:
        async with opened(library) as client:
            file, config = io.BytesIO(b"hello"), {"mime_type": "text/plain"}
            if is_async:
                return (await client.aio.files.upload(file=file, config=config)).name  # type: ignore[arg-type]
            return client.files.upload(file=file, config=config).name  # type: ignore[arg-type]

    with GeminiRecorder(path, strict=True):
        assert asyncio.run(upload()) == "files/f"
