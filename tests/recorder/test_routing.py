"""Whose requests are whose, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import LIBRARIES, SYNC_LIBRARIES, opened
from support.gemini import plain
from support.loopback import Loopback, ReceivedRequest, Reply, loopback
from support.patched import patched
from support.recordings import call, cassette, says

from maxim_gemini.testing._http.routing import Route, routed
from maxim_gemini.testing._recorder.recorder import GeminiRecorder

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator
    from pathlib import Path

    from vcr.request import Request

    from maxim_gemini.testing._http.exchange import Response

MODEL = "gemini-2.5-flash"


class Says(Route):
    """Answers everything with the same word."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Response:
        self.asked.append(request)
        return says(self.word)


@pytest.fixture(autouse=True)
def _nothing_is_left_patched() -> Iterator[None]:
    before = patched()
    yield
    assert patched() == before


@pytest.fixture
def live() -> Iterator[Loopback]:
    def serve(asked: ReceivedRequest, reply: Reply) -> None:
        reply.whole(plain("live"))

    with loopback(serve) as server:
        yield server


async def answer_of(library: str, *, is_async: bool, base_url: str | None = None) -> str | None:
    async with opened(library, base_url) as client:
        if is_async:
            return (await client.aio.models.generate_content(model=MODEL, contents="Hi")).text
        return client.models.generate_content(model=MODEL, contents="Hi").text


def answer_now(base_url: str | None = None) -> str | None:
    return asyncio.run(answer_of(SYNC_LIBRARIES[0], is_async=False, base_url=base_url))


# Patching


def test_a_route_patches_and_its_end_restores() -> None:
    before = patched()
    with routed(Says("x")):
        during = patched()
        with routed(Says("y")):
            assert patched() == during
        assert patched() == during
    assert [now != then for now, then in zip(during, before, strict=True)] == [True] * len(before)
    assert patched() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_whatever_is_raised_everything_is_restored(error: type[BaseException]) -> None:
    before = patched()
    with pytest.raises(error), routed(Says("x")):
        raise error
    assert patched() == before


# Contexts


@pytest.mark.parametrize("library", LIBRARIES)
async def test_tasks_have_the_route_of_their_starter(library: str) -> None:
    async def in_route(word: str) -> list[str | None]:
        with routed(Says(word)):
            await asyncio.sleep(0.01)
            return await asyncio.gather(*(answer_of(library, is_async=True) for _ in range(3)))

    assert [*await asyncio.gather(in_route("a"), in_route("b"))] == [["a"] * 3, ["b"] * 3]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_who_has_no_route_is_not_touched(library: str, live: Loopback) -> None:
    inside, outside = asyncio.Event(), asyncio.Event()

    async def with_route() -> str | None:
        with routed(Says("routed")):
            inside.set()
            await outside.wait()
            return await answer_of(library, is_async=True, base_url=live.url)

    async def without() -> str | None:
        await inside.wait()
        text = await answer_of(library, is_async=True, base_url=live.url)
        outside.set()
        return text

    assert [*await asyncio.gather(with_route(), without())] == ["routed", "live"]


def test_threads_have_the_route_of_their_starter() -> None:
    words: dict[str, str | None] = {}

    def note(name: str) -> None:
        words[name] = answer_now()
        if name == "child":
            grandchild = threading.Thread(target=note, args=("grandchild",))
            grandchild.start()
            grandchild.join()

    with routed(Says("inherited")):
        child = threading.Thread(target=note, args=("child",))
        child.start()
        child.join()
    assert words == {"child": "inherited", "grandchild": "inherited"}


def test_a_subclass_of_thread_runs_as_itself() -> None:
    class Mine(threading.Thread):
        text: str | None = None

        def run(self) -> None:
            self.text = answer_now()

    with routed(Says("mine")):
        thread = Mine()
        thread.start()
        thread.join()
    assert thread.text == "mine"
    assert "run" not in vars(thread)


