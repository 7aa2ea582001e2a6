"""Streamed interactions: every event as it comes, and one end, whichever way the stream ends."""

from __future__ import annotations

import asyncio
import gc
import io
import wave
from typing import TYPE_CHECKING, Any

import pytest
from support.interaction_calls import Interactions, SyncCalls, events, interaction, output

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger


def dumped(items: list[Any]) -> list[Any]:
    return [item.model_dump(mode="json") for item in items]


async def test_every_event_reaches_the_caller_and_the_text_the_trace(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    for _ in range(2):
        served.streams(events("Hel", "lo"))
    bare = await calls.create(raw, stream=True)
    wrapped = await calls.create(client, stream=True)
    assert type(wrapped) is type(bare)
    assert dumped(await calls.read(wrapped)) == dumped(await calls.read(bare))
    assert (logger.trace.output, logger.generation.finish_reason) == ("Hello", "completed")
    assert logger.generation.usage["total_tokens"] == 12
    assert logger.generation.metrics["chunks"] == 7
    logger.assert_complete()


@pytest.mark.parametrize("how", ["closed", "dropped", "closed unread", "dropped unread"])
async def test_a_stream_that_is_left_ends_as_stopped(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger, how: str
) -> None:
    served.streams(events("Hel", "lo"))
    stream = await calls.create(client, stream=True)
    if "unread" not in how:
        for _ in range(4):
            await calls.next(stream)
    if "closed" in how:
        await calls.close(stream)
    del stream
    gc.collect()
    await asyncio.sleep(0)
    logger.assert_complete()
    assert logger.generation.metadata["stopped_early"] is True
    assert (logger.generation.text or "") == ("" if "unread" in how else "Hel")


async def test_a_stream_that_breaks_keeps_what_came(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    raised = list[type[BaseException]]()
    for one in (raw, client):
        served.streams(events("Hel", "lo")[:4], breaks=True)
        stream = await calls.create(one, stream=True)
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await calls.read(stream)
        raised.append(caught.type)
    assert raised[0] is raised[1]
    assert logger.generation.text == "Hel"
    assert logger.generation.error is not None
    logger.assert_complete()


async def test_an_error_event_is_an_error_of_the_generation_and_no_exception(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    error = {"event_type": "error", "error": {"message": "High demand.", "code": "service_unavailable"}}
    served.streams([*events("Hel")[:4], error], done=False)
    stream = await calls.create(client, stream=True)
    assert len(await calls.read(stream)) == 5
    assert logger.generation.error is not None
    assert (logger.generation.error.message, logger.generation.error.code) == ("High demand.", "service_unavailable")
    assert logger.generation.text == "Hel"
    logger.assert_complete()


async def test_hops_of_a_streamed_continuation_are_generations(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    first = events("Once ", number=1, status="requires_continuation")
    first[-1]["interaction"]["continuation_token"] = "t1"
    served.streams(first)
    served.streams(events("upon a time.", number=2))
    await calls.read(await calls.create(client, stream=True))
    assert [generation.text for generation in logger.generations] == ["Once ", "upon a time."]
    assert logger.trace.output == "Once upon a time."
    logger.assert_complete()


async def test_arguments_in_pieces_are_one_function_call(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    head = events()
    step = {"type": "function_call", "id": "call-1", "name": "weather", "arguments": {}}
    pieces = ['{"city": ', '"Paris"}']
    deltas = [
        {"index": 0, "delta": {"arguments": piece, "type": "arguments_delta"}, "event_type": "step.delta"}
        for piece in pieces
    ]
    head[-1]["interaction"]["status"] = "requires_action"
    served.streams([*head[:2], {"index": 0, "step": step, "event_type": "step.start"}, *deltas, *head[-2:]])
    await calls.read(await calls.create(client, stream=True))
    (call,) = logger.generation.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Paris"})
    assert logger.generation.finish_reason == "tool_calls"


async def test_sound_in_pieces_is_one_attachment_that_plays(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    head = events()
    piece = {"type": "audio", "mime_type": "audio/l16", "sample_rate": 24000, "data": "AQIDBA=="}
    deltas = [{"index": 0, "delta": piece, "event_type": "step.delta"}] * 2
    served.streams([*head[:3], *deltas, *head[-2:]])
    await calls.read(await calls.create(client, stream=True))
    (attachment,) = logger.generation.attachments
    with wave.open(io.BytesIO(attachment.content or b"")) as file:
        assert (file.getframerate(), file.readframes(9)) == (24_000, b"\1\2\3\4" * 2)


def remarks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the wrapper has logged."""
    return [record.getMessage() for record in caplog.records if record.name == "maxim_gemini"]


async def test_unknown_deltas_and_events_are_readable_and_remarked_once(
    calls: SyncCalls,
    served: Interactions,
    raw: genai.Client,
    client: MaximGeminiClient,
    logger: FakeLogger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent = events("It is ")
    smell = {"index": 0, "delta": {"type": "smell", "of": "roses"}, "event_type": "step.delta"}
    mood = {"event_type": "interaction.mood", "mood": "good"}
    for _ in range(3):
        served.streams([*sent[:4], smell, mood, *sent[4:]])
    bare = dumped(await calls.read(await calls.create(raw, stream=True)))
    with caplog.at_level("DEBUG", "maxim_gemini"):
        for _ in range(2):
            assert dumped(await calls.read(await calls.create(client, stream=True))) == bare
    for trace in logger.traces:
        assert trace.output == 'It is [{"type": "smell", "of": "roses"}]'
        assert "interaction.mood" in str(trace.generation.metadata["unknown_events"])
    assert sorted(remarks(caplog)) == [
        "Unknown part of an interaction: interaction.mood",
        "Unknown part of an interaction: smell",
    ]
    logger.assert_complete()


@pytest.mark.parametrize(
    ("data", "value"),
    [('{"event_type": "step.del####', ...), ("[1, 2]", [1, 2]), ('"text"', "text")],
)
async def test_an_event_that_is_no_json_object_is_remarked_and_kept(
    calls: SyncCalls,
    served: Interactions,
    raw: genai.Client,
    client: MaximGeminiClient,
    logger: FakeLogger,
    caplog: pytest.LogCaptureFixture,
    data: str,
    value: Any,
) -> None:
    sent = events("Hel", "lo")
    for _ in range(2):
        served.streams([*sent[:4], data, *sent[4:]])
    bare = await calls.read(await calls.create(raw, stream=True))
    with caplog.at_level("DEBUG", "maxim_gemini"):
        assert await calls.read(await calls.create(client, stream=True)) == bare
    assert logger.trace.output == "Hello"
    assert logger.generation.metadata["unknown_events"] == [{"unreadable": data if value is ... else value}]
    assert remarks(caplog) == ["Unknown part of an interaction: unreadable"]
    logger.assert_complete()


async def test_a_stream_without_done_ends_as_any_other(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    for _ in range(2):
        served.streams(events("Hello"), done=False)
    bare = dumped(await calls.read(await calls.create(raw, stream=True)))
    assert dumped(await calls.read(await calls.create(client, stream=True))) == bare
    assert (logger.trace.output, logger.generation.finish_reason) == ("Hello", "completed")
    logger.assert_complete()


async def test_a_raw_stream_is_traced_when_it_is_parsed(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.streams(events("Hel", "lo"))
    response = await calls.raw(client, stream=True)
    stream = response.parse()
    stream = await stream if hasattr(stream, "__await__") else stream
    assert len(await calls.read(stream)) == 7
    assert logger.trace.output == "Hello"
    logger.assert_complete()


async def test_a_cancelled_stream_is_marked_as_cancelled(
    served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.streams(events("Hel", "lo"))
    stream: Any = await client.aio.interactions.create(model="m", input="Hi", stream=True)
    await anext(stream)

    async def reading() -> None:
        async for _ in stream:
            await asyncio.sleep(30)

    task = asyncio.create_task(reading())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await stream.close()
    logger.assert_complete()


async def test_a_streaming_response_is_traced_when_it_is_parsed(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("Hello")))
    manager = calls.of(client).with_streaming_response.create(model="m", input="Hi")
    if calls.is_async:
        async with manager as response:
            answer = await response.parse()
    else:
        with manager as response:
            answer = response.parse()
    assert answer.output_text == "Hello"
    assert logger.trace.output == "Hello"
    logger.assert_complete()
