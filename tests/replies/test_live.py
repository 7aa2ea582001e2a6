"""Scripted live sessions: over a loopback server and in process, by the real SDK."""

from __future__ import annotations

import asyncio
import json
import wave
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import errors, types
from support.live_clients import LIVE_MODEL as MODEL
from support.live_clients import client_of, contents, session_of, spoken, texts, turn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from maxim_gemini.testing import GeminiMock, GeminiServer, ScriptError, reply
from maxim_gemini.testing._replies import live_player

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google.genai.live import AsyncSession

Scripted = GeminiServer | GeminiMock
both = pytest.mark.parametrize("make", [GeminiServer, GeminiMock], ids=["server", "mock"])
pytestmark = pytest.mark.filterwarnings("ignore:.*(experimental|Experimental).*")


@both
async def test_each_question_gets_its_turn(make: Callable[..., Scripted]) -> None:
    with make(reply.live(reply.text("Hello."), reply.stream("Good", "bye."), session_id="s1")) as scripted:
        async with session_of(scripted) as session:
            assert session.session_id == "s1"
            first = await turn(session, "Hi")
            second = await turn(session, "Bye")
    assert texts(first) == "Hello."
    assert texts(second) == "Goodbye."
    assert contents(second, "generation_complete") == contents(second, "turn_complete") == [True]
    usage = second[-1].usage_metadata
    assert usage is not None
    assert usage.total_token_count == (usage.prompt_token_count or 0) + (usage.response_token_count or 0)
    assert scripted.requests[0].model == MODEL
    assert [message["client_content"]["turns"][0]["parts"] for message in scripted.requests[0].messages] == [
        [{"text": "Hi"}],
        [{"text": "Bye"}],
    ]


@both
async def test_a_turn_of_a_function_waits_for_all_results(make: Callable[..., Scripted]) -> None:
    calls = reply.function_call("weather", city="Paris") + reply.function_call("time", call_id="c2")
    with make(reply.live(calls, reply.text("Sunny, noon."))) as scripted:
        async with session_of(scripted) as session:
            await session.send_realtime_input(text="Weather and time?")
            requested: list[types.FunctionCall] = []
            answer = ""
            async for message in session.receive():
                answer += message.text or ""
                for call in (message.tool_call and message.tool_call.function_calls) or []:
                    requested.append(call)
                    result = types.FunctionResponse(id=call.id, name=call.name, response={"result": 1})
                    await session.send_tool_response(function_responses=result)
    assert [(call.name, call.args) for call in requested] == [("weather", {"city": "Paris"}), ("time", {})]
    assert requested[1].id == "c2"
    assert answer == "Sunny, noon."


@both
async def test_speech_is_sound_with_a_transcription_if_the_client_wants_one(make: Callable[..., Scripted]) -> None:
    speech = reply.speech("It is sunny.", seconds=0.2)
    with make(reply.live(speech), reply.live(speech)) as scripted:
        async with session_of(scripted, output_audio_transcription={}) as session:
            transcribed = await turn(session, "Weather?")
        async with session_of(scripted) as session:
            silent = await turn(session, "Weather?")
    assert "".join(part.text for part in contents(transcribed, "output_transcription")) == "It is sunny."
    assert contents(silent, "output_transcription") == []
    assert len(spoken(silent)) == 0.2 * 24_000 * 2
    assert spoken(silent) == spoken(transcribed)
    assert len(set(spoken(silent))) > 100


@both
async def test_speech_of_a_file(make: Callable[..., Scripted], tmp_path: Path) -> None:
    path = tmp_path / "hello.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(range(256)) * 20)
    with make(reply.live(reply.speech(wav=path))) as scripted:
        async with session_of(scripted) as session:
            messages = await turn(session, "Hi")
    assert spoken(messages) == bytes(range(256)) * 20
    part = contents(messages, "model_turn")[0].parts[0]
    assert part.inline_data.mime_type == "audio/pcm;rate=16000"


def test_a_file_in_stereo_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
    with pytest.raises(ScriptError, match="must be mono with 16 bits, got 2 channels"):
        reply.speech(wav=path)


