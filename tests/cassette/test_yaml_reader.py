from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.corpus import cassettes, needs_corpus
from support.traffic import answer, sent_request, stream
from vcr.serialize import deserialize, serialize

from maxim_gemini.testing._cassette import vcr as serializer
from maxim_gemini.testing._cassette.interaction import Stored, checked, request_of, response_of, stored_of
from maxim_gemini.testing._cassette.vcr import from_vcr
from maxim_gemini.testing._cassette.yaml_format import SIGNATURE, Block, seal, seal_of, write
from maxim_gemini.testing._cassette.yaml_reader import load, read
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing.exceptions import CassetteBroken

if TYPE_CHECKING:
    from pathlib import Path

HEAD = {"recorded_at": "2026-11-22T12:00:00+00:00", "recorded_from": "loopback"}
EXCHANGES = [
    stored_of(sent_request("Hi"), answer("Hello 你好")),
    stored_of(sent_request("Count"), stream("1", "2", ended="ReadTimeout")),
]
DATA = write(HEAD, [Block.of(*exchange) for exchange in EXCHANGES])
TEXT = DATA.decode()


def values(text: str, name: str = "a.yaml") -> list[Stored]:
    """Return the interactions in *text*, whoever wrote it."""
    document = read(text.encode(), name)
    form = checked if document.ours else from_vcr
    return [Stored(*(load(half, 4) for half in block)) for block in document.blocks] or list(map(form, document.items))


def edited(text: str) -> str:
    """Return *text* with a seal that does not fit."""
    return text.replace("# seal ", "# ")


def test_is_made_to_be_read_in_a_review() -> None:
    assert (
        """\
# Recorded by maxim-gemini; `maxim-gemini cassettes check` verifies it.
version: 1
metadata:
  recorded_at: "2026-11-22T12:00:00+00:00"
  recorded_from: loopback
interactions:
- request:
    method: POST
    uri: https://generativelanguage.googleapis.com/v1/models/gemini-2.5-flash:generateContent
    headers:
      accept: ["*/*"]
      content-type: ["application/json"]
      user-agent: ["google-genai-sdk/3.4.0 gl-python/3.11.7"]
    body: {"json": {"contents": [{"parts": [{"text": "Hi"}], "role": "user"}]}}
  response:
    status: {"code": 200, "message": "OK"}
    headers:
      content-type: ["application/json; charset=UTF-8"]
      date: ["Sun, 22 Nov 2026 12:00:00 GMT"]
      server-timing: ["gfet4t7; dur=812"]
      vary: ["Origin", "X-Origin"]
    times: [0.25]
    body:
      json:
        candidates:
          - content: {"parts": [{"text": "Hello 你好"}], "role": "model"}
            finishReason: STOP
            index: 0
        usageMetadata: {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6}
        modelVersion: gemini-2.5-flash
        responseId: kdcEatqVKunY1LsP272MiAo
- request:
    method: POST
    uri: https://generativelanguage.googleapis.com/v1/models/gemini-2.5-flash:generateContent
    headers:
      accept: ["*/*"]
      content-type: ["application/json"]
      user-agent: ["google-genai-sdk/3.4.0 gl-python/3.11.7"]
    body: {"json": {"contents": [{"parts": [{"text": "Count"}], "role": "user"}]}}
  response:
    status: {"code": 200, "message": "OK"}
    headers: {"content-disposition": ["attachment"], "content-type": ["text/event-stream"]}
    ended: ReadTimeout
    times: [0.1, 0.2]
    body:
      events:
        - candidates:
            - content: {"parts": [{"text": "1"}], "role": "model"}
              finishReason: STOP
              index: 0
          usageMetadata: {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6}
          modelVersion: gemini-2.5-flash
          responseId: kdcEatqVKunY1LsP272MiAo
        - candidates:
            - content: {"parts": [{"text": "2"}], "role": "model"}
              finishReason: STOP
              index: 0
          usageMetadata: {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6}
          modelVersion: gemini-2.5-flash
          responseId: kdcEatqVKunY1LsP272MiAo
... # seal SEAL
""".replace("SEAL", TEXT[-33:-1])
        == TEXT
    )


def test_is_read_by_its_layout_or_as_yaml_to_the_same_effect() -> None:
    by_layout, by_yaml = read(DATA), read(edited(TEXT).encode())
    assert (len(by_layout.blocks), by_layout.items) == (2, [])
    assert (by_yaml.blocks, len(by_yaml.items)) == ([], 2)
    assert by_layout.head == by_yaml.head == HEAD
    assert values(TEXT) == values(edited(TEXT)) == EXCHANGES


