"""Whatever an application does: under a policy nothing that is hidden leaves, and the trace stays complete."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.planting import MARK, planted_answer, planted_program
from support.programs import Program, Run, programs, rich_programs, run_program, seen_as_by_the_bare_one
from support.sides import SIDES, Sync
from support.tally import count

from maxim_gemini import MaximGeminiClient, Privacy
from maxim_gemini.testing import FakeLogger, TextReceived

from .conftest import PROFILE

if TYPE_CHECKING:
    import asyncio

    from google import genai
    from support.in_memory import InMemoryGemini


def replace(text: str, where: str) -> str:
    assert where
    return text.replace(MARK, "*")


def fail(text: str, where: str) -> str:
    raise SystemExit(text + where)


def give_nothing(text: str, where: str) -> Any:
    return None if text or where else ""


def hang_briefly(text: str, where: str) -> str:
    time.sleep(0.0001)
    return replace(text, where)


POLICIES = {
    "no-content": Privacy(capture="no-content"),
    "mask": Privacy(mask=replace),
    "mask and attachments": Privacy(mask=replace, attachments=True),
    "mask that fails": Privacy(mask=fail),
    "mask that gives no text": Privacy(mask=give_nothing),
    "mask that hangs briefly": Privacy(mask=hang_briefly),
}


def described(logger: FakeLogger) -> list[Any]:
    """Return what stays whatever is hidden."""
    return [
        *((one.usage, one.finish_reason, one.model, one.started_at is None) for one in logger.generations),
        *((one.error.code, one.error.type) if one.error else None for one in logger.generations),
        *((one.duration is None, len(one.generations), len(one.tool_calls)) for one in logger.traces),
    ]


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_what_is_hidden_never_leaves(
    side: Sync, gemini: InMemoryGemini, raw: genai.Client, loop: asyncio.Runner
) -> None:
    gemini.rewrite = planted_answer
    leaks = 0

    @PROFILE
    @given(programs(), st.sampled_from(list(POLICIES)))
    @example(rich_programs()[0], "mask")
    @example(rich_programs()[1], "no-content")
    def check(program: Program, policy: str) -> None:
        loop.run(compare(planted_program(program), POLICIES[policy]))

    async def compare(program: Program, policy: Privacy) -> None:
        nonlocal leaks
        hiding, showing = FakeLogger(), FakeLogger()
        client = MaximGeminiClient(raw, hiding, privacy=policy)
        await seen_as_by_the_bare_one(Run(gemini, client, side, hiding), raw, program)
        hiding.assert_complete()
        hiding.assert_no_text(MARK)
        await run_program(Run(gemini, MaximGeminiClient(raw, showing), side, showing), program)
        assert described(hiding) == described(showing)
        try:
            showing.assert_no_text(MARK)
        except TextReceived:
            leaks += 1
        count("programs: privacy")

    check()
    assert leaks  # what is planted does reach Maxim where nothing is hidden
