"""Models and chats of the application's own making: each call of theirs is one generation, recorded as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.script import call, chunks, response
from support.sides import MODEL, Sync

from maxim_gemini import (
    MaximGeminiAsyncChatSession,
    MaximGeminiAsyncModels,
    MaximGeminiChatSession,
    MaximGeminiModels,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from maxim_gemini.testing import FakeLogger

WAYS = ["models", "models streamed", "chat", "chat streamed"]
STREAMED = ["models streamed", "chat streamed"]
CONFIG: dict[str, Any] = {"seed": 1, "system_instruction": "Be kind"}


class Own:
    """Stands in for models or a chat: it gives the answers it was made with, and notes what it was asked."""

    _model = MODEL
    _config: Any = None

    def __init__(self, *answers: dict[str, Any], failing: Exception | None = None) -> None:
        self.answers = [types.GenerateContentResponse.model_validate(one) for one in answers]
        self.failing = failing
        self.asked: list[Any] = []
        self.is_closed = False
        self.streams: list[Any] = []  # held, so that nobody but the reader closes them

    def generate_content(self, **request: Any) -> Any:
        self.asked.append(request)
        return self._answer()

    def generate_content_stream(self, **request: Any) -> Any:
        self.asked.append(request)
        self.streams.append(self._stream())
        return self.streams[-1]

    def send_message(self, *said: Any) -> Any:
        self.asked.append(said)
        return self._answer()

    def send_message_stream(self, *said: Any) -> Any:
        self.asked.append(said)
        self.streams.append(self._stream())
        return self.streams[-1]

    def _answer(self) -> types.GenerateContentResponse:
        if self.failing is not None:
            raise self.failing
        return self.answers[-1]

    def _stream(self) -> Iterator[types.GenerateContentResponse]:
        try:
            yield from self.answers
            if self.failing is not None:
                raise self.failing
        finally:
            self.is_closed = True


class AsyncOwn(Own):
    """The same with `await`."""

    async def generate_content(self, **request: Any) -> Any:
        return super().generate_content(**request)

    async def generate_content_stream(self, **request: Any) -> Any:
        return super().generate_content_stream(**request)

    async def send_message(self, *said: Any) -> Any:
        return super().send_message(*said)

    async def send_message_stream(self, *said: Any) -> Any:
        return super().send_message_stream(*said)

    async def _stream(self) -> AsyncIterator[types.GenerateContentResponse]:  # type: ignore[override]
        try:
            for answer in self.answers:
                yield answer
            if self.failing is not None:
                raise self.failing
        finally:
            self.is_closed = True


def own(side: Sync, *answers: dict[str, Any], failing: Exception | None = None) -> Own:
    return (AsyncOwn if side.is_async else Own)(*answers, failing=failing)


def wrapped(side: Sync, target: Own, logger: FakeLogger, how: str) -> Any:
    models: Any = MaximGeminiAsyncModels if side.is_async else MaximGeminiModels
    chat: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    return (chat if how.startswith("chat") else models)(target, logger)


async def opened(target: Any, how: str, said: Any, config: Any) -> Any:
    """Begin one call in one of four ways; return the answer, or the stream."""
    given = {} if config is None else {"config": config}
    if how.startswith("models"):
        method = target.generate_content_stream if "streamed" in how else target.generate_content
        begun = method(model=MODEL, contents=said, **given)
    else:
        begun = (target.send_message_stream if "streamed" in how else target.send_message)(said, **given)
    return await begun if hasattr(begun, "__await__") else begun


async def use(side: Sync, target: Any, how: str, said: Any = "Hi", config: Any = None) -> list[Any]:
    """Make one call in one of four ways; return what was said."""
    begun = await opened(target, how, said, config)
    return await side.read(begun) if "streamed" in how else [begun]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("config", [None, CONFIG], ids=["no config", "config"])
async def test_what_was_requested_is_passed_on_and_recorded(
    side: Sync, logger: FakeLogger, how: str, config: Any
) -> None:
    target = own(side, *(chunks("a", "b") if "streamed" in how else [response("ab")]))
    got = await use(side, wrapped(side, target, logger, how), how, config=config)
    assert [id(one) for one in got] == [id(one) for one in target.answers]
    if how.startswith("chat"):
        assert target.asked == [("Hi",) if config is None else ("Hi", config)]
    else:
        assert target.asked == [{"model": MODEL, "contents": "Hi", **({} if config is None else {"config": config})}]
    generation = logger.trace.generation
    system = [] if config is None else [{"role": "system", "content": "Be kind"}]
    assert generation.messages == [*system, {"role": "user", "content": "Hi"}]
    assert generation.model_parameters == ({} if config is None else {"seed": 1})
    assert (generation.model, generation.text, generation.finish_reason) == (MODEL, "ab", "STOP")
    assert (logger.trace.input, logger.trace.output) == ("Hi", "ab")
    assert generation.metrics.get("chunks") == (2 if "streamed" in how else None)
    logger.assert_complete(strict=how.startswith("models"))


@pytest.mark.parametrize("how", ["chat", "chat streamed"])
async def test_a_turn_without_a_config_is_sent_with_that_of_the_chat(side: Sync, logger: FakeLogger, how: str) -> None:
    target = own(side, response("ab"))
    target._config = CONFIG
    chat = wrapped(side, target, logger, how)
    await use(side, chat, how)
    await use(side, chat, how, config={"seed": 2})
    first, second = logger.generations
    assert target.asked == [("Hi",), ("Hi", {"seed": 2})]
    assert [message["content"] for message in first.messages] == ["Be kind", "Hi"]
    assert [message["content"] for message in second.messages] == ["Hi"]
    assert (first.model_parameters, second.model_parameters) == ({"seed": 1}, {"seed": 2})


@pytest.mark.parametrize("how", STREAMED)
async def test_a_stream_closed_early_closes_the_one_below(side: Sync, logger: FakeLogger, how: str) -> None:
    target = own(side, *chunks("a", "b"))
    stream = await opened(wrapped(side, target, logger, how), how, "Hi", None)
    await side.next(stream)
    assert not target.is_closed
    await side.close(stream)
    assert target.is_closed
    generation = logger.trace.generation
    assert (generation.text, generation.error, generation.metadata["stopped_early"]) == ("a", None, True)
    logger.assert_complete()


@pytest.mark.parametrize("how", WAYS)
async def test_an_error_below_comes_out_and_is_the_generations(side: Sync, logger: FakeLogger, how: str) -> None:
    target = own(side, *chunks("a", "b"), failing=OSError("gone"))
    with pytest.raises(OSError, match="gone") as caught:
        await use(side, wrapped(side, target, logger, how), how)
    assert caught.value is target.failing
    generation = logger.trace.generation
    assert generation.error is not None
    assert (generation.error.message, generation.error.type) == ("gone", "OSError")
    assert logger.trace.output == ("ab" if "streamed" in how else "")
    logger.assert_complete()


def turn(*parts: dict[str, Any] | str, role: str = "model") -> dict[str, Any]:
    return {"role": role, "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def answered(name: str, result: int, call_id: str | None = None) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "id": call_id, "response": {"result": result}}}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("call_id", [None, "call-1"])
async def test_functions_that_ran_below_are_distinguished_from_those_of_earlier_turns(
    side: Sync, logger: FakeLogger, how: str, call_id: str | None
) -> None:
    """The history of a chat begins long before the message that was sent."""
    earlier = [turn("Go", role="user"), turn(call("add", left=0, right=0)), turn(answered("add", 0), role="user")]
    earlier += [turn("Zero."), turn("And now?", role="user")]
    ran = [turn("Let me see.", call("add", call_id, left=1, right=2)), turn(answered("add", 3, call_id), role="user")]
    target = own(side, response("three", automaticFunctionCallingHistory=[*earlier, *ran]))
    await use(side, wrapped(side, target, logger, how), how, "And now?")
    assert [(one.name, one.arguments, one.result) for one in logger.trace.tool_calls] == [
        ("add", {"left": 1, "right": 2}, "3")
    ]
    assert call_id in (None, logger.trace.tool_call.id)
    assert logger.trace.output == "three"
    logger.assert_complete(strict=how.startswith("models"))


@pytest.mark.parametrize("how", STREAMED)
async def test_a_run_below_begins_when_it_is_requested(side: Sync, logger: FakeLogger, how: str) -> None:
    """Nobody tells when it began; the answer comes with a later chunk."""
    ran = [turn("Hi", role="user"), turn(call("add", left=1, right=2)), turn(answered("add", 3), role="user")]
    target = own(side, response(call("add", left=1, right=2)), response("3", automaticFunctionCallingHistory=ran))
    stream = await opened(wrapped(side, target, logger, how), how, "Hi", None)
    await side.next(stream)
    time.sleep(0.02)  # noqa: ASYNC251
    assert len(await side.read(stream)) == 1
    tool_call = logger.trace.tool_call
    assert tool_call.result == "3"
    assert tool_call.duration is not None
    assert tool_call.duration.total_seconds() >= 0.02
    logger.assert_complete(strict=how.startswith("models"))


@pytest.mark.parametrize("how", STREAMED)
async def test_the_history_that_any_chunk_of_a_stream_tells_is_read(side: Sync, logger: FakeLogger, how: str) -> None:
    ran = [turn("Hi", role="user"), turn(call("add", left=1, right=2)), turn(answered("add", 3), role="user")]
    first, last = chunks("thr", "ee")
    target = own(side, {**first, "automaticFunctionCallingHistory": ran}, last)
    await use(side, wrapped(side, target, logger, how), how)
    assert (logger.trace.tool_call.result, logger.trace.output) == ("3", "three")
    logger.assert_complete(strict=how.startswith("models"))


@pytest.mark.parametrize("how", WAYS)
async def test_runs_that_no_one_answered_and_calls_that_did_not_run_stay_open(
    side: Sync, logger: FakeLogger, how: str
) -> None:
    ran = [turn("Hi", role="user"), turn(call("add", left=1, right=2), call("find", what="tea"))]
    ran += [turn(answered("add", 3), role="user")]
    asking = response("Wait.", call("buy", what="tea"), automaticFunctionCallingHistory=ran)
    target = own(side, asking)
    await use(side, wrapped(side, target, logger, how), how)
    assert {one.name: one.result for one in logger.trace.tool_calls} == {"add": "3", "find": None, "buy": None}


class Thing:
    """What is no answer of the SDK's."""


@pytest.mark.parametrize("how", WAYS)
async def test_what_is_given_may_be_anything(side: Sync, logger: FakeLogger, how: str) -> None:
    target, thing = own(side), Thing()
    target.answers = [thing]  # type: ignore[list-item]
    assert await use(side, wrapped(side, target, logger, how), how) == [thing]
    assert logger.trace.generation.ended
    logger.assert_complete(strict=how.startswith("models"))


class Once:
    """Gives one thing, and can't be closed."""

    def __init__(self, thing: Any) -> None:
        self.left = [thing]

    def __iter__(self) -> Once:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        return self.left.pop()

    def __aiter__(self) -> Once:
        return self

    async def __anext__(self) -> Any:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


@pytest.mark.parametrize("how", STREAMED)
async def test_a_stream_below_need_not_have_a_way_to_close_it(side: Sync, logger: FakeLogger, how: str) -> None:
    target = own(side, response("ab"))
    target._stream = lambda: Once(target.answers[0])  # type: ignore[method-assign]
    assert await use(side, wrapped(side, target, logger, how), how) == target.answers
    assert logger.trace.output == "ab"
    logger.assert_complete(strict=how.startswith("models"))
