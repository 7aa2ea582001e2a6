"""Many calls and a very long stream: memory stays flat. A little here; 100,000 of each in `tox -e soak`."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from support.in_memory import InMemoryGemini, ScriptedAnswer
from support.interaction_calls import interaction, output
from support.interactions import needs_interactions
from support.sides import MODEL, SIDES, Sync

from maxim_gemini import MaximGeminiClient
from maxim_gemini._core import logger as core_logger
from maxim_gemini._interactions import chains
from maxim_gemini.testing import FakeLogger, reply

if TYPE_CHECKING:
    import asyncio

CALLS = int(os.environ.get("MAXIM_GEMINI_SOAK") or 300)
CHUNK = {"candidates": [{"content": {"parts": [{"text": "x"}], "role": "model"}, "index": 0}]}


class Forgetful(FakeLogger):
    """A logger that counts what it is given, and keeps nothing: what grows is the wrapper's."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = 0
        self.writer.commit = self._count  # type: ignore[method-assign]

    def _count(self, log: Any) -> None:
        self.kept += 1
        for sink in self.writer.sinks:
            sink.commit(log)


class Forgetting(InMemoryGemini):
    """A Gemini that keeps nothing, either."""

    def note(self, *what: Any) -> None:
        pass

    def take(self, request: Any) -> Any:
        self.restart()
        return super().take(request)


def measured() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture
def traced() -> Any:
    """Trace memory from here on."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_calls_leave_nothing_behind(side: Sync, loop: asyncio.Runner, traced: None) -> None:
    gemini, logger = Forgetting(), Forgetful()
    client = MaximGeminiClient(gemini.client(), logger)
    chat = side.chats(client).create(model=MODEL)

    async def calls(times: int) -> None:
        for number in range(times):
            if number % 4 == 0:
                await side.generate(client)
            elif number % 4 == 1:
                await side.read(await side.open(client))
            elif number % 4 == 2:
                stream = await side.open(client)
                await side.next(stream)
                await side.close(stream)
            else:
                await side.generate(client, trace_id="the-same")
        await side.send(chat, "Hi")

    began = time.perf_counter()
    loop.run(calls(CALLS // 3))
    # What a logger has been told is remembered, up to a bound: 65,536 ids.
    before = measured()
    loop.run(calls(CALLS - CALLS // 3))
    grown = measured() - before
    per_call = grown / (CALLS - CALLS // 3)
    seconds = time.perf_counter() - began
    print(f"{side}: {CALLS} calls in {seconds:.1f} s, {grown / 1024:.0f} KB more, {per_call:.0f} bytes a call")
    assert grown < 200_000 + 150 * CALLS  # what is made once, and the ids
    assert logger.kept > CALLS * 3


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_a_long_stream_keeps_its_text_and_no_chunk(side: Sync, loop: asyncio.Runner, traced: None) -> None:
    """google-genai 3.x itself keeps what every chunk said until the stream ends: only what comes on top is ours."""
    gemini, logger = InMemoryGemini(), FakeLogger()
    gemini.note = lambda *_: None  # type: ignore[method-assign]
    raw = gemini.client()

    async def grown(client: Any, chunks: int) -> int:
        gemini.restart([ScriptedAnswer(reply.raw(*[CHUNK] * chunks))])
        stream = await side.open(client)
        await side.next(stream)
        before = measured()
        for _ in range(chunks - 1):
            await side.next(stream)
        after = measured()
        await side.read(stream)
        return after - before

    wrapped = MaximGeminiClient(raw, logger)
    for client in (raw, wrapped):
        loop.run(grown(client, 50))
    theirs, both = loop.run(grown(raw, CALLS)), loop.run(grown(wrapped, CALLS))
    ours = (both - theirs) / CALLS
    print(f"{side}: {CALLS} chunks, the SDK keeps {theirs / CALLS:.0f} bytes a chunk, the wrapper {ours:.0f}")
    assert ours < 48
    assert logger.traces[-1].output == "x" * CALLS
    assert logger.generations[-1].metrics["chunks"] == CALLS


class Answered:
    """An interaction as the SDK gives it, without the models that it makes anew for each request."""

    def __init__(self, number: int, status: str) -> None:
        self.id, self.status = f"v1_{number}", status

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return interaction(self.id.removeprefix("v1_"), output("ok"), status=self.status)  # type: ignore[arg-type]


@needs_interactions
@pytest.mark.parametrize("in_background", [False, True], ids=["chain", "background"])
def test_interactions_leave_nothing_behind(in_background: bool, traced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of turns; or interactions in the background that nothing polls again, of which the newest stay open."""
    bound = CALLS // 6
    for module, name in ((chains, "REMEMBERED"), (chains, "RUNNING"), (core_logger, "REMEMBERED")):
        monkeypatch.setattr(module, name, bound)
    raw, logger = InMemoryGemini().client(), Forgetful()
    status = "in_progress" if in_background else "completed"
    numbers = count()
    raw.interactions.create = lambda **_: Answered(next(numbers), status)  # type: ignore[method-assign, assignment]
    client = MaximGeminiClient(raw, logger)

    def create(times: int) -> None:
        for _ in range(times):
            before = {"previous_interaction_id": f"v1_{latest[-1]}"} if latest and not in_background else {}
            prompt = f"{len(latest)} {'x' * 20_000}"
            answer: Any = client.interactions.create(model=MODEL, input=prompt, background=in_background, **before)
            latest[:] = [answer.id.removeprefix("v1_")]

    latest: list[str] = []
    empty = measured()
    create(CALLS // 3)
    before = measured()
    create(CALLS - CALLS // 3)
    grown = measured() - before
    print(f"{CALLS} interactions, {grown / 1024:.0f} KB more; {(before - empty) / bound:.0f} bytes for each kept")
    assert grown < 150_000
    assert before - empty < 500_000 + 5_000 * bound  # what is made once, and no input
    logger.cleanup()  # type: ignore[no-untyped-call]
    assert logger.kept >= CALLS * (7 if in_background else 6)