def test_a_seal_fits_the_text_above_it_alone() -> None:
    start = seal_of(DATA)
    assert start is not None
    above = DATA[:start]
    assert above + seal(above) == DATA
    for at in range(0, len(DATA), 7):
        assert seal_of(DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]) is None
    assert seal_of(above) is None
    assert seal_of(b"") is None


def test_keeps_how_and_when_a_stream_came() -> None:
    response = response_of(EXCHANGES[1].response)
    assert (response.chunks, response.ended) == (stream("1", "2").chunks, "ReadTimeout")


def test_the_time_of_an_event_is_that_of_its_last_byte() -> None:
    whole = stream("1", "2").body
    torn = tuple(Chunk(whole[at : at + 100], at / 1000) for at in range(0, len(whole), 100))
    chunks = response_of(stored_of(sent_request("Hi"), Response(200, (), torn)).response).chunks
    assert b"".join(chunk.data for chunk in chunks) == whole
    assert [chunk.at for chunk in chunks] == [round((len(chunks[0].data) - 1) // 100 / 10, 3), torn[-1].at]


def test_a_file_without_interactions_is_one() -> None:
    document = read(write({}, []))
    assert (document.head, document.blocks, document.items) == ({}, [], [])


# Files of other tools


@needs_corpus
@pytest.mark.parametrize("path", cassettes(), ids=lambda path: path.stem)
def test_real_cassettes_come_back_byte_for_byte(path: Path) -> None:
    found = values(path.read_text(encoding="utf-8"), path.name)
    again = values(write({}, [Block.of(*exchange) for exchange in found]).decode())
    assert again == found
    for old, new in zip(found, again, strict=True):
        assert response_of(new.response).body == response_of(old.response).body
        assert request_of(new.request).body == request_of(old.request).body


@needs_corpus
@pytest.mark.parametrize("path", cassettes(), ids=lambda path: path.stem)
def test_real_cassettes_hold_what_vcrpy_finds_in_them(path: Path) -> None:
    import gzip

    from vcr.serializers import yamlserializer

    text = path.read_text(encoding="utf-8")
    raw = yamlserializer.deserialize(text)["interactions"]
    for item, found in zip(raw, values(text), strict=True):
        body = item["response"]["body"]["string"]
        data = body if isinstance(body, bytes) else body.encode()
        expected = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        assert response_of(found.response).body == expected
        sent = item["request"].get("body") or json.dumps(item["request"].get("parsed_body"))
        assert request_of(found.request).body == sent.encode()


def vcr_file(response: Any, **request: Any) -> str:
    asked_for = {"method": "post", "uri": "https://h/p", "headers": {"A": ["b"]}, "body": "x"} | request
    return str(yaml.safe_dump({"version": 1, "interactions": [{"request": asked_for, "response": response}]}))


OK = {"status": {"code": 200, "message": "OK"}, "headers": {"X": "y"}}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (OK | {"body": {"string": "text"}}, b"text"),
        (OK | {"body": {"string": b"\xff"}}, b"\xff"),
        (OK | {"body": {"string": None}}, b""),
        (OK | {"body": "text"}, b"text"),
        (OK | {"body": {"base64_string": "text"}}, b"text"),
        (OK | {"parsed_body": {"a": 1}}, b'{"a": 1}'),
        ({"content": "text", "headers": [["X", "y"]], "http_version": "HTTP/1.1", "status_code": 200}, b"text"),
    ],
)
def test_every_form_that_vcrpy_ever_had_is_read(response: Any, expected: bytes) -> None:
    found = response_of(values(vcr_file(response))[0].response)
    assert (found.status, found.headers, found.body) == (200, (("x", "y"),), expected)


def test_pickled_files_and_iterators_are_read_as_data() -> None:
    for tagged in (
        "!!python/object/new:_io.BytesIO\n      state: !!python/tuple [!!binary aGk=, 0, null]",
        "!!python/object/apply:builtins.iter\n      args: [[!!binary aA==, i]]",
        "!!python/unicode hi",
        "{string: hi}",
    ):
        text = vcr_file(OK | {"body": {"string": ""}}, body="BODY").replace("body: BODY", f"body: {tagged}")
        assert request_of(values(text)[0].request).body == b"hi"


def test_vcrpy_s_json_cassettes_are_read() -> None:
    text = json.dumps(yaml.safe_load(vcr_file(OK | {"body": {"string": "text"}})), indent=4)
    assert response_of(values(text)[0].response).body == b"text"


# vcrpy on our files


