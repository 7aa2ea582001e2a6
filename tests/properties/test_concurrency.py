"""Threads, tasks, event loops, forks: nothing mixes, nothing blocks, nothing is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import blockbuster_ctx
from support.in_memory import InMemoryGemini, ScriptedAnswer
from support.leftovers import open_files
from support.sides import MODEL

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google import genai

THREE = reply.stream("one ", "two ", "three")


@pytest.fixture
def logger() -> FakeLogger:
    return FakeLogger()


@pytest.fixture
def client(raw: genai.Client, logger: FakeLogger) -> MaximGeminiClient:
    return MaximGeminiClient(raw, logger)


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Fail where a thread or an open file is left after the test."""
    gc.collect()
    threads, files = set(threading.enumerate()), len(open_files())
    yield
    gc.collect()
    assert set(threading.enumerate()) <= threads
    assert len(open_files()) <= files


def ask(client: Any, name: str) -> None:
    """Make one call of each kind, all in the trace *name*."""
    client.models.generate_content(model=MODEL, contents=name, trace_id=name)
    list(client.models.generate_content_stream(model=MODEL, contents=name, trace_id=name))
    chat = client.chats.create(model=MODEL, trace_id=name)
    chat.send_message(name)
    list(chat.send_message_stream(name))


async def ask_async(client: Any, name: str) -> None:
    """Make one call of each kind with `await`, all in the trace *name*."""
    await client.aio.models.generate_content(model=MODEL, contents=name, trace_id=name)
    async for _ in await client.aio.models.generate_content_stream(model=MODEL, contents=name, trace_id=name):
        await asyncio.sleep(0)
    chat = client.aio.chats.create(model=MODEL, trace_id=name)
    await chat.send_message(name)
    async for _ in await chat.send_message_stream(name):
        await asyncio.sleep(0)


def check(logger: FakeLogger, names: list[str]) -> None:
    """Each trace holds its own four calls and nobody else's."""
    for name in names:
        logger.trace_end(name)
    logger.assert_complete()
    assert sorted(trace.id for trace in logger.traces) == sorted(names)
    for trace in logger.traces:
        assert len(trace.generations) == 4
        assert all(one.messages[-1]["content"] == trace.id for one in trace.generations)
    assert sum(log.action == "create" for log in logger.logs) == len(names)


