"""Real recorded interactions: the same for the caller with and without the wrapper, and all of it in the trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from support.corpus import corpus_folder, needs_corpus
from support.interaction_truth import RawInteraction

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from google import genai
    from support.interaction_calls import SyncCalls
    from support.loopback import Loopback, ReceivedRequest, Reply

pytestmark = [needs_corpus, pytest.mark.filterwarnings("ignore::UserWarning")]


def exchanges() -> list[dict[str, Any]]:
    folder = corpus_folder()
    if folder is None:
        return []
    with (folder / "interactions.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row for row in rows if row["method"] == "interactions.create"]


async def outcome(calls: SyncCalls, client: Any, question: Any, *, stream: bool) -> Any:
    try:
        answer = await calls.create(client, input=question, stream=stream)
        items = await calls.read(answer) if stream else [answer]
    except Exception as error:
        return type(error), str(error)
    return [item.model_dump(mode="json", warnings=False) for item in items]


@pytest.mark.parametrize("row", exchanges(), ids=lambda row: row["id"])
async def test_the_caller_gets_the_same_and_the_trace_holds_it_all(
    calls: SyncCalls, gemini: Any, loopback_server: Loopback, raw: genai.Client, row: dict[str, Any]
) -> None:
    raw_answer = RawInteraction(row["body"])
    kind = "text/event-stream" if raw_answer.is_stream else row["content_type"] or "application/json"

    def script(_: ReceivedRequest, reply: Reply) -> None:
        reply.whole(row["body"].encode(), row["status"], (("Content-Type", kind),))

    loopback_server.script = script
    logger = FakeLogger()
    question = (row["request"] or {}).get("input", "Hi")
    bare = await outcome(calls, raw, question, stream=raw_answer.is_stream)
    if bare[:1] == (ValidationError,):  # the SDK refuses to send what the first schema had: the answer is still good
        question = "Hi"
        bare = await outcome(calls, raw, question, stream=raw_answer.is_stream)
    assert await outcome(calls, MaximGeminiClient(raw, logger), question, stream=raw_answer.is_stream) == bare
    generation = logger.generation
    if raw_answer.status == "in_progress":
        return  # it runs in the background, and is not read again here
    logger.assert_complete()
    if row["status"] != 200:
        assert generation.error is not None
        assert generation.error.code == str(row["status"])
        return
    if not generation.attachments:
        assert (generation.text or "") == raw_answer.text
    assert [call.name for call in generation.tool_calls] == raw_answer.requested
    assert generation.metadata.get("status") == raw_answer.status
    assert (generation.usage or {}).get("total_tokens") == raw_answer.total
