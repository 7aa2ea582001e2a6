"""Nothing that the application gets of a live session depends on the wrapper: not what, not when, not how it ends."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.faulty_logger import TROUBLES, FaultyLogger
from support.live import Close, Gemini, Wait
from support.talk import DONE, MODEL, ask, calling, spoken, text, turn

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from google import genai


class Stuck(FakeLogger):
    """Takes no log until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        commit = self.writer.commit

        def waiting(log: Any) -> None:
            self.free.wait(60)
            commit(log)

        self.writer.commit = waiting  # type: ignore[method-assign]


class Raising(FakeLogger):
    """Raises whatever is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.writer.commit = self._refuse  # type: ignore[method-assign]

    def _refuse(self, log: Any) -> None:
        raise OSError("the disk is full")


async def received_by(client: Any) -> list[Any]:
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        return await turn(session)


async def test_no_frame_waits_for_a_logger_that_is_stuck(gemini: Gemini, raw: genai.Client) -> None:
    """The whole session goes by while the logger has not taken its first log."""
    gemini.script = [Wait(), *text(*"abcdefgh"), calling(("c1", "a")), DONE]
    logger = Stuck()
    messages = await received_by(MaximGeminiClient(raw, logger))
    assert messages == await received_by(raw)
    logger.free.set()
    assert logger.trace.output == "abcdefgh"
    logger.assert_complete()


async def test_a_frame_is_handed_on_before_it_is_logged(gemini: Gemini, raw: genai.Client) -> None:
    """No step of the event loop lies between its arrival and the application."""
    gemini.script = [Wait(), *text(*"abcdefgh"), DONE]
    steps: dict[bool, int] = {}
    for wrapped in (True, False):
        client: Any = MaximGeminiClient(raw, FakeLogger()) if wrapped else raw
        async with client.aio.live.connect(model=MODEL) as session:
            await ask(session)
            await asyncio.sleep(0.05)  # all of it is there
            steps[wrapped] = await _steps(turn(session))
    assert steps[True] == steps[False]


async def _steps(work: Any) -> int:
    """Return how often the event loop came round while *work* was done."""
    task = asyncio.ensure_future(work)
    steps = 0
    while not task.done():
        steps += 1
        await asyncio.sleep(0)
    return steps


async def test_a_function_is_called_when_its_message_came_though_the_logger_is_late(
    gemini: Gemini, raw: genai.Client
) -> None:
    gemini.script = [Wait(), calling(("c1", "look_up")), Wait(), *text("Done"), DONE]
    logger = Stuck()
    async with MaximGeminiClient(raw, logger).aio.live.connect(model=MODEL) as session:
        await ask(session)
        async for message in session.receive():
            if message.tool_call:
                answer = types.FunctionResponse(id="c1", name="look_up", response={"result": "x"})
                await session.send_tool_response(function_responses=answer)
        await asyncio.sleep(0.05)
        logger.free.set()
    logger.writer.settle()
    first, second = logger.generations
    (call,) = logger.tool_calls
    times = [one.started_at for one in (first, call, second) if one.started_at]
    assert (len(times), times) == (3, sorted(times))


async def test_a_logger_that_raises_costs_one_warning(
    gemini: Gemini, raw: genai.Client, caplog: pytest.LogCaptureFixture
) -> None:
    gemini.script = [Wait(), *text("Hel", "lo"), DONE]
    logger = Raising()
    assert await received_by(MaximGeminiClient(raw, logger)) == await received_by(raw)
    logger.writer.settle()
    messages = [record.getMessage() for record in caplog.records]
    assert messages
    assert len(messages) == len(set(messages))
    assert all("the disk is full" in message for message in messages)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("script", ["complete", "closed"])
async def test_what_is_received_does_not_depend_on_the_logger(
    gemini: Gemini, raw: genai.Client, trouble: str, script: str
) -> None:
    end = DONE if script == "complete" else Close(1011, "It broke")
    gemini.script = [Wait(), spoken("One"), *text("two"), end]
    logger = FaultyLogger()
    logger.get_into(trouble)
    outcomes = [await outcome_of(client) for client in (raw, MaximGeminiClient(raw, logger))]
    logger.writer.settle()
    assert outcomes[0] == outcomes[1]


async def outcome_of(client: Any) -> Any:
    try:
        return await received_by(client)
    except Exception as error:
        return type(error), str(error), traceback.extract_tb(error.__traceback__)[-1]


ENDS: dict[str, list[Any]] = {
    "1000": [Close(1000, "bye")],
    "1001": [Close(1001)],
    "1007": [Close(1007, "invalid")],
    "1008": [Close(1008, "policy")],
    "1011": [Close(1011)],
    "broken": [Close(None)],
    "no JSON": [b"\xff\xfe"],
    "no object": [b"[1]"],
    "text": ["no json"],
    "unknown": [{"someday": 1}],
    "error": [{"error": {"code": 500, "message": "internal"}}],
    "wrong type": [{"serverContent": {"turnComplete": {"a": 1}}}],
    "nothing": [b"", DONE],
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.filterwarnings("ignore::UserWarning")
async def test_errors_are_those_of_the_bare_client(
    gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger, end: list[Any]
) -> None:
    gemini.script = [Wait(), *text("Hel"), *end]
    outcomes = [await outcome_of(one) for one in (raw, client)]
    assert outcomes[0] == outcomes[1]
    bare, wrapped = await gemini.closes()
    assert bare == wrapped
    logger.assert_complete()


async def test_a_server_that_closes_at_once_is_the_same_error(
    gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.before_setup = Close(1008, "no such model")
    outcomes = [await outcome_of(one) for one in (raw, client)]
    assert outcomes[0] == outcomes[1]
    (error,) = logger.trace.errors
    assert (error.code, "no such model" in error.message) == ("1008", True)
    logger.assert_complete(strict=True)


async def test_cancelled_at_any_step_it_ends_as_the_bare_client_does(
    gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Hel", "lo"), DONE]
    whole = await _steps(received_by(client))
    for step in range(0, whole, max(1, whole // 60)):
        ends = [await _cancelled_after(step, one) for one in (raw, client)]
        assert ends[0] == ends[1], step
    logger.assert_complete()
    assert not logger.errors


async def _cancelled_after(steps: int, client: Any) -> str:
    task = asyncio.create_task(received_by(client))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    except Exception as error:
        return type(error).__name__
    return "done"


async def test_frames_arrive_when_they_are_sent(gemini: Gemini, raw: genai.Client) -> None:
    """Each is there before the next one is sent, though every log takes longer than the pause between two."""

    class Slow(FakeLogger):
        def trace_add_generation(self, *args: Any, **named: Any) -> Any:
            time.sleep(0.5)
            return super().trace_add_generation(*args, **named)

    gemini.script = [Wait(), *[step for _ in range(4) for step in (*text("a"), DONE, Wait())]]
    logger = Slow()
    async with MaximGeminiClient(raw, logger).aio.live.connect(model=MODEL) as session:
        for _ in range(4):
            await ask(session)
            await asyncio.wait_for(turn(session), 30)
        assert len(logger.writer._entries) < 20  # it is far behind
    assert len(logger.traces) == 4
    logger.assert_complete()


async def test_a_mock_in_the_place_of_connect_is_called(raw: genai.Client, client: Any) -> None:
    class Session:
        async def receive(self) -> Any:
            yield "made up"

    class Connecting:
        async def __aenter__(self) -> Session:
            return Session()

        async def __aexit__(self, *exception: object) -> None:
            pass

    calls: list[Any] = []

    def connect(**request: Any) -> Connecting:
        calls.append(request)
        return Connecting()

    raw.aio.live.connect = connect  # type: ignore[method-assign, assignment]
    async with client.aio.live.connect(model=MODEL) as session:
        assert [message async for message in session.receive()] == ["made up"]
    assert calls == [{"model": MODEL}]
