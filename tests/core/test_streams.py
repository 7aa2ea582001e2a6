"""How a stream ends: read to its end, closed, dropped, cancelled, never read."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import threading
import time
import traceback
import weakref
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from google.genai.chats import Chat
from google.genai.models import AsyncModels, Models
from support.functions import add
from support.in_memory import InMemoryGemini, ScriptedAnswer
from support.loopback import SSE, Reply
from support.script import Gemini, call, chunks, response
from support.sides import MODEL, Sync

from maxim_gemini import MaximGeminiClient
from maxim_gemini._core import generation as core_generation
from maxim_gemini._generate_content import call as content_call
from maxim_gemini._generate_content.messages import read_request
from maxim_gemini.testing import MaximApi, reply
from maxim_gemini.testing._http import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from google import genai

    from maxim_gemini.testing import FakeLogger


def endless(reply: Reply) -> None:
    """Send one chunk, then others until nobody listens any more."""
    reply.head(200, SSE)
    reply.send(wire.dump_event(response("one ", reason=None)))
    for _ in range(2000):
        time.sleep(0.002)
        reply.send(wire.dump_event(response("more ", reason=None)))


@pytest.fixture(params=["models", "chat"])
def open_stream(request: pytest.FixtureRequest, side: Sync, client: MaximGeminiClient) -> Any:
    """Open a stream on models, then on a chat."""
    if request.param == "models":
        return lambda: side.open(client)
    chat = side.chats(client).create(model=MODEL)
    return lambda: side.open_turn(chat, "Hi")


async def test_a_stream_closed_early_is_partial_and_no_error(
    side: Sync, gemini: Gemini, logger: FakeLogger, open_stream: Any
) -> None:
    gemini.does(endless)
    stream = await open_stream()
    await side.next(stream)
    await side.close(stream)
    generation = logger.trace.generation
    assert (generation.text, generation.error, generation.metadata["stopped_early"]) == ("one ", None, True)
    assert generation.metrics["chunks"] == 1
    assert generation.metrics["time_to_first_chunk_ms"] > 0
    assert logger.trace.output == "one "
    logger.assert_complete()
    await side.close(stream)
    assert await side.read(stream) == []
    assert len(logger.traces) == 1


async def test_the_first_chunk_is_waited_for_within_the_generation(
    side: Sync, gemini: Gemini, logger: FakeLogger, open_stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock starts with the generation, not before the request has been read."""

    def slowly(*request: Any) -> Any:
        time.sleep(0.05)
        return read_request(*request)

    monkeypatch.setattr(content_call, "read_request", slowly)
    gemini.streams(*chunks("one"))
    await side.read(await open_stream())
    generation = logger.trace.generation
    assert generation.duration
    assert 0 < generation.metrics["time_to_first_chunk_ms"] <= generation.duration / timedelta(milliseconds=1)


async def test_closing_early_closes_the_connection(gemini: Gemini, client: MaximGeminiClient) -> None:
    gone = threading.Event()

    def until_gone(reply: Reply) -> None:
        try:
            endless(reply)
        except ConnectionError:
            gone.set()
            raise

    gemini.does(until_gone)
    stream = client.models.generate_content_stream(model=MODEL, contents="Hi")
    next(stream)
    stream.close()
    assert gone.wait(60)


