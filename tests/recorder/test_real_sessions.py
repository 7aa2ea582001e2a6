"""Real live sessions, played by a server on loopback, recorded through the real SDK and replayed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.corpus import needs_corpus
from support.live import Recorded, gemini_on_loopback, play, recorded_sessions

from maxim_gemini.testing import GeminiRecorder
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http.sdk import ReplayedCredentials, aclose
from maxim_gemini.testing._http.websocket import Close, Conversation, Frame

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [needs_corpus, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
each = pytest.mark.parametrize("session", recorded_sessions(), ids=repr)


def client_for(session: Recorded) -> genai.Client:
    if not session.is_vertex:
        return genai.Client(api_key="any-key")
    credentials: Any = ReplayedCredentials()
    return genai.Client(vertexai=True, project="my-project", location="us-central1", credentials=credentials)


@each
async def test_it_is_recorded_and_replayed_to_the_same_bytes(
    session: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    client = client_for(session)
    with monkeypatch.context() as patched:
        async with gemini_on_loopback(patched) as gemini:
            gemini.script = session.script
            with GeminiRecorder(path, record="once", hosts=["127.0.0.1"]):
                live = await play(client, session)
    kept = Cassette.load(path).websockets[0].conversation
    assert [frame.message for frame in kept.frames if not frame.is_sent][1:] == [
        text.encode() for direction, text in session.frames if direction == "received"
    ]
    with GeminiRecorder(path, strict=True) as recorder:
        replayed = await play(client, session)
    await aclose(client)
    assert replayed == live
    assert len(live) == len(session.received)
    assert recorder.outcome == (1, 0, 0, 0, 0)


@each
def test_it_is_kept_to_the_byte(session: Recorded, tmp_path: Path) -> None:
    """Also as other SDKs write it, and also where an editor has touched the file."""
    path = tmp_path / "a.yaml"
    setup = Frame(json.dumps({"setup": session.setup}), is_sent=True)
    frames = [
        Frame(text if direction == "sent" else text.encode(), is_sent=direction == "sent", at=index / 8)
        for index, (direction, text) in enumerate(session.frames)
    ]
    conversation = Conversation("wss://example.com/ws/a", (), (setup, *frames), Close(1000, "", "client"))
    cassette = Cassette(path)
    cassette.record_websocket(conversation)
    cassette.save()
    kept = Cassette.load(path).websockets[0].conversation.frames[1:]
    assert list(kept) == frames
    path.write_text(path.read_text().replace("version: 1\n", "version: 1 \n", 1))
    assert list(Cassette.load(path).websockets[0].conversation.frames[1:]) == frames