async def microphone(session: AsyncSession, seconds: float) -> None:
    blob = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")
    for _ in range(round(seconds * 50)):
        await session.send_realtime_input(audio=blob)


@both
async def test_a_turn_begins_at_the_end_of_the_users_speech(make: Callable[..., Scripted]) -> None:
    answer = reply.input_transcription("What time is it?") + reply.speech("Noon.")
    with make(reply.live(answer, reply.text("Again."))) as scripted:
        async with session_of(scripted) as session:
            await microphone(session, 0.2)
            await session.send_realtime_input(audio_stream_end=True)
            first = await turn(session)
            await session.send_realtime_input(activity_start=types.ActivityStart())
            await microphone(session, 0.1)
            await session.send_realtime_input(activity_end=types.ActivityEnd())
            second = await turn(session)
    assert contents(first, "input_transcription")[0].text == "What time is it?"
    assert texts(second) == "Again."
    assert scripted.requests[0].media_bytes == {"audio/pcm;rate=16000": 9600}


@both
async def test_the_user_interrupts_by_speaking(make: Callable[..., Scripted]) -> None:
    story = reply.after_audio(0.1) + reply.speech("Once upon a time", seconds=0.2) + reply.interrupted()
    with make(reply.live(story, reply.text("Yes?"))) as scripted:
        async with session_of(scripted) as session:
            await microphone(session, 0.1)
            messages: list[types.LiveServerMessage] = []
            async for message in session.receive():
                messages.append(message)
                if len(spoken(messages)) == 9600:
                    await session.send_realtime_input(activity_start=types.ActivityStart())
            await microphone(session, 0.1)
            await session.send_realtime_input(activity_end=types.ActivityEnd())
            second = await turn(session)
    assert contents(messages, "interrupted") == [True]
    assert contents(messages, "generation_complete") == []
    assert messages[-1].usage_metadata is not None
    assert texts(second) == "Yes?"


@both
async def test_going_away_resumption_cancelled_calls_and_any_other_message(make: Callable[..., Scripted]) -> None:
    extras = reply.go_away(5) + reply.resumption("handle-1") + reply.cancel_calls("c1")
    raw = reply.live_message({"serverContent": {"waitingForInput": True}})
    with make(reply.live(extras + raw + reply.text("Done."))) as scripted:
        async with session_of(scripted) as session:
            messages = await turn(session, "Hi")
    assert messages[0].go_away == types.LiveServerGoAway(time_left="5s")
    update = messages[1].session_resumption_update
    assert update is not None
    assert (update.new_handle, update.resumable) == ("handle-1", True)
    assert messages[2].tool_call_cancellation == types.LiveServerToolCallCancellation(ids=["c1"])
    assert contents(messages, "waiting_for_input") == [True]


@both
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (reply.close(1008, "expired"), 1008),
        (reply.disconnect(), 1006),
        (reply.error(429, "too much"), 1011),
        (reply.error(400, "bad"), 1007),
    ],
    ids=repr,
)
async def test_the_server_ends_the_connection(make: Callable[..., Scripted], end: reply.Reply, code: int) -> None:
    with make(reply.live(reply.text("Hello.") + end)) as scripted:
        async with session_of(scripted) as session:
            with pytest.raises(errors.APIError) as caught:
                await turn(session, "Hi")
    assert caught.value.code == code


@both
async def test_a_connection_that_is_refused_at_once(make: Callable[..., Scripted]) -> None:
    with make(reply.error(400, "API key not valid.")) as scripted:
        client = client_of(scripted)
        with pytest.raises(errors.APIError, match="API key not valid") as caught:
            async with client.aio.live.connect(model=MODEL):
                pytest.fail("there is a session")
        await client.aio.aclose()
    assert caught.value.code == 1007


@both
async def test_waits_gates_and_raw_frames(make: Callable[..., Scripted]) -> None:
    gate = reply.Gate()
    held = reply.text("a") + reply.wait(0.01) + reply.hold(gate) + reply.text("b")
    with make(reply.live(held, reply.raw(b"no json"))) as scripted:
        async with session_of(scripted) as session:
            await session.send_realtime_input(text="Hi")
            stream = session.receive()
            first = await anext(stream)
            gate.open()
            rest = [message async for message in stream]
            await session.send_realtime_input(text="Hi")
            with pytest.raises(ValueError, match="no json"):
                await anext(session.receive())
    assert texts([first, *rest]) == "ab"


