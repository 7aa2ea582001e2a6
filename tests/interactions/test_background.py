"""Background interactions: one generation from `create` to the call that shows the end, however often it is polled."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.interaction_calls import Interactions, SyncCalls, events, function_call, interaction, output
from support.maxim_backend import Backend

from maxim_gemini import MaximGeminiClient
from maxim_gemini._interactions import chains
from maxim_gemini._interactions.chains import Chains
from maxim_gemini.testing import MaximApi

if TYPE_CHECKING:
    from pathlib import Path

    from google import genai
    from support.script import Gemini

    from maxim_gemini.testing import FakeLogger


def running(number: int = 1) -> dict[str, object]:
    value = interaction(number, status="in_progress")
    del value["usage"], value["steps"]
    return value


async def test_polling_logs_one_generation(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    done = interaction(1, output("Done."))
    served.answers(running(), running(), done, done)
    await calls.create(client, background=True)
    assert logger.generation.ended_at is None
    for _ in range(3):
        await calls.call(client, "get", "v1_1")
    assert (logger.generation.text, logger.trace.output) == ("Done.", "Done.")
    assert logger.generation.usage["total_tokens"] == 12
    assert [log.action for log in logger.logs].count("result") == 1
    logger.assert_complete()


async def test_a_cancelled_one_ends_with_that(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(running(), interaction(1, status="cancelled"))
    await calls.create(client, background=True)
    assert (await calls.call(client, "cancel", "v1_1")).status == "cancelled"
    assert logger.generation.finish_reason == "cancelled"
    logger.assert_complete()


async def test_a_function_call_of_the_background_is_requested(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(running(), interaction(1, function_call(city="Paris"), status="requires_action"))
    await calls.create(client, background=True)
    await calls.call(client, "get", "v1_1")
    assert [call.name for call in logger.generation.tool_calls] == ["weather"]


async def test_a_stream_of_it_ends_it(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(running())
    served.streams(events("Do", "ne."))
    await calls.create(client, background=True)
    stream = await calls.call(client, "get", "v1_1", stream=True)
    assert len(await calls.read(stream)) == 7
    assert logger.trace.output == "Done."
    logger.assert_complete()


async def test_a_stream_that_goes_on_after_an_event_says_everything_once_in_the_trace(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """The API ends the step of that event, and sends it, and those around it, again as others."""
    first, *_, last = events(number=1)
    thought = {"type": "thought", "signature": "c2ln"}

    def step(index: int, *texts: str, **step: object) -> list[dict[str, object]]:
        deltas = [{"index": index, "delta": {"text": text, "type": "text"}} for text in texts]
        return [
            {"index": index, "step": step or {"type": "model_output"}, "event_type": "step.start"},
            *({**delta, "event_type": "step.delta", "event_id": f"e{index}"} for delta in deltas),
        ]

    stop = {"index": 1, "event_type": "step.stop"}
    served.answers(running())
    served.streams([first, *step(0, **thought), *step(1, "A whale ", "is ")], breaks=True)
    served.streams([stop, *step(2, **thought), *step(3, "A whale is "), stop | {"index": 3}], breaks=True)
    served.streams([stop | {"index": 3}, *step(4, **thought), *step(5, "A whale is big."), last])
    await calls.create(client, background=True)
    for more in ({}, {"last_event_id": "e1"}):
        with pytest.raises(Exception):  # noqa: B017, PT011
            await calls.read(await calls.call(client, "get", "v1_1", stream=True, **more))
    await calls.read(await calls.call(client, "get", "v1_1", stream=True, last_event_id="e3"))
    assert logger.trace.output == "A whale is big."
    logger.assert_complete()


async def test_equal_steps_that_were_sent_once_each_stay_in_the_trace(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    one, two = (
        [
            {"index": index, "step": {"type": "model_output"}, "event_type": "step.start"},
            {"index": index, "delta": {"text": "Ha", "type": "text"}, "event_type": "step.delta"},
        ]
        for index in (0, 1)
    )
    first, *_, last = events(number=1)
    served.answers(running())
    served.streams([first, *one, *two, last])
    await calls.create(client, background=True)
    await calls.read(await calls.call(client, "get", "v1_1", stream=True, last_event_id="e"))
    assert logger.trace.output == "HaHa"


async def test_those_that_are_never_polled_again_are_given_up_in_order(
    calls: SyncCalls,
    served: Interactions,
    client: MaximGeminiClient,
    logger: FakeLogger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chains, "RUNNING", 2)
    for number in range(1, 5):
        served.answers(running(number))
        await calls.create(client, background=True)
    ended = [generation.metadata.get("abandoned") for generation in logger.generations]
    assert ended == [True, True, None, None]


async def test_what_is_never_polled_again_ends_when_the_logger_is_cleaned_up(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(running(1), running(2), interaction(2, output("Done.")))
    await calls.create(client, background=True)
    await calls.create(client, background=True)
    await calls.call(client, "get", "v1_2")
    logger.cleanup()
    logger.cleanup()
    first, second = logger.generations
    assert (first.metadata.get("abandoned"), first.finish_reason) == (True, "in_progress")
    assert "abandoned" not in second.metadata
    logger.assert_complete()


async def test_what_was_given_up_is_not_logged_again_when_it_is_polled(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(running(1), interaction(1, output("Done.")))
    await calls.create(client, background=True)
    logger.cleanup()
    await calls.call(client, "get", "v1_1")
    assert [log.action for log in logger.logs].count("result") == 1
    logger.assert_complete()


@pytest.mark.parametrize("delivery", ["on", "off"])
async def test_a_real_logger_delivers_what_was_given_up(
    calls: SyncCalls, served: Interactions, raw: genai.Client, monkeypatch: pytest.MonkeyPatch, delivery: str
) -> None:
    monkeypatch.setenv("MAXIM_GEMINI_DELIVERY", delivery)
    served.answers(running())
    with MaximApi() as api:
        logger = api.logger()
        await calls.create(MaximGeminiClient(raw, logger), background=True)
        logger.cleanup(is_sync=True)
        assert api.generation.metadata["abandoned"] is True
        api.assert_complete()


PROGRAM = """
import atexit, os, signal, sys
from google import genai
from maxim.logger import Logger
from maxim_gemini import MaximGeminiClient

