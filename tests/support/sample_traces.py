"""Traces for a report to show: logged by hand to a real Maxim logger, with the times, failures and oddities wanted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing._report import TestTraces, traces_of

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNS = "document.title='ran'"
NASTY = f'</script><script>{RUNS}</script><img src=x onerror="{RUNS}"> {{{{ 7 * 7 }}}} \' " & \u2028'


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def asks(name: str, id: str, **args: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}


def answer(
    text: str | None, *calls: dict[str, Any], prompt: int = 40, thoughts: int = 0, cached: int = 0
) -> dict[str, Any]:
    words = len((text or "").split()) * 2 + 12 * len(calls)
    message = {"role": "assistant", "content": text, **({"tool_calls": list(calls)} if calls else {})}
    return {
        "id": "response-1",
        "object": "chat.completion",
        "created": 1767323045,
        "model": "gemini-2.5-flash",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "STOP"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": words + thoughts,
            "total_tokens": prompt + words + thoughts,
            "input_token_details": {"cached_tokens": cached},
            "output_token_details": {"reasoning_tokens": thoughts},
        },
    }


class Traced:
    """One trace, written with chosen times in seconds."""

    def __init__(
        self, logger: FakeLogger, id: str, name: str, *, begins: float = 0.0, question: str = "", **more: Any
    ) -> None:
        self.trace = logger.trace({"id": id, "name": name, "start_timestamp": at(begins), "input": question, **more})
        self.trace.set_start_timestamp(at(begins))

    def generation(
        self, id: str, begins: float, ends: float | None, messages: list[Any], result: Any = None, **more: Any
    ) -> Any:
        parameters = {"temperature": 0.2, "max_output_tokens": 512, "response_mime_type": "text/plain"}
        config: Any = {
            "id": id,
            "provider": "google",
            "model": "gemini-2.5-flash",
            "messages": messages,
            "model_parameters": parameters,
            "start_timestamp": at(begins),
            **more,
        }
        generation = self.trace.generation(config)
        generation.set_start_timestamp(at(begins))
        if result is not None:
            generation.result(result)  # which ends it, too
        if ends is not None:
            generation.set_end_timestamp(at(ends))
        return generation

    def tool(self, id: str, name: str, begins: float, ends: float, *, args: Any, result: Any) -> None:
        call = self.trace.tool_call({"id": id, "name": name, "description": f"Run {name}.", "args": json.dumps(args)})
        call.set_start_timestamp(at(begins))
        call.result(json.dumps(result))
        call.set_end_timestamp(at(ends))

    def end(self, ends: float, output: str) -> None:
        self.trace.set_output(output)
        self.trace.end()
        self.trace.set_end_timestamp(at(ends))


def chat_with_a_tool(logger: FakeLogger) -> None:
    """A chat turn: a streamed answer after a function call."""
    session = logger.session({"id": "session-1", "name": "Support chat"})
    turn = Traced(
        logger,
        "trace-chat",
        "Chat turn",
        question="What is the weather in Kyiv?",
        session_id=session.id,
        tags={"env": "test"},
    )
    system = {"role": "system", "content": "You are a terse weather clerk.\nAnswer in one sentence."}
    first = [system, user("What is the weather in Kyiv?")]
    call = asks("get_weather", "call-1", city="Kyiv", unit="C")
    turn.generation("generation-1", 0.02, 0.61, first, answer(None, call, thoughts=64), name="ask")
    turn.tool("call-1", "get_weather", 0.62, 0.86, args={"city": "Kyiv", "unit": "C"}, result={"sky": "clear", "t": 21})
    tool_message = {
        "role": "tool",
        "tool_call_id": "call-1",
        "name": "get_weather",
        "content": json.dumps({"sky": "clear", "t": 21}),
    }
    text = "It is 21 °C and clear in Kyiv — a fine afternoon for a walk along the Dnipro."
    stream = turn.generation(
        "generation-2",
        0.88,
        None,
        [*first, {"role": "assistant", "content": None, "tool_calls": [call]}, tool_message],
        name="answer",
    )
    stream.add_metadata(
        {"chunk_times_ms": [210, 260, 330, 420, 470, 580], "thoughts": "The tool says clear and 21.\nSay so."}
    )
    stream.add_metric("time_to_first_chunk_ms", 210)
    stream.add_metric("chunks", 6)
    stream.result(answer(text, prompt=118, cached=64, thoughts=22))
    stream.set_end_timestamp(at(1.47))
    turn.end(1.48, text)


def failing(logger: FakeLogger) -> None:
    turn = Traced(logger, "trace-error", "generate_content", question="Summarise the novel")
    generation = turn.generation("generation-e", 0.0, None, [user("Summarise the novel " + "word " * 900)])
    generation.error(
        {"message": "Resource has been exhausted (e.g. check quota).", "code": "429", "type": "RESOURCE_EXHAUSTED"}
    )
    generation.set_end_timestamp(at(0.3))
    turn.end(0.31, "")


def unfinished(logger: FakeLogger) -> None:
    turn = Traced(logger, "trace-open", "generate_content_stream", begins=2, question="Count to ten")
    turn.generation("generation-o", 2.0, None, [user("Count to ten")])


def nasty(logger: FakeLogger) -> None:
    turn = Traced(logger, "trace-nasty", NASTY, question=NASTY, tags={NASTY: NASTY})
    generation = turn.generation(
        "generation-n",
        0.0,
        0.1,
        [user(NASTY), user([{"type": "text", "text": NASTY}])],
        answer(NASTY, asks(NASTY, NASTY, **{NASTY: NASTY})),
    )
    generation.add_metadata({NASTY: NASTY})
    turn.end(0.1, NASTY)


def traces(*flows: Any) -> list[dict[str, Any]]:
    logger = FakeLogger()
    for flow in flows:
        flow(logger)
    return traces_of(logger)


def sample() -> list[TestTraces]:
    """A small suite's worth: good, failed, incomplete, without traces, and hostile."""
    red = "    def test_quota(client):\n>       assert ask(client).text\nE       ClientError: 429 RESOURCE_EXHAUSTED"
    return [
        TestTraces("tests/test_chat.py::test_weather[Kyiv]", "passed", 1.62, traces(chat_with_a_tool)),
        TestTraces("tests/test_chat.py::TestQuota::test_quota", "failed", 0.35, traces(failing), red),
        TestTraces("tests/test_stream.py::test_left_early", "passed", 0.12, traces(unfinished)),
        TestTraces("tests/test_stream.py::test_nothing_logged", "skipped", 0.0),
        TestTraces(f"tests/test_nasty.py::test_escaping[{NASTY}]", "failed", 0.2, traces(nasty), NASTY),
    ]


def many(count: int) -> Iterator[TestTraces]:
    """*count* tests with one trace each, all alike."""
    [trace] = traces(chat_with_a_tool)
    for index in range(count):
        yield TestTraces(
            f"tests/test_many.py::test_number[{index}]", "passed", 0.01, [trace | {"id": f"trace-{index}"}]
        )
