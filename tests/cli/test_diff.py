"""`cassettes diff` shows what changed in requests and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.interaction_calls import events, function_call, interaction, output
from support.traffic import SENT, answer, sent_request, stream
from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cli.app import run
from maxim_gemini.testing._http.exchange import Chunk, Response

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def saved(path: Path, *exchanges: tuple[Any, Any]) -> str:
    cassette = Cassette(path)
    for exchange in exchanges:
        cassette.record(*exchange)
    cassette.save()
    return str(path)


def test_what_says_the_same_is_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = saved(
        tmp_path / "old.yaml", (sent_request("Hi"), answer("Hello")), (sent_request("Count"), stream("1 ", "2"))
    )
    new = saved(
        tmp_path / "new.yaml", (sent_request("Count"), stream("1", " 2")), (sent_request("Hi"), answer("Hello"))
    )
    assert run(["cassettes", "diff", old, new]) == 0
    assert capsys.readouterr() == ("", "no difference\n")


def test_changed_questions_and_answers_are_paired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = saved(
        tmp_path / "old.yaml",
        (sent_request("Hi"), answer("Hello")),
        (sent_request("Say one word"), answer("Yes")),
        (sent_request("Count"), stream("1 ", "2")),
    )
    new = saved(
        tmp_path / "new.yaml",
        (sent_request("Hi"), answer("Good day")),
        (sent_request("Say two words"), answer("Yes")),
        (sent_request("Count"), stream("1 ", "2", ended="ReadTimeout")),
        (sent_request("Something else"), answer("Well")),
    )
    assert run(["cassettes", "diff", old, new]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "1 -> 1  POST gemini-2.5-flash:generateContent",
        "  answer    candidates[0].content.parts[0].text: 'Hello' -> 'Good day'",
        "2 -> 2  POST gemini-2.5-flash:generateContent",
        "  request   contents[0].parts[0].text: 'Say one word' -> 'Say two words'",
        "3 -> 3  POST gemini-2.5-flash:generateContent",
        "  answer    ended: 'complete' -> 'ReadTimeout'",
        "4  POST gemini-2.5-flash:generateContent",
        "  added",
    ]
    assert printed.err == "4 interactions, 4 changed\n"
    assert run(["cassettes", "diff", "--json", old, new]) == 1
    assert json.loads(capsys.readouterr().out)[-1] == {"new": 4, "changes": ["added"]}


def test_what_is_gone_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = saved(tmp_path / "old.yaml", (sent_request("Hi"), answer("Hello")), (sent_request("Bye"), answer("Bye")))
    new = saved(tmp_path / "new.yaml", (sent_request("Hi"), answer("Hello")))
    assert run(["cassettes", "diff", old, new]) == 1
    assert capsys.readouterr().out == "2  POST gemini-2.5-flash:generateContent\n  removed\n"


def test_bundled_cassettes_are_compared_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cassettes", "diff", "text", "text"]) == 0
    assert run(["cassettes", "diff", "text", "chat"]) == 1
    assert capsys.readouterr().out


ASKED = Request("POST", "http://127.0.0.1/v1/interactions", b'{"model": "gemini-3.8-flash", "input": "Hi"}', dict(SENT))


def plain(value: dict[str, Any], status: int = 200) -> Response:
    return Response(status, (("content-type", "application/json"),), (Chunk(json.dumps(value).encode(), 0.1),), "OK")


def streamed(*texts: str, number: int = 1) -> Response:
    chunks = tuple(Chunk(f"data: {json.dumps(event)}\n\n".encode(), 0.1) for event in events(*texts, number=number))
    return Response(200, (("content-type", "text/event-stream"),), chunks, "OK")


def test_interactions_that_say_the_same_are_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = (interaction(1, function_call(call_id="a", city="Kyiv"), output("Hello")), streamed("Hel", "lo", number=2))
    new = (interaction(3, function_call(call_id="b", city="Kyiv"), output("Hello")), streamed("Hello", number=4))
    paths = [
        saved(tmp_path / name, (ASKED, plain(whole)), (ASKED, pieces))
        for name, (whole, pieces) in (("old.yaml", old), ("new.yaml", new))
    ]
    assert run(["cassettes", "diff", *paths]) == 0
    assert capsys.readouterr() == ("", "no difference\n")


def test_changed_interactions_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = saved(tmp_path / "old.yaml", (ASKED, plain(interaction())), (ASKED, streamed("Hel", "lo")))
    new = saved(tmp_path / "new.yaml", (ASKED, plain(interaction(), 500)), (ASKED, streamed("Bye")))
    assert run(["cassettes", "diff", old, new]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 -> 1  POST /v1/interactions",
        "  answer    http_status: 200 -> 500",
        "2 -> 2  POST /v1/interactions",
        "  answer    stream.model: 'Hello' -> 'Bye'",
    ]


def test_an_argument_named_id_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [
        saved(tmp_path / f"{number}.yaml", (ASKED, plain(interaction(1, function_call(id=number)))))
        for number in (1, 2)
    ]
    assert run(["cassettes", "diff", *paths]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["  answer    steps[0].arguments.id: 1 -> 2"]