@both
async def test_a_turn_may_be_a_function_of_what_was_sent(make: Callable[..., Scripted]) -> None:
    def echo(request: Any) -> reply.Reply:
        return reply.text(f"{len(request.messages)}: {request.text}")

    with make(reply.live(echo, echo)) as scripted:
        async with session_of(scripted) as session:
            assert texts(await turn(session, "one")) == "1: one"
            assert texts(await turn(session, "two")) == "2: two"


@both
async def test_sessions_are_chosen_by_rules(make: Callable[..., Scripted]) -> None:
    with make() as scripted:
        scripted.when(model="other").reply(reply.live(reply.text("from the other")))
        scripted.always(reply.live(reply.text("from any"), reply.text("never asked for")))
        async with session_of(scripted) as session:
            assert texts(await turn(session, "Hi")) == "from any"
        client = client_of(scripted)
        async with client.aio.live.connect(model="other") as session:
            assert texts(await turn(session, "Hi")) == "from the other"
        await client.aio.aclose()


@both
async def test_a_question_too_many_fails_the_test(make: Callable[..., Scripted]) -> None:
    async def talk() -> None:
        with make(reply.live(reply.text("Hello."))) as scripted:
            async with session_of(scripted) as session:
                await turn(session, "Hi")
                with pytest.raises(errors.APIError, match="no turn is left"):
                    await turn(session, "More")

    with pytest.raises(ScriptError, match=r"no turn is left for .*'More'.*reply.live\(...\) has 1"):
        await talk()


@both
async def test_unused_turns_fail_the_test(make: Callable[..., Scripted]) -> None:
    async def talk() -> None:
        with make(reply.live(reply.text("one"), reply.text("two"))) as scripted:
            async with session_of(scripted) as session:
                await turn(session, "Hi")

    with pytest.raises(ScriptError, match=r"unused turns of the live session .*\n  <Reply 'two'>"):
        await talk()


@both
async def test_a_function_that_fails_ends_the_session_and_the_test(make: Callable[..., Scripted]) -> None:
    def fail(_: Any) -> reply.Reply:
        raise KeyError("mine")

    async def talk() -> None:
        with make(reply.live(fail)) as scripted:
            async with session_of(scripted) as session:
                with pytest.raises(errors.APIError, match="KeyError"):
                    await turn(session, "Hi")

    with pytest.raises(KeyError, match="mine"):
        await talk()


@both
async def test_two_sessions_at_once(make: Callable[..., Scripted]) -> None:
    with make(reply.live(reply.text("A")), reply.live(reply.text("B"))) as scripted:
        async with session_of(scripted) as one, session_of(scripted) as two:
            answers = await asyncio.gather(turn(one, "Hi"), turn(two, "Hi"))
    assert [texts(answer) for answer in answers] == ["A", "B"]


@both
async def test_live_music(make: Callable[..., Scripted]) -> None:
    sound = reply.blob(b"\x01\x02", "audio/l16;rate=48000;channels=2")
    with make(reply.live(sound)) as scripted:
        client = client_of(scripted)
        async with client.aio.live.music.connect(model="models/lyria-realtime-exp") as music:
            await music.set_weighted_prompts(prompts=[types.WeightedPrompt(text="techno", weight=1.0)])
            await music.play()
            message = await anext(music.receive())
        await client.aio.aclose()
    assert message.server_content is not None
    assert message.server_content.audio_chunks is not None
    assert message.server_content.audio_chunks[0].data == b"\x01\x02"


async def test_what_only_a_live_session_has_answers_no_other_request() -> None:
    with GeminiMock(reply.interrupted(), strict=False):
        client = genai.Client(api_key="any")
        with pytest.raises(ScriptError, match="that only a live session has"):
            await client.aio.models.generate_content(model="gemini-2.5-flash", contents="Hi")
        await client.aio.aclose()


@pytest.mark.parametrize("code", [999, 1005, 1006, 2000, 5000])
def test_codes_that_no_server_closes_with(code: int) -> None:
    with pytest.raises(ScriptError, match=f"no server closes with the code {code}"):
        reply.close(code)


