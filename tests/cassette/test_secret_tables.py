"""What must go from a recording, and what must stay in it, wherever it stands."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from support.secrets import HARMLESS, HEADERS, MEMBERS, PLACED, WORD, WORDS, drawn
from support.traffic import ADDRESS, answer, answer_json, stream
from vcr.request import Request

from maxim_gemini._core.token_forms import forms
from maxim_gemini.testing._cassette import Cassette, last_scan
from maxim_gemini.testing._cassette.scrubbing import Scrubber
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._http.wire import dump_event, dump_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Exchange = tuple[Request, Response]


def request(body: Any = "hi", uri: str = f"{ADDRESS}:generateContent", **headers: str) -> Request:
    if isinstance(body, str):
        body = {"contents": [{"parts": [{"text": body}], "role": "user"}]}
    return Request("POST", uri, body if isinstance(body, bytes) else json.dumps(body).encode(), headers)


def plain(body: bytes | str, *headers: tuple[str, str]) -> Response:
    return Response(200, headers, (Chunk(body if isinstance(body, bytes) else body.encode(), 0.1),))


def call(**args: Any) -> Response:
    return plain(dump_json({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": args}}]}}]}))


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def in_lines(text: str) -> str:
    code = coded(f"some words in front, {text}, and some behind it")
    return "\n".join(code[at : at + 76] for at in range(0, len(code), 76))


def torn(text: str, at: int) -> Response:
    return stream(text[:at], text[at:], " and so on")


def one_by_one(text: str) -> Response:
    return stream(*(text[at : at + 3] for at in range(0, len(text), 3)))


INSIDE: dict[str, Callable[[str], Exchange]] = {
    "prompt": lambda text: (request(f"this is {text}, keep it"), answer()),
    "prompt, a line of its own": lambda text: (request(f"this is it:\n{text}\n\tkeep it"), answer()),
    "prompt, alone": lambda text: (request(text), answer()),
    "answer": lambda text: (request(), answer(f"It is {text}.")),
    "answer in Markdown": lambda text: (request(), answer(f"- `{text}`\n- **{text}**")),
    "tool's argument": lambda text: (request(), call(text=text, more=[f"({text})"])),
    "JSON in a text": lambda text: (request(), answer(json.dumps({"note": f"it is {text}"}))),
    "JSON without spaces": lambda text: (request(json.dumps({"a": [text]}, separators=(",", ":")).encode()), answer()),
    "JSON in ASCII": lambda text: (request(json.dumps({"a": f"ä {text}"}).encode()), answer()),
    "JSON that was cut off": lambda text: (request(), plain(f'{{"a": 1, "text": "it is {text} ')),
    "event": lambda text: (request(), stream("a", f"it is {text} now", "b")),
    "two events": lambda text: (request(), torn(text, len(text) // 2)),
    "two events, early": lambda text: (request(), torn(text, 3)),
    "two events, late": lambda text: (request(), torn(text, len(text) - 4)),
    "many events": lambda text: (request(), one_by_one(text)),
    "two contents": lambda text: (
        request({"contents": [{"parts": [{"text": text[:9]}]}, {"parts": [{"text": text[9:]}, {"text": " ok"}]}]}),
        answer(),
    ),
    "torn bytes": lambda text: (request(), in_pieces(dump_event(answer_json(f"a {text} b")), 7)),
    "text": lambda text: (request(f"it is {text}, keep it".encode()), plain(f"it is {text}\n")),
}
HIDDEN: dict[str, Callable[[str], Exchange]] = {
    "base64": lambda text: (request(), call(data=coded(f"it is {text} and so on"))),
    "base64, alone": lambda text: (request(), call(data=coded(text))),
    "base64 for URLs": lambda text: (
        request(),
        call(data=base64.urlsafe_b64encode(f"?>? {text} ?>?".encode()).decode()),
    ),
    "base64 in lines": lambda text: (request(), call(data=in_lines(text))),
    "base64 behind a path": lambda text: (request(), answer(f"see /some/path/{coded(f'it is {text} ok')}")),
    "base64 in a data URL": lambda text: (request(f"data:text/plain;base64,{coded(f'it is {text} ok')}"), answer()),
    "base64 of JSON": lambda text: (request(), call(data=coded(json.dumps({"a": f"it is {text}"})))),
}
AROUND_WORDS: dict[str, Callable[[str], Exchange]] = {
    "header": lambda key: (request(**{"x-note": f"it is {key}"}), answer()),
    "header of an answer": lambda key: (request(), plain("x", ("x-note", f"<{key}>"))),
    "link": lambda key: (request(), plain("x", ("Link", f"<https://h/v1/{key}/x>; rel=next"))),
    "query": lambda key: (request(uri=f"{ADDRESS}:generateContent?q=a%20{quote(key, safe='')}"), answer()),
    "path": lambda key: (request(uri=f"https://h/v1/{quote(key, safe='')}/m"), answer()),
    "path, not quoted": lambda key: (request(uri=f"https://h/v1/models/x/{key}"), answer()),
    "URL in a text": lambda key: (request(f"see https://h/a/b/c/d/e/f/{key}?x=1 and more"), answer()),
    "parameter in a text": lambda key: (request(f"see https://h/a?x=1&it={key}&y=2"), answer()),
    "behind the name of a variable": lambda key: (request(f"MY_LONG_VARIABLE={key}"), answer()),
    "name of a member": lambda key: (request(json.dumps({key: 1}).encode()), answer()),
    "binary": lambda key: (
        request(b"\xff\xfe " + key.encode() + b" \xff"),
        plain(b"\x00\xff " + key.encode() + b" \xfe"),
    ),
    "escapes": lambda key: (request(), plain('{"a": "' + "".join(f"\\u{ord(c):04x}" for c in f"a {key}") + '"}')),
}


def in_pieces(body: bytes, size: int) -> Response:
    return Response(200, (), tuple(Chunk(body[at : at + size], at / 100) for at in range(0, len(body), size)))


def saved(folder: Path, exchanges: list[Exchange]) -> str:
    """Return what is on the disk after all *exchanges* were recorded."""
    cassette = Cassette(folder / "a.yaml", scrubber=Scrubber())
    for exchange in exchanges:
        cassette.record(*exchange)
    cassette.save()
    return "\n".join(path.read_bytes().decode("latin-1") for path in sorted(folder.iterdir()))


def read_back(folder: Path) -> list[str]:
    """Return the answers as an application reads them, texts of a stream joined."""
    interactions = Cassette.load(folder / "a.yaml").interactions
    return [interaction.response.body.decode("latin-1") for interaction in interactions]


def test_the_tables_are_long_enough() -> None:
    assert len(WORDS) + len(PLACED) + len(MEMBERS) + len(HEADERS) >= 150
    assert len(set(HARMLESS)) >= 150


@pytest.mark.parametrize("place", [*INSIDE, *HIDDEN, *AROUND_WORDS])
def test_what_has_the_form_of_a_secret_is_in_no_file(place: str, tmp_path: Path) -> None:
    put = (INSIDE | HIDDEN | AROUND_WORDS)[place]
    written = saved(tmp_path, [put(key) for key in WORDS.values()])
    assert [kind for kind, key in WORDS.items() if _is_in(key, written)] == []


@pytest.mark.parametrize("place", [*INSIDE, *HIDDEN])
def test_what_stands_where_a_secret_does_is_in_no_file(place: str, tmp_path: Path) -> None:
    put = (INSIDE | HIDDEN)[place]
    ends = place in ("prompt, alone", "JSON that was cut off", "many events", "base64, alone")
    rows = {kind: row for kind, row in PLACED.items() if ends or "cut" not in kind}
    written = saved(tmp_path, [put(text) for text, _ in rows.values()])
    assert [kind for kind, (_, secret) in rows.items() if _is_in(secret, written)] == []


def _is_in(secret: str, written: str) -> bool:
    """Return whether *secret* is in a file, as it is or in the middle of base64."""
    codes = (base64.b64encode(secret[start:].encode())[2:-4].decode() for start in range(3))
    return (
        secret in written
        or quote(secret, safe="") in written
        or any(len(code) > 5 and code in written for code in codes)
    )


@pytest.mark.parametrize("name", MEMBERS)
def test_the_value_of_a_member_that_says_so_is_in_no_file(name: str, tmp_path: Path) -> None:
    values = [drawn(WORD, 32, name), drawn(WORD, 21, name), f"{drawn(WORD, 20, 1)}-{drawn(WORD, 20, 2)}"]
    exchanges = [
        exchange
        for value in values
        for exchange in (
            (request({name: value, "other": [{name: value}]}), call(**{name: value})),
            (request(json.dumps({"tools": [{"x": {name: f"{value}"}}]}, indent=2).encode()), stream("a")),
            (request(), answer(json.dumps({name: value}))),
        )
    ]
    written = saved(tmp_path, exchanges)
    assert [value for value in values if value in written] == []


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_carries_a_secret_is_in_no_file(name: str, tmp_path: Path) -> None:
    value = drawn(WORD, 40, name)
    sent = f"Bearer {value}" if name.endswith("authorization") else f"sid={value}" if name == "cookie" else value
    for case in (name, name.title()):
        written = saved(
            tmp_path / case,
            [(request(f"I was sent {value}", **{case: sent}), plain(f"you sent {value}", (case, sent)))],
        )
        assert value not in written


@pytest.mark.parametrize("place", [*INSIDE, *HIDDEN])
def test_harmless_text_stays_as_it_is(place: str) -> None:
    put = (INSIDE | HIDDEN)[place]
    scrubber = Scrubber()
    changed = [text for text in HARMLESS if not _same(put(text), scrubber)]
    assert changed == []


@pytest.mark.parametrize("place", ["header of an answer", "query", "name of a member"])
def test_harmless_text_stays_around_it(place: str) -> None:
    put = AROUND_WORDS[place]
    words = [text for text in HARMLESS if text.isascii() and text.isprintable() and "#" not in text]
    scrubber = Scrubber()
    assert [text for text in words if not _same(put(text), scrubber)] == []


def _same(exchange: Exchange, scrubber: Scrubber) -> bool:
    scrubbed = scrubber.exchange(*exchange)
    (sent, received), (asked, answered) = exchange, scrubbed
    notes = [[value for name, value in one.headers if name == "x-note"] for one in (received, answered)]
    return (sent.uri, sent.body, received.chunks, notes[0]) == (asked.uri, asked.body, answered.chunks, notes[1])


def test_the_last_scan_refuses_no_harmless_text() -> None:
    values = {text: {"text": text, "args": [f"it is {text}.", coded(text), {text: text}]} for text in HARMLESS}
    assert [found for text, value in values.items() for found in last_scan.in_value(value, text, {})] == []
    assert [found for text in HARMLESS for found in last_scan.in_text(text, text, {})] == []


def test_the_last_scan_finds_most_of_what_is_replaced_by_rules_of_its_own() -> None:
    found = [kind for kind, key in WORDS.items() if [*last_scan.in_value({"a": f"it is {key}."}, "x", {})]]
    assert len(found) >= 0.8 * len(WORDS)
    keys = [armored for kind, (armored, _) in PLACED.items() if kind.endswith("KEY")]
    assert [key for key in keys if not [*last_scan.in_value(key, "x", {})]] == []


def test_what_was_scrubbed_is_refused_by_no_scan_and_changes_no_more() -> None:
    scrubber = Scrubber()
    for text in (*WORDS.values(), *(text for text, _ in PLACED.values())):
        once = scrubber.text(f"it is {text} ok")
        assert scrubber.text(once) == once
        assert [*last_scan.in_value(once, "x", {})] == []


HOSTILE = (
    *sorted({mark for form in forms() for mark in form.marks}),
    *(
        "?",
        "a",
        "=",
        "key=",
        "api_key: ",
        "api_key=a1b2c3d4 ",
        "a1-",
        "://",
        "://a:b",
        "bearer ",
        "?a=",
        "&key=a1b2c3d4e5 ",
    ),
    *('"', "\\", '\\"', "\\u0041", "%41", "\n", "{", "[", '"a":', '{"a":"', "Cookie: a=", "QUJD", "QUJD/", "QUJD\n"),
    *("A" * 76 + "\n", "A" * 76 + "\\n", "password=", "AKIAABCDEFGHIJKLMN2P ", '"error":', "projects/", "-u a:b ", "é"),
    *("-----BEGIN PRIVATE KEY-----\n" + "A" * 24 + "\n", "-----END PRIVATE KEY-----", "PuTTY-User-Key-File-3", "a.b"),
)


@pytest.mark.parametrize("unit", [*HOSTILE, *(f"/{mark}{'a1' * 9}" for mark in HOSTILE[::7])], ids=repr)
def test_no_text_takes_long(unit: str) -> None:
    text = (unit * (60_000 // len(unit)))[:60_000]
    scrubber = Scrubber({"hunter2-hunter2": "the value of GEMINI_API_KEY"})
    scrubber.text(text)
    scrubber.data(json.dumps({"text": text}).encode())
    assert len([*last_scan.in_text(text, "x", {})]) < 10


@pytest.mark.parametrize("value", ["test" + "a" * 5000 + "1", "a" * 5000 + "!", "a-" * 2500 + "!", "x" * 5000 + "="])
def test_no_header_takes_long(value: str) -> None:
    sent = request(
        uri=f"{ADDRESS}?key={value}", **{"x-api-key": value, "Authorization": f"Bearer {value}", "Cookie": f"a={value}"}
    )
    scrubbed, _ = Scrubber.from_environment({"GEMINI_API_KEY": value}).exchange(sent, answer(value))
    assert value not in scrubbed.uri
    assert len([*last_scan.in_value({"headers": {"x-api-key": [value], "cookie": value}}, "x", {})]) <= 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://hooks.slack" + ".com/services/T0AB12CD3/B0AB12CD3/abCD12efGH34ijKL", "a webhook"),
        ("https://discord" + ".com/api/webhooks/1234567890/" + "aB3-" * 10, "a webhook"),
        ("postgres://admin:" + "tr0ub4dor" + "@db.internal/x", "a password in a URL"),
    ],
)
def test_the_last_scan_knows_addresses_that_are_secrets(text: str, kind: str) -> None:
    assert kind in {finding.kind for finding in last_scan.in_text(f"see {text}.", "here", {})}
