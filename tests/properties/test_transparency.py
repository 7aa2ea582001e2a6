"""Whatever an application does and whatever befalls it: a wrapped client is as the bare one, and Maxim hears all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.faulty_logger import METHODS, CrippledLogger
from support.programs import (
    Program,
    count_function_faults,
    programs,
    rich_programs,
    seen_as_by_the_bare_one,
    wrapped_run,
)
from support.sides import SIDES, Sync
from support.tally import count
from support.truth import check_against_the_wire

from maxim_gemini.testing import FakeLogger

from .conftest import PROFILE

if TYPE_CHECKING:
    import asyncio

    from google import genai
    from support.in_memory import InMemoryGemini

pytestmark = pytest.mark.usefixtures("no_chance_collections")


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_a_wrapped_client_behaves_as_the_bare_one_and_maxim_hears_everything(
    side: Sync, gemini: InMemoryGemini, raw: genai.Client, loop: asyncio.Runner
) -> None:
    @PROFILE
    @given(programs())
    @example(rich_programs()[0])
    @example(rich_programs()[1])
    def check(program: Program) -> None:
        loop.run(compare(program))

    async def compare(program: Program) -> None:
        logger = FakeLogger()
        wrapped = wrapped_run(gemini, raw, side, logger)
        seen = await seen_as_by_the_bare_one(wrapped, raw, program)
        logger.assert_complete()
        check_against_the_wire(wrapped)
        count("programs: transparency")
        count("invariants: wrapped equals bare", len(seen))
        count_function_faults(seen)
        count("invariants: complete")

    check()
    for fault, times in gemini.faults.items():
        count(f"faults: network {fault}", times)


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_whatever_a_logger_lacks_a_client_behaves_as_the_bare_one(
    side: Sync, gemini: InMemoryGemini, raw: genai.Client, loop: asyncio.Runner
) -> None:
    @PROFILE
    @given(programs(), st.sets(st.sampled_from(METHODS), min_size=1))
    @example(rich_programs()[0], {*METHODS})
    @example(rich_programs()[1], {*METHODS})
    def check(program: Program, lacks: set[str]) -> None:
        loop.run(compare(program, lacks))

    async def compare(program: Program, lacks: set[str]) -> None:
        await seen_as_by_the_bare_one(wrapped_run(gemini, raw, side, CrippledLogger(lacks)), raw, program)
        count("programs: logger without some methods")
        count("faults: logger lacks a method", len(lacks))

    check()
