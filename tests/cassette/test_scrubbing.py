from __future__ import annotations

import base64
import json
import re
import secrets as random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.traffic import ADDRESS, answer, answer_json, sent_request, stream
from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.requests import body_of
from maxim_gemini.testing._cassette.scrubbing import Scrubber
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._http.wire import dump_event, dump_json
from maxim_gemini.testing._printable import REDACTED
from maxim_gemini.testing.exceptions import SecretFound

if TYPE_CHECKING:
    from pathlib import Path

word = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def made(form: str, length: int) -> st.SearchStrategy[str]:
    return st.text(word, min_size=length, max_size=length).map(form.format)


KINDS = {
    "Gemini key": made("AIza{}", 35),
    "new Gemini key": made("AQ.Ab8{}", 40),
    "OAuth token": made("ya29.a0{}", 60),
    "refresh token": made("1//0{}", 40),
    "client secret": made("GOCSPX-{}", 28),
    "Maxim key": made("sk_mx_{}", 32),
    "OpenAI key": made("sk-proj-{}", 40),
    "GitHub token": made("ghp_{}", 36),
    "web token": made("eyJhbGciOi{0}.eyJzdWIiOi{0}.{0}", 20),
}
keys = st.sampled_from(sorted(KINDS)).flatmap(KINDS.__getitem__)


def request(uri: str = f"{ADDRESS}:generateContent", text: str = "hi", **headers: str) -> Request:
    return Request("POST", uri, json.dumps({"contents": [{"parts": [{"text": text}]}]}).encode(), headers)


def plain(body: bytes, *headers: tuple[str, str], **more: Any) -> Response:
    return Response(200, headers, (Chunk(body, 0.1),), **more)


PLACES: dict[str, Any] = {
    "header": lambda key: (request(**{"X-Goog-Api-Key": key}), answer()),
    "bearer": lambda key: (request(Authorization=f"Bearer {key}"), answer()),
    "other header": lambda key: (request(**{"X-Custom": f"is {key}"}), answer()),
    "cookie": lambda key: (request(Cookie=f"a=b; sid={key}"), answer()),
    "query": lambda key: (request(f"{ADDRESS}:generateContent?key={key}"), answer()),
    "odd query": lambda key: (request(f"{ADDRESS}:generateContent?q=a%20{quote(key, safe='')}"), answer()),
    "user": lambda key: (request(f"https://me:{quote(key, safe='')}@h/v1/models/m"), answer()),
    "path": lambda key: (request(f"https://h/v1/{quote(key, safe='')}/m"), answer()),
    "prompt": lambda key: (request(text=f"my key is {key}, keep it"), answer()),
    "name": lambda key: (Request("POST", ADDRESS, json.dumps({key: 1}).encode(), {}), answer()),
    "raw body": lambda key: (Request("POST", ADDRESS, b"\xff\xfe" + key.encode() + b"\xff", {}), answer()),
    "answer": lambda key: (request(), answer(f"it is {key}.")),
    "escaped answer": lambda key: (request(), plain(json.dumps({"a": f"ä{key}\n"}).encode())),
    "stream": lambda key: (request(), stream("a", f"key={key}", "b")),
    "torn stream": lambda key: (request(), torn(dump_event(answer_json(f"a {key} b")), 7)),
    "answer header": lambda key: (request(), plain(b"x", ("x-note", f"<{key}>"))),
    "set-cookie": lambda key: (request(text="x"), plain(f"sid={key}".encode(), ("Set-Cookie", f"sid={key}; Path=/"))),
    "reason": lambda key: (request(), plain(b"x", reason=f"No {key}")),
    "how it ended": lambda key: (request(), plain(b"x", ended=f"Error({key!r})")),
    "echo of the header": lambda key: (request(**{"x-goog-api-key": key}), answer(f"key {key} is bad")),
    "binary answer": lambda key: (request(), plain(b"\x00\xff " + key.encode() + b"\xfe")),
}
HIDING = {
    "base64": lambda key: (request(), plain(dump_json({"data": base64.b64encode(f"a {key} b".encode()).decode()}))),
    "large base64": lambda key: (
        request(),
        plain(dump_json({"data": base64.b64encode(bytes(9000) + key.encode()).decode()})),
    ),
    "escapes": lambda key: (
        request(),
        plain(b'{"a":1 "' + "".join(f"\\u{ord(c):04x}" for c in f" {key}").encode() + b'"'),
    ),
}


def torn(body: bytes, size: int) -> Response:
    return Response(200, (), tuple(Chunk(body[at : at + size], at / 100) for at in range(0, len(body), size)))


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.name.encode() + path.read_bytes() for path in folder.rglob("*") if path.is_file())


planting = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("place", PLACES)
@planting
@given(key=keys)
def test_a_key_is_in_no_file_wherever_it_was(place: str, key: str, tmp_path: Path) -> None:
    folder = tmp_path / random.token_hex(8)
    cassette = Cassette(folder / "a.yaml", scrubber=Scrubber())
    cassette.record(*PLACES[place](key))
    assert cassette.save()
    assert key.encode() not in all_bytes(folder)
    assert quote(key, safe="").encode() not in all_bytes(folder)


