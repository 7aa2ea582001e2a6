"""`cassettes list`, `check`, `diff`, `scrub` and `rename` on cassettes with live sessions."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.secrets import WORDS
from support.traffic import answer, sent_request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cli.app import run
from maxim_gemini.testing._http.websocket import Close, Conversation, Frame

if TYPE_CHECKING:
    from pathlib import Path

KEY = WORDS["Google API key"]
URI = (
    "wss://generativelanguage.googleapis.com/ws/"
    "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
)
SETUP: dict[str, Any] = {"setup": {"model": "models/gemini-live-2.5-flash-preview"}}
SOUND = base64.b64encode(bytes(range(256)) * 8).decode()
HALF = base64.b64encode(bytes(range(256)) * 4).decode()
REST = base64.b64encode((bytes(range(256)) * 8)[1:]).decode()
NORMAL = Close(1000, "", "client")


def says(text: str) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"parts": [{"text": text}]}}}


def sounds(data: str = SOUND) -> dict[str, Any]:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": data}
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}


def asks(text: str) -> dict[str, Any]:
    return {"clientContent": {"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": True}}


def talked(question: str, *answers: dict[str, Any], setup: Any = SETUP, close: Close | None = NORMAL) -> Conversation:
    """Return a session of one turn."""
    received = [json.dumps(message, indent=2).encode() + b"\n" for message in answers]
    sent = [json.dumps(message) for message in (setup, asks(question))]
    frames = (
        Frame(sent[0], True, 0.1),
        Frame(b'{\n  "setupComplete": {}\n}\n', False, 0.2),
        Frame(sent[1], True, 0.3),
        *(Frame(message, False, 0.4) for message in received),
    )
    return Conversation(URI, (("x-team", "blue"),), frames, close)


def saved(path: Path, *conversations: Conversation, exchanges: tuple[Any, ...] = ()) -> str:
    cassette = Cassette(path)
    for exchange in exchanges:
        cassette.record(*exchange)
    for conversation in conversations:
        cassette.record_websocket(conversation)
    cassette.save()
    return str(path)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Differences


def test_pieces_of_a_text_and_of_sound_are_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = saved(tmp_path / "old.yaml", talked("Hi", says("Hello."), sounds(SOUND)))
    new = saved(tmp_path / "new.yaml", talked("Hi", says("Hel"), says("lo."), sounds("AA=="), sounds(REST)))
    assert run(["cassettes", "diff", old, new]) == 0, capsys.readouterr().out
    assert capsys.readouterr().err == "no difference\n"


def test_what_changed_in_a_session_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = saved(tmp_path / "old.yaml", talked("Hi", says("Hello."), sounds()), talked("Bye", says("Bye.")))
    expired = Close(1008, "expired", "server")
    new = saved(tmp_path / "new.yaml", talked("Hi there", says("Good day."), sounds(HALF), close=expired))
    assert run(["cassettes", "diff", old, new]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 -> 1  WEBSOCKET /ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        "  request   [1].clientContent.turns[0].parts[0].text: 'Hi' -> 'Hi there'",
        "  answer    ended.code: 1000 -> 1008",
        "  answer    ended.by: 'client' -> 'server'",
        "  answer    ended.reason: added 'expired'",
        "  answer    sound_bytes: 2048 -> 1024",
        "  answer    model: 'Hello.' -> 'Good day.'",
        "2  WEBSOCKET /ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        "  removed",
    ]


def test_sessions_and_calls_are_compared_in_one_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = (sent_request("Hi"), answer("Hello"))
    old = saved(tmp_path / "old.yaml", talked("Hi", says("Hello.")), exchanges=(call,))
    new = saved(tmp_path / "new.yaml", talked("Hi", says("Hello."), says("Again.")), exchanges=(call,))
    assert run(["cassettes", "diff", "--json", old, new]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"old": 1, "new": 1, "changes": ["answer    model: 'Hello.' -> 'Hello.Again.'"]}
    ]


# Check and scrub


def planted(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Hello.", f"Hello {KEY}."),
        ('"Hi"', f'"my key is {KEY}"'),
        ("blue", KEY),
        ("BidiGenerateContent\n", f"BidiGenerateContent?key={KEY}\n"),
        ("expired", f"bad key {KEY}"),
    ],
    ids=["answer", "question", "header", "address", "reason"],
)
@pytest.mark.parametrize("calls", [0, 1])
def test_a_key_in_a_session_is_found_and_taken_out(
    old: str, new: str, calls: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.yaml"
    exchanges = ((sent_request("Count"), answer("1")),) * calls
    session = talked("Hi", says("Hello."), sounds(), close=Close(1008, "expired", "server"))
    saved(path, session, exchanges=exchanges)
    before = files(tmp_path)
    planted(path, old, new)
    assert run(["cassettes", "check", str(tmp_path)]) == 1
    assert run(["cassettes", "scrub", "--dry-run", str(tmp_path)]) == 1
    assert KEY in path.read_text()
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err
    assert run(["cassettes", "scrub", str(tmp_path)]) == 0, capsys.readouterr().out
    assert KEY not in path.read_text()
    assert run(["cassettes", "check", str(tmp_path)]) == 0, capsys.readouterr().out
    assert files(tmp_path).keys() == before.keys()
    scrubbed = Cassette.load(path)
    assert len(scrubbed.interactions) == calls
    assert [len(session) for session in scrubbed.websockets] == [5]


def test_a_clean_session_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    saved(path, talked("Hi", says("Hello."), sounds()), talked("Bye", says("Bye."), close=None))
    before = files(tmp_path)
    assert run(["cassettes", "check", str(path)]) == 0
    assert run(["cassettes", "scrub", str(path)]) == 0
    assert files(tmp_path) == before


def test_sound_that_no_session_needs_is_found_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    saved(path, talked("Hi", sounds()))
    before = files(tmp_path)
    (sound,) = tmp_path.glob("*.wav")
    idle = sound.with_name(sound.name.replace(sound.stem[-6:], "abcdef"))
    idle.write_bytes(sound.read_bytes())
    assert run(["cassettes", "check", str(path)]) == 1
    assert "is not needed" in capsys.readouterr().out
    assert run(["cassettes", "scrub", str(path)]) == 0
    assert files(tmp_path) == before


def test_sound_that_is_missing_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    saved(path, talked("Hi", sounds()))
    (sound,) = tmp_path.glob("*.wav")
    sound.unlink()
    assert run(["cassettes", "check", str(path)]) == 1
    assert f"the file {sound.name!r} beside it is missing" in capsys.readouterr().out
    assert run(["cassettes", "scrub", str(path)]) == 1


# Show


def test_messages_of_any_form_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = {"serverContent": {"modelTurn": {"parts": [{"executableCode": {"code": "1"}}]}}}
    numbers: Any = [1, 2]
    path = saved(tmp_path / "a.yaml", talked("Hi", code, numbers, says("Hello.")))
    assert run(["cassettes", "show", path]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert lines[-3:] == [["model", '{"executableCode": {"code": "1"}}'], ["received", "[1, 2]"], ["model", "Hello."]]


# Rename


def test_the_sound_goes_with_its_cassette(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    saved(path, talked("Hi", says("Hello."), sounds()))
    session = Cassette.load(path).websockets[0].conversation
    assert run(["cassettes", "rename", str(path), str(tmp_path / "new")]) == 0
    assert not list(tmp_path.glob("old*"))
    assert Cassette.load(tmp_path / "new.yaml").websockets[0].conversation == session
    assert run(["cassettes", "check", str(tmp_path)]) == 0


def test_the_list_counts_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "a.yaml", talked("Hi", says("Hello.")), talked("Bye", says("Bye.")))
    assert run(["cassettes", "list", "--json", str(tmp_path)]) == 0
    assert [row["interactions"] for row in json.loads(capsys.readouterr().out)] == [2]
