"""Interactions in a trace of the application's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.interaction_calls import Interactions, SyncCalls, interaction, output

from maxim_gemini import MaximGeminiClient, span, suppress, trace

if TYPE_CHECKING:
    from maxim_gemini.testing import FakeLogger


async def test_interactions_are_part_of_the_work_that_they_are_made_in(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("One")), interaction(2, output("Two")), interaction(3, output("Three")))
    with trace(logger, name="Work", session_id="talk"), span("Part"):
        await calls.create(client)
        await calls.create(client, previous_interaction_id="v1_1")
    await calls.create(client, previous_interaction_id="v1_2")
    work, other = logger.traces
    assert [one.text for one in work.span.generations] == ["One", "Two"]
    assert (work.session_id, other.session_id, other.name) == ("talk", "talk", "Interaction")
    logger.assert_complete()


async def test_an_agents_span_stands_in_the_span_around_it(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("One"), agent="deep-research"))
    with trace(logger, name="Work"), span("Part"):
        await calls.call(client, "create", agent="deep-research", input="Find out.")
    part, agent = logger.spans
    assert (agent.name, agent.parent, agent.generation.text) == ("Agent: deep-research", part, "One")
    logger.assert_complete()


async def test_one_in_the_background_leaves_the_trace_end(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, status="in_progress"), interaction(1, output("Done")))
    with trace(logger, name="Work"):
        await calls.create(client, background=True)
    assert (logger.trace.ended, logger.generation.ended) == (True, False)
    await calls.call(client, "get", "v1_1")
    assert logger.trace.generation.text == "Done"
    logger.assert_complete()


async def test_a_suppressed_interaction_is_not_logged(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("One")))
    with suppress():
        await calls.create(client, extra_headers={"x-maxim-trace-id": "t"})
    assert logger.logs == ()
    assert [name for request in served.requests for name in request.headers if "maxim" in name.lower()] == []
