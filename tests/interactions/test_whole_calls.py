"""Before google-genai 2.34 there is no hook for each remote call: `create` is recorded as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.clients import closed
from support.interaction_calls import Interactions, SyncCalls, events, interaction, output
from support.interactions import VERSION

from maxim_gemini import MaximGeminiClient
from maxim_gemini._interactions import sdk

if TYPE_CHECKING:
    from maxim_gemini.testing import FakeLogger


@pytest.fixture(autouse=True)
def _no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let newer releases be recorded as those are that have no hook."""
    monkeypatch.setattr(sdk, "hooks_remote_calls", lambda _: False)


def dumped(items: list[Any]) -> list[Any]:
    return [item.model_dump(mode="json") for item in items]


async def test_a_whole_answer(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(*[interaction(1, output("Hello"))] * 2)
    assert dumped([await calls.create(client)]) == dumped([await calls.create(raw)])
    assert (logger.trace.output, logger.generation.usage["total_tokens"]) == ("Hello", 12)
    logger.assert_complete()


async def test_a_stream(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    for _ in range(2):
        served.streams(events("Hel", "lo"))
    bare, wrapped = await calls.create(raw, stream=True), await calls.create(client, stream=True)
    assert type(bare) is type(wrapped)
    assert dumped(await calls.read(wrapped)) == dumped(await calls.read(bare))
    assert (logger.trace.output, logger.generation.metrics["chunks"]) == ("Hello", 7)
    logger.assert_complete()


async def test_one_in_the_background_and_a_chain(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, status="in_progress"), interaction(1, output("Done.")), interaction(2, output("On.")))
    await calls.create(client, background=True)
    await calls.call(client, "get", "v1_1")
    await calls.create(client, previous_interaction_id="v1_1")
    assert [trace.output for trace in logger.traces] == ["Done.", "On."]
    assert len({trace.session_id for trace in logger.traces}) == 1
    logger.assert_complete()


async def test_an_error(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    body = {"error": {"message": "Invalid input.", "code": "invalid_request"}}
    served.answers(body, body, status=400)
    raised = list[tuple[type, str]]()
    for one in (raw, client):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await calls.create(one)
        raised.append((caught.type, str(caught.value)))
    assert raised[0] == raised[1]
    assert logger.generation.error is not None
    logger.assert_complete()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_raw_response(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger, stream: bool
) -> None:
    served.streams(events("Hel", "lo")) if stream else served.answers(interaction(1, output("Hello")))
    parsed = (await calls.raw(client, stream=stream)).parse()
    parsed = await parsed if hasattr(parsed, "__await__") else parsed
    if stream:
        await calls.read(parsed)
    assert [trace.output for trace in logger.traces] == ["Hello"]
    logger.assert_complete()


async def test_headers_of_the_client_are_not_sent(
    calls: SyncCalls, served: Interactions, gemini: Any, logger: FakeLogger
) -> None:
    options: Any = {"base_url": gemini.url, "headers": {"x-maxim-session-id": "team", "x-team": "blue"}}
    bare = genai.Client(api_key="test-key", http_options=options)
    served.answers(interaction(1, output("Hello")), interaction(1, output("Hello")))
    client = MaximGeminiClient(bare, logger)
    await calls.create(client)
    await calls.raw(client)
    assert [trace.session_id for trace in logger.traces] == ["team", "team"]
    for asked in served.requests:
        assert "x-maxim-session-id" not in asked.headers
        assert asked.headers["x-team"] == "blue"
    await closed(bare)


@pytest.mark.skipif(VERSION >= (2, 34), reason="google-genai has the hook")
def test_older_releases_have_no_hook(raw: genai.Client) -> None:
    assert not hasattr(sdk.GeminiNextGenInteractions, "_send_create_once")
    assert type(raw.interactions) is sdk.GeminiNextGenInteractions