class Blind(Scrubber):
    """A scrubber that replaces nothing, so that only the last scan is left."""

    def exchange(self, request: Request, response: Response) -> tuple[Request, Response]:
        return request, response

    def value(self, value: Any) -> Any:
        return value


@pytest.mark.parametrize("place", HIDING)
@planting
@given(key=keys)
def test_a_hidden_key_is_in_no_file(place: str, key: str, tmp_path: Path) -> None:
    folder = tmp_path / random.token_hex(8)
    cassette = Cassette(folder / "a.yaml", scrubber=Scrubber())
    cassette.record(*HIDING[place](key))
    cassette.save()
    body = Cassette.load(folder / "a.yaml").interactions[0].response.body.decode()
    assert key not in body
    assert all(key not in base64.b64decode(code + "==").decode("latin-1") for code in re.findall(r"[\w+/]{24,}", body))
    assert key not in json.loads(f'"{re.sub(chr(34), "", body.splitlines()[-1])}"', strict=False)


@pytest.mark.parametrize(
    "place", [*(name for name in PLACES if name not in {"set-cookie", "user", "bearer", "cookie"}), *HIDING]
)
def test_what_was_not_replaced_is_found_and_not_reported(place: str, tmp_path: Path) -> None:
    key = "AIza" + "Sy0123456789abcdefghijklmnopqrstu-_"
    cassette = Cassette(tmp_path / "a.yaml", scrubber=Blind())
    cassette.record(*{**PLACES, **HIDING}[place](key))
    with pytest.raises(SecretFound) as caught:
        cassette.save()
    assert all_bytes(tmp_path) == b""
    assert key not in str(caught.value)
    assert "a Google API key in " in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        r"C:\users\bob",
        r"\documentclass{article}\usepackage{amsmath}",
        r"a Rust literal: \u{1F600}",
        r"\uD83D and \u00",
        "\\u005c" + "u005c" * 2000 + "users",
    ],
)
def test_a_backslash_u_that_is_no_escape_is_recorded(text: str, tmp_path: Path) -> None:
    received = answer(text)
    cassette = Cassette(tmp_path / "a.yaml")
    cassette.record(request(text=text), received)
    assert cassette.save()
    replayed = Cassette.load(tmp_path / "a.yaml").play(request(text=text))
    assert replayed is not None
    assert replayed.body == received.body


def test_a_key_behind_two_levels_of_escapes_is_found() -> None:
    escaped = "".join(f"\\u005cu{ord(character):04x}" for character in "AIza" + "k" * 35)
    assert [secret.kind for secret in Scrubber().remaining(escaped, "x")] == ["a Google API key"]


@planting
@given(
    value=st.text(word + "-_+/=%\"'\\é ", min_size=10, max_size=30).filter(str.strip),
    place=st.sampled_from(["prompt", "answer", "stream", "query", "odd query", "answer header"]),
)
def test_the_value_of_a_key_variable_is_in_no_file(value: str, place: str, tmp_path: Path) -> None:
    folder = tmp_path / random.token_hex(8)
    cassette = Cassette(folder / "a.yaml", scrubber=Scrubber.from_environment({"GEMINI_API_KEY": value}))
    cassette.record(*PLACES[place](value))
    cassette.save()
    written = all_bytes(folder).decode()
    assert value not in written
    assert json.dumps(value)[1:-1] not in written
    assert quote(value, safe="") not in written


def test_the_refusal_names_place_and_kind(tmp_path: Path) -> None:
    key = "AIza" + "k" * 35
    cassette = Cassette(tmp_path / "a.yaml", scrubber=Blind({"hunter2-hunter2": "the value of GEMINI_API_KEY"}))
    cassette.record(*HIDING["base64"](key))
    cassette.head.description = "recorded with hunter2-hunter2"
    with pytest.raises(SecretFound) as caught:
        cassette.save()
    assert str(caught.value) == (
        f"{tmp_path}/a.yaml was not saved, because secrets are in it:\n"
        "  the value of GEMINI_API_KEY in the head.description\n"
        "  a Google API key in interaction 1, response.body.json.data, inside base64\n"
        "Keep them out of the call, or give the recorder a scrubber that knows them"
    )


def test_what_the_head_says_is_scrubbed(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path / "a.yaml", scrubber=Scrubber({"hunter2-hunter2": "the value of GEMINI_API_KEY"}))
    cassette.record(request(), answer())
    cassette.head.description = "recorded with hunter2-hunter2"
    cassette.save()
    assert Cassette.load(tmp_path / "a.yaml").head.description == "recorded with REDACTED"


