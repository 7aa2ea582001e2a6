from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.traffic import ADDRESS, SENT, asked
from vcr.request import Request

from maxim_gemini.testing._cassette.matching import meaning_of, without

HOST = "https://generativelanguage.googleapis.com"


def key(body: Any, uri: str = f"{ADDRESS}:generateContent", **headers: str) -> str:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return meaning_of(Request("POST", uri, data, {**SENT, **headers})).key


CALL = {"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CALL, CALL | {"generationConfig": {}}),
        (CALL, CALL | {"systemInstruction": None}),
        ({"generationConfig": {"temperature": 1}}, {"generationConfig": {"temperature": 1.0}}),
        ({"generationConfig": {"temperature": 0}}, {"generationConfig": {"temperature": 0.0}}),
        (
            {"generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 3}}},
            {"generationConfig": {"thinkingConfig": {"thinking_budget": 3, "include_thoughts": True}}},
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "+/+/ab=="}}]}]},
            {"contents": [{"parts": [{"inlineData": {"mime_type": "image/png", "data": "-_-_ab"}}]}]},
        ),
        ({"parts": [{"thoughtSignature": "a+b/"}]}, {"parts": [{"thought_signature": "a-b_"}]}),
        (
            {
                "tools": [
                    {
                        "functionDeclarations": [
                            {
                                "name": "f",
                                "parameters": {"type": "OBJECT", "properties": {"user_id": {"type": "STRING"}}},
                            }
                        ]
                    }
                ]
            },
            {
                "tools": [
                    {
                        "functionDeclarations": [
                            {
                                "name": "f",
                                "parameters_json_schema": {
                                    "type": "object",
                                    "properties": {"user_id": {"type": "string"}},
                                },
                                "response_json_schema": {"type": "string"},
                            }
                        ]
                    }
                ]
            },
        ),
        (
            {"generationConfig": {"responseSchema": {"type": "OBJECT", "propertyOrdering": ["a"], "required": ["a"]}}},
            {"generationConfig": {"responseJsonSchema": {"type": "object", "required": ["a"]}}},
        ),
        ({"cachedContent": "projects/mine/locations/x/y"}, {"cachedContent": "projects/REDACTED/locations/x/y"}),
    ],
)
def test_one_call_means_the_same_whatever_wrote_it(one: Any, other: Any) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{HOST}/v1/models/m:generateContent", f"{HOST}/v1beta/models/m:generateContent"),
        (f"{HOST}/v1alpha/models/m:generateContent", "http://127.0.0.1:8080/v1/models/m:generateContent"),
        (f"{HOST}/v1/files?pageSize=1&key=abc", f"{HOST}/v1/files?pageSize=1"),
        (f"{HOST}/v1/files?a=1&b=2", f"{HOST}/v1beta/files?b=2&a=1"),
        (f"{HOST}/upload/v1beta/files", f"{HOST}/upload/v1/files"),
        (f"{HOST}/v1beta1/projects/a/locations/x/m:predict", f"{HOST}/v1/projects/REDACTED/locations/x/m:predict"),
    ],
)
def test_an_address_means_the_same_in_every_version_and_project(one: str, other: str) -> None:
    assert key(None, one) == key(None, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CALL, {"contents": [{"parts": [{"text": "Hi"}], "role": "user"}]}),
        (CALL, CALL | {"generationConfig": {"temperature": 0}}),
        (CALL, None),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"functionCall": {"args": {"user_id": 1}}}, {"functionCall": {"args": {"userId": 1}}}),
        ({"functionResponse": {"response": {"a_b": 1}}}, {"functionResponse": {"response": {"aB": 1}}}),
        ({"text": "a-b"}, {"text": "a+b"}),
        ({"tools": [{"googleSearch": {}}]}, {"tools": [{"codeExecution": {}}]}),
        ({"tools": [{"googleSearch": {}}]}, {"tools": []}),
        (b"\x00one", b"\x00two"),
        (b'{"a": 1', b'{"a": 2'),
    ],
)
def test_another_call_means_something_else(one: Any, other: Any) -> None:
    assert key(one) != key(other)


def test_other_addresses_and_methods_mean_something_else() -> None:
    keys = {
        key(CALL, f"{HOST}/v1/models/a:generateContent"),
        key(CALL, f"{HOST}/v1/models/b:generateContent"),
        key(CALL, f"{HOST}/v1/models/a:streamGenerateContent"),
        key(CALL, f"{HOST}/v1/models/a:streamGenerateContent?alt=sse"),
        meaning_of(Request("GET", f"{HOST}/v1/models/a:generateContent", None, {})).key,
    }
    assert len(keys) == 5


def test_the_boundary_of_a_multipart_body_is_not_meant() -> None:
    def form(boundary: str, text: str) -> str:
        body = f"--{boundary}\r\n\r\n{text}\r\n--{boundary}--\r\n".encode()
        return key(body, **{"content-type": f'multipart/form-data; boundary="{boundary}"'})

    assert form("abc", "x") == form("def", "x") != form("abc", "y")


def test_the_steps_of_an_upload_are_told_apart() -> None:
    def step(command: str, offset: str) -> str:
        headers = {"X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": offset}
        return key(b"", f"{HOST}/upload/v1beta/files?upload_id=a", **headers)

    assert len({step("upload", "0"), step("upload", "8"), step("upload, finalize", "8")}) == 3


def test_http_libraries_spell_methods_and_headers_as_they_like() -> None:
    request = asked("hi")
    lower = Request("post", request.uri, request.body, {"Content-Type": "application/json"})
    assert meaning_of(lower).key == meaning_of(request).key


def test_places_can_be_left_out() -> None:
    places = ["generationConfig.seed", "contents[].role", "labels"]
    one = meaning_of(asked("hi", seed=1, topK=2))
    other = meaning_of(asked("hi", seed=2, topK=2))
    assert one.key != other.key
    assert without(places, one).key == without(places, other).key
    assert without(places, one).body == {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"topK": 2}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), json_values))
def test_the_style_and_order_of_json_are_not_meant(body: dict[str, Any]) -> None:
    other = json.dumps(dict(reversed(body.items())), indent=3, ensure_ascii=False).encode(errors="surrogatepass")
    assert key(other) == key(body)


@given(st.binary())
def test_every_body_has_a_meaning(body: bytes) -> None:
    assert isinstance(key(body), str)