def test_a_worker_serves_the_route_of_each_who_submits(live: Loopback) -> None:
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as thread_from_before:
        thread_from_before.submit(int).result()
        with routed(Says("a")):
            assert pool.submit(answer_now).result() == "a"
            with routed(Says("b")):
                assert list(pool.map(lambda _: answer_now(), range(2))) == ["b", "b"]
            assert pool.submit(answer_now).result() == "a"
        outside = threading.Event()

        def submits_without_a_route() -> str | None:
            outside.wait(60)
            return pool.submit(answer_now, live.url).result()

        submitted = thread_from_before.submit(submits_without_a_route)
        with routed(Says("a")):
            outside.set()
            assert submitted.result() == "live"
        assert pool.submit(answer_now, live.url).result() == "live"


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_event_loop_from_before_is_in_the_route_of_its_thread(library: str) -> None:
    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))  # the context of its tasks is older than the route
        with routed(Says("x")):
            assert runner.run(answer_of(library, is_async=True)) == "x"


def test_a_context_from_before_is_in_the_route_of_its_thread(live: Loopback) -> None:
    before = contextvars.copy_context()
    with routed(Says("x")):
        assert before.run(answer_now) == "x"
        with routed(Says("y")):
            assert contextvars.Context().run(answer_now) == "y"
        assert before.run(answer_now) == "x"
    assert before.run(answer_now, live.url) == "live"


@pytest.mark.parametrize("last", ["first", "second"])
def test_blocks_may_end_in_crossed_order(last: str, live: Loopback) -> None:
    first, second = routed(Says("first")), routed(Says("second"))
    first.__enter__()
    second.__enter__()
    (second if last == "first" else first).__exit__(None, None, None)
    assert answer_now() == last
    (first if last == "first" else second).__exit__(None, None, None)
    assert answer_now(live.url) == "live"


def test_three_blocks_end_in_the_order_in_which_they_began(live: Loopback) -> None:
    blocks = [routed(Says(word)) for word in ("a", "b", "c")]
    for block in blocks:
        block.__enter__()
    for block in blocks:
        assert answer_now() == "c"
        block.__exit__(None, None, None)
    assert answer_now(live.url) == "live"


async def test_work_handed_to_threads_by_asyncio_keeps_its_route() -> None:
    with routed(Says("here")):
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(answer_now) == "here"
        assert await loop.run_in_executor(None, answer_now) == "here"


def test_a_thread_that_outlives_the_route_is_let_go(live: Loopback) -> None:
    go = threading.Event()
    words: list[str | None] = []

    def late() -> None:
        go.wait(60)
        words.append(answer_now(live.url))

    with routed(Says("outer")):
        with routed(Says("inner")):
            first = threading.Thread(target=late)
            first.start()
        go.set()
        first.join()
        go.clear()
        with routed(Says("inner")):
            second = threading.Thread(target=late)
            second.start()
    with routed(Says("other")):
        go.set()
        second.join()
    assert words == ["outer", "live"]


def test_a_route_for_everything_catches_threads_from_before(live: Loopback) -> None:
    go, stop = threading.Event(), threading.Event()
    words: list[str | None] = []

    def server_thread() -> None:
        go.wait(60)
        words.append(answer_now(live.url))
        with routed(Says("its own")):
            words.append(answer_now(live.url))
        stop.set()

    thread = threading.Thread(target=server_thread)
    thread.start()
    with routed(Says("everything"), everywhere=True):
        go.set()
        stop.wait(60)
    thread.join()
    assert words == ["everything", "its own"]
    assert answer_now(live.url) == "live"


async def test_a_route_may_end_in_another_context_than_it_began() -> None:
    block = routed(Says("x"))
    await asyncio.create_task(_enter(block))
    block.__exit__(None, None, None)


async def _enter(block: contextlib.AbstractContextManager[Any]) -> None:
    block.__enter__()


# Scope


@pytest.mark.parametrize("library", LIBRARIES)
async def test_other_traffic_is_not_touched(library: str, live: Loopback) -> None:
    route = Says("x")
    with routed(route):
        if library == "aiohttp":
            import aiohttp

            async with aiohttp.ClientSession() as session, session.get(f"{live.url}/other") as response:
                body = await response.read()
        else:
            async with importlib.import_module(library).AsyncClient() as client:
                body = (await client.get(f"{live.url}/other")).content
    assert (body, route.asked) == (plain("live"), [])


