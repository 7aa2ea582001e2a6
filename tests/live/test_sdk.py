"""What the wrapper takes from inside google-genai's Live API. Where a test fails, google-genai has moved."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import live, types
from support.live import Gemini, Wait
from websockets.asyncio.client import ClientConnection

from maxim_gemini._live import sdk

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini import MaximGeminiClient


def _uses_of_the_websocket() -> set[str]:
    """Return what the SDK's session calls of its websocket."""
    uses = set[str]()
    for node in ast.walk(ast.parse(inspect.getsource(live.AsyncSession))):
        match node:
            case ast.Attribute(attr=name, value=ast.Attribute(attr="_ws")):
                uses.add(name)
            case _:
                pass
    return uses


def test_a_session_sends_receives_and_closes_by_its_websocket() -> None:
    assert _uses_of_the_websocket() == {"send", "recv", "close"}


async def test_every_message_of_the_sdk_is_text(gemini: Gemini, raw: genai.Client) -> None:
    gemini.script = [Wait(2)]
    async with raw.aio.live.connect(model="a-model") as session:
        sent: list[Any] = []

        async def noting(message: Any) -> None:
            sent.append(message)

        session._ws.send = noting  # type: ignore[method-assign, assignment]
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="Hi")]))
        await session.send_realtime_input(text="Hi")
    assert [type(one) for one in sent] == [str, str]


async def test_the_session_is_the_sdks_own_with_its_own_websocket(client: MaximGeminiClient, gemini: Gemini) -> None:
    async with client.aio.live.connect(model="a-model") as session:
        assert type(session) is live.AsyncSession
        assert isinstance(session._ws, ClientConnection)
    assert gemini.received


async def test_headers_of_the_client_stand_in_its_options(raw: genai.Client) -> None:
    raw._api_client._http_options.headers = {"x-maxim-session-id": "s"}
    assert sdk.headers_of(raw.aio.live) == {"x-maxim-session-id": "s"}
    quiet = sdk.unlabelled(raw.aio.live)
    assert sdk.headers_of(quiet) == {}
    assert isinstance(quiet, live.AsyncLive)


@pytest.mark.parametrize("headers", [None, {}, {"a": "b"}])
def test_a_client_without_labels_connects_by_itself(raw: genai.Client, headers: Any) -> None:
    raw._api_client._http_options.headers = headers
    assert sdk.unlabelled(raw.aio.live) is raw.aio.live