def test_threads_do_not_mix(client: MaximGeminiClient, logger: FakeLogger) -> None:
    names = [f"thread-{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: ask(client, name), names))
    check(logger, names)


async def test_tasks_do_not_mix_and_nothing_blocks_the_loop(client: MaximGeminiClient, logger: FakeLogger) -> None:
    names = [f"task-{number}" for number in range(24)]
    await ask_async(client, "warm-up")
    logger.clear()
    with blockbuster_ctx() as watch:
        watch.functions["os.stat"].deactivate()  # linecache, when a traceback is made
        await asyncio.gather(*(ask_async(client, name) for name in names))
    check(logger, names)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_event_loops_in_threads_do_not_mix(client: MaximGeminiClient, logger: FakeLogger) -> None:
    names = [f"loop-{number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: asyncio.run(ask_async(client, name)), names))
    check(logger, names)


async def test_a_stream_closed_in_another_task_ends_its_trace(
    client: MaximGeminiClient, logger: FakeLogger, gemini: InMemoryGemini
) -> None:
    gemini.restart([ScriptedAnswer(THREE)])
    stream: Any = await client.aio.models.generate_content_stream(model=MODEL, contents="Hi")
    await asyncio.create_task(anext(stream))
    await asyncio.create_task(stream.aclose())
    assert logger.trace.generation.metadata["stopped_early"] is True
    logger.assert_complete()


def test_a_stream_left_open_when_the_loop_closes_ends_its_trace(
    client: MaximGeminiClient, logger: FakeLogger, gemini: InMemoryGemini
) -> None:
    gemini.restart([ScriptedAnswer(THREE)])
    kept = []

    async def leave() -> None:
        kept.append(await client.aio.models.generate_content_stream(model=MODEL, contents="Hi"))
        await anext(kept[0])

    asyncio.run(leave())
    kept.clear()
    gc.collect()
    assert logger.trace.generation.text == "one "
    logger.assert_complete()


def test_a_stream_read_in_one_thread_and_dropped_in_another_ends_its_trace(
    client: MaximGeminiClient, logger: FakeLogger, gemini: InMemoryGemini
) -> None:
    gemini.restart([ScriptedAnswer(THREE)])
    streams = [client.models.generate_content_stream(model=MODEL, contents="Hi")]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(next, streams[0]).result()
        pool.submit(streams.clear).result()
    assert logger.trace.generation.text == "one "
    logger.assert_complete()


async def test_context_variables_are_the_applications_own(
    client: MaximGeminiClient, raw: genai.Client, gemini: InMemoryGemini
) -> None:
    mine = contextvars.ContextVar("mine", default=0)
    seen = []

    def remember(text: str) -> str:
        seen.append(mine.get())
        mine.set(mine.get() + 1)
        return text

    remember.__annotations__.update(text=str, **{"return": str})
    for either in (raw, client):
        gemini.restart(
            [ScriptedAnswer(reply.function_call("remember", text="a")), ScriptedAnswer(THREE), ScriptedAnswer(THREE)]
        )
        mine.set(1)
        before = dict(contextvars.copy_context())
        either.models.generate_content(model=MODEL, contents="Hi", config={"tools": [remember]})
        changed = {var.name for var, value in contextvars.copy_context().items() if before.get(var) is not value}
        assert changed <= {"mine"}
        stream: Any = await either.aio.models.generate_content_stream(model=MODEL, contents="Hi")
        await anext(stream)
        assert set(contextvars.copy_context()) == set(before)
        await stream.aclose()
    assert seen[0] == seen[-1]


FORKING = """
import os, sys
from support.in_memory import InMemoryGemini
from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger

logger = FakeLogger()
client = MaximGeminiClient(InMemoryGemini().client(), logger)

def ask():
    return client.models.generate_content(model="m", contents="Hi").text

assert ask() == "ok"
heard, told = os.pipe()
child = os.fork()
assert ask() == "ok" and len(logger.traces) == 2
logger.assert_complete()
new = logger.traces[1].id
if child == 0:
    os.write(told, new.encode())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.read(heard, 100) not in (b"", new.encode())
"""


INSIDE = """
import maxim_gemini

def reason(name):
    try:
        __import__("importlib").import_module(name)
    except ImportError as error:
        return str(error)

reasons = reason("google.genai"), reason("maxim_gemini.client")
assert reasons[0] == reasons[1], reasons
__import__("pathlib").Path(PLACE).write_text("done")
"""

SUBINTERPRETER = f"""
import importlib, sys, tempfile
from pathlib import Path
from support.in_memory import InMemoryGemini
from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger

interpreters = importlib.import_module("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
logger = FakeLogger()
client = MaximGeminiClient(InMemoryGemini().client(), logger)
with tempfile.TemporaryDirectory() as folder:
    place = Path(folder) / "done"
    for _ in range(2):
        assert client.models.generate_content(model="m", contents="Hi").text == "ok"
        inside = interpreters.create()
        interpreters.run_string(inside, {INSIDE!r}.replace("PLACE", repr(str(place))))
        interpreters.destroy(inside)
        assert place.read_text() == "done"
        place.unlink()
assert client.models.generate_content(model="m", contents="Hi").text == "ok"
logger.assert_complete()
assert len(logger.traces) == 3
"""


def outcome_of(program: str) -> tuple[int, str]:
    """Run *program* in a process of its own; return its exit code and what it complained of."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop("COVERAGE_PROCESS_CONFIG", None)  # Python 3.12 crashes where a subinterpreter ends that is measured
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_goes_on_by_itself() -> None:
    assert outcome_of(FORKING) == (0, "")


def test_a_subinterpreter_can_do_with_the_wrapper_what_it_can_do_with_the_sdk_and_harms_no_one() -> None:
    """google-genai itself can't be loaded there as long as pydantic can't: the reason is the same with us."""
    assert outcome_of(SUBINTERPRETER) == (0, "")