def test_projects_are_scrubbed() -> None:
    uri = (
        "https://us-central1-aiplatform.googleapis.com/v1/projects/my-project-1/locations/us-central1/models/m:predict"
    )
    sent = Request("POST", uri, b'{"cachedContent": "projects/my-project-1/locations/x/cachedContents/1"}', {})
    error = {"error": {"message": "Denied on my-project-1.", "details": [{"consumer": "projects/123456789012"}]}}
    request, response = Scrubber().exchange(sent, plain(dump_json(error)))
    assert "/projects/REDACTED/locations/us-central1/" in request.uri
    assert request.body == b'{"cachedContent": "projects/REDACTED/locations/x/cachedContents/1"}'
    error["error"] = {"message": "Denied on REDACTED.", "details": [{"consumer": "projects/REDACTED"}]}
    assert response.body == dump_json(error)


def test_the_project_in_the_host_of_a_dedicated_endpoint_is_scrubbed() -> None:
    uri = "https://222409431.europe-west4-841529064496.prediction.vertexai.goog/v1/models/m:generateContent"
    error = {"error": {"message": "Denied on 841529064496."}}
    request, response = Scrubber().exchange(Request("POST", uri, b"{}", {}), plain(dump_json(error)))
    host = "222409431.europe-west4-REDACTED.prediction.vertexai.goog"
    assert request.uri == f"https://{host}/v1/models/m:generateContent"
    assert b"841529064496" not in response.body


def test_a_text_about_projects_stays() -> None:
    text = "see projects/alpha/readme and projects/beta"
    assert Scrubber().text(text) == text


def test_only_headers_that_matter_are_kept() -> None:
    sent = request(
        **{"content-type": "application/json", "user-agent": "x", "Authorization": "Bearer y", "x-mine": "z"}
    )
    received = plain(
        b"", ("Content-Type", "a/b"), ("Date", "now"), ("Set-Cookie", "a=b"), ("X-Goog-Upload-URL", "https://u")
    )
    asked_for, answered = Scrubber().exchange(sent, received)
    assert dict(asked_for.headers) == {"content-type": "application/json", "x-mine": "z"}
    assert answered.headers == (("Content-Type", "a/b"), ("X-Goog-Upload-URL", "https://u"))
    kept = Scrubber(keep_headers=frozenset({"date"})).exchange(sent, received)[1]
    assert ("Date", "now") in kept.headers


def test_what_has_no_secret_stays_as_it_is() -> None:
    image = base64.b64encode(random.token_bytes(200_000) + b"AIza" + b"x" * 40).decode()
    response = torn(dump_json({"data": "/" + image, "text": "my task-list, a skillet, sk-8 and Bearer of news"}), 5000)
    assert Scrubber.from_environment().exchange(sent_request("hi"), response)[1] == response


def test_a_secret_that_is_changed_keeps_the_pieces_of_its_stream() -> None:
    received = stream("a", "key AIza" + "k" * 35, "c")
    scrubbed = Scrubber().exchange(request(), received)[1]
    assert [chunk.at for chunk in scrubbed.chunks] == [chunk.at for chunk in received.chunks]
    assert scrubbed.body == received.body.replace(b"AIza" + b"k" * 35, REDACTED.encode())


def test_only_likely_secrets_of_the_environment_are_taken() -> None:
    environment = {
        "GOOGLE_API_KEY": "shortkey",
        "GEMINI_API_KEY": "tiny",
        "SOME_TOKEN": "abcdefgh12345678",
        "OTHER_TOKEN": "true",
        "TOKEN_LIMIT": "1000000",
        "KEYBOARD": "abcdefgh12345678x",
        "MY_SECRET_PATH": "/etc/secrets/12345678",
        "GOOGLE_CLOUD_PROJECT": "my-project",
    }
    scrubber = Scrubber.from_environment(environment)
    assert scrubber.secrets == {
        "shortkey": "the value of GOOGLE_API_KEY",
        "abcdefgh12345678": "the value of SOME_TOKEN",
    }
    assert scrubber.projects == {"my-project"}
    assert "shortkey" not in repr(scrubber)


def test_a_recording_plays_although_its_secrets_are_gone(tmp_path: Path) -> None:
    key = "AIza" + "k" * 35
    sent = request(f"{ADDRESS}:generateContent?key={key}", f"my key is {key}", **{"x-goog-api-key": key})
    cassette = Cassette(tmp_path / "a.yaml")
    cassette.record(sent, answer())
    cassette.save()
    assert Cassette.load(tmp_path / "a.yaml").play(sent) is not None


def test_each_exchange_is_looked_through_for_its_own_key() -> None:
    scrubber, keys = Scrubber(), ("zq4x7b19kd02mv", "w8p3n6c5t1rj9h")
    for key in (keys[0], keys[1], keys[0]):
        request = sent_request(f"{keys[0]} {keys[1]}")
        request.headers["x-goog-api-key"] = key
        body = body_of(scrubber.exchange(request, answer("Hello."))[0]) or b""
        assert [known.encode() in body for known in keys] == [known != key for known in keys]
