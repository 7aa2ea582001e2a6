"""Whatever an application does with interactions: a wrapped client is as the bare one, and Maxim hears all."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis.strategies as st
import pytest
from google.genai import types
from hypothesis import example, given, settings
from hypothesis.stateful import run_state_machine_as_test
from support.faulty_logger import METHODS, CrippledLogger
from support.in_memory import InMemoryGemini, ScriptedAnswer
from support.interaction_calls import CALLS
from support.interaction_programs import (
    INTERACTION_STEPS,
    interaction_answers,
    interaction_programs,
    interaction_run,
    rich_interaction_programs,
)
from support.interaction_truth import check_interactions
from support.interactions import needs_interactions
from support.programs import Program, seen_as_by_the_bare_one
from support.sides import SIDES, Sync
from support.tally import count

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, reply

from .conftest import PROFILE
from .test_machine import Twins, taking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google import genai

pytestmark = [
    needs_interactions,
    pytest.mark.usefixtures("no_chance_collections"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.filterwarnings("ignore:Interaction stopped before completion:UserWarning"),
]

# google-genai makes models of pydantic anew for each request, which takes more time than everything else.
FEWER = settings(PROFILE, max_examples=max(6, PROFILE.max_examples // 5))


def impatient(gemini: InMemoryGemini) -> genai.Client:
    """Return a client that does not try again, which would take seconds."""
    return gemini.client(retry_options=types.HttpRetryOptions(attempts=1))


@pytest.fixture
def raw(gemini: InMemoryGemini) -> genai.Client:
    """A bare client."""
    return impatient(gemini)


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let google-genai prepare its requests here, not in a thread, so that both runs take the same steps."""

    async def at_once(do: Callable[..., Any], *args: Any, **named: Any) -> Any:
        await asyncio.sleep(0)
        return do(*args, **named)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


