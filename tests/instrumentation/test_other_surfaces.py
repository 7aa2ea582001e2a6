"""Interactions and the Live API of bare clients."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from google import genai
from google.genai.live import AsyncLive, AsyncSession
from support.clients import SDK_MAJOR, closed
from support.interaction_calls import Interactions, SyncCalls, events, interaction, output
from support.interactions import VERSION, needs_interactions
from support.live import Wait, gemini_on_loopback

from maxim_gemini import MaximGeminiClient, instrument, suppress
from maxim_gemini.testing import FakeLogger


async def use_in_every_way(calls: SyncCalls, served: Interactions, client: Any) -> None:
    served.answers(interaction(1, output("One")))
    assert (await calls.create(client)).id == "v1_1"
    served.streams(events("T", "wo", number=2))
    await calls.read(await calls.create(client, stream=True, previous_interaction_id="v1_1"))
    served.answers(interaction(3, status="in_progress"), interaction(3, output("Three")))
    await calls.create(client, background=True)
    assert (await calls.call(client, "get", "v1_3")).id == "v1_3"
    served.answers(interaction(4, output("Four")))
    raw = await calls.raw(client)
    assert raw.http_response.status_code == 200


@needs_interactions
async def test_interactions_of_a_bare_client_are_traced(
    calls: SyncCalls, served: Interactions, raw: genai.Client, logger: FakeLogger
) -> None:
    with instrument(logger):
        await use_in_every_way(calls, served, raw)
    assert [one.output for one in logger.traces] == ["One", "Two", "Three", "Four"]
    assert logger.traces[0].session_id == logger.traces[1].session_id
    gc.collect()
    logger.assert_complete()
    await use_in_every_way(calls, served, raw)
    assert len(logger.traces) == 4


@needs_interactions
async def test_those_of_a_wrapped_client_are_traced_once(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    others = FakeLogger()
    with instrument(others):
        await use_in_every_way(calls, served, client)
    assert (len(logger.traces), others.logs) == (4, ())
    logger.assert_complete()


@needs_interactions
async def test_what_is_not_traced_of_interactions_goes_on_as_ever(
    calls: SyncCalls, served: Interactions, raw: genai.Client, logger: FakeLogger
) -> None:
    with instrument(logger, skip=lambda call: call.method == "interactions.create"):
        served.answers(interaction(1, output("One")))
        assert (await calls.create(raw)).id == "v1_1"
        served.answers(interaction(1, output("One")))
        interactions = calls.of(raw)
        answer = interactions.with_raw_response.get("v1_1")
        assert (await answer if calls.is_async else answer).http_response.status_code == 200
        with pytest.raises(TypeError):
            await calls.create(raw, trace_id="t")
    assert logger.logs == ()


@needs_interactions
async def test_what_was_begun_outside_ends_where_the_rest_is_suppressed(
    calls: SyncCalls, served: Interactions, raw: genai.Client, logger: FakeLogger
) -> None:
    """As that of a wrapped client does."""
    served.answers(interaction(3, status="in_progress"), interaction(3, output("Three")), interaction(4))
    labels = {"x-maxim-generation-name": "named"}
    with instrument(logger):
        await calls.create(raw, background=True)
        with suppress():
            assert (await calls.call(raw, "get", "v1_3")).id == "v1_3"
            await calls.create(raw, extra_headers=labels)
    assert logger.trace.output == "Three"
    logger.assert_complete()
    assert [name for sent in served.requests for name in sent.headers if "maxim" in name.lower()] == []


def functions_of_all() -> list[Any]:
    """Return the functions of google-genai that are traced, as they stand on its classes."""
    owners: list[tuple[Any, tuple[str, ...]]] = [(AsyncLive, ("connect",))]
    if VERSION >= (2, 9):
        names = ("create", "get", "cancel", "connect", "with_raw_response", "with_streaming_response")
        client = genai.Client(api_key="any")
        owners += [(type(one), names) for one in (client.interactions, client.aio.interactions)]
    found = [vars(owner)[name] for owner, names in owners for name in names if name in vars(owner)]
    return [one.fget if isinstance(one, property) else one for one in found]


@needs_interactions
def test_everything_is_put_back_by_identity(logger: FakeLogger) -> None:
    before = functions_of_all()
    code = [one.__code__ for one in before]
    assert len(before) >= 11
    with instrument(logger):
        changed = [now.__code__ is not was for now, was in zip(functions_of_all(), code, strict=True)]
        assert all(changed), changed
    assert all(now is was for now, was in zip(functions_of_all(), before, strict=True))
    assert all(now.__code__ is was for now, was in zip(functions_of_all(), code, strict=True))


ANSWER: list[Any] = [
    Wait(),
    {"serverContent": {"modelTurn": {"parts": [{"text": "Hello."}]}}},
    {"serverContent": {"turnComplete": True}, "usageMetadata": {"totalTokenCount": 5}},
]


async def talk(client: Any) -> None:
    async with client.aio.live.connect(model="gemini-live", config={"response_modalities": ["TEXT"]}) as session:
        assert type(session) is AsyncSession
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "Hi"}]})
        answers = [message.text async for message in session.receive()]
        assert answers[0] == "Hello."


@pytest.mark.skipif(SDK_MAJOR < 2, reason="the Live API of google-genai 1 is not traced")
async def test_live_connections_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, others = FakeLogger(), FakeLogger()
    raw = genai.Client(api_key="test-key")
    async with gemini_on_loopback(monkeypatch) as served:
        served.script = ANSWER
        with instrument(logger):
            await talk(raw)
        await talk(raw)
        with instrument(others, skip=lambda call: call.method == "live.connect"):
            await talk(raw)
            await talk(MaximGeminiClient(raw, logger))
    await closed(raw)
    for one in (logger, others):
        one.writer.settle()
    assert [(one.input, one.output) for one in logger.traces] == [("Hi", "Hello.")] * 2
    assert others.logs == ()
    logger.assert_complete()
