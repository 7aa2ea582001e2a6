from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from support.corpus import cassettes, needs_corpus
from support.traffic import answer, asked, said, stream
from vcr.cassette import Cassette as VcrCassette

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.inspection import check, find, scrub, show
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._http.wire import dump_json

if TYPE_CHECKING:
    from pathlib import Path

KEY = "AIza" + "k" * 35


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    cassette = Cassette(path)
    cassette.head.recorded_at, cassette.head.source = "2026-11-22", "loopback"
    cassette.record(asked("Hi"), answer("Hello"))
    cassette.record(asked("Count"), stream("1", "2", ended="ReadTimeout"))
    cassette.record(
        asked("Fail"), Response(429, (), (Chunk(dump_json({"error": {"code": 429, "message": "Slow down."}})),))
    )
    picture = base64.b64encode(bytes(range(256)) * 64).decode()
    cassette.record(asked("Draw"), Response(200, (), (Chunk(dump_json(said("Here") | {"data": picture}), 2.0),)))
    cassette.save()
    return path


def test_shows_what_is_in_a_cassette(path: Path) -> None:
    summary = show(path)
    assert (summary.head.recorded_at, summary.head.source, summary.size) == (
        "2026-11-22",
        "loopback",
        path.stat().st_size,
    )
    assert len(summary.files) == 1
    assert [
        (line.number, line.status, line.ended, line.events, line.seconds, line.asked, line.answered)
        for line in summary.lines
    ] == [
        (1, 200, "complete", 1, 0.25, "Hi", "Hello"),
        (2, 200, "ReadTimeout", 2, 0.2, "Count", "12"),
        (3, 429, "complete", 1, 0.0, "Fail", "Slow down."),
        (4, 200, "complete", 1, 2.0, "Draw", "Here"),
    ]


def test_a_good_cassette_has_no_problems(path: Path) -> None:
    assert check(path) == []


def test_finds_what_is_wrong(path: Path) -> None:
    (file,) = path.parent.glob("*.bin")
    file.rename(file.with_name("a.0123456789abcdef.png"))
    text = (
        path.read_text()
        .replace('"text": "Hello"', f'"text": "it is {KEY}"')
        .replace("finishReason: STOP", "finishReason: [", 1)
    )
    path.write_text(text.replace("loopback", f"loopback\n  description: by {KEY}"))
    problems = check(path)
    assert [str(problem).replace(str(path.parent), "") for problem in problems] == [
        "/a.yaml:23: did not find expected ',' or ']'. Restore the file, or record again",
        f"/a.yaml: the file {file.name!r} beside it is missing. Restore it, or record again",
        "/a.yaml: a Google API key in the head.description",
        "/a.yaml: the file 'a.0123456789abcdef.png' beside it is not needed",
    ]
    assert [problem.fatal for problem in problems] == [True, True, True, False]
    path.write_text(text.replace("finishReason: [", "finishReason: STOP"))
    assert "a Google API key in interaction 1, response.body" in str(check(path)[0])


def test_an_unreadable_cassette_is_one_problem(path: Path) -> None:
    path.write_text(path.read_text()[:300])
    (problem,) = check(path)
    assert str(problem).startswith(f"{path}:10: the file ends too early")


def test_scrubs_a_file_of_ours(path: Path) -> None:
    assert not scrub(path)
    path.write_text(path.read_text().replace('"text": "Hello"', f'"text": "it is {KEY}"'))
    assert scrub(path)
    assert KEY not in path.read_text()
    assert check(path) == []
    assert Cassette.load(path).head.recorded_at == "2026-11-22"


def test_scrubs_a_file_of_vcrpy_s(tmp_path: Path) -> None:
    path = tmp_path / "theirs.yaml"
    theirs = VcrCassette(path)
    request = asked("Hi")
    request.headers["X-Goog-Api-Key"] = KEY
    theirs.append(
        request,
        {"status": {"code": 200, "message": "OK"}, "headers": {"Set-Cookie": ["a=b"]}, "body": {"string": b"x"}},
    )
    theirs._save()
    assert sorted(problem.fatal for problem in check(path)) == [False, True]
    assert scrub(path)
    assert check(path) == []
    assert Cassette.load(path).play(asked("Hi")) is not None


def test_finds_cassettes(path: Path) -> None:
    (path.parent / "sub").mkdir()
    (path.parent / "sub" / "b.yaml").write_text("version: 1\ninteractions: []\n")
    (path.parent / "other.yaml").write_text("key: value\n")
    assert [found.name for found in find(path.parent)] == ["a.yaml", "b.yaml"]


@needs_corpus
@pytest.mark.parametrize("published", cassettes(), ids=lambda path: path.stem)
def test_real_cassettes_can_be_shown_checked_and_scrubbed(published: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(published.read_bytes())
    before = show(path)
    scrub(path)
    after = show(path)
    assert [problem for problem in check(path) if problem.fatal] == []
    assert [(line.asked, line.answered, line.status) for line in after.lines] == [
        (line.asked, line.answered.replace("fake-project", "REDACTED"), line.status) for line in before.lines
    ]
