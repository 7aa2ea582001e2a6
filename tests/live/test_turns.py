"""What a live session is in Maxim: turns, answers, functions, interruptions, events, and how it ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import errors, types
from google.genai.live import ConnectionClosed
from support.live import Close, Gemini, Wait
from support.talk import DONE, MODEL, ask, calling, converse, speak, spoken, text, transcription, turn

from maxim_gemini import MaximGeminiAsyncLive, Privacy, suppress, trace

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger


async def test_a_turn_of_text_is_a_trace_with_one_generation(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Hel", "lo"), {"serverContent": {"generationComplete": True}}, DONE]
    config: Any = {"system_instruction": "Be brief.", "temperature": 0.5, "response_modalities": ["TEXT"]}
    async with client.aio.live.connect(model=MODEL, config=config) as session:
        await ask(session)
        await turn(session)
    trace, generation = logger.trace, logger.generation
    assert (trace.name, trace.input, trace.output) == ("Live turn", "Hi", "Hello")
    assert logger.session.name == "Live session"
    assert trace.session_id == logger.session.id
    said = [(message["role"], message["content"]) for message in generation.messages]
    assert said == [("system", "Be brief."), ("user", "Hi")]
    assert generation.model == MODEL
    assert generation.model_parameters["temperature"] == 0.5
    assert generation.usage["total_tokens"] == 10
    assert generation.finish_reason == "STOP"
    assert generation.metrics["chunks"] == 2
    assert 0 < generation.metrics["time_to_first_chunk_ms"] < 60_000
    logger.assert_complete(strict=True)


async def test_each_turn_is_a_trace_of_the_same_session(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("one"), DONE, Wait(), *text("two"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        for words in ("first", "second"):
            await ask(session, words)
            await turn(session)
    assert [(one.input, one.output) for one in logger.traces] == [("first", "one"), ("second", "two")]
    assert {one.session_id for one in logger.traces} == {logger.session.id}


async def test_after_the_results_of_functions_comes_another_generation(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), calling(("c1", "look_up"), ("c2", "look_up")), Wait(), *text("Done"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        async for message in session.receive():
            if message.tool_call:
                answers = [
                    types.FunctionResponse(id=call.id, name=call.name, response={"result": f"of {call.id}"})
                    for call in reversed(message.tool_call.function_calls or [])
                ]
                await session.send_tool_response(function_responses=answers)
    first, second = logger.generations
    assert [call.name for call in first.tool_calls] == ["look_up", "look_up"]
    assert (first.finish_reason, first.usage) == ("tool_calls", {})
    assert (second.finish_reason, second.usage["total_tokens"]) == ("STOP", 10)
    assert [message["role"] for message in second.messages] == ["user", "assistant", "tool", "tool"]
    assert {call.id: call.result for call in logger.tool_calls} == {"c1": "of c1", "c2": "of c2"}
    assert logger.trace.output == "Done"
    logger.assert_complete(strict=True)


async def test_an_id_that_comes_again_is_another_call(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    round_: list[Any] = [Wait(), calling(("c1", "look_up")), Wait(), *text("Done"), DONE]
    gemini.script = [*round_, *round_]
    async with client.aio.live.connect(model=MODEL) as session:
        for number in range(2):
            await ask(session)
            async for message in session.receive():
                if message.tool_call:
                    answer = types.FunctionResponse(id="c1", name="look_up", response={"result": str(number)})
                    await session.send_tool_response(function_responses=answer)
    assert [call.result for call in logger.tool_calls] == ["0", "1"]
    assert len({call.id for call in logger.tool_calls}) == 2
    for call, generation in zip(logger.tool_calls, logger.generations[1::2], strict=True):
        assert generation.messages[-1]["tool_call_id"] == call.id
    logger.assert_complete(strict=True)


async def test_a_failed_function_is_an_error(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    gemini.script = [Wait(), calling(("c1", "look_up")), Wait(), *text("Sorry"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        async for message in session.receive():
            if message.tool_call:
                answer = types.FunctionResponse(id="c1", name="look_up", response={"error": "no such city"})
                await session.send_tool_response(function_responses=answer)
    error = logger.tool_calls[0].error
    assert error is not None
    assert error.message == "no such city"


async def test_calls_that_gemini_cancels_end_as_such(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), calling(("c1", "a"), ("c2", "b")), {"toolCallCancellation": {"ids": ["c2"]}}, Wait(), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        async for message in session.receive():
            if message.tool_call_cancellation:
                answer = types.FunctionResponse(id="c1", name="a", response={"result": "of c1"})
                await session.send_tool_response(function_responses=answer)
    by_id = {call.id: call for call in logger.tool_calls}
    assert by_id["c1"].result == "of c1"
    error = by_id["c2"].error
    assert error is not None
    assert (error.message, error.type) == ("cancelled by Gemini", "cancelled")
    logger.assert_complete(strict=True)


async def test_a_result_that_comes_after_its_turn_belongs_to_its_call(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), calling(("c1", "a")), DONE, Wait(), *text("It is one"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        await turn(session)
        answer = types.FunctionResponse(id="c1", name="a", response={"result": "1"})
        await session.send_tool_response(function_responses=answer)
        await turn(session)
    assert [(one.input, one.output) for one in logger.traces] == [("Hi", ""), ("1", "It is one")]
    assert [call.result for call in logger.traces[0].tool_calls] == ["1"]
    logger.assert_complete(strict=True)


async def test_words_that_interrupt_begin_the_next_turn(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    interrupted = {"serverContent": {"interrupted": True}}
    gemini.script = [
        Wait(),
        spoken("Once upon"),
        Wait(),
        interrupted,
        DONE,
        transcription("Stop!"),
        spoken("All right"),
        DONE,
    ]
    async with client.aio.live.connect(model=MODEL) as session:
        await speak(session)
        async for message in session.receive():
            if message.server_content and message.server_content.model_turn:
                await speak(session, 0.3)
        await turn(session)
    first, second = logger.traces
    assert (first.output, first.generations[0].finish_reason) == ("Once upon", "interrupted")
    assert (second.input, second.output) == ("Stop!", "All right")
    seconds = [one.metadata["input_audio_seconds"] for one in logger.generations]
    assert [float(one) for one in seconds] == [0.1, 0.3]
    assert not logger.errors
    logger.assert_complete(strict=True)


async def test_a_turn_that_is_complete_before_the_speaker_ends_is_the_one_before(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    """Gemini sends such a one where the user begins to speak, though there was nothing to interrupt."""
    spurious: list[Any] = [{"serverContent": {"interrupted": True}}, {"serverContent": {"turnComplete": True}}]
    gemini.script = [Wait(), *spurious, Wait(2), spoken("Yes?"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await session.send_realtime_input(activity_start=types.ActivityStart())
        await turn(session)
        await speak(session)
        await session.send_realtime_input(activity_end=types.ActivityEnd())
        await turn(session)
    assert logger.trace.output == "Yes?"
    assert float(logger.generation.metadata["input_audio_seconds"]) == 0.1


async def test_silence_after_the_last_answer_is_no_turn(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), spoken("Yes?"), DONE, Wait(3)]
    async with client.aio.live.connect(model=MODEL) as session:
        await speak(session)
        await turn(session)
        for _ in range(3):
            await speak(session)
    assert logger.trace.output == "Yes?"


async def test_sound_that_is_never_answered_is_a_turn_if_there_is_no_other(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait()]
    async with client.aio.live.connect(model=MODEL) as session:
        await speak(session)
    assert logger.trace.input == "[audio, 0.1 s]"
    assert "stopped_early" in logger.generation.metadata
    logger.assert_complete(strict=True)


async def test_events_of_the_session_are_logged(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    gemini.script = [
        {"sessionResumptionUpdate": {"newHandle": "h-1", "resumable": True}},
        Wait(),
        {"goAway": {"timeLeft": "10s"}},
        *text("Bye"),
        DONE,
    ]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        await turn(session)
    assert [event.name for event in logger.session.events] == ["session_resumption_update", "go_away"]
    assert len(logger.traces) == 1


async def test_a_resumed_connection_goes_on_with_its_session(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    update = {"sessionResumptionUpdate": {"newHandle": "h-1", "resumable": True}}
    gemini.script = [update, Wait(), *text("Yes"), DONE]
    for handle in (None, "h-1"):
        config = types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(handle=handle))
        async with client.aio.live.connect(model=MODEL, config=config) as session:
            await ask(session)
            await turn(session)
    assert {trace.session_id for trace in logger.traces} == {logger.session.id}
    assert len(logger.traces) == 2
    logger.assert_complete()


async def test_the_callers_session_and_trace_stay_the_callers(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Yes"), DONE]
    labels: Any = {"session_id": "my-session", "trace_id": "my-trace", "generation_name": "voice"}
    async with client.aio.live.connect(model=MODEL, **labels) as session:
        await ask(session)
        await turn(session)
    assert (logger.trace.id, logger.trace.session_id) == ("my-trace", "my-session")
    assert (logger.trace.ended_at, logger.trace.output, logger.session.ended_at) == (None, None, None)
    assert logger.generation.name == "voice"


@pytest.mark.parametrize("where", ["client", "config"])
async def test_labels_in_headers_are_honoured_and_never_sent(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger, where: str
) -> None:
    headers = {"X-Maxim-Session-Id": "my-session", "x-maxim-trace-tags": '{"team": "voice"}', "x-other": "1"}
    config: Any = {}
    if where == "client":
        client._api_client._http_options.headers = headers
    elif "http_options" in types.LiveConnectConfig.model_fields:
        config = {"http_options": {"headers": headers}}
    gemini.script = [Wait(), *text("Yes"), DONE]
    async with client.aio.live.connect(model=MODEL, config=config) as session:
        await ask(session)
        await turn(session)
    assert logger.trace.session_id == "my-session"
    assert logger.trace.tags == {"team": "voice"}
    assert not [name for name in gemini.headers[0] if name.lower().startswith("x-maxim-")]
    if where == "client":
        assert gemini.headers[0]["x-other"] == "1"


async def test_updates_of_the_context_hold_from_then_on(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("one"), DONE, Wait(2), *text("two"), DONE]
    async with client.aio.live.connect(model=MODEL, config={"system_instruction": "Old."}) as session:
        if not hasattr(session, "send_context_update"):
            pytest.skip("this google-genai can't update the context")
        await ask(session)
        await turn(session)
        await session.send_context_update(system_instruction="New.")
        await ask(session)
        await turn(session)
    assert [one.messages[0]["content"] for one in logger.generations] == ["Old.", "New."]


@pytest.mark.filterwarnings("ignore:The `session.send` method is deprecated")
async def test_the_deprecated_method_is_logged_too(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Yes"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await session.send(input="Hello?", end_of_turn=True)
        await turn(session)
    assert (logger.trace.input, logger.trace.output) == ("Hello?", "Yes")


async def test_pictures_of_a_video_are_bounded(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    gemini.script = [Wait(41), spoken("A cat"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        for number in range(40):
            await session.send_realtime_input(
                video=types.Blob(data=b"\xff\xd8" + bytes([number]), mime_type="image/jpeg")
            )
        await session.send_realtime_input(text="What is it?")
        await turn(session)
    assert [message["content"] for message in logger.generation.messages] == ["[40 pictures]", "What is it?"]
    pictures = [one for one in logger.generation.attachments if one.tags["attach-to"] == "input"]
    assert [one.content[-1] for one in pictures if one.content] == list(range(24, 40))


# How it ends ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1007, 1008, 1011])
async def test_an_abnormal_close_is_an_error_with_code_and_reason(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger, code: int
) -> None:
    gemini.script = [Wait(), *text("Hel"), Close(code, "It went wrong")]
    with pytest.raises(errors.APIError):
        await converse(client, "Hi")
    error = logger.generation.error
    assert error is not None
    assert (error.message, error.code) == ("It went wrong", str(code))
    assert logger.trace.output == "Hel"
    assert [event.name for event in logger.session.events] == ["closed"]
    logger.assert_complete(strict=True)


async def test_an_abnormal_close_between_turns_is_an_error_of_a_trace(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Yes"), DONE, Close(1011, "quota")]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        await turn(session)
        with pytest.raises(errors.APIError):
            await turn(session)
    first, second = logger.traces
    assert not first.errors
    assert [(error.message, error.code) for error in second.errors] == [("quota", "1011")]
    logger.assert_complete(strict=True)


async def test_a_connection_that_breaks_is_an_error(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), Close(None)]
    with pytest.raises(errors.APIError):
        await converse(client, "Hi")
    error = logger.generation.error
    assert error is not None
    assert error.code == "1006"


async def test_a_normal_close_in_the_midst_of_a_turn_is_no_error(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Hel"), Close(1000, "bye")]
    with pytest.raises(errors.APIError):
        await converse(client, "Hi")
    assert not logger.errors
    assert "stopped_early" in logger.generation.metadata
    logger.assert_complete(strict=True)


async def test_sending_over_a_closed_connection_raises_what_the_sdk_raises(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Close(1008, "policy")]
    async with client.aio.live.connect(model=MODEL) as session:
        with pytest.raises(errors.APIError):
            await turn(session)
        with pytest.raises(ConnectionClosed):
            await ask(session)
    assert [error.code for error in logger.errors] == ["1008", "1008"]
    logger.assert_complete(strict=True)


async def test_a_turn_that_the_application_leaves_was_stopped_early(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Hel", "lo")]

    async def application() -> None:
        async with client.aio.live.connect(model=MODEL) as session:
            await ask(session)
            async for _ in session.receive():
                raise KeyError("the application's own")

    with pytest.raises(KeyError):
        await application()
    assert not logger.errors
    assert "stopped_early" in logger.generation.metadata
    logger.assert_complete(strict=True)


async def test_a_connection_that_the_application_closes_under_a_reader_is_no_error(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    """An exception in its block has the connection closed with 1011, which another task that reads gets to know."""
    gemini.script = [Wait(), *text("Yes"), DONE]
    reading: list[asyncio.Task[Any]] = []

    async def application() -> None:
        async with client.aio.live.connect(model=MODEL) as session:
            await ask(session)
            await turn(session)
            reading.append(asyncio.create_task(turn(session)))
            await asyncio.sleep(0)
            raise KeyError("the application's own")

    with pytest.raises(KeyError):
        await application()
    with pytest.raises(errors.APIError):
        await reading[0]
    assert not logger.errors
    assert len(logger.traces) == 1
    logger.assert_complete(strict=True)


async def test_a_cancelled_task_leaves_a_cancelled_turn(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Hel")]
    received = asyncio.Event()

    async def application() -> None:
        async with client.aio.live.connect(model=MODEL) as session:
            await ask(session)
            async for _ in session.receive():
                received.set()

    task = asyncio.create_task(application())
    await received.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "cancelled" in logger.generation.metadata
    logger.assert_complete(strict=True)


async def test_a_connection_that_is_refused_is_an_error_of_a_trace(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.port = 1
    with pytest.raises(OSError):  # noqa: PT011  # its message is the system's
        await converse(client, "Hi")
    assert len(logger.trace.errors) == 1
    logger.assert_complete(strict=True)


# What is wrong on the wire --------------------------------------------------------------------------------------------


async def test_a_frame_that_is_no_json_is_an_error_after_which_the_turn_goes_on(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Hel"), b"{no json", *text("lo"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        with pytest.raises(ValueError, match="Failed to parse"):
            await turn(session)
        await turn(session)
    assert logger.trace.output == "Hello"
    assert "not a JSON object" in logger.trace.errors[0].message
    logger.assert_complete(strict=True)


async def test_a_message_of_an_unknown_kind_is_an_error_where_the_sdk_raises_one(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), {"code": 13, "someday": {"new": True}}, *text("Yes"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
        with pytest.raises(errors.APIError):
            await turn(session)
        await turn(session)
    assert logger.trace.output == "Yes"
    assert logger.trace.errors[0].code == "13"


@pytest.mark.parametrize("frame", [b"", b"{}", {"serverContent": {}}, {"serverContent": {"outputTranscription": {}}}])
async def test_frames_that_say_nothing_begin_no_turn(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger, frame: Any
) -> None:
    gemini.script = [frame, frame]
    async with client.aio.live.connect(model=MODEL) as session:
        messages = aiter(session.receive())
        await anext(messages)
        await anext(messages)
        await messages.aclose()  # type: ignore[attr-defined]
    assert not logger.traces
    assert logger.session.ended_at


async def test_a_client_that_never_reads_leaves_a_turn(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("Hello"), DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await ask(session)
    assert (logger.trace.input, logger.trace.output) == ("Hi", "")
    logger.assert_complete(strict=True)


async def test_one_task_sends_and_another_receives(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [step for number in range(5) for step in (Wait(2), spoken(f"answer {number}"), DONE)]
    answered = asyncio.Event()

    async def receive(session: Any) -> None:
        for _ in range(5):
            await turn(session)
            answered.set()

    async with client.aio.live.connect(model=MODEL) as session:
        receiving = asyncio.create_task(receive(session))
        for number in range(5):
            await speak(session)
            await session.send_realtime_input(text=f"question {number}")
            await answered.wait()
            answered.clear()
        await receiving
    assert [trace.output for trace in logger.traces] == [f"answer {number}" for number in range(5)]
    assert all(f"question {number}" in str(trace.input) for number, trace in enumerate(logger.traces))
    logger.assert_complete(strict=True)


async def test_music_passes_through(client: MaximGeminiClient) -> None:
    assert client.aio.live.music is client._wrapped.aio.live.music


async def test_a_connection_in_a_trace_of_the_application_is_part_of_it(
    client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    gemini.script = [Wait(), *text("one"), DONE, Wait(), *text("two"), DONE]
    async with trace(logger, name="A talk"):
        await converse(client, "first", "second")
    assert logger.trace.name == "A talk"
    assert [one.text for one in logger.trace.generations] == ["one", "two"]
    logger.assert_complete()


async def test_what_is_suppressed_is_not_logged(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    client._api_client._http_options.headers = {"x-maxim-session-id": "s"}
    gemini.script = [Wait(), *text("one"), DONE]
    with suppress():
        await converse(client, "first")
    assert not logger.logs
    assert "x-maxim-session-id" not in gemini.headers[0]


@pytest.mark.parametrize("capture", ["no-media", "no-content"])
async def test_what_may_not_leave_is_not_logged(
    raw: genai.Client, gemini: Gemini, logger: FakeLogger, capture: Any
) -> None:
    called = [calling(("c1", "a")), Wait()]
    gemini.script = [
        Wait(2),
        transcription("my secret"),
        *called,
        spoken("the secret answer"),
        DONE,
        Close(1011, "a secret reason"),
    ]
    live = MaximGeminiAsyncLive(raw.aio.live, logger, privacy=Privacy(capture=capture))
    async with live.connect(model=MODEL, config={"system_instruction": "a secret rule"}) as session:
        await speak(session)
        await session.send_realtime_input(text="written secret")
        async for message in session.receive():
            if message.tool_call:
                answer = types.FunctionResponse(id="c1", name="a", response={"result": "secret result"})
                await session.send_tool_response(function_responses=answer)
        with pytest.raises(errors.APIError):
            await turn(session)
    assert [one.attachments for one in logger.generations] == [(), ()]
    logged = [f"{log.entity.value} {log.action}" for log in logger.logs if "secret" in str(log.data)]
    assert (logged != []) is (capture == "no-media"), logged
    assert logger.generations[-1].usage["total_tokens"] == 10
    logger.assert_complete()
