"""What a stranger's cassette or a client of the server says is shown, and never obeyed by a terminal."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING

import pytest
from support.secrets import WORDS
from support.traffic import answer, sent_request

from maxim_gemini.testing import GeminiServer, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cli import console, serve
from maxim_gemini.testing._cli.app import run
from maxim_gemini.testing._printable import printable, shown
from maxim_gemini.testing.exceptions import CassetteMiss, TestKitError

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "\x1b]0;owned\x07"
CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"
CLEAR = "\x1b[2J"
C1 = "\x9b2J\x9d0;owned\x9c"
BIDI = "\u202etxt.exe\u202c\u2066x\u2069"
HOSTILE = f"a{TITLE}{CLIPBOARD}{CLEAR}{C1}{BIDI}\x08\x7f\r\u2028b"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]")


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    path = tmp_path / "strangers.yaml"
    cassette = Cassette(path)
    cassette.head.description = cassette.head.source = HOSTILE
    cassette.record(sent_request(HOSTILE), answer(HOSTILE))
    cassette.save()
    return path


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("command", [("show",), ("show", "--full"), ("show", "--json"), ("list",), ("list", "--json")])
def test_no_command_obeys_a_cassette(
    strangers: Path,
    command: tuple[str, ...],
    terminal: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR" if terminal else "NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "1000")
    console.out.cache_clear()
    try:
        assert run(["cassettes", *command, str(strangers)]) == 0
    finally:
        console.out.cache_clear()
    out = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)  # rich's own colours
    assert not OBEYED.search(out)
    assert "\\u001b" in out
    if "--json" in command:
        assert json.loads(out)


def test_the_log_of_the_server_obeys_no_client(capsys: pytest.CaptureFixture[str]) -> None:
    with GeminiServer(reply.text("ok"), strict=False) as server:
        body = json.dumps({"contents": [{"parts": [{"text": HOSTILE + WORDS["Google API key"]}]}]}).encode()
        uri = f"{server.url}/v1beta/models/m:generateContent"
        sent = urllib.request.Request(uri, data=body, headers={"content-type": "application/json"})
        urllib.request.urlopen(sent).close()
        console.err.cache_clear()
        serve._log(server, 0)
    err = capsys.readouterr().err
    assert not OBEYED.search(err.rstrip("\n"))
    assert "owned" in err
    assert WORDS["Google API key"] not in err


def test_no_error_obeys_a_cassette_or_shows_a_key(strangers: Path) -> None:
    message = str(CassetteMiss(Cassette.load(strangers).explain_miss(sent_request(f"other {HOSTILE}"))))
    assert not OBEYED.search(message)
    assert "owned" in message
    assert "\n" in message
    assert str(TestKitError(f"it is {WORDS['OpenAI key']}")) == "it is REDACTED"


def test_what_is_no_control_character_stays() -> None:
    text = "é 東京 مرحبا 👨‍👩‍👧 a\tb\n\xa0«x» ␛"
    assert printable(text) == text
    assert shown("\ud800\U000e0041") == "\\ud800\\udb40\\udc41"
