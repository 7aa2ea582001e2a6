"""Telemetry never gets in the way: whatever the logger or the content does, the call is as with the bare client."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import create_autospec

import pytest
from google import genai
from google.genai import types
from google.genai.models import AsyncModels, Models
from maxim.logger import Logger
from support.clients import closed
from support.faulty_logger import METHODS, CrippledLogger
from support.functions import Speechless, add, divide, fail_silently
from support.own_log import own_messages
from support.script import Gemini, call, chunks, response
from support.sides import MODEL, Sync

from maxim_gemini import MaximGeminiClient
from maxim_gemini._core.call import Call
from maxim_gemini._core.generation import Generation
from maxim_gemini._generate_content import call as content_call
from maxim_gemini._generate_content import chats, messages, models, sdk
from maxim_gemini._generate_content.result import ContentAnswer
from maxim_gemini.testing import FakeLogger


def text_of(chunk: Any) -> str:
    return "".join(part.text or "" for part in chunk.candidates[0].content.parts)


ANSWERS = ["three", "a", "b", "ok", "c", "d"]


async def everything(side: Sync, gemini: Gemini, client: Any) -> list[str]:
    """Use all that a logger has, and return what the model said."""
    gemini.forget()
    gemini.says(response(call("add", left=1, right=2)), response("three"))
    gemini.streams(*chunks("a", "b")).says(response("ok")).streams(*chunks("c", "d"))
    answers = [text_of(await side.generate(client, "Add", config={"tools": [add]}))]
    answers += map(text_of, await side.read(await side.open(client)))
    chat = side.chats(client).create(model=MODEL)
    answers.append(text_of(await side.send(chat, "Hi")))
    answers += map(text_of, await side.read(await side.open_turn(chat, "Hi")))
    chat.end_trace()
    await what_is_seldom(side, gemini, client)
    return answers


async def what_is_seldom(side: Sync, gemini: Gemini, client: Any) -> None:
    """Send a file, with tags for a trace that is known already; have a function fail, and a call."""
    gemini.forget()
    gemini.says(response(call("divide", left=1, right=0)), response("ok"))
    headers = {"x-maxim-trace-id": "mine", "x-maxim-trace-tags": '{"team": "search"}'}
    config = {"tools": [divide], "http_options": {"headers": headers}}
    sound = types.Part.from_bytes(data=b"12345", mime_type="audio/wav")
    for _ in range(2):
        assert text_of(await side.generate(client, ["Listen", sound], config=config)) == "ok"
    (answer,) = gemini.requests[-2]["contents"][-1]["parts"]
    assert "by zero" in str(answer["functionResponse"]["response"])
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this google-genai makes of it
        await side.generate(client, config=3)


@pytest.mark.parametrize("step", METHODS)
async def test_a_logger_that_raises_changes_nothing_and_is_warned_of_once(
    side: Sync, gemini: Gemini, raw: genai.Client, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    client = MaximGeminiClient(raw, CrippledLogger({step}, OSError))
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        for _ in range(2):
            assert await everything(side, gemini, client) == ANSWERS
    messages = own_messages(caplog)
    assert messages
    assert len(messages) == len(set(messages))
    assert all("OSError: not here" in message for message in messages)


async def test_a_stream_dropped_over_a_logger_that_raises_says_nothing(
    side: Sync, gemini: Gemini, raw: genai.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    gemini.streams(*chunks("a", "b"))
    stream = await side.open(MaximGeminiClient(raw, CrippledLogger({"writer"})))
    await side.next(stream)
    del stream
    gc.collect()
    assert [one.exc_value for one in seen] == []


async def test_a_writer_that_raises_changes_nothing(
    side: Sync, gemini: Gemini, raw: genai.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = FakeLogger()

    def full(_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(logger.writer, "commit", full)
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        assert await everything(side, gemini, MaximGeminiClient(raw, logger)) == ANSWERS
    messages = own_messages(caplog)
    assert messages
    assert len(messages) == len(set(messages))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (models, "Trace"),
        (chats, "Trace"),
        (models, "split_labels"),
        (chats, "split_labels"),
        (sdk, "with_recorded_tools"),
        (content_call, "read_request"),
        (content_call, "read_parameters"),
        (Generation, "open"),
        (Generation, "_end"),
        (Generation, "_about"),
        (ContentAnswer, "add"),
        (ContentAnswer, "result"),
        (ContentAnswer, "metadata"),
        (Call, "_begin"),
        (Call, "_end"),
        (messages, "_contents"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
async def test_a_fault_of_our_own_changes_nothing(
    side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger, monkeypatch: Any, module: Any, name: str
) -> None:
    def faulty(*_: Any, **__: Any) -> None:
        raise RuntimeError("our own fault")

    monkeypatch.setattr(module, name, faulty)
    assert await everything(side, gemini, MaximGeminiClient(raw, logger)) == ANSWERS


async def test_a_log_handler_that_raises_changes_nothing(side: Sync, gemini: Gemini, raw: genai.Client) -> None:
    class Faulty(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("no log")

    handler = Faulty()
    logging.getLogger("maxim_gemini").addHandler(handler)
    try:
        gemini.says(response("ok"))
        assert text_of(await side.generate(MaximGeminiClient(raw, CrippledLogger({"trace_add_generation"})))) == "ok"
    finally:
        logging.getLogger("maxim_gemini").removeHandler(handler)


class Unwritable:
    """What neither the SDK nor JSON can make anything of."""

    def __repr__(self) -> str:
        raise ValueError("not even that")


async def test_content_that_cannot_be_read_costs_a_placeholder_and_the_error_is_the_sdks(
    side: Sync, raw: genai.Client, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("ok"))
    contents: Any = ["fine", object()]
    raised = []
    for either in (raw, client):
        with pytest.raises((TypeError, ValueError)) as failure:
            await side.generate(either, contents)
        raised.append((failure.type, str(failure.value).splitlines()[0]))
    assert raised[0] == raised[1]
    assert logger.trace.generation.messages == [{"role": "user", "content": "fine[object]"}]
    assert logger.trace.generation.error is not None
    logger.assert_complete()


@pytest.mark.parametrize("config", [object(), 3], ids=["an object", "a number"])
async def test_what_is_no_config_is_the_sdks_error_and_one_in_maxim(
    side: Sync, raw: genai.Client, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, config: Any
) -> None:
    gemini.says(response("ok"))
    raised = []
    for either in (raw, client):
        with pytest.raises(Exception) as failure:  # noqa: PT011  # whatever this google-genai makes of it
            await side.generate(either, config=config)
        raised.append((failure.type, str(failure.value).partition(" at 0x")[0]))
    assert raised[0] == raised[1]
    assert [one.type for one in logger.trace.errors] == [raised[0][0].__name__]
    logger.assert_complete()


async def test_a_functions_error_that_says_nothing_is_reported_as_without_us(
    side: Sync, raw: genai.Client, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    came_of_it: list[Any] = []
    for either in (raw, client):
        gemini.forget()
        gemini.says(response(call("fail_silently", left=1, right=2)), response("ok"))
        try:
            came_of_it.append(text_of(await side.generate(either, config={"tools": [fail_silently]})))
        except Exception as error:  # whatever this google-genai makes of it
            came_of_it.append(repr(error))
        came_of_it.append(gemini.requests[-1]["contents"][-1])
    assert came_of_it[:2] == came_of_it[2:]
    assert logger.trace.tool_call.error is not None
    assert logger.trace.tool_call.error.message == "Speechless"
    logger.assert_complete()


async def test_an_error_that_says_nothing_is_known_by_its_name(
    side: Sync, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise Speechless

    for kind in (Models, AsyncModels):
        monkeypatch.setattr(kind, "_generate_content", broken)
    with pytest.raises(Speechless):
        await side.generate(client)
    assert logger.trace.generation.error is not None
    assert (logger.trace.generation.error.message, logger.trace.generation.error.type) == ("Speechless", "Speechless")
    logger.assert_complete()


async def test_a_value_that_cannot_be_written_costs_a_placeholder(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("show", what="x")), response("ok"))

    def show(what: str):  # type: ignore[no-untyped-def]
        return Unwritable()

    show.__annotations__["what"] = str
    with pytest.raises(Exception, match=r"not even that|serializ"):  # the SDK can't send it, either
        await side.generate(client, config=types.GenerateContentConfig(tools=[show]))
    assert logger.trace.tool_call.result == "[Unwritable that could not be written]"
    logger.assert_complete()


async def test_threads_share_a_wrapper(gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger) -> None:
    gemini.says(response("ok"))
    with ThreadPoolExecutor(8) as pool:
        ask = [
            pool.submit(client.models.generate_content, model=MODEL, contents=f"{number}", trace_id="shared")
            for number in range(40)
        ]
    assert [text_of(one.result()) for one in ask] == ["ok"] * 40
    assert len(logger.trace.generations) == 40
    assert [log.action for log in logger.logs].count("create") == 1


async def test_loggers_of_another_make_are_used_by_their_methods_alone(
    side: Sync, gemini: Gemini, raw: genai.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A mock of a logger has no writer: nothing but its public methods is needed."""
    logger = create_autospec(Logger, instance=True)
    assert not hasattr(logger, "writer")
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        assert await everything(side, gemini, MaximGeminiClient(raw, logger)) == ANSWERS
    assert own_messages(caplog) == []
    assert logger.trace.call_count == 6
    assert logger.trace_end.call_count == 5  # all but the caller's own
    assert logger.trace_add_generation.call_count == logger.generation_result.call_count == 8
    assert logger.tool_call_result.call_args.args[1:] == ("3",)
    assert logger.tool_call_error.call_count == logger.session_end.call_count == logger.trace_add_error.call_count == 1


