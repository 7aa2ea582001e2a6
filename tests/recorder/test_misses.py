"""A request that is not recorded: at once, unchanged, remembered, with what to do."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.clients import EDGE_IDS, EDGES, opened
from support.gemini import ASK
from support.recordings import call, cassette, says, with_missing_file

from maxim_gemini.testing._recorder.recorder import GeminiRecorder
from maxim_gemini.testing.exceptions import CassetteBroken, CassetteMiss

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    return cassette(tmp_path / "hello.yaml", (call("Hello"), says("Hi")))


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_it_reaches_the_caller_at_once_and_unchanged(
    hello: Path, library: str, is_async: bool, is_stream: bool, slept: list[float]
) -> None:
    seen: list[BaseException] = []
    with pytest.raises(CassetteMiss) as caught, GeminiRecorder(hello) as recorder:  # noqa: PT012 - the block raises
        async with opened(library) as client:
            try:
                match is_async, is_stream:
                    case False, False:
                        client.models.generate_content(**ASK)
                    case False, True:
                        list(client.models.generate_content_stream(**ASK))
                    case True, False:
                        await client.aio.models.generate_content(**ASK)
                    case _:
                        async for _ in await client.aio.models.generate_content_stream(**ASK):
                            pass
            except Exception as error:
                seen.append(error)
                raise
    assert slept == []
    assert [caught.value] == seen == recorder.misses


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
async def test_it_fails_the_block_even_if_swallowed(hello: Path, library: str, is_async: bool) -> None:
    async def application() -> None:
        async with opened(library) as client:
            try:
                if is_async:
                    await client.aio.models.generate_content(**ASK)
                else:
                    client.models.generate_content(**ASK)
            except Exception:
                pass

    with pytest.raises(CassetteMiss) as caught:
        async with GeminiRecorder(hello) as recorder:
            await application()
    assert recorder.misses == [caught.value]
    assert recorder.outcome.missed == 1


def test_it_says_what_is_nearest_and_how_to_record(hello: Path) -> None:
    recorder = GeminiRecorder(
        hello, advice="To record it: pytest tests/test_x.py::test_y --maxim-gemini-record=rewrite"
    )
    with pytest.raises(CassetteMiss) as caught, recorder:
        recorder.bare_client.models.generate_content(**ASK)
    text = str(caught.value)
    assert "recorded 'Hello' != sent 'Hi'" in text
    assert text.endswith("\n\nTo record it: pytest tests/test_x.py::test_y --maxim-gemini-record=rewrite")


def test_another_error_keeps_its_place_and_is_noted(hello: Path) -> None:
    with pytest.raises(KeyError) as caught, GeminiRecorder(hello) as recorder:  # noqa: PT012 - the block raises
        with pytest.raises(CassetteMiss):
            recorder.bare_client.models.generate_content(**ASK)
        raise KeyError("the application's own")
    assert "To record it" in caught.value.__notes__[0]


def test_a_miss_saves_nothing(hello: Path) -> None:
    before = hello.read_bytes()
    with pytest.raises(CassetteMiss), GeminiRecorder(hello, record="once") as recorder:
        recorder.bare_client.models.generate_content(**ASK)
    assert hello.read_bytes() == before


def test_before_the_block_there_is_nothing_to_ask(hello: Path) -> None:
    recorder = GeminiRecorder(hello)
    assert (recorder.misses, recorder.outcome) == ([], (0, 0, 0, 0, 0))
    assert repr(recorder) == f"<GeminiRecorder {hello.as_posix()!r} record=none not entered>"
    with pytest.raises(RuntimeError, match="enter it first"):
        _ = recorder.client
    with recorder, pytest.raises(RuntimeError, match="is in use"):
        recorder.__enter__()


async def test_the_live_api_is_not_reached_on_replay(hello: Path) -> None:
    async def talk() -> None:
        async with (
            GeminiRecorder(hello) as recorder,
            recorder.bare_client.aio.live.connect(model="gemini-live-2.5-flash"),
        ):
            pytest.fail("there is a session")

    with pytest.raises(
        CassetteMiss, match=r"A websocket was to be opened at wss://generativelanguage\.googleapis\.com"
    ):
        await talk()


def test_an_answer_that_cannot_be_read_fails_the_block_even_if_swallowed(hello: Path) -> None:
    hello.write_text(with_missing_file(hello.read_text()))
    recorder = GeminiRecorder(hello)
    with (
        pytest.raises(CassetteBroken, match=r"hello\.yaml: the file .* beside it is missing") as caught,
        recorder,
        suppress(Exception),
    ):
        recorder.bare_client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert recorder.errors == [caught.value]
    assert recorder.misses == []