@pytest.mark.parametrize("library", SYNC_LIBRARIES)
def test_a_body_that_is_not_ours_is_not_read(library: str, live: Loopback) -> None:
    httpx = importlib.import_module(library)
    with routed(Says("x")), httpx.Client() as client:
        request = client.build_request("POST", live.url, content=iter([b"a", b"b"]))
        client.send(request)
        with pytest.raises(httpx.RequestNotRead):
            _ = request.content


# Recorders


async def test_two_overlapping_recorders_in_two_tasks_do_not_mix(tmp_path: Path, live: Loopback) -> None:
    second_is_in, first_is_out = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with GeminiRecorder(tmp_path / "first.yaml", record="once", base_url=live.url) as recorder:
            await second_is_in.wait()
            await recorder.bare_client.aio.models.generate_content(model=MODEL, contents="from the first")
        first_is_out.set()

    async def second() -> None:
        async with GeminiRecorder(tmp_path / "second.yaml", record="once", base_url=live.url) as recorder:
            second_is_in.set()
            await first_is_out.wait()
            await recorder.bare_client.aio.models.generate_content(model=MODEL, contents="from the second")

    before = patched()
    await asyncio.gather(first(), second())
    assert patched() == before
    for name in ("first", "second"):
        text = (tmp_path / f"{name}.yaml").read_text(encoding="utf-8")
        assert [f"from the {other}" in text for other in ("first", "second")] == [name == "first", name == "second"]


def numbered(path: Path, count: int) -> Path:
    return cassette(path, *((call(f"prompt {n}"), says(f"answer {n}")) for n in range(count)))


def test_twenty_threads_each_get_their_own_answers(tmp_path: Path) -> None:
    path = numbered(tmp_path / "many.yaml", 1000)
    wrong: list[Any] = []

    def ask(worker: int) -> None:
        for n in range(worker * 50, worker * 50 + 50):
            text = client.models.generate_content(model=MODEL, contents=f"prompt {n}").text
            if text != f"answer {n}":
                wrong.append((n, text))

    with GeminiRecorder(path, strict=True) as recorder:
        client = recorder.bare_client
        threads = [threading.Thread(target=ask, args=(worker,)) for worker in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert recorder.outcome == (1000, 0, 0, 0, 0)


def test_threads_with_one_prompt_share_its_answers_out(tmp_path: Path) -> None:
    path = cassette(tmp_path / "same.yaml", *((call("same"), says(f"answer {n}")) for n in range(200)))
    with GeminiRecorder(path, strict=True) as recorder, ThreadPoolExecutor(20) as pool:
        models = recorder.bare_client.models
        texts = pool.map(lambda _: models.generate_content(model=MODEL, contents="same").text, range(200))
        assert sorted(texts, key=str) == sorted((f"answer {n}" for n in range(200)), key=str)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_two_hundred_tasks_each_get_their_own_answer(tmp_path: Path, library: str) -> None:
    path = numbered(tmp_path / "tasks.yaml", 200)
    async with GeminiRecorder(path, strict=True, chunking="torn"), opened(library) as client:

        async def ask(n: int) -> str | None:
            return (await client.aio.models.generate_content(model=MODEL, contents=f"prompt {n}")).text

        assert await asyncio.gather(*map(ask, range(200))) == [f"answer {n}" for n in range(200)]


async def test_parallel_recording_keeps_the_order_in_which_requests_were_sent(tmp_path: Path) -> None:
    def slow_first(asked: ReceivedRequest, reply: Reply) -> None:
        time.sleep(0.2 if b"prompt 0" in asked.body else 0)
        reply.whole(plain("ok"))

    with loopback(slow_first) as server:
        async with GeminiRecorder(tmp_path / "order.yaml", record="once") as recorder, opened("httpx", server.url) as c:

            async def ask(n: int) -> None:
                await asyncio.sleep(n * 0.02)
                await c.aio.models.generate_content(model=MODEL, contents=f"prompt {n}")

            await asyncio.gather(*map(ask, range(4)))
    bodies = [i.request.body for i in recorder.cassette.interactions]
    assert [f"prompt {n}".encode() in body for n, body in enumerate(bodies)] == [True] * 4
