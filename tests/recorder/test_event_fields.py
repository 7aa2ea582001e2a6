"""Streams with `event:`, `id:` and comment lines, as those of the Interactions API."""

from __future__ import annotations

import asyncio
import json
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.clients import client_over, closed
from support.corpus import needs_corpus, streams_of
from support.loopback import SSE, ReceivedRequest, Reply, loopback

from maxim_gemini.testing._clock import monotonic
from maxim_gemini.testing._http.delivery import Faults, deliver, events_of
from maxim_gemini.testing._http.exchange import COMPLETE, Chunk, Response
from maxim_gemini.testing._recorder.recorder import GeminiRecorder

if TYPE_CHECKING:
    from pathlib import Path

needs_interactions = pytest.mark.skipif(
    not hasattr(genai.Client, "interactions"), reason="google-genai has no Interactions API here"
)
DONE = b"event: done\ndata: [DONE]\n\n"
GAP = 0.04


def delta(number: int) -> bytes:
    data = {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": str(number)}}
    return f"event: step.delta\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def slowly(request: ReceivedRequest, reply: Reply) -> None:
    reply.head(200, SSE)
    reply.send(b": keep-alive\n\n")
    for number in range(4):
        reply.send(delta(number))
        threading.Event().wait(GAP)
    reply.send(DONE)


async def read(client: genai.Client, is_async: bool) -> tuple[list[Any], float]:
    """Return the events that the SDK gives, and the seconds between the first and the last."""
    ask: Any = {"model": "gemini-2.5-flash", "input": "hi", "stream": True}
    found: list[Any] = []
    at: list[float] = []
    if is_async:
        async for event in await client.aio.interactions.create(**ask):
            found.append(event.model_dump(mode="json"))
            at.append(monotonic())
    else:
        for event in client.interactions.create(**ask):
            found.append(event.model_dump(mode="json"))
            at.append(monotonic())
    await closed(client)
    return found, at[-1] - at[0]


@needs_interactions
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_stream_of_the_interactions_api_is_readable_and_keeps_its_pace(tmp_path: Path, is_async: bool) -> None:
    path = tmp_path / "a.yaml"
    with loopback(slowly) as server, GeminiRecorder(path, record="once", base_url=server.url) as recorder:
        live, _ = asyncio.run(read(client_over("httpx", server.url), is_async))
    (interaction,) = recorder.cassette.interactions
    assert interaction.values.response["body"]["events"] == [
        {"comment": "keep-alive"},
        *({"event": "step.delta", "data": json.loads(delta(n).partition(b"data: ")[2])} for n in range(4)),
        {"event": "done", "data": "[DONE]"},
    ]
    assert interaction.response.ended == COMPLETE
    times = [chunk.at for chunk in interaction.response.chunks[1:5]]
    assert all(later - earlier > GAP / 2 for earlier, later in pairwise(times))
    with GeminiRecorder(path, base_url=server.url, pace="recorded"):
        replayed, seconds = asyncio.run(read(client_over("httpx", server.url), is_async))
    assert (len(live), replayed) == (4, live)
    assert seconds > 2 * GAP


def whole(request: ReceivedRequest, reply: Reply) -> None:
    reply.head(200, SSE)
    reply.send(delta(1) + DONE)
    threading.Event().wait(0.2)


def of_known_length(request: ReceivedRequest, reply: Reply) -> None:
    reply._handler.send_response(200)
    reply._handler.send_header("Content-Length", "3")
    reply._handler.end_headers()
    reply._handler.wfile.write(b"abc")


def longer(request: ReceivedRequest, reply: Reply) -> None:
    reply.head(200, SSE)
    reply.send(delta(1) + b"data: [DONE]")
    threading.Event().wait(0.2)


@pytest.mark.parametrize(
    ("serve", "ended"),
    [(whole, COMPLETE), (of_known_length, COMPLETE), (longer, "closed by the reader")],
    ids=["done", "known length", "cut"],
)
@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_reader_who_has_read_everything_has_not_left(tmp_path: Path, library: str, serve: Any, ended: str) -> None:
    http = pytest.importorskip(library)
    with (
        loopback(serve) as server,
        GeminiRecorder(tmp_path / "a.yaml", record="once", base_url=server.url) as recorder,
        http.Client() as client,
        client.stream("POST", server.url, content=b"x") as response,
    ):
        next(response.iter_raw())
    assert [interaction.response.ended for interaction in recorder.cassette.interactions] == [ended]


def streamed(*blocks: bytes) -> Response:
    return Response(200, SSE, tuple(Chunk(block, number / 10) for number, block in enumerate(blocks)))


def test_a_comment_is_no_event_of_its_own_for_faults() -> None:
    ping, first, second = b": ping\n\n", delta(1), delta(2)
    response = streamed(ping, b"retry: 9\n\n", first, ping, second, ping)
    assert events_of(response) == [ping + b"retry: 9\n\n" + first, ping + second + ping]
    broken = deliver(response, faults=Faults(disconnect_after=1))
    assert b"".join(piece.data for piece in broken.pieces) == ping + b"retry: 9\n\n" + first
    whole = deliver(response, pace="recorded")
    assert [piece.data for piece in whole.pieces] == [ping, b"retry: 9\n\n", first, ping, second, ping]


def test_damage_hits_the_data_of_an_event() -> None:
    (piece,) = deliver(streamed(delta(1)), faults=Faults(corrupt=frozenset([0]))).pieces
    name, data, *_ = piece.data.split(b"\n")
    assert (name, len(piece.data)) == (b"event: step.delta", len(delta(1)))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        json.loads(data.removeprefix(b"data: "))


@needs_corpus
@needs_interactions
@pytest.mark.filterwarnings("ignore")
def test_every_recorded_stream_of_the_interactions_api_replays_as_it_was(tmp_path: Path) -> None:
    streams = [stream.encode() for stream in streams_of("interactions.jsonl")]
    numbers = iter(range(len(streams)))

    def serve(request: ReceivedRequest, reply: Reply) -> None:
        reply.head(200, SSE)
        reply.send(streams[next(numbers)])

    path = tmp_path / "all.yaml"
    found = []
    with loopback(serve) as server:
        for mode in ("once", "none"):
            with GeminiRecorder(path, record=mode, base_url=server.url) as recorder:
                client = client_over("httpx", server.url)
                found.append([asyncio.run(_events(client)) for _ in streams])
                asyncio.run(closed(client))
    assert found[0] == found[1]
    assert [interaction.response.body for interaction in recorder.cassette.interactions] == streams
    assert all("events" in interaction.values.response["body"] for interaction in recorder.cassette.interactions)


async def _events(client: genai.Client) -> list[Any]:
    create: Any = client.interactions.create
    return [event.model_dump(mode="json") for event in create(model="gemini-2.5-flash", input="hi", stream=True)]