@pytest.fixture(autouse=True)
def _warnings_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let google-genai warn of an interaction that stopped each time, not once in a process: both runs see it."""
    try:
        continuation: Any = importlib.import_module("google.genai._interactions_continuation")
    except ImportError:  # not in earlier versions
        return
    warn = continuation._warn_incomplete_continuation

    def warn_each_time(**how: Any) -> None:
        continuation._incomplete_continuation_warned = False
        warn(**how)

    monkeypatch.setattr(continuation, warn.__name__, warn_each_time)


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_a_wrapped_client_behaves_as_the_bare_one_and_maxim_hears_everything(
    side: Sync, gemini: InMemoryGemini, raw: genai.Client, loop: asyncio.Runner
) -> None:
    @FEWER
    @given(interaction_programs())
    @example(rich_interaction_programs()[0])
    @example(rich_interaction_programs()[1])
    @example(rich_interaction_programs()[2])
    def check(program: Program) -> None:
        loop.run(compare(program))

    async def compare(program: Program) -> None:
        logger = FakeLogger()
        wrapped = interaction_run(gemini, raw, side, logger)
        seen = await seen_as_by_the_bare_one(wrapped, raw, program)
        logger.assert_complete()
        check_interactions(wrapped)
        count("programs: interactions")
        count("invariants: wrapped equals bare", len(seen))
        count("invariants: complete")

    check()
    for fault, times in gemini.faults.items():
        count(f"faults: network {fault}", times)


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_whatever_a_logger_lacks_a_client_behaves_as_the_bare_one(
    side: Sync, gemini: InMemoryGemini, raw: genai.Client, loop: asyncio.Runner
) -> None:
    @FEWER
    @given(interaction_programs(), st.sets(st.sampled_from(METHODS), min_size=1))
    @example(rich_interaction_programs()[0], {*METHODS})
    @example(rich_interaction_programs()[1], {*METHODS})
    def check(program: Program, lacks: set[str]) -> None:
        wrapped = interaction_run(gemini, raw, side, CrippledLogger(lacks - {"writer"}))
        loop.run(seen_as_by_the_bare_one(wrapped, raw, program))
        count("programs: interactions over a logger without some methods")

    check()


class InteractionTwins(Twins):
    """A bare and a wrapped client that live the same life with interactions."""

    steps: ClassVar = INTERACTION_STEPS
    answers: ClassVar = interaction_answers()

    def runs(self) -> tuple[Any, Any]:
        bare = interaction_run(self.geminis[0], self.clients[0], self.side)
        return bare, interaction_run(self.geminis[1], self.clients[1], self.side, self.logger)

    def check_the_wire(self) -> None:
        check_interactions(self.wrapped)


for _name, _given in INTERACTION_STEPS.items():
    setattr(InteractionTwins, _name, taking(_name, _given))


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_a_wrapped_client_lives_the_life_of_the_bare_one(side: Sync, loop: asyncio.Runner) -> None:
    class SidedTwins(InteractionTwins):
        pass

    geminis = InMemoryGemini(), InMemoryGemini()
    SidedTwins.side, SidedTwins.loop, SidedTwins.geminis = side, loop, geminis
    SidedTwins.clients = impatient(geminis[0]), impatient(geminis[1])
    run_state_machine_as_test(SidedTwins, settings=settings(PROFILE, max_examples=max(2, PROFILE.max_examples // 20)))


# Cancelled at every step of the event loop.

CALL = CALLS[True]
THREE = reply.stream("one ", "two ", "three") + reply.usage(prompt=3, candidates=2)


async def whole(client: Any) -> Any:
    return await CALL.create(client)


async def hops(client: Any) -> Any:
    return (await CALL.create(client, input="on")).output_text


async def streamed(client: Any) -> Any:
    return await CALL.read(await CALL.create(client, stream=True))


async def in_background(client: Any) -> Any:
    running = await CALL.create(client, background=True)
    return (await CALL.call(client, "get", running.id)).status


async def by_a_raw_response(client: Any) -> Any:
    parsed = (await CALL.raw(client, stream=True)).parse()
    return await CALL.read(await parsed if hasattr(parsed, "__await__") else parsed)


async def by_a_context(client: Any) -> Any:
    async with client.aio.interactions.with_streaming_response.create(model="m", input="Hi") as response:
        return await response.parse()


WAYS: dict[str, tuple[Callable[[Any], Awaitable[Any]], list[reply.Reply]]] = {
    "create": (whole, [THREE]),
    "hops": (hops, [reply.text("Once ") + reply.interaction(continuation_token="t"), THREE]),
    "stream": (streamed, [THREE]),
    "background": (in_background, [THREE]),
    "raw response": (by_a_raw_response, [THREE]),
    "streaming response": (by_a_context, [THREE]),
}


async def cancelled_after(steps: int, doing: Awaitable[Any]) -> tuple[bool, Any]:
    """Return whether *doing* was done before it was cancelled, after so many steps of the loop, and how it ended."""
    task = asyncio.ensure_future(doing)
    for _ in range(steps):
        await asyncio.sleep(0)
    is_done = not task.cancel()
    try:
        return is_done, await task
    except BaseException as error:
        return is_done, type(error)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_may_be_cancelled_at_every_step_of_the_loop(
    way: str, gemini: InMemoryGemini, raw: genai.Client, loop: asyncio.Runner
) -> None:
    do, answers = WAYS[way]

    async def attempt(client: Any, steps: int) -> tuple[bool, Any]:
        gemini.restart(ScriptedAnswer(answer) for answer in answers)
        ended = await cancelled_after(steps, do(client))
        for _ in range(8):
            await asyncio.sleep(0)
        return ended

    async def every_step() -> int:
        for steps in range(200):
            logger = FakeLogger()
            bare = await attempt(raw, steps)
            requests = gemini.requests
            assert await attempt(MaximGeminiClient(raw, logger), steps) == bare, steps
            assert gemini.requests == requests
            logger.cleanup()
            logger.assert_complete()
            if bare[1] is asyncio.CancelledError and logger.generations:
                assert {"cancelled", "abandoned"} & logger.generations[-1].metadata.keys(), steps
            count("invariants: cancelled as the bare one")
            if bare[0]:
                return steps
        raise AssertionError("the call never ends")

    assert loop.run(every_step()) > 2
