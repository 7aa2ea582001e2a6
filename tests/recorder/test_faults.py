"""What a replayed answer can suffer on its way: pure, and as a client sees it over each library."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clients import EDGE_IDS, EDGES, LIBRARIES, opened
from support.gemini import ASK, event, text_of
from support.recordings import call, cassette, fails, says, streams

from maxim_gemini.testing._http.delivery import Faults, deliver
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._recorder.recorder import GeminiRecorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google import genai

WORDS = ("Zwölf ", "Boxkämpfer ", "jagen ", "🙂")
BROKEN = {"httpx": "RemoteProtocolError", "httpx2": "RemoteProtocolError", "aiohttp": "ClientPayloadError"}


async def _texts(client: genai.Client, is_async: bool) -> tuple[list[str], str]:
    texts: list[str] = []
    try:
        if is_async:
            async for chunk in await client.aio.models.generate_content_stream(**ASK):
                texts.append(text_of(chunk))  # noqa: PERF401 - what came before an error counts
        else:
            for chunk in client.models.generate_content_stream(**ASK):
                texts.append(text_of(chunk))  # noqa: PERF401
    except Exception as error:
        return texts, type(error).__name__
    return texts, ""


def texts_over(library: str, is_async: bool, **options: Any) -> tuple[list[str], str]:
    async def call() -> tuple[list[str], str]:
        async with opened(library, **options) as client:
            return await _texts(client, is_async)

    return asyncio.run(call())


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    return cassette(tmp_path / "stream.yaml", (call(stream=True), streams(*WORDS)))


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
class TestAsAClientSeesIt:
    def test_the_connection_breaks_where_it_is_set(self, stream: Path, library: str, is_async: bool) -> None:
        with GeminiRecorder(stream) as recorder:
            recorder.disconnect_after(events=2)
            assert texts_over(library, is_async) == (list(WORDS[:2]), BROKEN[library])

    def test_the_connection_breaks_inside_an_event(self, stream: Path, library: str, is_async: bool) -> None:
        with GeminiRecorder(stream) as recorder:
            recorder.disconnect_after(events=1, bytes=20)
            assert texts_over(library, is_async) == (list(WORDS[:1]), BROKEN[library])

    def test_a_damaged_event_is_no_json(self, stream: Path, library: str, is_async: bool) -> None:
        with GeminiRecorder(stream) as recorder:
            recorder.corrupt(1)
            texts, error = texts_over(library, is_async)
        assert texts == list(WORDS[:1])
        assert error in ("UnknownApiResponseError", "JSONDecodeError")

    def test_torn_bytes_make_the_same_chunks(self, stream: Path, library: str, is_async: bool) -> None:
        with GeminiRecorder(stream, chunking="torn"):
            assert texts_over(library, is_async) == (list(WORDS), "")

    def test_one_byte_at_a_time_makes_the_same_chunks(self, stream: Path, library: str, is_async: bool) -> None:
        with GeminiRecorder(stream, chunking=[1]):
            assert texts_over(library, is_async) == (list(WORDS), "")

    def test_a_silence_longer_than_the_clients_patience_is_a_timeout(
        self, stream: Path, library: str, is_async: bool
    ) -> None:
        with GeminiRecorder(stream) as recorder:
            recorder.stall(3600, before=1)
            texts, error = texts_over(library, is_async, timeout=100)
        assert texts == list(WORDS[:1])
        assert "Timeout" in error

    def test_a_short_silence_is_waited_for(self, stream: Path, library: str, is_async: bool) -> None:
        with GeminiRecorder(stream) as recorder:
            recorder.stall(0.2, before=3)
            begin = time.monotonic()
            assert texts_over(library, is_async) == (list(WORDS), "")
        assert time.monotonic() - begin >= 0.2

    def test_the_recorded_pace_is_kept(self, tmp_path: Path, library: str, is_async: bool) -> None:
        path = cassette(tmp_path / "slow.yaml", (call(stream=True), streams(*WORDS, gap=0.05)))
        for pace, least in (("recorded", 0.2), (0.5, 0.1)):
            with GeminiRecorder(path, pace=pace):  # type: ignore[arg-type]
                begin = time.monotonic()
                assert texts_over(library, is_async) == (list(WORDS), "")
            assert time.monotonic() - begin >= least


def test_a_fault_can_be_limited_and_ended(tmp_path: Path) -> None:
    path = cassette(tmp_path / "s.yaml", *[(call(stream=True), streams(*WORDS))] * 4)
    library, is_async = EDGES[0]
    with GeminiRecorder(path) as recorder:
        recorder.disconnect_after(events=0, times=1)
        with recorder.corrupt():
            assert texts_over(library, is_async) == ([], BROKEN[library])
            assert texts_over(library, is_async)[0] == []
        assert [texts_over(library, is_async) for _ in range(2)] == [(list(WORDS), "")] * 2


def test_faults_end_with_the_block(tmp_path: Path) -> None:
    path = cassette(tmp_path / "s.yaml", (call(stream=True), streams(*WORDS)))
    recorder = GeminiRecorder(path)
    with recorder:
        recorder.disconnect_after(events=0)
        assert texts_over(*EDGES[0])[0] == []
    with recorder:
        assert texts_over(*EDGES[0]) == (list(WORDS), "")


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_plain_answer_counts_as_one_event(tmp_path: Path, library: str) -> None:
    path = cassette(tmp_path / "p.yaml", (call(), says("whole")), (call(), says("whole")))
    with GeminiRecorder(path) as recorder:
        async with opened(library) as client:
            recorder.disconnect_after(events=1, times=1)
            with pytest.raises(Exception, match=r"peer closed|not completed"):
                await client.aio.models.generate_content(**ASK)
            assert (await client.aio.models.generate_content(**ASK)).text == "whole"


def test_a_failed_stream_arrives_whole(tmp_path: Path) -> None:
    path = cassette(tmp_path / "f.yaml", (call(stream=True), fails(503, "UNAVAILABLE")))
    for library, is_async in EDGES:
        with GeminiRecorder(path, chunking="torn"):
            assert texts_over(library, is_async) == ([], "ServerError")


# Pure


def pieces(response: Response, **wishes: Any) -> list[bytes]:
    return [piece.data for piece in deliver(response, **wishes).pieces]


def waits(response: Response, **wishes: Any) -> list[float]:
    return [round(piece.wait, 6) for piece in deliver(response, **wishes).pieces]


def test_a_stream_comes_event_by_event_however_it_was_cut_when_recorded() -> None:
    body = b"".join(map(event, WORDS))
    for size in (7, 100, 10_000):
        chunks = tuple(Chunk(body[at : at + size]) for at in range(0, len(body), size))
        assert pieces(Response(200, (("Content-Type", "text/event-stream"),), chunks)) == list(map(event, WORDS))


def test_each_event_has_the_time_of_its_last_byte() -> None:
    body = event("a") + event("b") + event("c")
    half = len(event("a")) + 10
    chunks = (Chunk(body[:half], 1.0), Chunk(body[half:-5], 3.0), Chunk(body[-5:], 3.5))
    response = Response(200, (("content-type", "text/event-stream"),), chunks)
    assert waits(response, pace="recorded") == [1.0, 2.0, 0.5]
    assert waits(response, pace=2.0) == [2.0, 4.0, 1.0]
    assert waits(response) == [0.0, 0.0, 0.0]
    assert waits(response, pace="recorded", chunking="whole") == [3.5]
    assert waits(response, pace="recorded", chunking="recorded") == [1.0, 2.0, 0.5]


def test_a_silence_stands_before_its_event_however_the_bytes_are_cut() -> None:
    response = streams("a", "b")
    first = len(event("a"))
    for chunking in ("events", "whole", "torn", [1], [10_000]):
        delivery = deliver(response, chunking=chunking, faults=Faults(stall={1: 9.0}))
        pieces = [*delivery.pieces]
        (position,) = (sum(len(p.data) for p in pieces[:i]) for i, p in enumerate(pieces) if p.wait == 9.0)
        assert position == first


@given(
    texts=st.lists(st.text(max_size=20), max_size=5),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    after=st.none() | st.integers(0, 6),
    extra=st.integers(0, 30),
)
@settings(max_examples=100)
def test_pieces_joined_are_the_body_up_to_the_break(
    texts: list[str], sizes: list[int], after: int | None, extra: int
) -> None:
    response = streams(*texts)
    delivery = deliver(response, chunking=sizes, faults=Faults(disconnect_after=after, disconnect_bytes=extra))
    joined = b"".join(piece.data for piece in delivery.pieces)
    if after is None or after > len(texts):
        assert (joined, delivery.ended) == (response.body, "complete")
    else:
        assert joined == response.body[: len(b"".join(map(event, texts[:after]))) + extra]
        assert delivery.breakage() == "disconnect"
    pieces = [*delivery.pieces]
    assert all(piece.data for piece in pieces)
    assert [len(p.data) for p in pieces[:-1]] == [sizes[i % len(sizes)] for i in range(len(pieces) - 1)]


def test_damage_keeps_the_length_and_the_line_ends() -> None:
    clean, damaged = pieces(streams("a", "b")), pieces(streams("a", "b"), faults=Faults(corrupt=frozenset({1})))
    assert damaged[0] == clean[0]
    assert damaged[1] != clean[1]
    assert (len(damaged[1]), damaged[1][-4:]) == (len(clean[1]), b"\r\n\r\n")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"chunking": "bytes"}, "chunking must be 'events', .* got 'bytes'"),
        ({"chunking": [0]}, r"at least 1 byte, got \[0\]"),
        ({"chunking": 7}, "chunking must be 'events', .* got 7"),
        ({"pace": "slow"}, "pace must be 'instant', .* got 'slow'"),
        ({"pace": -1}, "pace must be 'instant', .* got -1"),
    ],
)
def test_nonsense_is_refused_before_anything_is_requested(wish: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GeminiRecorder("any.yaml", **wish)


def test_a_fault_before_the_block_is_refused() -> None:
    with pytest.raises(RuntimeError, match="enter it first"):
        GeminiRecorder("any.yaml").disconnect_after(1)


def test_a_fault_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with GeminiRecorder(tmp_path / "hi.yaml", allow_missing=True) as recorder:
        asks: tuple[Callable[[], object], ...] = (
            lambda: recorder.disconnect_after(-1),
            lambda: recorder.stall(-0.5),
            lambda: recorder.stall(1, before=-1),
            lambda: recorder.corrupt(-1),
            lambda: recorder.corrupt(times=-1),
        )
        for ask in asks:
            with pytest.raises(ValueError, match="must not be negative"):
                ask()


def test_times_never_run_backwards() -> None:
    response = streams("a", "b", "c", gap=0.1)
    ats = [sum(waits(response, pace="recorded")[: n + 1]) for n in range(3)]
    assert all(early < late for early, late in pairwise(ats))
