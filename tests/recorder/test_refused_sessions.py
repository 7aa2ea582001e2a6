"""Handshakes of websockets that the server refuses by an HTTP status: scripted, recorded, replayed, shown, traced."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from google.genai.errors import APIError
from support.live_clients import LIVE_MODEL, client_of, session_of, texts, turn
from websockets.exceptions import InvalidStatus

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import (
    CassetteDrift,
    CassetteMiss,
    CassetteUnused,
    FakeLogger,
    GeminiMock,
    GeminiRecorder,
    GeminiServer,
    ScriptError,
    reply,
)
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cli import cassettes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:.*(experimental|Experimental).*")

Scripted = GeminiServer | GeminiMock
both = pytest.mark.parametrize("make", [GeminiServer, GeminiMock], ids=["server", "mock"])
SPENT = reply.refuse(429, "You have no quota left.")
HELLO = reply.live(reply.text("Hello."))


async def connect(scripted: Scripted | None = None) -> tuple[Any, ...]:
    """Connect; return what the application sees: an answer, or the refusal."""
    try:
        async with session_of(scripted) as session:
            return (texts(await turn(session, "Hi")),)
    except InvalidStatus as error:
        response = error.response
        body: Any = json.loads(response.body or b"null")
        kept = {name.lower(): value for name, value in response.headers.raw_items() if name == "content-type"}
        return (str(error), response.status_code, response.reason_phrase, kept, body)


def refusal(code: int, reason: str, message: str, status: str) -> tuple[Any, ...]:
    words = f"server rejected WebSocket connection: HTTP {code}"
    body = {"error": {"code": code, "message": message, "status": status}}
    return (words, code, reason, {"content-type": "application/json; charset=UTF-8"}, body)


NO_QUOTA = refusal(429, "Too Many Requests", "You have no quota left.", "RESOURCE_EXHAUSTED")


async def recorded(path: Path, *replies: Any, times: int = 1, **options: Any) -> list[Any]:
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(*replies))
        stack.enter_context(GeminiRecorder(path, base_url=server.url, **{"record": "once", **options}))
        return [await connect(server) for _ in range(times)]


# Scripted


@both
async def test_a_script_refuses_the_handshake(make: Callable[..., Scripted]) -> None:
    with make(SPENT, HELLO, reply.refuse(403, "No.")) as scripted:
        answers = [await connect(scripted) for _ in range(3)]
    assert answers == [NO_QUOTA, ("Hello.",), refusal(403, "Forbidden", "No.", "PERMISSION_DENIED")]
    assert [request.method for request in scripted.requests] == ["WEBSOCKET"] * 3


@both
async def test_a_rule_refuses_the_handshake(make: Callable[..., Scripted]) -> None:
    with make() as scripted:
        scripted.when(path="BidiGenerateMusic").always(reply.refuse(404))
        scripted.when(lambda request: request.messages[0] != {}, path="BidiGenerateContent").always(HELLO)
        client = client_of(scripted)
        with pytest.raises(InvalidStatus, match="HTTP 404"):
            async with client.aio.live.music.connect(model="models/lyria-realtime-exp"):
                pytest.fail("there is a session")
        await client.aio.aclose()


@both
async def test_a_live_interaction_is_refused(make: Callable[..., Scripted]) -> None:
    pytest.importorskip("google.genai._interactions_websocket", reason="this google-genai has no live interactions")
    with make(reply.refuse(503)) as scripted:
        client = client_of(scripted)
        interactions: Any = client.aio.interactions
        with pytest.raises(Exception, match="live interaction setup failed"):
            async with interactions.connect("v1_live"):
                pytest.fail("there is a connection")
        await client.aio.aclose()
    assert len(scripted.requests) == 1


async def test_a_refusal_answers_websockets_only() -> None:
    with GeminiMock(SPENT, strict=False):
        client = client_of()
        with pytest.raises(ScriptError, match="that only a live session has"):
            await client.aio.models.generate_content(model="gemini-2.5-flash", contents="Hi")
        await client.aio.aclose()


@pytest.mark.parametrize("code", [200, 101, 302, 600])
def test_a_status_that_refuses_nothing(code: int) -> None:
    with pytest.raises(ScriptError, match=f"refused with a status from 400 to 599, got {code}"):
        reply.refuse(code)


async def test_a_refusal_within_a_session_is_an_error_of_the_script() -> None:
    with pytest.raises(ScriptError, match="refuse 429 is a whole answer: it can't follow <Reply 'Hi'>"):
        reply.text("Hi") + SPENT
    with (
        GeminiMock(reply.live(SPENT), strict=False) as mock,
        pytest.raises(APIError, match="a live session has no refusal"),
    ):
        async with session_of(mock) as session:
            await turn(session, "Hi")


# Recorded


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
async def test_a_refusal_is_recorded_and_replayed(tmp_path: Path, code: int) -> None:
    path = tmp_path / "a.yaml"
    live = await recorded(path, reply.refuse(code, "No."))
    with GeminiRecorder(path, strict=True) as recorder:
        assert [await connect()] == live
    assert live[0][1] == code
    assert recorder.outcome == (1, 0, 0, 0, 0)


async def test_refusals_come_where_they_came(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    script = [SPENT, HELLO, SPENT, HELLO]
    live = await recorded(path, *script, times=4)
    assert live == [NO_QUOTA, ("Hello.",), NO_QUOTA, ("Hello.",)]
    with GeminiRecorder(path, strict=True):
        assert [await connect() for _ in range(4)] == live


async def test_sessions_and_refusals_are_kept_in_the_order_in_which_they_were_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    async def two(server: GeminiServer | None = None) -> list[Any]:
        async with session_of(server) as session:
            meanwhile = await connect(server)
            return [texts(await turn(session, "Hi")), meanwhile]

    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer())
        server.reply(HELLO, SPENT)
        stack.enter_context(GeminiRecorder(path, record="once", base_url=server.url))
        live = await two(server)
    assert live == ["Hello.", NO_QUOTA]
    with GeminiRecorder(path, strict=True):
        assert await two() == live


async def test_one_connection_more_than_was_refused_is_a_miss(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    await recorded(path, SPENT)

    async def again() -> None:
        with GeminiRecorder(path):
            await connect()
            await connect()

    with pytest.raises(CassetteMiss, match="no session is left there"):
        await again()


async def test_a_refusal_that_is_not_used_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    await recorded(path, SPENT)
    with pytest.raises(CassetteUnused, match="WEBSOCKET"), GeminiRecorder(path, strict=True):
        pass


async def test_new_episodes_replays_a_refusal_and_adds_one(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    await recorded(path, SPENT)
    answers = await recorded(path, reply.refuse(403, "No."), record="new_episodes", times=2)
    assert [answer[1] for answer in answers] == [429, 403]
    with GeminiRecorder(path, strict=True):
        assert [await connect() for _ in range(2)] == answers


async def test_new_episodes_keeps_a_refusal_that_comes_after_the_first_message(tmp_path: Path) -> None:
    """The session of the recording fits no longer: only then the connection is opened."""
    path = tmp_path / "a.yaml"
    await recorded(path, HELLO)
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(SPENT))
        stack.enter_context(GeminiRecorder(path, base_url=server.url, record="new_episodes"))
        with pytest.raises(InvalidStatus, match="HTTP 429"):
            async with session_of(server, system_instruction="Be brief."):
                pytest.fail("there is a session")
    assert [session.refused and session.refused.status for session in Cassette.load(path).websockets] == [None, 429]


async def test_verify_tells_that_a_status_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    await recorded(path, SPENT)
    await recorded(path, SPENT, record="verify")
    with pytest.raises(CassetteDrift, match="refused: recorded 429 != live 503"):
        await recorded(path, reply.refuse(503), record="verify")


async def test_a_server_that_is_not_there_leaves_nothing_in_the_cassette(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with ExitStack() as stack:
        server = stack.enter_context(GeminiServer(HELLO))
        stack.enter_context(GeminiRecorder(path, record="once", hosts=[f"http://127.0.0.1:{port}", server.url]))
        server_url, server._running.url = server.url, f"http://127.0.0.1:{port}"  # type: ignore[union-attr]
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(server)
        server._running.url = server_url  # type: ignore[union-attr]
        assert await connect(server) == ("Hello.",)
    assert len(Cassette.load(path).websockets) == 1


async def test_secrets_of_a_refusal_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    key = "AIza" + "SyD1234567890abcdefghijklmnopqrstuv"
    await recorded(path, reply.refuse(403, f"API key {key} not valid."))
    assert key not in path.read_text()
    with GeminiRecorder(path, strict=True):
        assert "not valid." in (await connect())[4]["error"]["message"]


async def test_an_edited_refusal_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    await recorded(path, SPENT)
    path.write_text(
        path.read_text()
        .replace("no quota left", "nothing left")
        .replace('{"code": 429, "message": "Too', '{"code": 503, "message": "Too')
    )
    with GeminiRecorder(path, strict=True):
        answer = await connect()
    assert (answer[1], answer[4]["error"]["message"]) == (503, "You have nothing left.")


# Shown


async def test_a_refusal_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    await recorded(path, SPENT, HELLO, times=2)
    cassettes.show(str(path), full=False, as_json=False)
    shown = capsys.readouterr().out
    assert "refused with 429 Too Many Requests" in shown
    assert "You have no quota left." in shown
    cassettes.show(str(path), full=False, as_json=True)
    websockets = json.loads(capsys.readouterr().out)["websockets"]
    assert websockets[0]["refused"]["status"]["code"] == 429
    assert "refused" not in websockets[1]


# Traced


@both
async def test_a_refusal_is_traced_as_the_error_of_the_application(make: Callable[..., Scripted]) -> None:
    logger = FakeLogger()
    with make(SPENT) as scripted:
        client = MaximGeminiClient(client_of(scripted), logger)
        with pytest.raises(InvalidStatus) as caught:
            async with client.aio.live.connect(model=LIVE_MODEL):
                pytest.fail("there is a session")
        await client.aio.aclose()
    [error] = logger.errors
    assert (error.message, error.code, error.type) == (str(caught.value), "429", "InvalidStatus")
    logger.assert_complete()


def test_the_loop_of_an_application_is_not_left_with_tasks() -> None:
    async def talk() -> None:
        with GeminiServer(SPENT) as server:
            await connect(server)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(talk())
