"""Every real session, played through the real SDK: the same messages wrapped and bare, and all of it in Maxim."""

from __future__ import annotations

import base64
import io
import wave
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.clients import closed
from support.corpus import needs_corpus
from support.live import Gemini, Recorded, member, play, recorded_sessions

from maxim_gemini import MaximGeminiClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from google.genai import types

    from maxim_gemini.testing import FakeLogger

pytestmark = [needs_corpus]


@pytest.fixture(params=recorded_sessions(), ids=repr)
def recorded(request: pytest.FixtureRequest) -> Recorded:
    found: Recorded = request.param
    return found


class _Credentials:
    """Of Vertex, without a network."""

    token, valid, quota_project_id, expired = "a-token", True, None, False


@pytest.fixture
async def bare(recorded: Recorded) -> AsyncIterator[genai.Client]:
    credentials: Any = _Credentials()
    of_vertex: Any = {"vertexai": True, "project": "a-project", "location": "us-central1", "credentials": credentials}
    client = genai.Client(**of_vertex) if recorded.is_vertex else genai.Client(api_key="test-key")
    yield client
    await closed(client)


@pytest.fixture
async def messages(
    gemini: Gemini, bare: genai.Client, logger: FakeLogger, recorded: Recorded
) -> list[types.LiveServerMessage]:
    """What a wrapped client receives."""
    gemini.script = recorded.script
    return await play(MaximGeminiClient(bare, logger), recorded)


async def test_the_application_and_gemini_get_the_same_as_without_the_wrapper(
    gemini: Gemini, bare: genai.Client, messages: list[types.LiveServerMessage], recorded: Recorded
) -> None:
    assert messages == await play(bare, recorded)
    assert gemini.received[0] == gemini.received[1]
    assert gemini.headers[0].keys() == gemini.headers[1].keys()
    first, second = await gemini.closes()
    assert first == second


@pytest.mark.usefixtures("messages")
def test_the_trace_is_complete(logger: FakeLogger) -> None:
    logger.assert_complete()
    assert not logger.errors


def _contents(recorded: Recorded) -> Iterator[dict[str, Any]]:
    for frame in recorded.received:
        if content := member(frame, "server_content"):
            yield content


@pytest.mark.usefixtures("messages")
def test_turns_are_those_that_gemini_completed_and_the_one_that_was_left(
    logger: FakeLogger, recorded: Recorded
) -> None:
    complete = sum(bool(member(content, "turn_complete")) for content in _contents(recorded))
    last = member(recorded.received[-1], "server_content") if recorded.received else None
    is_left = bool(recorded.frames) and not member(last, "turn_complete")
    assert len(logger.traces) == complete + is_left
    assert {trace.session_id for trace in logger.traces} <= {logger.session.id}


@pytest.mark.usefixtures("messages")
def test_tokens_are_counted_once(logger: FakeLogger, recorded: Recorded) -> None:
    counted = [usage for frame in recorded.received if (usage := member(frame, "usage_metadata"))]
    logged = [generation.usage for generation in logger.generations if generation.usage]
    assert [usage["total_tokens"] for usage in logged] == [member(one, "total_token_count") for one in counted]
    assert [usage["prompt_tokens"] for usage in logged] == [member(one, "prompt_token_count") for one in counted]
    answered = [member(one, "response_token_count") or member(one, "candidates_token_count") for one in counted]
    assert [usage["completion_tokens"] for usage in logged] == answered


@pytest.mark.usefixtures("messages")
def test_words_are_those_of_the_frames(logger: FakeLogger, recorded: Recorded) -> None:
    spoken, written, heard = "", "", ""
    for content in _contents(recorded):
        spoken += member(member(content, "output_transcription"), "text") or ""
        heard += member(member(content, "input_transcription"), "text") or ""
        for part in member(member(content, "model_turn"), "parts") or ():
            written += "" if part.get("thought") else part.get("text") or ""
    assert "".join(trace.output or "" for trace in logger.traces) == (written or spoken)
    said = "".join(trace.input or "" for trace in logger.traces)
    assert heard in said
    for frame in recorded.sent:
        for turn in member(member(frame, "client_content"), "turns") or ():
            assert all(part["text"] in said for part in turn["parts"] if "text" in part)
        assert (member(member(frame, "realtime_input"), "text") or "") in said


@pytest.mark.usefixtures("messages")
def test_function_calls_have_their_arguments_and_results(logger: FakeLogger, recorded: Recorded) -> None:
    calls = [call for frame in recorded.received for call in member(member(frame, "tool_call"), "function_calls") or ()]
    assert [(one.name, one.arguments) for one in logger.tool_calls] == [(one["name"], one["args"]) for one in calls]
    assert [one.id for one in logger.tool_calls if one.id] == [one["id"] for one in calls if "id" in one] or any(
        "id" not in one for one in calls
    )
    results = [
        next(iter(one["response"].values()))
        for frame in recorded.sent
        for one in member(member(frame, "tool_response"), "function_responses") or ()
        if any(call.get("id") == one.get("id") for call in calls)
    ]
    assert [one.returned for one in logger.tool_calls if one.result is not None] == results


@pytest.mark.usefixtures("messages")
def test_sound_is_attached_whole(logger: FakeLogger, recorded: Recorded) -> None:
    parts = [part for content in _contents(recorded) for part in member(member(content, "model_turn"), "parts") or ()]
    blobs = [member(part, "inline_data") for part in parts if member(part, "inline_data")]
    spoken = b"".join(
        base64.b64decode(blob["data"]) for blob in blobs if member(blob, "mime_type").startswith("audio/")
    )
    attached = [a for one in logger.generations for a in one.attachments if a.tags.get("attach-to") == "output"]
    samples = b"".join(map(_samples, attached))
    assert samples == spoken[: len(samples)]  # some recorders cut the frames, in the middle of a sample
    assert len(spoken) - len(samples) <= len(attached)


def _samples(attachment: Any) -> bytes:
    with wave.open(io.BytesIO(attachment.content)) as file:
        assert file.getframerate() == 24_000
        return bytes(file.readframes(file.getnframes()))
