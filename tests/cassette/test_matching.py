from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.traffic import ADDRESS, SENT, sent_request
from vcr.request import Request

from maxim_gemini.testing._cassette.differences import between, describe
from maxim_gemini.testing._cassette.matching import Meaning, meaning_of, without

HOST = "https://generativelanguage.googleapis.com"


def key(body: Any, uri: str = f"{ADDRESS}:generateContent", **headers: str) -> str:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return meaning_of(Request("POST", uri, data, {**SENT, **headers})).key


def meaning(body: Any) -> Meaning:
    return meaning_of(Request("POST", f"{ADDRESS}:generateContent", json.dumps(body).encode(), dict(SENT)))


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


def test_the_steps_of_an_upload_are_distinguished() -> None:
    def step(command: str, offset: str) -> str:
        headers = {"X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": offset}
        return key(b"", f"{HOST}/upload/v1beta/files?upload_id=a", **headers)

    assert len({step("upload", "0"), step("upload", "8"), step("upload, finalize", "8")}) == 3


def upload(query: str, headers: dict[str, str], body: bytes = b"hello") -> Meaning:
    return meaning_of(Request("POST", f"{HOST}/upload/v1beta/files{query}", body, headers))


FINAL_STEP = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
FINAL = upload("?upload_id=a", FINAL_STEP)


@pytest.mark.parametrize("query", ["?upload_id=a", ""])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-goog-upload-command": "<REDACTED>", "x-goog-upload-offset": "<REDACTED>"},
        {"x-goog-upload-command": "upload, finalize"},
        {"x-goog-upload-offset": "0"},
    ],
)
def test_an_upload_whose_steps_or_id_were_left_out_of_the_recording(headers: dict[str, str], query: str) -> None:
    recorded = upload(query, headers)
    assert recorded in FINAL.recorded_forms
    assert recorded not in upload("?upload_id=a", FINAL_STEP, b"other").recorded_forms


@pytest.mark.parametrize(
    "recorded",
    [
        {"query": "?upload_id=b"},
        {"query": "?upload_id=a&x=y"},
        {"x-goog-upload-command": "upload"},
        {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "8"},
    ],
)
def test_what_was_recorded_of_an_upload_is_compared(recorded: dict[str, str]) -> None:
    headers = {name: value for name, value in recorded.items() if name != "query"}
    assert upload(recorded.get("query", "?upload_id=a"), headers) not in FINAL.recorded_forms


# Ids that join a call with its result


def history(*ids: str, order: tuple[int, ...] = (0, 1), names: tuple[str, str] = ("add", "add")) -> dict[str, Any]:
    """Return a request with two calls, and their results in this order."""
    calls = [{"functionCall": {"id": id, "name": name, "args": {}}} for id, name in zip(ids[:2], names, strict=True)]
    results = [{"functionResponse": {"id": ids[2:][n], "name": names[n], "response": {"n": n}}} for n in order]
    return {"contents": [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]}


def steps(call: str, result: str, kind: str = "function") -> dict[str, Any]:
    """Return an interaction with a call, and its result."""
    return {
        "model": "m",
        "input": [
            {"type": f"{kind}_call", "id": call, "name": "add", "arguments": {"id": "1"}},
            {"type": f"{kind}_result", "call_id": result, "result": "2"},
        ],
    }


def test_ids_of_calls_are_compared_by_where_they_recur() -> None:
    assert key(history("a", "b", "a", "b")) == key(history("x", "y", "x", "y"))
    assert key(history("a", "b", "a", "b")) != key(history("x", "y", "y", "x"))
    assert key(history("a", "b", "a", "b")) != key(history("x", "x", "x", "x"))
    assert key(history("a", "b", "a", "b")) != key(history("a", "b", "a", "b", order=(1, 0)))
    assert key(history("a", "b", "a", "b")) != key(history("a", "b", "a", "b", names=("add", "sub")))


def test_ids_in_snake_case_and_of_tools_that_google_runs() -> None:
    def parts(one: str, other: str, call: str, result: str) -> Any:
        return {"contents": [{"parts": [{call: {"id": one}}, {result: {"id": other}}]}]}

    for call, result in (("function_call", "function_response"), ("toolCall", "toolResponse")):
        assert key(parts("a", "a", call, result)) == key(parts("x", "x", call, result))
        assert key(parts("a", "a", call, result)) != key(parts("x", "y", call, result))
    assert key(parts("a", "a", "function_call", "function_response")) == key(
        parts("x", "x", "functionCall", "functionResponse")
    )


@pytest.mark.parametrize("kind", ["function", "mcp_server_tool", "code_execution"])
def test_ids_of_calls_of_interactions(kind: str) -> None:
    assert key(steps("a", "a", kind)) == key(steps("x", "x", kind))
    assert key(steps("a", "a", kind)) != key(steps("x", "y", kind))


