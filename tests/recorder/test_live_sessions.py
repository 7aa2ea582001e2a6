"""Live sessions recorded from a loopback server, and replayed."""

from __future__ import annotations

import asyncio
import time
import wave
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials
from support.live_clients import client_of, session_of, speak, texts, turn
from websockets.exceptions import ConnectionClosed

from maxim_gemini.testing import CassetteDrift, CassetteMiss, CassetteUnused, GeminiRecorder, GeminiServer, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http.event_loops import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from google.genai.live import AsyncSession

pytestmark = pytest.mark.filterwarnings("ignore:.*(experimental|Experimental).*")

SPEECH = reply.input_transcription("What time?") + reply.speech("Noon.", seconds=0.2)
CALL = reply.function_call("weather", city="Paris")


async def recorded(path: Path, *replies: Any, talk: Callable[[GeminiServer], Awaitable[Any]], **options: Any) -> Any:
    """Record what *talk* does with a server that plays *replies*."""
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(*replies))
        stack.enter_context(GeminiRecorder(path, base_url=server.url, **{"record": "once", **options}))
        return await talk(server)


async def answer_calls(session: AsyncSession, result: Any = "sunny", wait: float = 0.0) -> str:
    text = ""
    async for message in session.receive():
        text += texts([message])
        for call in (message.tool_call and message.tool_call.function_calls) or []:
            await asyncio.sleep(wait)
            response = types.FunctionResponse(id=call.id, name=call.name, response={"result": result})
            await session.send_tool_response(function_responses=response)
    return text


async def talk(server: GeminiServer | None = None, *, pieces: int = 10, wait: float = 0.0) -> list[Any]:
    """Ask, let a function run, and speak."""
    async with session_of(server, output_audio_transcription={}) as session:
        first = await turn(session, "Hi")
        await session.send_realtime_input(text="Weather?")
        second = await answer_calls(session, wait=wait)
        await speak(session, 6400, pieces)
        await session.send_realtime_input(audio_stream_end=True)
        return [*first, second, *await turn(session)]


@pytest.fixture
async def conversation(tmp_path: Path) -> tuple[Path, list[Any]]:
    path = tmp_path / "talk.yaml"
    script = reply.live(reply.text("Hello."), CALL, reply.text("It is sunny."), SPEECH, session_id="s1")
    return path, await recorded(path, script, talk=talk)


async def test_a_replay_gives_the_same_messages(conversation: tuple[Path, list[Any]]) -> None:
    path, live = conversation
    with GeminiRecorder(path) as recorder:
        assert await talk() == live
    assert recorder.outcome == (1, 0, 0, 0, 0)


async def test_a_replay_gives_the_same_bytes(conversation: tuple[Path, list[Any]], tmp_path: Path) -> None:
    """Recorded once more from a server that plays nothing but the recorded messages."""
    path, _ = conversation
    session = Cassette.load(path).websockets[0].conversation
    with GeminiRecorder(path) as recorder:
        client = client_of()
        async with client.aio.live.connect(
            model="gemini-live-2.5-flash-preview", config={"output_audio_transcription": {}}
        ) as live:
            received = [frame.message for frame in session.frames if not frame.is_sent]
            got: list[Any] = []
            for frame in session.frames[1:]:
                if frame.is_sent:
                    await live._ws.send(frame.message)
            while len(got) < len(received) - 1:
                got.append(await live._ws.recv())
        await client.aio.aclose()
    assert got == received[1:]
    assert {type(message) for message in got} == {bytes}
    assert recorder.outcome.replayed == 1


@pytest.mark.parametrize("pieces", [1, 4, 320])
async def test_the_microphone_may_be_cut_otherwise(conversation: tuple[Path, list[Any]], pieces: int) -> None:
    path, live = conversation
    with GeminiRecorder(path):
        assert await talk(pieces=pieces) == live


