from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.corpus import Answer, answers, needs_corpus

from maxim_gemini.testing._cassette import bodies, json_text
from maxim_gemini.testing._cassette.bodies import (
    attached,
    detached,
    extension,
    raw,
    stored_answer,
    stored_request,
)
from maxim_gemini.testing._cassette.json_text import ANSWER, DEEPEST, REQUEST
from maxim_gemini.testing._cassette.yaml_format import Attachment
from maxim_gemini.testing._http.wire import dump_event, dump_json

if TYPE_CHECKING:
    from collections.abc import Callable

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
written = st.builds(
    lambda value, style: json.dumps(value, **style).encode(errors="surrogatepass"),
    json_values,
    st.sampled_from(
        [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"separators": (",", ": ")}]
    ),
)
streams = st.lists(written.map(lambda line: b"data: " + line + b"\r\n\r\n") | st.binary(max_size=9)).map(b"".join)
anything = st.binary() | written | streams | st.text().map(str.encode)


@given(anything)
@example(b"")
@example(b'{"a": 1, "a": 2}')
@example(b'{"a": 1e400}')
@example(b'{"a": "\\ud800"}')
@example(b'data: {"a": 1}\r\n\r\ndata: {"a"')
@example(b"data: \xff\r\n\r\ndata: {}\r\n\r\n")
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 500 + b"]" * 500)
def test_gives_back_the_bytes_that_came(data: bytes) -> None:
    assert raw(stored_answer(data), ANSWER) == data
    assert raw(stored_request(data), REQUEST) == data


@needs_corpus
@pytest.mark.parametrize("answer", answers(), ids=repr)
def test_gives_back_every_recorded_answer(answer: Answer) -> None:
    data = answer.body.encode()
    assert raw(stored_answer(data), ANSWER) == data


@needs_corpus
def test_real_answers_are_readable() -> None:
    faithful = [stored_answer(answer.body.encode()) for answer in answers() if answer.fidelity == "bytes"]
    assert [sorted(body) for body in faithful if sorted(body) not in (["json"], ["events"], ["json", "style"])] == []


def test_json_is_a_value() -> None:
    assert stored_answer(dump_json({"a": ["<b>", 0.1]})) == {"json": {"a": ["<b>", 0.1]}}
    assert stored_request(b'{"a": "\\u00e9"}') == {"json": {"a": "é"}}
    assert stored_answer(b'{"a":"\xc3\xa9"}') == {"style": "compact", "json": {"a": "é"}}


def test_a_stream_is_a_list_whose_odd_blocks_stay_text() -> None:
    data = dump_event({"a": 1}) + dump_event({"a": 2}) + b'{"error": 1}\n'
    assert stored_answer(data) == {"events": [{"a": 1}, {"a": 2}, '{"error": 1}\n']}
    assert bodies.pieces(stored_answer(data), ANSWER) == [dump_event({"a": 1}), dump_event({"a": 2}), b'{"error": 1}\n']


def test_what_yaml_could_not_hold_stays_text() -> None:
    for data in (b'{"a": "\\ud800"}', b'{"' + b"k" * 2000 + b'": 1}', b'{"a": NaN}', b'{"": 1}'):
        assert stored_request(data) == data.decode()


def test_large_binaries_are_kept_beside() -> None:
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 64
    files: dict[str, bytes] = {}

    def attach(data: bytes, kind: str) -> str:
        files[f"x.{bodies.digest(data)}.{kind}"] = data
        return f"x.{bodies.digest(data)}.{kind}"

    value = {
        "small": base64.b64encode(b"small").decode(),
        "text": "just a long text " * 1000,
        "inlineData": {"mimeType": "image/png", "data": base64.b64encode(image).decode()},
        "sent": {"mime_type": "audio/wav", "data": base64.urlsafe_b64encode(b"\xff\xfe" * 9000).decode()},
        "raw": b"%PDF-" + bytes(9000),
    }
    stored = detached(value, attach)
    assert [stored["inlineData"]["data"].form, stored["sent"]["data"].form, stored["raw"].form] == [
        "base64",
        "base64url",
        "file",
    ]
    assert [name.rpartition(".")[2] for name in files] == ["png", "wav", "pdf"]
    assert (stored["small"], stored["text"]) == (value["small"], value["text"])
    assert attached(stored, files.__getitem__) == value


def test_base64_that_would_not_come_back_the_same_stays() -> None:
    unpadded = base64.b64encode(bytes(9001)).decode().rstrip("=")
    assert detached({"data": unpadded}, lambda *_: "never") == {"data": unpadded}


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (b"", "image/jpeg", "jpg"),
        (b"RIFF....WEBP", "", "webp"),
        (b"", "audio/L16;codec=pcm;rate=24000", "pcm"),
        (b"GIF89a", "", "gif"),
        (b"?", "", "bin"),
        (b"?", "image/svg+xml", "svg"),
    ],
)
def test_a_file_has_its_real_extension(data: bytes, kind: str, expected: str) -> None:
    assert extension(data, kind) == expected


def test_an_attachment_is_a_place_not_a_value() -> None:
    assert Attachment("a.png").form == "file"


@pytest.mark.parametrize("around", [lambda value: [1, value], lambda value: {"a": 1, "b": value}])
def test_a_value_is_looked_into_as_deep_as_it_may_be_and_no_deeper(around: Callable[[Any], Any]) -> None:
    value: Any = 0
    for depth in range(1, 50_000):
        value = around(value)
        if depth in (DEEPEST, DEEPEST + 1):
            assert json_text.is_shallow(value) == (depth == DEEPEST)
    assert not json_text.is_shallow(value)
