"""What the wrapper takes from inside google-genai's interactions. Where a test fails, google-genai has moved."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from support.interaction_calls import Interactions, SyncCalls, events, interaction

from maxim_gemini._interactions import sdk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google import genai

KINDS: list[Any] = [sdk.GeminiNextGenInteractions, sdk.AsyncGeminiNextGenInteractions]


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_hook_for_each_remote_call(kind: Any) -> None:
    names = list(inspect.signature(kind._send_create_once).parameters)
    assert names == ["self", "prepared", "call_kwargs", "deadline", "token", "token_owner_id"]


async def test_the_hook_is_called_once_for_each_hop(
    calls: SyncCalls, served: Interactions, raw: genai.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.answers(interaction(1, status="requires_continuation", continuation_token="t"), interaction(2))
    kind: Any = KINDS[calls.is_async]
    hook, tokens = kind._send_create_once, list[Any]()

    def counting(self: Any, prepared: Any, kwargs: Any, deadline: Any, *token: Any) -> Any:
        tokens.append(token[:1])
        return hook(self, prepared, kwargs, deadline, *token)

    monkeypatch.setattr(kind, "_send_create_once", counting)
    await calls.create(raw)
    assert [one != () for one in tokens] == [False, True]


async def test_a_stream_reads_its_events_from_its_generator_and_closes_its_response(
    calls: SyncCalls, served: Interactions, raw: genai.Client
) -> None:
    served.streams(events("Hel", "lo"))
    stream = await calls.create(raw, stream=True)
    assert sdk.is_stream(stream)
    given = [event async for event in _fed()] if calls.is_async else ["made up"]
    stream.generator = _fed() if calls.is_async else iter(given)
    assert await calls.read(stream) == given
    await calls.close(stream)


async def _fed() -> AsyncIterator[str]:
    yield "made up"


def test_headers_of_the_client_stand_in_the_configuration(raw: genai.Client) -> None:
    assert hasattr(raw.interactions, "sdk_configuration")
    assert hasattr(raw.interactions.sdk_configuration, "security")