def test_vcrpy_reads_and_writes_them_with_this_as_its_serializer() -> None:
    requests, responses, *metadata = deserialize(TEXT, serializer)  # metadata since vcrpy 9
    assert [request.uri for request in requests] == [sent_request("Hi").uri] * 2
    assert responses[1]["body"]["string"] == stream("1", "2").body
    assert metadata in ([], [HEAD])
    again = serialize({"requests": requests, "responses": responses}, serializer)
    assert [found.timeless for found in read(again.encode()).blocks] == [
        found.timeless._replace(response=found.timeless.response.replace(b"    ended: ReadTimeout\n", b""))
        for found in read(DATA).blocks
    ]


def test_vcrpy_opens_them_by_itself() -> None:
    """It can't replay a parsed body, for it knows none, but it reads the file and its texts."""
    from vcr.serializers import yamlserializer

    plain = stored_of(sent_request("Hi"), Response(200, (), (Chunk(b"text"),), "OK"))
    text = write(HEAD, [Block.of(*exchange) for exchange in (plain, *EXCHANGES)])
    requests, responses, *_ = deserialize(text.decode(), yamlserializer)
    assert [request.method for request in requests] == ["POST"] * 3
    assert responses[0]["body"] == {"string": b"text"}


# Broken files


def problem(text: str) -> str:
    with pytest.raises(CassetteBroken) as caught:
        serializer.deserialize(text)
    assert caught.value.__cause__ is None
    return str(caught.value).replace("the cassette", "a.yaml", 1)


def test_a_file_cut_at_any_place_is_refused() -> None:
    for at in range(len(TEXT) - 42):
        if len(TEXT[:at].strip()) < len(SIGNATURE.strip()):
            continue
        assert problem(TEXT[:at]).startswith("a.yaml:"), at


def test_a_foreign_file_cut_at_any_line_is_refused() -> None:
    lines = vcr_file(OK | {"body": {"string": "text"}}).splitlines(keepends=True)
    for count in range(1, len(lines)):
        assert problem("".join(lines[:count])).startswith("a.yaml")


def test_says_what_is_wrong_and_where() -> None:
    conflict = TEXT.replace(
        "    times: [0.25]\n", "<<<<<<< HEAD\n    times: [0.25]\n=======\n    times: [0.3]\n>>>>>>> theirs\n"
    )
    foreign = vcr_file(OK | {"body": {"string": ""}})
    assert {
        "empty": problem(" \n"),
        "cut": problem(TEXT[:-48]),
        "conflict": problem(conflict),
        "version": problem(TEXT.replace("version: 1", "version: 2")),
        "no version": problem(foreign.replace("version: 1\n", "")),
        "tag": problem(foreign.replace("body: x", "body: !!python/object/apply:os.system [ls]")),
        "indent": problem(foreign.replace("  - b", " - [b")),
        "nothing": problem("version: 1\n"),
        "no list": problem("version: 1\ninteractions: {a: b}\n"),
        "too old": problem("- request: {}\n  response: {}\n"),
        "text": problem("just text"),
        "no uri": problem(foreign.replace("    uri: https://h/p\n", "")),
        "character": problem(foreign + "# \x07\n"),
        "json": problem('{"version": 1,\n"interactions": [}'),
    } == {
        "empty": "a.yaml: the file is empty. Delete it, then record it again",
        "cut": f"a.yaml:{TEXT.count(chr(10)) - 1}: the file ends too early: its last line should start with '...'. "
        "Restore it, or record again",
        "conflict": "a.yaml:22: it has the merge conflict marker '<<<<<<<'. Resolve it, or record again",
        "version": "a.yaml:2: its version is 2, and only 1 can be read. If the file is incomplete, record again",
        "no version": "a.yaml: its version is 'none', and only 1 can be read. If the file is incomplete, record again",
        "tag": "a.yaml:3: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not read: a cassette is data "
        "only. Remove it, or record again",
        "indent": "a.yaml:6: did not find expected key. Restore the file, or record again",
        "nothing": "a.yaml: it has no 'interactions': the file is not a cassette, or is incomplete",
        "no list": "a.yaml:2: 'interactions' is not a list",
        "too old": "a.yaml:1: it is from before version 1 of vcrpy's format. Record it again",
        "text": "a.yaml:1: it is not a cassette but a str",
        "no uri": "a.yaml:2: this interaction can't be read: 'uri' is missing",
        "character": "a.yaml:18: it has a character that YAML does not allow: control characters are not allowed",
        "json": "a.yaml:2: Expecting value. Restore the file, or record again",
    }


def test_an_edited_file_is_still_read() -> None:
    text = TEXT.replace("method: POST", "method: POST  # the first call", 1)
    assert values(text) == EXCHANGES