async def test_what_is_no_logger_at_all_changes_nothing(side: Sync, gemini: Gemini, raw: genai.Client) -> None:
    for nothing in (None, object()):
        assert await everything(side, gemini, MaximGeminiClient(raw, nothing)) == ANSWERS  # type: ignore[arg-type]


async def test_a_slow_logger_changes_nothing_but_the_time(
    side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = logger.writer.commit

    def slowly(log: Any) -> None:
        time.sleep(0.002)
        commit(log)

    monkeypatch.setattr(logger.writer, "commit", slowly)
    assert await everything(side, gemini, MaximGeminiClient(raw, logger)) == ANSWERS
    logger.trace_end("mine")
    assert len(logger.generations) == 8
    logger.assert_complete()


def test_threads_with_clients_and_event_loops_of_their_own_share_a_logger(gemini: Gemini, logger: FakeLogger) -> None:
    gemini.says(response("ok"))
    together = threading.Barrier(6)

    async def talk(number: int) -> list[str]:
        options: Any = {
            "base_url": gemini.url,
            "async_client_args": {"verify": False},
            "client_args": {"verify": False},
        }
        bare = genai.Client(api_key="test-key", http_options=options)
        client = MaximGeminiClient(bare, logger)
        chat = client.aio.chats.create(model=MODEL)
        together.wait()
        answers = [
            text_of(answer)
            for answer in await asyncio.gather(
                *(client.aio.models.generate_content(model=MODEL, contents=f"{number}-{turn}") for turn in range(3))
            )
        ]
        answers += [text_of(await chat.send_message(f"{number}-{turn}")) for turn in range(3)]
        chat.end_trace()
        await closed(bare)
        return answers

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: asyncio.run(talk(number)), range(6)))
    assert answers == [["ok"] * 6] * 6
    assert (len(logger.sessions), len(logger.traces), len(logger.generations)) == (6, 36, 36)
    inputs = sorted(trace.input or "" for trace in logger.traces)
    assert inputs == sorted(2 * [f"{number}-{turn}" for number in range(6) for turn in range(3)])
    for session in logger.sessions:
        assert len({(trace.input or "").partition("-")[0] for trace in session.traces}) == 1
    logger.assert_complete(strict=True)


async def test_the_callers_objects_are_never_changed(side: Sync, gemini: Gemini, client: MaximGeminiClient) -> None:
    gemini.says(response("ok"))
    config = types.GenerateContentConfig(tools=[add], temperature=0.5, system_instruction="Be kind")
    contents = [types.UserContent("Hi"), types.ModelContent("Hello"), "bye"]
    before = config.model_copy(deep=True), list(contents)
    await side.generate(client, contents, config=config)
    assert (config, contents) == before
    assert config.tools == [add]


async def test_a_call_leaves_no_garbage_behind(side: Sync, gemini: Gemini, client: MaximGeminiClient) -> None:
    """What it held of the answer is freed at once, not when the garbage collector comes round."""
    gemini.says(response("ok"))
    await side.generate(client)
    gc.collect()
    gc.disable()
    try:
        before = len([one for one in gc.get_objects() if isinstance(one, (Generation, Call))])
        await side.generate(client)
        after = len([one for one in gc.get_objects() if isinstance(one, (Generation, Call))])
    finally:
        gc.enable()
    assert after == before
