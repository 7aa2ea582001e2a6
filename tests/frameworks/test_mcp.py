"""MCP sessions as tools, which google-genai calls by itself on its async side."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.times import in_order

from maxim_gemini.testing import FakeLogger, GeminiServer, reply

pytest.importorskip("mcp", reason="mcp is installed in the environment `frameworks` only")

from mcp import Client
from mcp.server import MCPServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import GeminiRequest

    Way = Callable[[Any, Any], Awaitable[str]]

MODEL = "gemini-2.5-flash"
TAKES = 0.02

shop = MCPServer("shop")


@shop.tool()
async def price(item: str) -> int:
    """Tell what an item costs."""
    await asyncio.sleep(TAKES)
    return len(item)


@shop.tool()
def buy(item: str) -> str:
    """Buy an item."""
    raise ValueError(f"no {item} left")


async def plain(client: Any, config: Any) -> str:
    answer = await client.aio.models.generate_content(model=MODEL, contents="Go", config=config)
    return answer.text or ""


async def streamed(client: Any, config: Any) -> str:
    stream = await client.aio.models.generate_content_stream(model=MODEL, contents="Go", config=config)
    return "".join([text_of(chunk) async for chunk in stream])


async def chat(client: Any, config: Any) -> str:
    answer = await client.aio.chats.create(model=MODEL, config=config).send_message("Go")
    return answer.text or ""


async def streamed_chat(client: Any, config: Any) -> str:
    stream = await client.aio.chats.create(model=MODEL, config=config).send_message_stream("Go")
    return "".join([text_of(chunk) async for chunk in stream])


def text_of(chunk: types.GenerateContentResponse) -> str:
    parts = (chunk.candidates and chunk.candidates[0].content and chunk.candidates[0].content.parts) or []
    return "".join(part.text or "" for part in parts)


WAYS: list[Way] = [plain, streamed, chat, streamed_chat]


async def outcome(way: Way, client: Any, config: Any) -> str:
    """Return what was said, or what was raised: google-genai 3 can't copy a session in a plain chat."""
    try:
        return await way(client, config)
    except TypeError as error:
        return str(error)


def scripted(request: GeminiRequest) -> reply.Reply:
    """Ask for one price, then be done."""
    return reply.text("done") if request.contents[1:] else reply.function_call("price", item="tea")


@pytest.mark.parametrize("kind", [dict, types.GenerateContentConfig], ids=["dict", "config"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_the_outcome_is_that_of_the_bare_client(
    server: GeminiServer, client: MaximGeminiClient, logger: FakeLogger, way: Way, kind: Any
) -> None:
    server.always(scripted)
    async with Client(shop) as connected:
        tools = [connected.session]
        config = kind(tools=tools)
        bare = await outcome(way, client._wrapped, config)
        bare_requests = [request.json for request in server.requests]
        wrapped = await outcome(way, client, config)
        wrapped_requests = [request.json for request in server.requests][len(bare_requests) :]
        assert tools == [connected.session]
    assert (wrapped, wrapped_requests) == (bare, bare_requests)
    logger.assert_complete()


@pytest.mark.parametrize("way", [plain, streamed, streamed_chat], ids=lambda way: way.__name__)
async def test_each_tool_that_a_session_calls_is_a_tool_call(
    server: GeminiServer, client: MaximGeminiClient, logger: FakeLogger, way: Way
) -> None:
    server.reply(
        reply.event(reply.function_call("price", item="tea"), reply.function_call("price", item="milk")),
        reply.text("done"),
    )
    async with Client(shop) as connected:
        assert await way(client, {"tools": [connected.session]}) == "done"
    logger.assert_complete(strict=way is not streamed_chat)
    assert len(logger.trace.generations) == 2
    first, second = logger.trace.tool_calls
    assert [(call.name, call.arguments) for call in (first, second)] == [
        ("price", {"item": "tea"}),
        ("price", {"item": "milk"}),
    ]
    assert [json.loads(call.result)["content"][0]["text"] for call in (first, second)] == ["3", "4"]
    assert in_order(first.ended_at, second.started_at)
    assert all(call.duration and call.duration.total_seconds() >= TAKES for call in (first, second))
    declared = logger.generations[0].model_parameters["tools"]
    assert [tool["function_declarations"][0]["name"] for tool in declared] == ["price", "buy"]


async def test_a_tool_that_fails_is_a_tool_call_with_an_error(
    server: GeminiServer, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    server.reply(reply.function_call("buy", item="tea"), reply.text("sorry"))
    async with Client(shop) as connected:
        assert await plain(client, {"tools": [connected.session]}) == "sorry"
    assert logger.trace.tool_call.error is not None
    assert "buy" in logger.trace.tool_call.error.message
    logger.assert_complete(strict=True)
