"""Answers that google-genai 3.4 fetches in several requests: each hop goes on where the last one was cut short."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.script import Gemini, response, usage
from support.sides import MODEL, Sync

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

if not hasattr(types.FinishReason, "CONTINUATION"):
    pytest.skip("this google-genai does not go on by itself", allow_module_level=True)

WAYS = ["models", "models streamed", "chat", "chat streamed"]


def hop(text: str, number: int, *, last: bool = False) -> dict[str, Any]:
    """Return one hop's answer; all but the last carry the token to go on with."""
    said = response(text, reason="STOP" if last else "CONTINUATION", usageMetadata=usage(number, 2))
    if not last:
        token = base64.urlsafe_b64encode(f"token {number}".encode()).decode()
        said["candidates"][0]["continuationToken"] = token
    return said


HOPS = [hop("one ", 1), hop("two ", 2), hop("three", 3, last=True)]


def script(gemini: Gemini, how: str, *hops: dict[str, Any]) -> None:
    for one in hops:
        if "streamed" in how:
            gemini.streams(one)
        else:
            gemini.says(one)


async def said(side: Sync, client: Any, how: str) -> list[Any]:
    if how == "models":
        answers = [await side.generate(client)]
    elif how == "models streamed":
        answers = await side.read(await side.open(client))
    else:
        chat = side.chats(client).create(model=MODEL)
        if how == "chat":
            answers = [await side.send(chat, "Hi")]
        else:
            answers = await side.read(await side.open_turn(chat, "Hi"))
    return [answer.model_dump(exclude={"sdk_http_response"}) for answer in answers]


@pytest.mark.parametrize("how", WAYS)
async def test_each_hop_is_a_generation_and_the_trace_has_the_whole_answer(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger, how: str
) -> None:
    script(gemini, how, *HOPS, *HOPS)
    bare = await said(side, raw, how)
    requests, gemini.requests = gemini.requests, []
    assert await said(side, client, how) == bare
    assert gemini.requests == requests
    assert len(requests) == 3
    assert logger.trace.output == "one two three"
    assert [one.text for one in logger.trace.generations] == ["one ", "two ", "three"]
    assert [one.finish_reason for one in logger.trace.generations] == ["CONTINUATION", "CONTINUATION", "STOP"]
    assert [one.usage["prompt_tokens"] for one in logger.trace.generations] == [1, 2, 3]
    logger.assert_complete()


@pytest.mark.parametrize("how", ["models streamed", "chat streamed"])
async def test_a_stream_that_breaks_and_is_taken_up_again_is_whole(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger, how: str
) -> None:
    checkpoint = hop("one ", 1)
    del checkpoint["candidates"][0]["finishReason"]
    broken = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    for _ in range(2):
        gemini.streams(checkpoint, failing=broken).streams(hop("two", 2, last=True))
    bare = await said(side, raw, how)
    assert await said(side, client, how) == bare
    first, second = logger.trace.generations
    assert (first.text, first.error and first.error.code) == ("one ", "503")
    assert (second.text, second.error) == ("two", None)
    assert logger.trace.output == "one two"
    logger.assert_complete()


async def test_hops_can_be_declined(side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger) -> None:
    gemini.says(*HOPS)
    config: Any = {"automatic_continuation": False}
    await side.generate(client, config=config)
    await side.generate(client, config=config)
    assert [trace.output for trace in logger.traces] == ["one ", "two "]
    assert len(logger.generations) == 2
    logger.assert_complete()
