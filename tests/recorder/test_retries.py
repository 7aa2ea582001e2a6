"""Retries replay in order and without waiting; the waits that would have been are on record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.clients import EDGE_IDS, EDGES, opened
from support.gemini import ASK, text_of
from support.loopback import ReceivedRequest, Reply, loopback
from support.recordings import call, cassette, fails, says, streams

from maxim_gemini.testing._recorder.recorder import GeminiRecorder

if TYPE_CHECKING:
    from pathlib import Path

    from google import genai

needs_retries = pytest.mark.skipif(
    "retry_options" not in types.HttpOptions.model_fields, reason="google-genai has no retry options before 1.26"
)
pytestmark = needs_retries

RETRY = {"attempts": 3, "initial_delay": 30.0, "jitter": 0.0001}


async def ask(client: genai.Client, is_async: bool, is_stream: bool) -> str:
    match is_async, is_stream:
        case False, False:
            return client.models.generate_content(**ASK).text or ""
        case False, True:
            return "".join(map(text_of, client.models.generate_content_stream(**ASK)))
        case True, False:
            return (await client.aio.models.generate_content(**ASK)).text or ""
        case _:
            return "".join([text_of(c) async for c in await client.aio.models.generate_content_stream(**ASK)])


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_retries_do_not_wait(
    tmp_path: Path, library: str, is_async: bool, is_stream: bool, slept: list[float]
) -> None:
    request = call(stream=is_stream)
    answered = streams("at ", "last") if is_stream else says("at last")
    failures = [(request, fails(429, "RESOURCE_EXHAUSTED")), (request, fails(503, "UNAVAILABLE"))]
    path = cassette(tmp_path / "retried.yaml", *failures, (request, answered))
    with GeminiRecorder(path) as recorder:
        async with opened(library, retry_options=RETRY) as client:
            assert await ask(client, is_async, is_stream) == "at last"
    assert slept == []
    assert [round(seconds) for seconds in recorder.waits] == [30, 60]
    assert recorder.outcome.replayed == 3


async def test_retry_options_of_one_call_do_not_wait_either(tmp_path: Path, slept: list[float]) -> None:
    path = cassette(tmp_path / "r.yaml", *[(call(), fails(429, "RESOURCE_EXHAUSTED")), (call(), says("ok"))] * 2)
    config: Any = {"http_options": {"retry_options": RETRY}}
    with GeminiRecorder(path) as recorder:
        async with opened(EDGES[0][0]) as client:
            assert client.models.generate_content(**ASK, config=config).text == "ok"
            assert (await client.aio.models.generate_content(**ASK, config=config)).text == "ok"
    assert slept == []
    assert [round(seconds) for seconds in recorder.waits] == [30, 30]


async def test_while_recording_retries_wait(tmp_path: Path) -> None:
    answers = iter([429, 200])

    def serve(request: ReceivedRequest, reply: Reply) -> None:
        answer = says("ok") if next(answers) == 200 else fails(429, "RESOURCE_EXHAUSTED")
        reply.whole(answer.body, answer.status, answer.headers)

    with loopback(serve) as server, GeminiRecorder(tmp_path / "live.yaml", record="once") as recorder:
        async with opened(EDGES[0][0], server.url, retry_options={**RETRY, "initial_delay": 0.3}) as client:
            begin = time.monotonic()
            assert client.models.generate_content(**ASK).text == "ok"
    assert time.monotonic() - begin >= 0.3
    assert recorder.waits == []
    assert [i.response.status for i in recorder.cassette.interactions] == [429, 200]


def test_waits_of_others_are_theirs(tmp_path: Path) -> None:
    import tenacity

    path = cassette(tmp_path / "r.yaml", (call(), says("ok")))
    attempts = iter([ValueError(), None])

    @tenacity.retry(wait=tenacity.wait_exponential_jitter(initial=0.2, jitter=0), reraise=True)
    def flaky() -> None:
        if error := next(attempts):
            raise error

    begin = time.monotonic()
    with GeminiRecorder(path) as recorder:
        flaky()
    assert time.monotonic() - begin >= 0.2
    assert recorder.waits == []