async def test_closing_early_reaches_the_sdks_own_stream(
    gemini: Gemini, client: MaximGeminiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK leaves the async connection to the garbage collector; that is as far as anyone gets."""
    closed = []
    original = AsyncModels.generate_content_stream

    async def spying(self: Any, **request: Any) -> Any:
        chunks = await original(self, **request)

        async def spied() -> Any:
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                closed.append(True)

        return spied()

    monkeypatch.setattr(AsyncModels, "generate_content_stream", spying)
    gemini.does(endless)
    stream: Any = await client.aio.models.generate_content_stream(model=MODEL, contents="Hi")
    await anext(stream)
    await stream.aclose()
    assert closed == [True]


async def test_a_stream_that_is_dropped_ends_its_trace(
    side: Sync, gemini: Gemini, logger: FakeLogger, open_stream: Any
) -> None:
    gemini.does(endless)
    stream = await open_stream()
    await side.next(stream)
    del stream
    gc.collect()
    await asyncio.sleep(0.01)
    assert logger.trace.generation.metadata["stopped_early"] is True
    logger.assert_complete()


async def test_a_stream_dropped_inside_of_the_writers_queue_waits_for_it(
    gemini: Gemini, raw: genai.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The garbage collector may run while a thread holds the lock of the queue: no deadlock, and nothing is lost."""
    monkeypatch.setenv("MAXIM_GEMINI_DELIVERY", "off")
    gemini.does(endless)
    with MaximApi() as api:
        logger = api.logger()
        stream = MaximGeminiClient(raw, logger).models.generate_content_stream(model=MODEL, contents="Hi")
        next(stream)
        with logger.writer.queue.mutex:
            del stream
            gc.collect()
        logger.trace({"id": "next"}).end()
        api.flush()
        assert api.generations.only.metadata["stopped_early"] is True
        api.assert_complete()


@pytest.mark.parametrize("how", ["closed", "dropped"])
async def test_a_stream_closed_while_another_thread_holds_the_queue_ends_at_once(
    gemini: Gemini, raw: genai.Client, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the thread that drops it inside of the queue must wait with the end."""
    monkeypatch.setenv("MAXIM_GEMINI_DELIVERY", "off")
    gemini.does(endless)
    with MaximApi() as api:
        logger = api.logger()
        stream = MaximGeminiClient(raw, logger).models.generate_content_stream(model=MODEL, contents="Hi")
        next(stream)
        held = threading.Event()

        def hold() -> None:
            with logger.writer.queue.mutex:
                held.set()
                time.sleep(0.02)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(60)
        if how == "closed":
            stream.close()
        del stream
        thread.join()
        api.flush()
        api.assert_complete()


def test_an_async_stream_dropped_when_its_loop_is_closed_ends_its_trace(logger: FakeLogger) -> None:
    """asyncio would close it in the loop that read it, which is no more."""
    in_memory = InMemoryGemini()
    in_memory.restart([ScriptedAnswer(reply.stream("one ", "two"))])
    client = MaximGeminiClient(in_memory.client(), logger)

    async def begin() -> Any:
        stream = await client.aio.models.generate_content_stream(model=MODEL, contents="Hi")
        await anext(stream)
        return stream

    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(begin())
    loop.close()
    del stream
    gc.collect()
    assert (logger.trace.output, logger.trace.generation.metadata["stopped_early"]) == ("one ", True)
    logger.assert_complete()


async def test_a_dropped_stream_lets_go_of_what_the_bare_one_lets_go_of(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient
) -> None:
    """At once: no circle of references has to wait for the garbage collector."""
    gemini.does(endless)
    freed = []
    gc.collect()
    gc.disable()
    try:
        for either in (raw, client):
            contents = types.UserContent("Hi")
            alive = weakref.ref(contents)
            stream = await side.open(either, contents)
            await side.next(stream)
            del contents, stream
            for _ in range(3):
                await asyncio.sleep(0)
            freed.append(alive() is None)
    finally:
        gc.enable()
    assert freed[1] is freed[0]


async def test_a_stream_that_no_one_reads_is_nothing(
    side: Sync, gemini: Gemini, logger: FakeLogger, open_stream: Any
) -> None:
    gemini.streams(*chunks("a"))
    stream = await open_stream()
    await side.close(stream)
    del stream
    if not gemini.requests:  # google-genai 1.x asks at the first await
        assert logger.logs == ()


async def test_a_cancelled_stream_says_so(gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger) -> None:
    def stall(reply: Reply) -> None:
        reply.head(200, SSE)
        reply.send(wire.dump_event(response("one", reason=None)))
        time.sleep(0.3)

    gemini.does(stall)
    read = asyncio.Event()

    async def use() -> None:
        async for _ in await client.aio.models.generate_content_stream(model=MODEL, contents="Hi"):
            read.set()

    task = asyncio.create_task(use())
    await read.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    generation = logger.trace.generation
    assert (generation.text, generation.error, generation.metadata["cancelled"]) == ("one", None, True)
    logger.assert_complete()


async def test_a_cancelled_call_says_so(gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger) -> None:
    gemini.does(lambda _: time.sleep(0.3))
    task = asyncio.create_task(client.aio.models.generate_content(model=MODEL, contents="Hi"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert logger.trace.generation.metadata["cancelled"] is True
    assert logger.trace.generation.error is None
    logger.assert_complete()


INSPECTIONS = (inspect.isgenerator, inspect.isasyncgen, inspect.isawaitable, inspect.iscoroutine)


async def test_a_stream_is_what_the_sdk_gives(side: Sync, gemini: Gemini, raw: genai.Client, open_stream: Any) -> None:
    """Frameworks ask what kind of object it is: streamlit's `write_stream` takes what `inspect.isasyncgen` accepts."""
    gemini.streams(*chunks("a", "b"))
    theirs, ours = await side.open(raw), await open_stream()
    assert [asks(ours) for asks in INSPECTIONS] == [asks(theirs) for asks in INSPECTIONS]
    assert type(ours) is type(theirs)
    await side.close(theirs)
    assert len(await side.read(ours)) == 2


def test_a_stream_can_be_closed_by_contextlib(gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger) -> None:
    gemini.does(endless)
    with contextlib.closing(client.models.generate_content_stream(model=MODEL, contents="Hi")) as stream:
        assert next(stream).text == "one "
    assert logger.trace.generation.metadata["stopped_early"] is True
    logger.assert_complete()


async def test_an_async_stream_can_be_closed_by_contextlib(
    gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.does(endless)
    opened = await client.aio.models.generate_content_stream(model=MODEL, contents="Hi")
    async with contextlib.aclosing(opened) as stream:
        assert (await anext(stream)).text == "one "
    assert logger.trace.generation.metadata["stopped_early"] is True
    logger.assert_complete()


async def test_an_exception_thrown_into_a_stream_comes_out_again(
    gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.streams(*chunks("a", "b"))
    stream: Any = client.models.generate_content_stream(model=MODEL, contents="Hi")
    next(stream)
    with pytest.raises(KeyError, match="stop"):
        stream.throw(KeyError("stop"))
    assert logger.trace.generation.error is not None
    other: Any = await client.aio.models.generate_content_stream(model=MODEL, contents="Hi")
    await anext(other)
    with pytest.raises(KeyError, match="stop"):
        await other.athrow(KeyError("stop"))
    logger.assert_complete()


def _traceback() -> Any:
    try:
        raise KeyError("earlier")
    except KeyError as error:
        return error.__traceback__


THROWN: dict[str, Callable[[], tuple[Any, ...]]] = {
    "an instance": lambda: (KeyError("stop"),),
    "a class": lambda: (KeyError,),
    "a class and its value": lambda: (KeyError, KeyError("stop")),
    "a class, no value, a traceback": lambda: (KeyError, None, _traceback()),
    "an instance and a traceback": lambda: (KeyError("stop"), None, _traceback()),
}
"""Every form that a generator's `throw` takes; those of more than one argument are deprecated, but there."""


@pytest.mark.filterwarnings("ignore:the \\(type, exc, tb\\) signature:DeprecationWarning")
@pytest.mark.parametrize("thrown", THROWN.values(), ids=THROWN)
async def test_every_form_of_throwing_does_what_it_does_to_the_sdks_stream(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, thrown: Callable[[], tuple[Any, ...]]
) -> None:
    gemini.streams(*chunks("a", "b"))
    seen = []
    for either in (raw, client):
        stream = await side.open(either)
        await side.next(stream)
        with pytest.raises(KeyError) as caught:
            await side.throw(stream, *thrown())
        came_by = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        seen.append((caught.value.args, "_traceback" in came_by))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("thrown", [(KeyError("stop"),), (KeyError,)], ids=["an instance", "a class"])
async def test_the_form_of_throwing_that_stays_is_passed_on_as_that(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, thrown: tuple[Any, ...]
) -> None:
    """From Python 3.12 on, the others cost a warning, which is an error here."""
    gemini.streams(*chunks("a", "b"))
    stream = await side.open(client)
    await side.next(stream)
    with pytest.raises(KeyError):
        await side.throw(stream, *thrown)
    error = logger.trace.generation.error
    assert error is not None
    assert error.type == "KeyError"
    logger.assert_complete(strict=True)


Made = types.GenerateContentResponse


def made(*texts: str) -> list[Made]:
    return [Made.model_validate(chunk) for chunk in chunks(*texts)]


def giving(monkeypatch: pytest.MonkeyPatch, opened: Callable[[], Any], opened_async: Callable[[], Any]) -> None:
    """Have the SDK give other streams, as an instrumentation of its classes would."""

    def open_stream(self: Any, **_: Any) -> Any:
        return opened()

    async def open_stream_async(self: Any, **_: Any) -> Any:
        return opened_async()

    monkeypatch.setattr(Models, "generate_content_stream", open_stream)
    monkeypatch.setattr(AsyncModels, "generate_content_stream", open_stream_async)


async def test_what_is_sent_into_a_stream_reaches_the_one_below(
    side: Sync, client: MaximGeminiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made("a", "b")
    sent = []

    def opened() -> Any:
        sent.append((yield first))
        yield second

    async def opened_async() -> Any:
        sent.append((yield first))
        yield second

    giving(monkeypatch, opened, opened_async)
    stream = await side.open(client)
    assert await side.next(stream) is first
    assert (await stream.asend("more") if side.is_async else stream.send("more")) is second
    assert sent == ["more"]


class Chunks:
    """An iterator that can be read, and nothing else."""

    def __init__(self) -> None:
        self.left = made("a", "b")

    def __iter__(self) -> Chunks:
        return self

    def __next__(self) -> Made:
        if not self.left:
            raise StopIteration
        return self.left.pop(0)

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Made:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


async def test_a_stream_over_one_that_cannot_be_closed_can(
    side: Sync, client: MaximGeminiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    giving(monkeypatch, Chunks, Chunks)
    stream = await side.open(client)
    await side.next(stream)
    await side.close(stream)
    stream = await side.open(client)
    assert len(await side.read(stream)) == 2


async def test_an_error_when_closing_comes_out(
    side: Sync, client: MaximGeminiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened() -> Any:
        try:
            yield from made("a", "b")
        finally:
            raise OSError("still open")

    async def opened_async() -> Any:
        try:
            for one in made("a", "b"):
                yield one
        finally:
            raise OSError("still open")

    giving(monkeypatch, opened, opened_async)
    stream = await side.open(client)
    await side.next(stream)
    with pytest.raises(OSError, match="still open"):
        await side.close(stream)


async def test_a_stream_that_is_dropped_after_its_end_says_nothing_more(
    side: Sync, gemini: Gemini, logger: FakeLogger, open_stream: Any
) -> None:
    gemini.streams(*chunks("a", "b"))
    stream = await open_stream()
    await side.read(stream)
    said = len(logger.logs)
    await side.close(stream)
    del stream
    gc.collect()
    assert len(logger.logs) == said
    assert not {"cancelled", "stopped_early"} & logger.trace.generation.metadata.keys()


async def test_a_turn_still_open_ends_with_the_chat(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.streams(*chunks("a", "b"))
    chat = side.chats(client).create(model=MODEL)
    stream = await side.open_turn(chat, "Hi")
    await side.next(stream)
    chat.end_trace()
    logger.assert_complete(strict=True)
    assert len(await side.read(stream)) == 1
    logger.assert_complete(strict=True)
    assert logger.trace.output == "a"


async def test_a_turn_may_be_read_when_the_chat_has_ended(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.streams(*chunks("a", "b"))
    chat = side.chats(client).create(model=MODEL)
    stream = await side.open_turn(chat, "Hi")
    chat.end_trace()
    assert logger.logs == ()
    assert len(await side.read(stream)) == 2
    assert (logger.trace.input, logger.trace.output) == ("Hi", "ab")
    chat.end_trace()
    logger.assert_complete(strict=True)


@pytest.mark.parametrize("place", [{}, {"trace_id": "mine"}, {"session_id": "mine"}], ids=repr)
@pytest.mark.parametrize("how", ["read", "dropped"])
async def test_a_turn_that_goes_on_when_the_chat_has_ended_is_a_trace_of_its_own(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, place: dict[str, str], how: str
) -> None:
    gemini.streams(response(call("add", left=1, right=2))).streams(response(call("add", left=2, right=2)))
    gemini.streams(*chunks("a", "b"))
    chat = side.chats(client).create(model=MODEL, config={"tools": [add]}, **place)
    stream = await side.open_turn(chat, "Hi")
    await side.next(stream)
    if len(gemini.requests) > 1:
        pytest.skip("this google-genai hands out nothing before the functions have run")
    chat.end_trace()
    while len(gemini.requests) < 3:
        await side.next(stream)
    if how == "read":
        await side.read(stream)
    del stream
    await asyncio.sleep(0.01)
    gc.collect()
    if "trace_id" in place:
        logger.trace_end("mine")
    logger.assert_complete()
    assert [one.result for one in logger.tool_calls] == ["3", "4"]
    assert logger.generations[2].text == ("ab" if how == "read" else "a")
    first, second, third = (one.parent for one in logger.generations)
    assert (first == second) == ("trace_id" in place)
    assert second == third == logger.tool_calls[1].parent
    assert third is not None
    assert chat.trace_id == third.id
    assert {one.name for one in logger.traces} == {None if "trace_id" in place else "Chat turn"}


async def test_chunks_are_the_very_objects_of_the_sdk(
    gemini: Gemini, client: MaximGeminiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded through a patched SDK class, as another instrumentation would do: it still runs."""
    seen = []
    original = Models.generate_content_stream

    def spying(self: Any, **request: Any) -> Any:
        for chunk in original(self, **request):
            seen.append(chunk)
            yield chunk

    monkeypatch.setattr(Models, "generate_content_stream", spying)
    gemini.streams(*chunks("a", "b"))
    got = list(client.models.generate_content_stream(model=MODEL, contents="Hi"))
    assert [id(chunk) for chunk in got] == [id(chunk) for chunk in seen]
    got = list(client.chats.create(model=MODEL).send_message_stream("Hi"))
    assert [id(chunk) for chunk in got] == [id(chunk) for chunk in seen[2:]]


async def test_a_chat_keeps_its_history_as_the_bare_one_does(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient
) -> None:
    histories = []
    for either in (raw, client):
        gemini.forget()
        gemini.says(response("one")).streams(*chunks("t", "wo"))
        chat = side.chats(either).create(model=MODEL, history=[])
        await side.send(chat, "first")
        await side.read(await side.open_turn(chat, "second"))
        histories.append((chat.get_history(), chat.get_history(curated=True)))
    assert histories[0] == histories[1]
    assert len(histories[0][0]) >= 4
    assert not inspect.iscoroutinefunction(Chat.get_history)


async def test_when_each_chunk_came_is_reported(
    side: Sync, gemini: Gemini, logger: FakeLogger, open_stream: Any
) -> None:
    was_read = threading.Semaphore(0)

    def in_pieces(reply: Reply) -> None:
        reply.head(200, SSE)
        for text in ("one ", "two ", "three"):
            reply.send(wire.dump_event(response(text, reason=None)))
            was_read.acquire(timeout=60)

    gemini.does(in_pieces)
    stream = await open_stream()
    for _ in range(3):
        await side.next(stream)
        await asyncio.sleep(0.03)
        was_read.release()
    assert await side.read(stream) == []
    generation = logger.trace.generation
    first, second, third = generation.metadata["chunk_times_ms"]
    assert first == generation.metrics["time_to_first_chunk_ms"]
    assert second - first > 20
    assert third - second > 20
    assert generation.duration
    assert third < generation.duration / timedelta(milliseconds=1)


@pytest.mark.parametrize("count", [1, 127, 128, 129, 256, 257, 1000, 100_000])
def test_of_a_long_stream_the_kept_arrivals_are_spread_evenly(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    arrivals, now = core_generation.Arrivals(), [0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    for now[0] in range(count):
        arrivals.note()
    kept = [round(at / 1000) for at in arrivals.since(0)]
    step = kept[1] if len(kept) > 1 else 1
    assert arrivals.count == count
    assert kept == list(range(0, count, step))
    assert min(count, 64) <= len(kept) <= 128
