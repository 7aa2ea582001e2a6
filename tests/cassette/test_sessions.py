"""Websocket sessions in a cassette: read before they are saved, refused where they can't be kept, edited by hand."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.traffic import answer, sent_request

from maxim_gemini.testing import GeminiRecorder
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.scrubbing import Scrubber
from maxim_gemini.testing._http.websocket import Close, Conversation, Frame
from maxim_gemini.testing.exceptions import CassetteBroken, CassetteError

if TYPE_CHECKING:
    from pathlib import Path

    from vcr.request import Request

    from maxim_gemini.testing._http.exchange import Response

SERVICE = "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
URI = f"wss://generativelanguage.googleapis.com/ws/{SERVICE}"
SPEECH = bytes(range(250)) * 12


def media(data: bytes, kind: str) -> str:
    return json.dumps({"realtime_input": {"video": {"data": base64.b64encode(data).decode(), "mime_type": kind}}})


def talk(*messages: str, uri: str = URI) -> Conversation:
    """Return a conversation in which the client sends *messages* after its setup."""
    sent = [Frame(message, True, (number + 1) / 10) for number, message in enumerate(messages)]
    setup = [Frame('{"setup": {"model": "models/m"}}', True), Frame(b'{\n  "setupComplete": {}\n}\n', False, 0.05)]
    return Conversation(uri, (), (*setup, *sent), Close(1000, "", "client"))


def with_media() -> Conversation:
    picture = media(b"\xff\xd8\xff" + bytes(2000), "image/jpeg")
    return talk(media(SPEECH, "audio/pcm;rate=16000"), picture, media(SPEECH, "audio/pcm;rate=16000"), picture)


def saved(path: Path, conversation: Conversation) -> Cassette:
    cassette = Cassette(path)
    cassette.record_websocket(conversation)
    cassette.save()
    return Cassette.load(path)


def test_a_session_is_the_same_before_and_after_it_is_saved(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path / "a.yaml")
    session = cassette.record_websocket(with_media())
    assert session.conversation == with_media()
    assert not list(tmp_path.iterdir())
    cassette.save()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".jpg", ".wav", ".yaml"]
    (again,) = Cassette.load(tmp_path / "a.yaml").websockets
    assert again.conversation == with_media()
    assert again.fingerprint == session.fingerprint
    assert repr(again) == f"<WebsocketSession 1: {URI}, played 0 times>"


def test_a_session_of_too_many_bytes_is_refused_and_all_else_is_kept(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path / "a.yaml", media_limit=5_000)
    cassette.record_websocket(talk("small"))
    with pytest.raises(CassetteError, match=r"a live session has 8,\d{3} bytes .* at most 5,000 .* raise media_limit"):
        cassette.record_websocket(with_media())
    assert len(cassette.websockets) == 1
    assert repr(cassette).endswith("a.yaml: 0 interactions and 1 websockets, 0 not played>")


class Failing(Scrubber):
    """A scrubber of a user's own with a fault in it."""

    def exchange(self, request: Request, response: Response) -> tuple[Request, Response]:
        if b"odd" in request.body:
            raise LookupError("odd")
        return super().exchange(request, response)

    def of_session(self, conversation: Conversation) -> Scrubber:
        if any("odd" in str(frame.message) for frame in conversation.frames):
            raise LookupError("odd")
        return super().of_session(conversation)


def test_what_a_scrubber_fails_on_is_refused_and_all_else_is_kept(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path / "a.yaml", scrubber=Failing())
    for number, text in enumerate(("even", "odd", "even")):
        if text == "odd":
            with pytest.raises(CassetteError, match=r"a\.yaml: interaction 2 can't be kept: LookupError"):
                cassette.record(sent_request(text), answer(""))
            with pytest.raises(CassetteError, match=r"a\.yaml: websocket session 2 can't be kept: LookupError"):
                cassette.record_websocket(talk(text))
        else:
            cassette.record(sent_request(f"{text} {number}"), answer(""))
            cassette.record_websocket(talk(f"{text} {number}"))
    cassette.save()
    again = Cassette.load(tmp_path / "a.yaml")
    assert (len(again.interactions), len(again.websockets)) == (2, 2)


def test_a_session_is_compared_once_until_the_cassette_is_rewound(tmp_path: Path) -> None:
    cassette = saved(tmp_path / "a.yaml", talk("Hi"))
    for _ in range(2):
        assert [cassette.recorded_like(talk(text))[0] for text in ("Bye", "Hi", "Hi")] == [
            None,
            cassette.websockets[0],
            None,
        ]
        assert cassette.unplayed == []
        cassette.rewind()
        assert cassette.unplayed == cassette.websockets


@pytest.mark.parametrize(
    ("pattern", "replacement", "problem"),
    [
        (r"sent:", "send:", "a message is either 'sent' or 'received'"),
        (r'"received": \{.*\}', '"received": [1], "json": "neat"}', "unknown style 'neat' of JSON"),
        (r"at: 0\.1", "at: soon", "could not convert string to float: 'soon'"),
    ],
)
def test_an_edited_session_that_makes_no_sense_is_refused(
    tmp_path: Path, pattern: str, replacement: str, problem: str
) -> None:
    edit(tmp_path / "a.yaml", pattern, replacement)
    with pytest.raises(CassetteBroken, match=rf"a\.yaml:\d+: this interaction can't be read: {problem}"):
        Cassette.load(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        ("7, 0, 3000", "a message has media in file 7, and there are 2 files"),
        ("0, 0, 9999", r"the file 'a\.[0-9a-f]+\.wav' is too short"),
        ("0, 0", "zip"),
    ],
)
def test_edited_media_that_are_in_no_file_are_refused_when_they_are_read(
    tmp_path: Path, numbers: str, problem: str
) -> None:
    edit(tmp_path / "a.yaml", r"(?<=media\b)(.{1,3})\[0, 0, 3000\]", rf"\1[{numbers}]")
    (session,) = Cassette.load(tmp_path / "a.yaml").websockets
    with pytest.raises(CassetteBroken, match=rf"a\.yaml: this interaction can't be read: {problem}"):
        _ = session.conversation


def edit(path: Path, pattern: str, replacement: str) -> None:
    saved(path, with_media())
    edited, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count
    path.write_text(edited)


def test_websockets_that_are_no_list_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    saved(path, talk("Hi"))
    above, _, _ = path.read_text().partition("websockets:")
    path.write_text(f"{above}websockets: {{a: b}}\n...\n")
    with pytest.raises(CassetteBroken, match=r"a\.yaml:\d+: 'websockets' is not a list"):
        Cassette.load(path)


@pytest.mark.parametrize(("host", "is_vertex"), [("us-central1-aiplatform", True), ("generativelanguage", False)])
def test_a_client_for_sessions_alone_is_of_the_service_that_was_recorded(
    tmp_path: Path, host: str, is_vertex: bool
) -> None:
    saved(tmp_path / "a.yaml", talk("Hi", uri=f"wss://{host}.googleapis.com/ws/{SERVICE}"))
    with GeminiRecorder(tmp_path / "a.yaml") as recorder:
        client: Any = recorder.bare_client
        assert bool(client.vertexai) == is_vertex
