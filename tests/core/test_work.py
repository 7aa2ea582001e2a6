"""How much the wrapper does, counted instead of timed, so that a slip shows on the busiest machine, too."""

from __future__ import annotations

import asyncio
import gc
import itertools
import subprocess
import sys
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.script import Gemini, chunks, response
from support.sides import MODEL, Sync

import maxim_gemini
from maxim_gemini import instrument, suppress, trace
from maxim_gemini._core.generation import Generation
from maxim_gemini._generate_content.call import ContentCall

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from google import genai

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

_ROOMS = {_ROOM := Path(maxim_gemini.__file__).parent, _ROOM / "_core", _ROOM / "_generate_content"}


@contextmanager
def functions_called() -> Generator[list[str]]:
    """Note each function of the wrapper that this thread calls."""
    called: list[str] = []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call" and Path(frame.f_code.co_filename).parent in _ROOMS:
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


def generate(client: MaximGeminiClient) -> None:
    client.models.generate_content(model=MODEL, contents="Hi")


def test_a_call_is_seven_commits(gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger) -> None:
    gemini.says(response("ok"))
    generate(client)
    assert [f"{log.entity.value} {log.action}" for log in logger.logs] == [
        "trace create",
        "trace add-generation",
        "generation update",
        "generation result",
        "generation end",
        "trace update",
        "trace end",
    ]


def test_a_call_takes_few_functions(gemini: Gemini, client: MaximGeminiClient) -> None:
    gemini.says(response("ok"))
    generate(client)
    with functions_called() as called:
        generate(client)
    assert 40 < len(called) <= 98, called


def in_a_trace(raw: Any, logger: FakeLogger) -> None:
    with trace(logger, name="Work"):
        generate(raw)


def suppressed(raw: Any, logger: FakeLogger) -> None:
    with suppress():
        generate(raw)


UNTRACED: dict[str, tuple[Callable[[Any, FakeLogger], None], int]] = {
    "skipped": (lambda raw, _: generate(raw), 10),
    "skipped in a trace": (in_a_trace, 60),
    "suppressed": (suppressed, 35),
}


@pytest.mark.parametrize("how", UNTRACED)
def test_a_call_that_is_not_traced_takes_next_to_none(
    gemini: Gemini, raw: genai.Client, logger: FakeLogger, how: str
) -> None:
    """`tests/benchmarks/instructions.py untraced` says what that is of a bare call."""
    gemini.says(response("ok"))
    call, most = UNTRACED[how]
    with instrument(logger, skip=lambda _: how != "suppressed"):
        call(raw, logger)
        with functions_called() as called:
            call(raw, logger)
    assert 0 < len(called) <= most, called
    assert logger.generations == []


@pytest.mark.parametrize("length", [10, 100])
def test_a_chunk_takes_the_same_few_functions_wherever_it_stands(
    gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, length: int
) -> None:
    gemini.streams(*chunks(*(f"word {place} " for place in range(length))))
    took: list[int] = []
    with functions_called() as called:
        for _ in client.models.generate_content_stream(model=MODEL, contents="Hi"):
            took.append(len(called))
            called.clear()
    assert len(took) == length
    assert len(set(took[1:-1])) == 1
    assert 5 < took[1] <= 12
    assert len(logger.logs) == 7


def test_a_stream_keeps_no_chunk(gemini: Gemini, client: MaximGeminiClient) -> None:
    gemini.streams(*chunks(*"abcdef"))
    seen: list[weakref.ref[Any]] = []
    for chunk in client.models.generate_content_stream(model=MODEL, contents="Hi"):
        assert [place for place, one in enumerate(seen[:-1]) if one() is not None] == []
        seen.append(weakref.ref(chunk))
    assert len(seen) == 6


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Have nothing freed but what nothing refers to any more."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def lives() -> int:
    """Return how many calls and generations are held in memory."""
    return sum(type(one) in (ContentCall, Generation) for one in gc.get_objects())


@pytest.mark.parametrize("how", ["plain", "read", "closed", "turn"])
async def test_a_call_is_freed_the_moment_it_ends(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, without_collector: None, how: str
) -> None:
    before = lives()
    if how == "plain":
        gemini.says(response("ok"))
        await side.generate(client)
    elif how == "turn":
        gemini.says(response("ok"))
        chat = side.chats(client).create(model=MODEL)
        await side.send(chat, "Hi")
    else:
        gemini.streams(*chunks("a", "b"))
        stream = await side.open(client)
        await side.next(stream)
        assert lives() == before + 2
        await (side.read(stream) if how == "read" else side.close(stream))
        del stream
        for _ in range(200):  # the loop closes what the SDK has left open
            if lives() == before:
                break
            await asyncio.sleep(0.01)
    assert lives() == before


def test_a_turn_logs_no_more_however_long_the_chat_is(
    gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    chat = client.chats.create(model=MODEL)
    logged: list[int] = []
    for _ in range(5):
        chat.send_message("Hi")
        logged.append(len(logger.logs))
    assert {after - before for before, after in itertools.pairwise(logged)} == {7}


def test_the_import_brings_nothing_but_itself() -> None:
    code = """
import sys
import google.genai, google.genai.models, google.genai.chats, maxim, maxim.logger
before = set(sys.modules)
from maxim_gemini import MaximGeminiAsyncClient, MaximGeminiClient
print(*sorted(set(sys.modules) - before))
"""
    brought = subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], text=True, timeout=200).split()
    assert "maxim_gemini.client" in brought
    assert [name for name in brought if not name.startswith("maxim_gemini")] == []
    assert [name for name in brought if name.startswith("maxim_gemini.testing")] == []


def test_the_package_itself_imports_neither_sdk() -> None:
    code = "import sys, maxim_gemini; print(*[n for n in ('google.genai', 'maxim', 'pydantic') if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, timeout=200).split() == []