logger = Logger({"id": "repository"}, "a key", sys.argv[2])
atexit.register(logger.cleanup, is_sync=True)  # as maxim-py does
client = MaximGeminiClient(genai.Client(api_key="any", http_options={"base_url": sys.argv[1]}), logger)
assert client.interactions.create(model="m", input="Hi", background=True).status == "in_progress"
"""


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_the_end_of_a_process_gives_up_what_still_runs(
    served: Interactions, gemini: Gemini, tmp_path: Path, end: str
) -> None:
    served.answers(running())
    with Backend() as backend:
        command = [sys.executable, "-c", PROGRAM + end, gemini.url, backend.url]
        environment = {**os.environ, "MAXIM_GEMINI_SPOOL": str(tmp_path)}
        done = subprocess.run(command, check=False, timeout=60, env=environment, capture_output=True, text=True)
        assert "Traceback" not in done.stderr
        logs = [str(line) for line in backend.lines]
    (given_up,) = (log for log in logs if "abandoned" in log)
    assert given_up.count("generation{") == 1
    assert sum("trace{" in log and "action=end" in log for log in logs) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_give_up_what_its_parent_waits_for() -> None:
    running = Chains[str]()
    running.run("v1_1", "the parent's")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        running.run("v1_2", "its own")
        os.write(writing, " ".join(running.give_up()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"its own"
    assert running.give_up() == ["the parent's"]
    os.close(reading)
    os.close(writing)


async def test_a_logger_that_cannot_be_cleaned_up_costs_nothing(
    calls: SyncCalls, served: Interactions, raw: genai.Client, logger: FakeLogger
) -> None:
    class Sealed(type(logger.writer)):  # type: ignore[misc]
        __slots__ = ()

        @property
        def cleanup(self) -> None:
            raise RuntimeError("sealed")

    logger.writer.__class__ = Sealed
    served.answers(running(), interaction(1, output("Done.")))
    client = MaximGeminiClient(raw, logger)
    assert (await calls.create(client, background=True)).status == "in_progress"
    await calls.call(client, "get", "v1_1")
    logger.assert_complete()
