"""Any session at all: wrapped it is what it is without the wrapper, its traces are complete, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clients import closed
from support.live import Close, Wait, gemini_on_loopback
from support.talk import MODEL, calling, speak, spoken, text, transcription

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger

WORDS = st.text("abc ", min_size=1, max_size=4)
IDS = st.sampled_from(["c1", "c2", "c3"])
RESULT: dict[str, Any] = {"result": "fine"}


def _usage(tokens: int) -> dict[str, Any]:
    return {"promptTokenCount": tokens, "responseTokenCount": 1, "totalTokenCount": tokens + 1}


def _complete(tokens: int) -> dict[str, Any]:
    return {"serverContent": {"turnComplete": True}, "usageMetadata": _usage(tokens)}


ASKED = st.one_of(
    st.tuples(st.just("write"), WORDS, st.booleans()),
    st.tuples(st.just("type"), WORDS),
    st.tuples(st.just("speak")),
    st.tuples(st.just("begin")),
    st.tuples(st.just("end")),
    st.tuples(st.just("return"), IDS),
)
ANSWERED = st.one_of(
    WORDS.map(lambda words: text(words)[0]),
    WORDS.map(lambda words: text(words)[0]),
    WORDS.map(transcription),
    st.lists(IDS, min_size=1, max_size=2, unique=True).map(lambda ids: calling(*((i, f"f_{i}") for i in ids))),
    st.lists(IDS, min_size=1, max_size=2).map(lambda ids: {"toolCallCancellation": {"ids": ids}}),
    st.integers(1, 99).map(_complete),
    st.integers(1, 99).map(_complete),
    st.integers(1, 99).map(lambda tokens: {"serverContent": {}, "usageMetadata": _usage(tokens)}),
    st.sampled_from(
        [
            {"serverContent": {"interrupted": True}},
            {"serverContent": {"generationComplete": True}},
            {"serverContent": {"turnComplete": True}},
            {"serverContent": {"outputTranscription": {"finished": True}}},
            {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
            {"goAway": {"timeLeft": "5s"}},
            {},
            {"someday": 1},
            b"no json",
            b"[]",
            spoken("", b"\0\1"),
        ]
    ),
)
SESSIONS = st.lists(st.one_of(ASKED, ANSWERED), max_size=16).map(lambda steps: _sensible(steps))
ENDS = st.sampled_from([None, None, Close(1000, "bye"), Close(1011, "broke"), Close(None)])


def _sensible(steps: list[Any]) -> list[Any]:
    """Return *steps* with an id of its own for each function call, and results for calls that were made only."""
    made, count = dict[str, str](), 0
    sensible: list[Any] = []
    for step in steps:
        if isinstance(step, tuple) and step[0] == "return":
            if call_id := made.pop(step[1], None):
                sensible.append(("return", call_id))
            continue
        if isinstance(step, dict) and "toolCall" in step:
            ids = [call["id"] for call in step["toolCall"]["functionCalls"]]
            made |= {one: f"{one}-{count + number}" for number, one in enumerate(ids)}
            count += len(ids)
            step = calling(*((made[one], f"f_{made[one]}") for one in ids))
        sensible.append(step)
    return sensible


async def _send(session: Any, kind: str, *given: Any) -> None:
    if kind == "write":
        words = types.Content(role="user", parts=[types.Part(text=given[0])])
        await session.send_client_content(turns=words, turn_complete=given[1])
    elif kind == "type":
        await session.send_realtime_input(text=given[0])
    elif kind == "speak":
        await speak(session, 0.01)
    elif kind == "begin":
        await session.send_realtime_input(activity_start=types.ActivityStart())
    elif kind == "end":
        await session.send_realtime_input(activity_end=types.ActivityEnd())
    else:
        answer = types.FunctionResponse(id=given[0], name=f"f_{given[0]}", response=RESULT)
        await session.send_tool_response(function_responses=answer)


async def _play(client: Any, steps: list[Any], end: Any) -> list[Any]:
    """Be the application; return what it received and what was raised."""
    outcome: list[Any] = []
    async with client.aio.live.connect(model=MODEL) as session:
        for step in steps:
            if isinstance(step, tuple):
                await _send(session, *step)
            else:
                outcome.append(await _received(session))
        if end is not None:
            outcome.append(await _received(session))
    return outcome


async def _received(session: Any) -> Any:
    messages = session.receive()
    try:
        return await anext(messages)
    except (errors.APIError, ValueError, AttributeError, TypeError) as error:
        return type(error).__name__, str(error)
    finally:
        await messages.aclose()


def _script(steps: list[Any], end: Any) -> list[Any]:
    script = [Wait() if isinstance(step, tuple) else step for step in steps]
    return [*script, end] if end is not None else script


async def _both(steps: list[Any], end: Any, logger: FakeLogger) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with gemini_on_loopback(patch) as gemini:
            gemini.script = _script(steps, end)
            client = genai.Client(api_key="test-key")
            bare, wrapped = [await _play(one, steps, end) for one in (client, MaximGeminiClient(client, logger))]
            assert bare == wrapped
            first, second = gemini.received
            assert first == second
            assert len(set(await gemini.closes())) == 1
            await closed(client)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(SESSIONS, ENDS)
def test_any_session_is_the_same_wrapped_and_bare_and_wholly_logged(steps: list[Any], end: Any) -> None:
    logger = FakeLogger()
    asyncio.run(_both(steps, end, logger))
    logger.assert_complete()
    answers = [step for step in steps if isinstance(step, dict)]
    parts = [
        step["serverContent"]["modelTurn"]["parts"][0]
        for step in answers
        if "modelTurn" in step.get("serverContent", {})
    ]
    assert "".join(trace.output or "" for trace in _by_start(logger)) == "".join(part.get("text", "") for part in parts)
    words = Counter(step[1] for step in steps if isinstance(step, tuple) and step[0] in ("write", "type"))
    logged = Counter({word: sum(_times(word, trace) for trace in logger.traces) for word in words})
    assert all(logged[word] >= words[word] for word in words)
    calls = [call["name"] for step in answers if "toolCall" in step for call in step["toolCall"]["functionCalls"]]
    assert sorted(str(one.name) for one in logger.tool_calls) == sorted(calls)


def _by_start(logger: FakeLogger) -> list[Any]:
    """Return the traces in the order of their answers: a turn may begin while the one before is answered."""
    return sorted(
        logger.traces,
        key=lambda trace: (
            trace.generations[0].started_at if trace.generations else trace.started_at,
            trace.started_at,
        ),
    )


def _times(word: str, trace: Any) -> int:
    """Return how often *word* was logged as the user's."""
    messages = [message for one in trace.generations[:1] for message in one.messages if message["role"] == "user"]
    return max(str(trace.input).count(word), sum(str(message["content"]).count(word) for message in messages))
