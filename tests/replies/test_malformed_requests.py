"""Requests that a real server refuses: no JSON, JSON of another shape, too large."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import asking

from maxim_gemini.testing import GeminiMock, GeminiServer, reply
from maxim_gemini.testing._replies.request import GeminiRequest
from maxim_gemini.testing.exceptions import ScriptError

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "gemini-2.5-flash"
NESTED = 5000


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer(reply.text("the scripted reply"), strict=False) as server:
        yield server


def post(server: GeminiServer, body: bytes, action: str = "generateContent") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", f"/v1beta/models/{MODEL}:{action}", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("action", ["generateContent", "streamGenerateContent?alt=sse", "countTokens", "embedContent"])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "Unexpected end of string."),
        (b'{"contents": [}', 'Unexpected token.\n{"contents": [}\n              ^'),
        (b"hi", "Unexpected token."),
        (b"\xff\xfe{\x00}\x00", "can't decode"),
        (b'{"contents": NaN}', "JSON has no NaN"),
        (b'{"contents": -Infinity}', "JSON has no -Infinity"),
        (b'{"a": ' * NESTED + b"1" + b"}" * NESTED, "Message too deep."),
        (b'{"contents": ' + b"[" * NESTED + b"]" * NESTED + b"}", "Message too deep."),
        (b'{"contents": ' + b"[" * 150 + b"]" * 150 + b"}", "Message too deep."),
    ],
    ids=["cut", "token", "text", "utf-16", "nan", "infinity", "objects", "lists", "150 lists"],
)
def test_a_body_that_is_no_json_is_answered_with_geminis_400(
    server: GeminiServer, body: bytes, says: str, action: str
) -> None:
    status, answer = post(server, body, action)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert answer["error"]["message"].startswith("Invalid JSON payload received. ")
    assert says in answer["error"]["message"]
    assert server.requests[-1].body == body
    assert server.script.unused == ["<Reply 'the scripted reply'> (in order)"]
    assert server._player.errors == []


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ([], "", "GenerateContentRequest"),
        ("hi", "", "GenerateContentRequest"),
        ({"contents": "hi"}, "contents", "Content"),
        ({"contents": ["hi"]}, "contents[0]", "Content"),
        ({"contents": [{"parts": ["hi"]}]}, "contents[0].parts[0]", "Part"),
        ({"contents": [{"parts": 5}]}, "contents[0].parts", "Part"),
        ({"contents": [[{"parts": []}]]}, "contents[0]", "Content"),
        ({"systemInstruction": "be brief"}, "system_instruction", "Content"),
        ({"tools": [5]}, "tools[0]", "Tool"),
        ({"tools": [{"functionDeclarations": ["f"]}]}, "tools[0].function_declarations[0]", "FunctionDeclaration"),
        ({"generationConfig": []}, "generation_config", "GenerationConfig"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text", None),
        ({"contents": [{"role": ["user"]}]}, "contents[0].role", None),
    ],
)
def test_json_of_another_shape_is_answered_with_geminis_400(
    server: GeminiServer, value: Any, path: str, message: str | None
) -> None:
    status, answer = post(server, json.dumps(value).encode())
    assert status == 400
    [detail] = answer["error"]["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    [violation] = detail["fieldViolations"]
    kind = f"type.googleapis.com/google.ai.generativelanguage.v1beta.{message}" if message else "TYPE_STRING"
    assert violation["description"].startswith(f"Invalid value at '{path}' ({kind}), ")
    assert answer["error"]["message"] == violation["description"]
    assert post(server, b"{}")[0] == 200


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("countTokens", {"generateContentRequest": {"contents": ["hi"]}}),
        ("countTokens", {"contents": 7}),
        ("batchEmbedContents", {"requests": ["hi"]}),
        ("batchEmbedContents", {"requests": [{"content": "hi"}]}),
        ("embedContent", {"content": "hi"}),
    ],
)
def test_so_are_the_methods_that_no_script_answers(server: GeminiServer, action: str, value: Any) -> None:
    status, answer = post(server, json.dumps(value).encode(), action)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"contents": {"parts": {"text": "hi"}}},
        {"contents": None, "tools": None, "generationConfig": None},
        {"contents": [{"parts": [{"text": None}, {"inlineData": {}}]}]},
        {"contents": [{"parts": [{"text": "hi"}]}], "unknown": [[[[5]]]]},
        {"contents": [{"parts": [{"text": "half \ud83d"}]}]},
    ],
)
def test_what_real_servers_take_is_answered(server: GeminiServer, value: Any) -> None:
    assert post(server, json.dumps(value).encode())[0] == 200


def test_the_mock_refuses_it_too() -> None:
    import httpx

    with GeminiMock(reply.text("the scripted reply"), strict=False) as mock:
        url = f"https://generativelanguage.googleapis.com/v1beta/models/{MODEL}:generateContent"
        assert httpx.post(url, content=b"[" * NESTED).status_code == 400
        assert mock.script.unused


@pytest.mark.parametrize("value", [None, 5, "x", [5], {"contents": 5, "tools": "x", "generationConfig": 1}])
def test_any_request_can_be_looked_at(value: Any) -> None:
    request = GeminiRequest.of("POST", "http://x/v1beta/models/m:generateContent", [], json.dumps(value).encode())
    seen = (request.text, request.system, request.tools, request.config)
    assert seen == ("", "", [], {})
    assert repr(request)


def test_a_body_over_the_limit_is_refused_with_the_setting_and_not_kept() -> None:
    with GeminiServer(reply.text("hi"), max_body=1000) as server:
        status, answer = post(server, b'{"x": "' + b"y" * 5_000_000 + b'"}')
        assert (status, answer["error"]["status"]) == (413, "INVALID_ARGUMENT")
        assert "exceeds the limit: 1000 bytes" in answer["error"]["message"]
        assert "max_body" in answer["error"]["message"]
        assert server.requests == []
        with asking(server.url) as client:
            assert client.models.generate_content(model=MODEL, contents="hi").text == "hi"


def test_a_body_that_never_ends_is_refused_before_it_does() -> None:
    import socket

    server = GeminiServer(max_body=1000)
    with server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(
            b"POST /v1beta/models/m:generateContent HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        connection.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        assert b" 413 " in connection.recv(65536)


def test_requests_are_kept_up_to_the_limits_and_more_is_one_clear_error() -> None:
    with GeminiServer(keep_requests=3, strict=False) as server, asking(server.url) as client:
        server.always(reply.text("hi"))
        for at in range(3):
            client.models.generate_content(model=MODEL, contents=str(at))
        assert [request.text for request in server.requests] == ["0", "1", "2"]
        client.models.generate_content(model=MODEL, contents="3")
        said = r"4 requests came, and only the latest 3 were kept \(keep_requests=3, keep_bytes=1,073,741,824\)"
        with pytest.raises(ScriptError, match=said):
            _ = server.requests
        assert repr(server).endswith("4 requests>")


def test_bodies_are_kept_up_to_their_limit() -> None:
    with GeminiServer(keep_bytes=100, strict=False) as server:
        for _ in range(3):
            post(server, b'{"contents": []}' + b" " * 60)
        with pytest.raises(ScriptError, match="only the latest 1 were kept"):
            _ = server.requests


def test_uploaded_files_are_kept_up_to_the_limit() -> None:
    import io

    from google.genai import errors

    # google-genai 1.20 does not read the answer to an upload that is refused: it says that it was not finalized.
    refused = (errors.APIError, ValueError)
    with GeminiServer(keep_bytes=1000, strict=False) as server, asking(server.url) as client:
        client.files.upload(file=io.BytesIO(b"x" * 900), config={"mime_type": "text/plain"})
        with pytest.raises(refused, match=r"exceed the limit: 1000 bytes|not finalized"):
            client.files.upload(file=io.BytesIO(b"x" * 900), config={"mime_type": "text/plain"})


@pytest.mark.parametrize("limit", ["keep_requests", "keep_bytes", "max_body"])
def test_a_limit_of_nothing_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match=limit):
        GeminiServer(**{limit: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("query", ["pageToken=x", "pageSize=x", "pageSize=-1", "pageToken=-5"])
def test_a_page_that_is_no_number_is_an_error_400(query: str) -> None:
    with GeminiServer() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", f"/v1beta/models?{query}")
        assert connection.getresponse().status == 400
        connection.close()


@pytest.mark.parametrize("action", ["countTokens", "embedContent", "computeTokens"])
def test_half_a_surrogate_pair_is_counted_and_embedded(server: GeminiServer, action: str) -> None:
    content = {"parts": [{"text": "half \ud83d"}]}
    assert post(server, json.dumps({"contents": [content], "content": content}).encode(), action)[0] == 200


@pytest.mark.parametrize("size", [0, -1, 10**9, "many", 1.5, [8]])
def test_an_embedding_of_an_impossible_size_is_an_error_400(server: GeminiServer, size: Any) -> None:
    value = {"requests": [{"content": {"parts": [{"text": "hi"}]}, "outputDimensionality": size}]}
    status, answer = post(server, json.dumps(value).encode(), "batchEmbedContents")
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "outputDimensionality must be 1 to 3072" in answer["error"]["message"]


@pytest.mark.parametrize(("action", "field"), [("batchEmbedContents", "requests"), ("predict", "instances")])
def test_nothing_to_embed_is_an_error_400(server: GeminiServer, action: str, field: str) -> None:
    values: list[dict[str, Any]] = [{}, {field: []}]
    for value in values:
        status, answer = post(server, json.dumps(value).encode(), action)
        assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert "at least one content" in answer["error"]["message"]
