"""`cassettes check` finds what must not be shared, wherever in a file or beside it, and `cassettes scrub` mends it."""

from __future__ import annotations

import base64
import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.secrets import HARMLESS, PLACED, WORD, WORDS, drawn
from support.traffic import answer, sent_request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.store import Shelf
from maxim_gemini.testing._cli.app import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = WORDS["Google API key"]
OPAQUE = drawn(WORD, 32, "opaque")
URI = "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent"


def vcr(change: Callable[[dict[str, Any]], Any]) -> str:
    """Return a cassette as vcrpy writes it, with one *change* in its data."""
    data: dict[str, Any] = {
        "version": 1,
        "interactions": [
            {
                "request": {
                    "method": "POST",
                    "uri": URI,
                    "body": '{"contents": [{"parts": [{"text": "Hi"}]}]}',
                    "headers": {"Content-Type": ["application/json"]},
                },
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": {"Content-Type": ["application/json"]},
                    "body": {"string": '{"candidates": []}'},
                },
            }
        ],
    }
    change(data)
    return yaml.safe_dump(data)


def in_request(**members: Any) -> str:
    return vcr(lambda data: data["interactions"][0]["request"].update(members))


def in_response(**members: Any) -> str:
    return vcr(lambda data: data["interactions"][0]["response"].update(members))


FILES: dict[str, tuple[str, str]] = {
    "key in a header": (in_request(headers={"X-Goog-Api-Key": [KEY]}), KEY),
    "opaque key in a header": (in_request(headers={"X-Goog-Api-Key": [OPAQUE]}), OPAQUE),
    "opaque key in another header": (in_request(headers={"api-key": [OPAQUE]}), OPAQUE),
    "header of an identity proxy": (in_request(headers={"x-goog-iap-jwt-assertion": [OPAQUE]}), OPAQUE),
    "bearer token": (in_request(headers={"Authorization": [f"Bearer {OPAQUE}"]}), OPAQUE),
    "basic": (in_request(headers={"Authorization": ["Basic " + base64.b64encode(b"me:s3cr3t").decode()]}), "bWU6"),
    "cookie": (in_request(headers={"Cookie": [f"sid={OPAQUE}"]}), OPAQUE),
    "set-cookie": (in_response(headers={"Set-Cookie": [f"NID=511={OPAQUE}; Path=/; HttpOnly"]}), OPAQUE),
    "header that is no list": (in_request(headers={"X-Api-Key": OPAQUE}), OPAQUE),
    "opaque key in the query": (in_request(uri=f"{URI}?key={OPAQUE}"), OPAQUE),
    "token in the query": (in_request(uri=f"{URI}?access_token={OPAQUE}&alt=sse"), OPAQUE),
    "upload": (in_response(headers={"X-Goog-Upload-URL": [f"https://h/upload?upload_id={OPAQUE}"]}), OPAQUE),
    "location": (in_response(headers={"Location": [f"https://h/x?token={OPAQUE}"]}), OPAQUE),
    "prompt": (in_request(body=json.dumps({"contents": [{"parts": [{"text": f"it is {KEY}"}]}]})), KEY),
    "member": (in_request(body=json.dumps({"apiKey": OPAQUE})), OPAQUE),
    "answer": (in_response(body={"string": json.dumps({"password": OPAQUE})}), OPAQUE),
    "base64": (in_request(body=json.dumps({"data": base64.b64encode(f"it is {KEY}".encode()).decode()})), KEY[4:20]),
    "comment at the top": (f"# recorded with {KEY}\n{in_request()}", KEY),
    "comment behind": (f"{in_request()}# api_key={OPAQUE}\n", OPAQUE),
    "comment in a line": (in_request().replace("version: 1", f"version: 1  # {KEY}"), KEY),
    "unknown member of the file": (vcr(lambda data: data.update(recorded_with={"key": KEY})), KEY),
    "opaque unknown member": (vcr(lambda data: data.update(environment={"GEMINI_API_KEY": OPAQUE})), OPAQUE),
    "unknown member of an interaction": (vcr(lambda data: data["interactions"][0].update(note=KEY)), KEY),
    "unknown member of a request": (in_request(auth={"api_key": OPAQUE}), OPAQUE),
    "unknown member of a response": (in_response(debug=f"sent {KEY}"), KEY),
    "private key": (in_request(body=json.dumps({"text": PLACED["PRIVATE KEY"][0]})), PLACED["PRIVATE KEY"][1]),
}


