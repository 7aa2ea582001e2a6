"""Background interactions: one generation from `create` to the call that shows the end, however often it is polled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.interaction_calls import Interactions, SyncCalls, events, function_call, interaction, output

from maxim_gemini._interactions import chains

if TYPE_CHECKING:
    import pytest

    from maxim_gemini import MaximGeminiClient
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


async def test_a_function_call_of_the_background_is_asked_for(
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