async def test_the_result_of_a_function_may_come_late(conversation: tuple[Path, list[Any]]) -> None:
    path, live = conversation
    with GeminiRecorder(path):
        assert await talk(wait=0.6) == live


async def test_a_function_may_run_in_a_thread_for_a_while(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation
    with GeminiRecorder(path, strict=False):
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            await session.send_realtime_input(text="Weather?")
            call = (await anext(session.receive())).tool_call
            assert call is not None
            assert call.function_calls is not None
            waiting = asyncio.create_task(turn(session))
            await asyncio.to_thread(time.sleep, 0.6)
            assert not waiting.done()  # no answer comes before the result that it answers
            result = types.FunctionResponse(id=call.function_calls[0].id, name="weather", response={"result": "sunny"})
            await session.send_tool_response(function_responses=result)
            assert texts(await waiting) == "It is sunny."


async def test_sound_may_come_before_or_after_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def listen(server: GeminiServer | None, *, text_first: bool) -> str:
        async with session_of(server) as session:
            for says_text in (text_first, not text_first):
                if says_text:
                    await session.send_client_content(
                        turns=types.Content(role="user", parts=[types.Part(text="Listen:")]), turn_complete=False
                    )
                else:
                    await speak(session, 3200, 4)
            return texts(await turn(session))

    script = reply.live(reply.after_audio(0.1) + reply.text("I listen."))
    await recorded(path, script, talk=lambda server: listen(server, text_first=True))
    for text_first in (True, False):
        with GeminiRecorder(path):
            assert await listen(None, text_first=text_first) == "I listen."


async def ask(text: str, **config: Any) -> str:
    async with session_of(**config) as session:
        return texts(await turn(session, text))


async def test_sessions_at_once_are_told_apart_by_what_they_ask(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def both(server: GeminiServer) -> None:
        for text in ("one", "two", "three"):
            async with session_of(server) as session:
                await turn(session, text)

    sessions = [reply.live(reply.text(text), session_id=text) for text in ("1", "2", "3")]
    await recorded(path, *sessions, talk=both)
    with GeminiRecorder(path, strict=True):
        assert [*await asyncio.gather(ask("three"), ask("one"), ask("two"))] == ["3", "1", "2"]


async def test_sessions_are_told_apart_by_their_setup(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def both(server: GeminiServer) -> None:
        for system in ("be brief", "be verbose"):
            async with session_of(server, system_instruction=system) as session:
                await turn(session, "Hi")

    await recorded(path, *(reply.live(reply.text(text)) for text in ("Hi.", "Good day to you.")), talk=both)
    with GeminiRecorder(path, strict=True):
        assert await ask("Hi", system_instruction="be verbose") == "Good day to you."
        assert await ask("Hi", system_instruction="be brief") == "Hi."


# Misses


def missed(path: Path, talk: Callable[[], Any], match: str) -> None:
    """Check that *talk* misses, with a reason, within a second."""

    async def replay() -> None:
        async with GeminiRecorder(path):
            await talk()

    began = time.monotonic()
    with pytest.raises(CassetteMiss, match=match):
        asyncio.run(replay())
    assert time.monotonic() - began < PATIENCE  # which is the last resort


def test_a_changed_setup_is_a_miss(conversation_path: Path) -> None:
    async def changed() -> None:
        async with session_of(output_audio_transcription={}, system_instruction="Be brief."):
            pytest.fail("there is a session")

    missed(conversation_path, changed, "(?s)no recorded session begins so.*setup.systemInstruction: not recorded, sent")


def test_a_changed_text_is_a_miss(conversation_path: Path) -> None:
    async def changed() -> None:
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hello")

    pattern = (
        r"(?s)message 2 of the client differs.*clientContent.turns\[0\].parts\[0\].text: recorded 'Hi' != sent 'Hello'"
    )
    missed(conversation_path, changed, pattern)


def test_a_changed_result_is_a_miss(conversation_path: Path) -> None:
    async def changed() -> None:
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            await session.send_realtime_input(text="Weather?")
            await answer_calls(session, "rainy")

    missed(conversation_path, changed, r"response.result: recorded 'sunny' != sent 'rainy'")


def test_another_rate_of_the_microphone_is_a_miss(conversation_path: Path) -> None:
    async def changed() -> None:
        async with session_of(output_audio_transcription={}) as session:
            await speak(session, 640, mime_type="audio/pcm;rate=8000")

    missed(conversation_path, changed, "'audio/pcm;rate=8000' was sent, and 'audio/pcm;rate=16000' was recorded")


def test_a_wait_for_an_answer_to_what_is_never_sent_is_a_miss(conversation_path: Path) -> None:
    async def silent() -> None:
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            await session.send_realtime_input(text="Weather?")
            await turn(session)

    missed(
        conversation_path,
        silent,
        r"(?s)after 5 messages of the server.*message 4 of the client: recorded .*toolResponse",
    )


@pytest.mark.parametrize("guard", [None, "timeout", "wait_for"])
def test_a_wait_for_too_little_sound_is_a_miss_also_under_a_time_limit(
    conversation_path: Path, guard: str | None
) -> None:
    async def quiet() -> None:
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            await session.send_realtime_input(text="Weather?")
            await answer_calls(session)
            await speak(session, 3200)
            await session.send_realtime_input(audio_stream_end=True)
            if guard == "timeout":
                async with asyncio.timeout(20):
                    await turn(session)
            elif guard == "wait_for":
                await asyncio.wait_for(turn(session), 20)
            else:
                await turn(session)

    missed(conversation_path, quiet, "sound and video, audio/pcm;rate=16000: recorded 6400 bytes, sent 3200")


async def listen_for(session: AsyncSession, seconds: float, *, limit: str) -> bool:
    """Return whether a message came within *seconds*."""
    try:
        if limit == "timeout":
            async with asyncio.timeout(seconds):
                await anext(session.receive())
        elif limit == "wait_for":
            await asyncio.wait_for(anext(session.receive()), seconds)
        else:
            with anyio.fail_after(seconds):
                await anext(session.receive())
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("limit", ["timeout", "wait_for", "anyio"])
@pytest.mark.parametrize("seconds", [0.01, 0.1])
def test_a_wait_that_a_time_limit_ended_is_a_miss_at_the_end(
    conversation_path: Path, limit: str, seconds: float
) -> None:
    async def impatient() -> None:
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            assert not await listen_for(session, seconds, limit=limit)

    missed(
        conversation_path, impatient, "(?s)time limit of the application.*message 3 of the client: recorded .*Weather"
    )


def test_a_time_limit_that_is_raised_has_a_note_on_what_was_waited_for(conversation_path: Path) -> None:
    async def impatient() -> None:
        async with GeminiRecorder(conversation_path), session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            async with asyncio.timeout(0.1):
                await anext(session.receive())

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(impatient())
    assert "message 3 of the client: recorded" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("limit", ["timeout", "wait_for", "anyio"])
async def test_listening_for_a_moment_before_the_next_message_is_no_miss(
    conversation: tuple[Path, list[Any]], limit: str
) -> None:
    path, _ = conversation
    with GeminiRecorder(path) as recorder:
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            for _ in range(3):
                assert not await listen_for(session, 0.02, limit=limit)
            await session.send_realtime_input(text="Weather?")
            assert await listen_for(session, 5, limit=limit)
    assert not recorder.misses


async def test_listening_beyond_the_last_message_of_the_recording_is_no_miss(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def brief(server: GeminiServer | None = None) -> None:
        async with session_of(server) as session:
            await turn(session, "Hi")
            assert not await listen_for(session, 0.05, limit="timeout")

    await recorded(path, reply.live(reply.text("Hello.")), talk=brief)
    with GeminiRecorder(path, strict=True):
        await brief()


async def test_a_receiver_that_the_application_cancels_is_no_miss(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation
    with GeminiRecorder(path):
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            receiving = asyncio.create_task(turn(session))
            await asyncio.sleep(0.05)
            receiving.cancel()
            await asyncio.wait([receiving])


def test_a_wait_among_tasks_that_wait_for_each_other_is_a_miss(conversation_path: Path) -> None:
    async def deadlocked() -> None:
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            queue = asyncio.Queue[Any]()

            async def tool() -> None:
                await queue.get()
                await session.send_realtime_input(text="Weather?")

            working = asyncio.create_task(tool())
            try:
                await turn(session)
            finally:
                working.cancel()

    missed(conversation_path, deadlocked, "message 3 of the client: recorded .*Weather")


def test_more_than_was_recorded_is_a_miss(conversation_path: Path) -> None:
    async def more() -> None:
        async with session_of(output_audio_transcription={}) as session:
            await turn(session, "Hi")
            await session.send_realtime_input(text="Weather?")
            await answer_calls(session)
            await speak(session, 6400)
            await session.send_realtime_input(audio_stream_end=True)
            await turn(session)
            await session.send_realtime_input(text="And tomorrow?")

    missed(conversation_path, more, "(?s)the recorded client sent 5 messages, and now one more: .*And tomorrow")


def test_a_wait_beyond_the_recording_is_a_miss(conversation_path: Path) -> None:
    async def more() -> None:
        await talk()
        async with session_of(output_audio_transcription={}):
            pytest.fail("there is a session")

    missed(conversation_path, more, "recorded once, and that session was replayed already")


def test_receiving_more_than_was_recorded_is_a_miss(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def brief(server: GeminiServer | None = None, *, longer: bool = False) -> None:
        async with session_of(server) as session:
            await turn(session, "Hi")
            if longer:
                await turn(session)

    asyncio.run(recorded(path, reply.live(reply.text("Hello.")), talk=brief))
    missed(path, lambda: brief(longer=True), "4 messages of the server were recorded, then the client closed")


@pytest.fixture
def conversation_path(tmp_path: Path) -> Path:
    path = tmp_path / "talk.yaml"
    script = reply.live(reply.text("Hello."), CALL, reply.text("It is sunny."), SPEECH, session_id="s1")
    asyncio.run(recorded(path, script, talk=talk))
    return path


async def test_a_swallowed_miss_still_fails_the_block(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation

    async def swallow() -> None:
        async with GeminiRecorder(path), session_of(output_audio_transcription={}) as session:
            for _ in range(2):  # nothing that comes after a miss can be replayed
                with pytest.raises(CassetteMiss, match="message 2 of the client differs"):
                    await turn(session, "Hello")
            with pytest.raises(CassetteMiss, match="message 2 of the client differs"):
                await turn(session)

    with pytest.raises(CassetteMiss, match="message 2 of the client differs"):
        await swallow()


# Modes


async def test_new_episodes_adds_a_session_and_replays_the_old_one(conversation: tuple[Path, list[Any]]) -> None:
    path, live = conversation

    async def both(server: GeminiServer) -> None:
        assert await talk(server) == live
        async with session_of(server) as session:
            assert texts(await turn(session, "What is new?")) == "New."

    await recorded(path, reply.live(reply.text("New.")), talk=both, record="new_episodes")
    assert len(Cassette.load(path).websockets) == 2
    with GeminiRecorder(path, strict=True):
        assert await talk() == live
        assert await ask("What is new?") == "New."


@pytest.mark.parametrize("listens_before", [False, True])
async def test_new_episodes_adds_a_session_that_begins_like_another_one(
    tmp_path: Path, *, listens_before: bool
) -> None:
    path = tmp_path / "a.yaml"

    async def both(server: GeminiServer | None, *questions: str) -> list[str]:
        answers: list[str] = []
        for question in questions:
            async with session_of(server) as session:
                receiving = asyncio.create_task(turn(session)) if listens_before else None
                await speak(session, 640, 2)
                await asyncio.sleep(0)
                answers.append(texts(await turn(session, question) if receiving is None else []))
                if receiving is not None:
                    await session.send_client_content(turns=types.Content(parts=[types.Part(text=question)]))
                    answers[-1] = texts(await receiving)
        return answers

    old = reply.live(reply.text("Old."))
    await recorded(path, old, talk=lambda server: both(server, "old"))
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(reply.live(reply.text("New."))))
        recorder = stack.enter_context(GeminiRecorder(path, base_url=server.url, record="new_episodes"))
        assert await both(server, "new", "old") == ["New.", "Old."]
    assert recorder.outcome == (1, 1, 1, 0, 0)
    with GeminiRecorder(path, strict=True):
        assert await both(None, "old", "new") == ["Old.", "New."]


async def test_unchanged_sessions_leave_the_file_as_it_is(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation
    before = path.read_text()
    script = reply.live(reply.text("Hello."), CALL, reply.text("It is sunny."), SPEECH, session_id="s1")
    port = int(before.partition("127.0.0.1:")[2].partition("/")[0])
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(script, port=port))
        stack.enter_context(GeminiRecorder(path, record="all", base_url=server.url))
        await talk(server)
    assert path.read_text() == before


async def test_rewrite_starts_anew(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation

    async def brief(server: GeminiServer) -> None:
        async with session_of(server) as session:
            await turn(session, "Hi")

    await recorded(path, reply.live(reply.text("Other.")), talk=brief, record="rewrite")
    assert len(Cassette.load(path).websockets) == 1
    assert not list(path.parent.glob("*.wav"))
    with GeminiRecorder(path):
        assert await ask("Hi") == "Other."


async def test_verify_compares_what_the_server_sends(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def brief(server: GeminiServer) -> None:
        async with session_of(server) as session:
            await turn(session, "Hi")

    await recorded(path, reply.live(reply.text("Hello.")), talk=brief)
    before = path.read_text()
    await recorded(path, reply.live(reply.text("Good day.")), talk=brief, record="verify")
    with pytest.raises(
        CassetteDrift, match=r"serverContent\.inputTranscription\.text: live string, recorded has no such"
    ):
        await recorded(
            path, reply.live(reply.text("Hi.") + reply.input_transcription("x")), talk=brief, record="verify"
        )
    assert path.read_text() == before


async def test_verify_names_a_session_whose_client_sends_something_else(tmp_path: Path) -> None:
    path, script = tmp_path / "a.yaml", reply.live(reply.text("Hello."))

    async def say(text: str, server: GeminiServer) -> None:
        async with session_of(server) as session:
            await turn(session, text)

    await recorded(path, script, talk=partial(say, "Hi"))
    with pytest.raises(CassetteMiss, match="no recorded session has the same messages of the client"):
        await recorded(path, script, talk=partial(say, "Bye"), record="verify")


async def test_unused_sessions_are_told(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation
    with (
        pytest.raises(CassetteUnused, match=r"number 1: WEBSOCKET .*BidiGenerateContent"),
        GeminiRecorder(path, strict=True),
    ):
        pass


# Ends, pace and faults


@pytest.mark.parametrize("end", [reply.close(1008, "expired"), reply.disconnect(), reply.close(1000)], ids=repr)
async def test_the_end_of_a_connection_is_replayed(tmp_path: Path, end: Any) -> None:
    path = tmp_path / "a.yaml"

    async def until_the_end(server: GeminiServer | None = None) -> tuple[Any, ...]:
        async with session_of(server) as session:
            with pytest.raises(errors.APIError) as caught:
                await turn(session, "Hi")
            return caught.value.code, str(caught.value)

    live = await recorded(path, reply.live(reply.text("Hello.") + end), talk=until_the_end)
    with GeminiRecorder(path):
        assert await until_the_end() == live


async def test_what_is_sent_after_the_recorded_server_has_closed_meets_a_closed_connection(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def send(texts: list[str], server: GeminiServer | None = None) -> None:
        async with session_of(server) as session:
            for text in texts:
                await session.send_realtime_input(text=text)
            with pytest.raises(errors.APIError, match="1008"):
                await turn(session)

    await recorded(path, reply.live(reply.text("Hello.") + reply.close(1008, "expired")), talk=partial(send, ["Hi"]))
    with GeminiRecorder(path), pytest.raises(ConnectionClosed, match="1008"):
        await send(["Hi", "and more"])


async def test_a_server_that_closes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def refused(server: GeminiServer | None = None) -> str:
        client = client_of(server)
        with pytest.raises(errors.APIError) as caught:
            async with client.aio.live.connect(model="x"):
                pytest.fail("there is a session")
        await client.aio.aclose()
        return str(caught.value)

    live = await recorded(path, reply.error(401, "bad key"), talk=refused)
    with GeminiRecorder(path):
        assert await refused() == live


async def test_a_client_that_never_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def deaf(server: GeminiServer | None = None) -> None:
        async with session_of(server) as session:
            await session.send_realtime_input(text="Hi")
            await asyncio.sleep(0.2 if server else 0)

    await recorded(path, reply.live(reply.speech(seconds=4)), talk=deaf)
    with GeminiRecorder(path, strict=True):
        await deaf()


async def test_the_recorded_pace(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def brief(server: GeminiServer | None = None) -> float:
        async with session_of(server) as session:
            began = time.monotonic()
            await turn(session, "Hi")
            return time.monotonic() - began

    await recorded(path, reply.live(reply.text("a") + reply.wait(0.4) + reply.text("b")), talk=brief)
    with GeminiRecorder(path, pace="recorded"):
        assert await brief() >= 0.4
    with GeminiRecorder(path):
        assert await brief() < 0.4


async def test_faults(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation

    async def code_of(**config: Any) -> int:
        with pytest.raises(errors.APIError) as caught:
            await talk()
        return int(caught.value.code)

    with GeminiRecorder(path) as recorder:
        recorder.disconnect_after(events=3)
        assert await code_of() == 1006
    with GeminiRecorder(path) as recorder:
        recorder.disconnect_after(events=3, code=1011, reason="overloaded")
        assert await code_of() == 1011
    with GeminiRecorder(path) as recorder:
        recorder.corrupt(1)
        with pytest.raises(ValueError, match="Failed to parse response"):
            await talk()
    with GeminiRecorder(path) as recorder:
        recorder.stall(0.3, before=2)
        began = time.monotonic()
        await talk()
        assert time.monotonic() - began >= 0.3


# Secrets


KEY = "AIza" + "SyD1234567890abcdefghijklmnopqrstuv"


async def test_no_key_and_no_project_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with GeminiServer(reply.live(reply.text(f"Your key is {KEY}.")), strict=False) as server:
        credentials = Credentials(token=f"ya29.{KEY}")  # type: ignore[no-untyped-call]
        client = genai.Client(
            vertexai=True,
            project="my-secret-project",
            location="us-central1",
            credentials=credentials,
            http_options=types.HttpOptions(base_url=server.url),
        )
        with GeminiRecorder(path, record="once", base_url=server.url):
            async with client.aio.live.connect(model="gemini-live-2.5-flash-preview") as session:
                await turn(session, f"My key is {KEY}")
        await client.aio.aclose()
    kept = path.read_text()
    assert KEY not in kept
    assert "my-secret-project" not in kept
    assert "projects/REDACTED/locations/us-central1" in kept or "projects/" in kept
    with GeminiRecorder(path) as recorder:
        credentials = Credentials(token="another")  # type: ignore[no-untyped-call]
        other = genai.Client(vertexai=True, project="another-one", location="us-central1", credentials=credentials)
        async with other.aio.live.connect(model="gemini-live-2.5-flash-preview") as session:
            answer = texts(await turn(session, f"My key is {KEY}"))
        await other.aio.aclose()
    assert answer.startswith("Your key is ")
    assert recorder.outcome.missed == 0


# Live music


async def test_live_music_is_recorded_and_replayed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def play(server: GeminiServer | None = None) -> Any:
        client = client_of(server)
        async with client.aio.live.music.connect(model="models/lyria-realtime-exp") as music:
            await music.set_weighted_prompts(prompts=[types.WeightedPrompt(text="techno", weight=1.0)])
            await music.play()
            message = await anext(music.receive())
        await client.aio.aclose()
        return message

    script = reply.live(reply.blob(b"\x01\x02" * 1000, "audio/l16;rate=48000;channels=2"))
    live = await recorded(path, script, talk=play)
    with GeminiRecorder(path, strict=True):
        assert await play() == live


def test_what_is_kept_can_be_listened_to(conversation_path: Path) -> None:
    lengths = {}
    for path in conversation_path.parent.glob("*.wav"):
        with wave.open(str(path)) as file:
            lengths[file.getframerate()] = file.getnframes()
    assert lengths == {24_000: 4800, 16_000: 3200}


async def test_a_missing_file_of_sound_is_an_error_that_names_it(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation
    for file in path.parent.glob("*.wav"):
        file.unlink()

    async def replay() -> None:
        with GeminiRecorder(path):
            await talk()

    with pytest.raises(Exception, match=r"the file 'talk.*wav' beside it is missing"):
        await replay()


# What was sent


@pytest.mark.parametrize("replays", [False, True])
async def test_sessions_are_among_the_requests(tmp_path: Path, *, replays: bool) -> None:
    path = tmp_path / "a.yaml"

    async def both(server: GeminiServer | None = None) -> None:
        async with session_of(server) as session:
            await turn(session, "Hi")
            client = client_of(server)
            await client.aio.models.generate_content(model="gemini-2.5-flash", contents="And?")
            await client.aio.aclose()
            await speak(session, 6400, 4)
            await session.send_realtime_input(audio_stream_end=True)
            await turn(session)

    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(reply.live(reply.text("Hello."), SPEECH), reply.text("So.")))
        recorder = stack.enter_context(GeminiRecorder(path, record="once", base_url=server.url))
        await both(server)
    if replays:
        with GeminiRecorder(path) as recorder:
            await both()
    live, plain = recorder.requests
    assert (live.method, live.is_live, live.model) == ("WEBSOCKET", True, "gemini-live-2.5-flash-preview")
    assert [next(iter(message)) for message in live.messages] == ["client_content", "realtime_input"]
    assert live.media_bytes == {"audio/pcm;rate=16000": 6400}
    assert plain.text == "And?"
    assert [request.messages for request in server.requests] == [live.messages, []]


async def test_a_session_that_goes_live_is_one_request(conversation: tuple[Path, list[Any]]) -> None:
    path, _ = conversation
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(reply.live(reply.text("New."))))
        recorder = stack.enter_context(GeminiRecorder(path, record="new_episodes", base_url=server.url))
        async with session_of(server, output_audio_transcription={}) as session:
            assert texts(await turn(session, "What is new?")) == "New."
    [request] = recorder.requests
    assert [next(iter(message)) for message in request.messages] == ["client_content"]


async def test_a_session_that_is_missed_is_a_request(tmp_path: Path) -> None:
    async def ask() -> None:
        with recorder:
            async with session_of():
                pytest.fail("there is a session")

    recorder = GeminiRecorder(tmp_path / "a.yaml", allow_missing=True)
    with pytest.raises(CassetteMiss):
        await ask()
    assert [request.is_live for request in recorder.requests] == [True]