def test_ids_join_across_the_requests_of_a_batch_and_in_turns() -> None:
    def batch(*ids: str) -> str:
        return key({"batch": {"requests": [{"request": history(*ids[:4])}, {"request": history(*ids[4:])}]}})

    def turns(call: str, result: str) -> str:
        called, answered = steps(call, result)["input"]
        return key({"input": [{"role": "model", "content": [called]}, {"role": "user", "content": [answered]}]})

    assert batch(*"ababcdcd") == batch(*"uvuvwxwx")
    assert batch(*"ababcdcd") != batch(*"ababcddc")
    assert batch(*"ababcdcd") != batch(*"abababab")
    assert turns("a", "a") == turns("x", "x")
    assert turns("a", "a") != turns("x", "y")


def test_an_id_on_one_side_is_compared_by_being_there() -> None:
    def parts(*parts: dict[str, Any]) -> str:
        return key({"contents": [{"parts": list(parts)}]})

    result = {"functionResponse": {"name": "f"}}
    assert parts({"functionCall": {"id": "a", "name": "f"}}, result) == parts(
        {"functionCall": {"id": "x", "name": "f"}}, result
    )
    assert parts({"functionCall": {"id": "a", "name": "f"}}) != parts({"functionCall": {"name": "f"}})
    assert parts({"functionResponse": {"id": "a"}}, {"functionCall": {"id": "a"}}) == parts(
        {"functionResponse": {"id": "x"}}, {"functionCall": {"id": "x"}}
    )


def test_ids_that_a_server_has_given_stay_exact() -> None:
    def result(call_id: str, previous: str = "i1") -> str:
        step = {"type": "function_result", "call_id": call_id, "result": "2"}
        return key({"previous_interaction_id": previous, "input": [step]})

    assert result("a") != result("b")  # the call is in an answer, which is replayed as it was
    assert result("a") != result("a", "i2")
    assert key({"contents": [{"parts": [{"functionResponse": {"id": "a"}}]}]}) != key(
        {"contents": [{"parts": [{"functionResponse": {"id": "b"}}]}]}
    )
    assert key({"cachedContent": "a"} | history("a", "b", "a", "b")) != key(
        {"cachedContent": "x"} | history("x", "y", "x", "y")
    )


def test_ids_in_the_applications_own_words_stay_exact() -> None:
    def call(own: str) -> str:
        arguments = {"id": own, "functionCall": {"id": own}, "type": "x_call"}
        return key({"contents": [{"parts": [{"functionCall": {"id": "a", "name": "f", "args": arguments}}]}]})

    assert call("a") != call("b")
    assert key({"input": [{"type": "function_call", "id": "a", "arguments": {"user_id": 1}}]}) != key(
        {"input": [{"type": "function_call", "id": "a", "arguments": {"userId": 1}}]}
    )


def test_the_order_of_members_does_not_number_calls() -> None:
    body = history("a", "b", "a", "b") | {"more": {"functionCall": {"id": "c"}}}
    assert key(body) == key(dict(reversed(body.items())))


def test_a_wrong_join_is_shown_by_which_call_it_is() -> None:
    recorded, sent = (meaning(history("a", "b", *results)) for results in (("a", "b"), ("b", "a")))
    assert describe(between(recorded, sent)) == [
        "contents[1].parts[0].functionResponse.id: recorded '(call 1)' != sent '(call 2)'",
        "contents[1].parts[1].functionResponse.id: recorded '(call 2)' != sent '(call 1)'",
    ]


def test_http_libraries_spell_methods_and_headers_as_they_like() -> None:
    request = sent_request("hi")
    lower = Request("post", request.uri, request.body, {"Content-Type": "application/json"})
    assert meaning_of(lower).key == meaning_of(request).key


def test_schemas_in_a_schema_and_tools_that_are_none_have_a_meaning() -> None:
    def tools(kind: str, **more: Any) -> dict[str, Any]:
        schema = {"anyOf": [{"type": kind}, {"type": "null"}]}
        return {"tools": [{"functionDeclarations": ["no tool", {"name": "f", "parameters": schema, **more}]}]}

    assert key(tools("string")) == key(tools("STRING", response={"type": "OBJECT"}))
    assert key(tools("string")) != key(tools("number"))


def test_places_can_be_left_out() -> None:
    places = ["generationConfig.seed", "contents[].role", "labels"]
    one = meaning_of(sent_request("hi", seed=1, topK=2))
    other = meaning_of(sent_request("hi", seed=2, topK=2))
    assert one.key != other.key
    assert without(places, one).key == without(places, other).key
    assert without(places, one).body == {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"topK": 2}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values))
def test_the_style_and_order_of_json_are_not_meant(body: dict[str, Any]) -> None:
    other = json.dumps(dict(reversed(body.items())), indent=3, ensure_ascii=False).encode(errors="surrogatepass")
    assert key(other) == key(body)


@given(st.binary())
def test_every_body_has_a_meaning(body: bytes) -> None:
    assert isinstance(key(body), str)
