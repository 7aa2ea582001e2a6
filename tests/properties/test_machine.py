"""A whole client at once: chats, traces, functions and open streams, with faults in network, functions and logger.

Two clients take every step, a bare and a wrapped one; what they see must be the same after each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from support.faulty_logger import TROUBLES, FaultyLogger
from support.in_memory import InMemoryGemini, ScriptedAnswer
from support.programs import (
    STEPS,
    Run,
    Step,
    answers,
    count_function_faults,
    first_difference,
    without_closings,
    wrapped_run,
)
from support.sides import SIDES, Sync
from support.tally import count
from support.truth import check_against_the_wire

from maxim_gemini.testing import reply

from .conftest import PROFILE

if TYPE_CHECKING:
    import asyncio

    from google import genai

pytestmark = pytest.mark.usefixtures("no_chance_collections")


class Twins(RuleBasedStateMachine):
    """A bare and a wrapped client that live the same life."""

    side: ClassVar[Sync]
    loop: ClassVar[asyncio.Runner]
    geminis: ClassVar[tuple[InMemoryGemini, InMemoryGemini]]
    clients: ClassVar[tuple[genai.Client, genai.Client]]
    answers: ClassVar[st.SearchStrategy[ScriptedAnswer]] = answers()

    def runs(self) -> tuple[Any, Any]:
        """Return the runs on both clients."""
        bare = Run(self.geminis[0], self.clients[0], self.side)
        return bare, wrapped_run(self.geminis[1], self.clients[1], self.side, self.logger)

    def check_the_wire(self) -> None:
        """Compare what was logged with what was sent."""
        check_against_the_wire(self.wrapped)

    @initialize(trouble=st.sampled_from(["", *TROUBLES]), times=st.integers(1, 40))
    def begin(self, trouble: str, times: int) -> None:
        self.logger = FaultyLogger()
        self.logger.get_into(trouble, times=times if trouble else 0)
        self.bare, self.wrapped = self.runs()
        self.bare.restart()
        self.wrapped.restart()
        self.compared = 0

    @rule(data=st.data())
    def gemini_is_going_to_say(self, data: st.DataObject) -> None:
        drawn = data.draw(st.lists(type(self).answers, min_size=1, max_size=3))
        for run in (self.bare, self.wrapped):
            run.gemini.answers.extend(drawn)

    @rule(trouble=st.sampled_from(TROUBLES), after=st.integers(0, 8), times=st.integers(1, 8))
    def the_logger_gets_into(self, trouble: str, after: int, times: int) -> None:
        self.logger.get_into(trouble, after=after, times=times)

    def take(self, step: Step) -> None:
        self.loop.run(self.both(step))
        bare, wrapped = self.bare.gemini.timeline, self.wrapped.gemini.timeline
        if self.side.is_async:
            bare, wrapped = without_closings(bare), without_closings(wrapped)
        difference = first_difference(bare[self.compared :], wrapped[self.compared :])
        assert not difference, difference
        count("invariants: wrapped equals bare", len(bare) - self.compared)
        self.compared = len(bare)

    async def both(self, step: Step) -> None:
        await self.bare.take(step)
        await self.wrapped.take(step)

    def teardown(self) -> None:
        if not hasattr(self, "wrapped"):  # hypothesis ran out of data before the life began
            return
        self.take(Step("finish", {}))
        count("programs: machine")
        count_function_faults(self.wrapped.gemini.timeline)
        for trouble, times in self.logger.faults.items():
            count(f"faults: logger {trouble}", times)
        if not self.logger.is_harmed:
            self.logger.assert_complete()
            self.check_the_wire()
            count("invariants: complete")
        self.recovers()

    def recovers(self) -> None:
        """Once the trouble is over, the next call is logged in full."""
        self.logger.get_into("", times=0)
        before = len(self.logger.traces)
        self.wrapped.gemini.restart([ScriptedAnswer(reply.text("again"))])
        self.loop.run(self.side.generate(self.wrapped.client))
        (trace,) = self.logger.traces[before:]
        assert (trace.ended, trace.output, trace.generation.ended) == (True, "again", True)
        count("invariants: recovers")


def taking(name: str, given: dict[str, st.SearchStrategy[Any]]) -> Any:
    """Return a rule that has both clients take the step *name*."""

    def take_step(self: Twins, **given: Any) -> None:
        self.take(Step(name, given))

    take_step.__name__ = name
    return rule(**given)(take_step)  # type: ignore[call-overload]  # a name may be a bundle's


class ContentTwins(Twins):
    """Twins that generate content, and chat."""


for _name, _given in STEPS.items():
    setattr(ContentTwins, _name, taking(_name, _given))


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_a_wrapped_client_lives_the_life_of_the_bare_one(side: Sync, loop: asyncio.Runner) -> None:
    class SidedTwins(ContentTwins):
        pass

    geminis = InMemoryGemini(), InMemoryGemini()
    SidedTwins.side, SidedTwins.loop, SidedTwins.geminis = side, loop, geminis
    SidedTwins.clients = geminis[0].client(), geminis[1].client()
    run_state_machine_as_test(SidedTwins, settings=settings(PROFILE, max_examples=max(8, PROFILE.max_examples // 8)))
    for fault, times in geminis[1].faults.items():
        count(f"faults: network {fault}", times)