@pytest.mark.parametrize("place", FILES)
def test_what_another_tool_recorded_is_found_and_mended(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, secret = FILES[place]
    path = tmp_path / "theirs.yaml"
    path.write_text(text, encoding="utf-8")
    assert run(["cassettes", "check", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert secret not in said.out + said.err
    assert "theirs.yaml: " in said.out
    assert run(["cassettes", "scrub", str(tmp_path)]) == 0
    assert secret not in path.read_text()
    capsys.readouterr()
    assert run(["cassettes", "check", str(tmp_path)]) == 0, capsys.readouterr().out


def test_a_gzipped_body_is_read(tmp_path: Path) -> None:
    body = gzip.compress(json.dumps({"text": f"it is {KEY}"}).encode())
    path = tmp_path / "theirs.yaml"
    path.write_text(in_response(headers={"Content-Encoding": ["gzip"]}, body={"string": body}))
    assert run(["cassettes", "check", str(path)]) == 1
    assert run(["cassettes", "scrub", str(path)]) == 0
    assert run(["cassettes", "check", str(path)]) == 0


@pytest.mark.parametrize(
    "stand_in", ["REDACTED", "DUMMY", "**REDACTED**", "<key>", "fake-api-key", "XXXX", "test-key", ""]
)
def test_what_stands_for_a_key_is_no_secret(stand_in: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.yaml"
    headers = {"X-Goog-Api-Key": [stand_in], "Authorization": [f"Bearer {stand_in}"], "Cookie": [stand_in]}
    path.write_text(in_request(headers=headers, uri=f"{URI}?key={stand_in}"))
    assert run(["cassettes", "check", str(path)]) == 0


def test_harmless_text_passes(tmp_path: Path) -> None:
    for name, text in (("theirs", in_request(body=json.dumps({"text": [*HARMLESS]}))), ("comment", in_request())):
        lines = "".join(f"# {one}\n" for one in HARMLESS if one.isprintable())
        (tmp_path / f"{name}.yaml").write_text(text + (lines if name == "comment" else ""), encoding="utf-8")
    assert run(["cassettes", "check", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (in_request()[:40].encode(), ""),
        (in_request().encode("utf-16"), "it is not UTF-8"),
        (in_request(body=KEY).encode("utf-16"), "a Google API key in the file"),
        (b"interactions: [\n", ""),
        (json.dumps({"version": 1, "interactions": [{"request": 1}]}).encode(), "can't be read"),
        (b"# Recorded by maxim-gemini; `maxim-gemini cassettes check` verifies it.\nversion: 1\n", "ends too early"),
        (b"version: 1\n", "it has no 'interactions'"),
        (f"api_key: {OPAQUE}\n  bad: [".encode(), "the file"),
    ],
    ids=range(10),
)
def test_a_file_that_is_no_cassette_any_more_is_named(
    data: bytes, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cassettes" / "broken.yaml"
    path.parent.mkdir()
    path.write_bytes(data)
    assert run(["cassettes", "check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "broken.yaml: " in out
    assert problem in out
    assert KEY not in out
    assert OPAQUE not in out


@pytest.mark.parametrize("command", ["check", "list", "scrub", "diff", "show"])
def test_a_pipe_is_no_cassette_and_not_waited_for(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cassettes"
    folder.mkdir()
    os.mkfifo(folder / "pipe.yaml")
    given = {"check": [folder], "list": [folder], "scrub": [folder], "diff": [folder / "pipe.yaml"] * 2}
    for paths in (given.get(command, [folder / "pipe.yaml"]), [folder / "pipe.yaml"] * (2 if command == "diff" else 1)):
        assert run(["cassettes", command, *map(str, paths)]) != 0
        printed = capsys.readouterr()
        assert "pipe.yaml" in printed.out + printed.err
        assert "Not a regular file" in printed.out + printed.err


def test_a_cassette_without_interactions_has_nothing_to_scrub(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("version: 1\ninteractions: []\n")
    assert run(["cassettes", "scrub", str(tmp_path)]) == 0
    path.write_text(f"version: 1\ninteractions: []\nx: {KEY}\n")
    assert run(["cassettes", "scrub", str(tmp_path)]) == 1
    assert "delete it" in capsys.readouterr().out


def test_json_in_yaml_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = yaml.safe_load(in_request(headers={"X-Goog-Api-Key": [OPAQUE]}))
    for name in ("flow.yaml", "vcr.json"):
        (tmp_path / name).write_text(json.dumps(data, indent=2))
    assert run(["cassettes", "check", "--json", str(tmp_path)]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 2


def test_a_folder_without_a_cassette_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    for command in ("check", "scrub"):
        assert run(["cassettes", command, str(tmp_path)]) == 1
        assert f"no cassettes in {tmp_path}" in capsys.readouterr().err


@pytest.fixture
def with_a_file(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    cassette = Cassette(path)
    picture = base64.b64encode(bytes(range(256)) * 64).decode()
    cassette.record(sent_request(picture), answer())
    cassette.save()
    return path


def test_a_file_beside_it_that_is_missing_or_changed_is_named(
    with_a_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (name,) = Shelf(with_a_file).attachments()
    beside = with_a_file.with_name(name)
    assert run(["cassettes", "check", str(with_a_file)]) == 0
    beside.write_bytes(b"other")
    assert run(["cassettes", "check", str(with_a_file)]) == 1
    beside.unlink()
    assert run(["cassettes", "check", str(with_a_file)]) == 1
    out = capsys.readouterr().out
    assert "was changed" in out
    assert "is missing" in out


def test_a_file_beside_it_that_nothing_needs_is_named_and_goes(
    with_a_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = with_a_file.with_name("a.0123456789abcdef.txt")
    idle.write_text(f"my key is {KEY}")
    assert run(["cassettes", "check", str(with_a_file)]) == 1
    out = capsys.readouterr().out
    assert f"the file '{idle.name}' beside it is not needed" in out
    assert f"a Google API key in the file '{idle.name}' beside it" in out
    assert run(["cassettes", "scrub", str(with_a_file)]) == 0
    assert not idle.exists()
    assert run(["cassettes", "check", str(with_a_file)]) == 0


def test_a_secret_in_a_file_beside_it_is_found_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    shelf = Shelf(path)
    data = bytes(9000) + f" my key is {KEY} ".encode() + bytes(9000)
    name = shelf.name_for(data, "bin")
    whole = Cassette(path)
    whole.record(sent_request(base64.b64encode(bytes(range(256)) * 64).decode()), answer())
    whole.save()
    (old,) = shelf.attachments()
    shelf.write(path.read_bytes().replace(old.encode(), name.encode()), {name: data})
    assert run(["cassettes", "check", str(path)]) == 1
    assert run(["cassettes", "scrub", str(path)]) == 0
    assert run(["cassettes", "check", str(path)]) == 0
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())