def test_turns_are_replies_or_functions() -> None:
    with pytest.raises(ScriptError, match="a turn must be a Reply or a function, got 'hi'"):
        reply.live("hi")  # type: ignore[arg-type]


# Live interactions, which are made of events


CONNECT = {"event_type": "interaction.connect", "id": "v1_a"}
HI = {"event_type": "input", "content": [{"type": "text", "text": "Hi"}]}


async def events_of(server: GeminiServer, *more: Any, stops: int) -> list[Any]:
    """Return the events of a live interaction up to so many stops of a step, or why it was closed."""
    events: list[Any] = []
    async with connect(f"{server.url.replace('http', 'ws')}/v1beta/interactions/live?key=any") as socket:
        for message in (CONNECT, HI, *more):
            await socket.send(json.dumps(message))
        while stops:
            try:
                events.append(json.loads(await socket.recv()))
            except ConnectionClosed:
                return [*events, socket.close_reason]
            stops -= events[-1]["event_type"] == "step.stop"
    return events


async def test_calls_and_pictures_are_steps_of_a_live_interaction() -> None:
    spoken_with = reply.image(b"pixel") + reply.function_call("weather", city="Paris", call_id="c1")
    with GeminiServer(reply.live(spoken_with)) as server:
        events = await events_of(server, stops=2)
    picture = {"type": "image", "mime_type": "image/png", "data": "cGl4ZWw="}
    call = {"type": "function_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}
    assert [event.get("step") or event.get("delta") or event["event_type"] for event in events] == [
        *("interaction.connected", {"type": "model_output"}, picture, "step.stop"),
        *(call, "step.stop"),
    ]


async def test_what_a_live_interaction_has_not_ends_it_and_fails_the_test() -> None:
    async def talk() -> list[Any]:
        with GeminiServer(reply.live(reply.thought("Hm."))) as server:
            received.extend(await events_of(server, stops=1))
        return received

    received: list[Any] = []
    with pytest.raises(ScriptError, match="a live interaction has no text: send it by reply"):
        await talk()
    assert "a live interaction has no text" in received[-1]


async def test_a_client_that_completes_and_does_not_close_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_player, "_PATIENCE", 0.05)
    with GeminiServer(reply.live(reply.text("Hello."))) as server:
        events = await events_of(server, {"event_type": "interaction.complete"}, stops=9)
    *events, reason = events
    assert "interaction.completed" in [event["event_type"] for event in events]
    assert reason == ""


@both
async def test_raw_messages_and_what_no_live_session_has(make: Callable[..., Scripted]) -> None:
    async def talk() -> None:
        with make(reply.live(raw, two)) as scripted:
            async with session_of(scripted) as session:
                received.extend(await turn(session, "Hi"))
                await turn(session, "Hi")

    raw = reply.raw({"goAway": {"timeLeft": "5s"}}, {"serverContent": {"turnComplete": True}})
    two = reply.candidates(reply.text("a"), reply.text("b"))
    received: list[Any] = []
    with pytest.raises((ScriptError, errors.APIError), match="one candidate"):
        await talk()
    assert received[0].go_away.time_left == "5s"


async def test_a_message_to_a_server_that_has_closed_is_refused() -> None:
    with GeminiMock(reply.live(reply.text("Bye.") + reply.close(1011, "overloaded"))):
        async with session_of() as session:
            await session.send_realtime_input(text="Hi")
            await asyncio.sleep(0.05)
            with pytest.raises(ConnectionClosed, match="overloaded"):
                await session.send_realtime_input(text="More")


@both
async def test_a_gate_that_opens_late_holds_a_session(make: Callable[..., Scripted]) -> None:
    gate = reply.Gate()
    with make(reply.live(reply.text("a") + reply.hold(gate) + reply.text("b"))) as scripted:
        async with session_of(scripted) as session:
            await session.send_realtime_input(text="Hi")
            stream = session.receive()
            first = await anext(stream)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(session.receive()), 0.1)
            gate.open()
            rest = [message async for message in stream]
    assert texts([first, *rest]) == "ab"
