"""What browsers ask before they ask Gemini: preflights, and heads."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest

from maxim_gemini.testing import GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/v1beta/models/gemini-2.5-flash:generateContent"
ORIGIN = "http://localhost:5173"
BODY = b'{"contents": [{"parts": [{"text": "hi"}]}]}'
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-goog-api-key",
}


def send(
    server: GeminiServer, method: str, path: str = PATH, body: bytes | None = None, headers: Mapping[str, str] = {}
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_a_preflight_is_granted_and_uses_no_reply() -> None:
    with GeminiServer(reply.text("Paris.")) as server:
        status, headers, body = send(server, "OPTIONS", headers=PREFLIGHT)
        assert (status, body) == (200, b"")
        assert headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in headers["access-control-allow-methods"]
        assert headers["access-control-allow-headers"] == "content-type,x-goog-api-key"
        assert server.requests == []
        status, headers, body = send(server, "POST", body=BODY, headers={"Origin": ORIGIN})
        assert (status, headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert headers["access-control-expose-headers"] == "*"
        assert b"Paris." in body


@pytest.mark.parametrize("failing", [reply.error(429), lambda _: None], ids=["scripted", "own"])
def test_a_page_may_read_errors_too(failing: reply.Reply) -> None:
    with GeminiServer(failing, strict=False) as server:
        status, headers, _ = send(server, "POST", body=BODY, headers={"Origin": ORIGIN})
    assert status in {429, 500}
    assert headers["access-control-allow-origin"] == ORIGIN


def test_other_clients_get_the_headers_of_real_servers_only() -> None:
    with GeminiServer(reply.text("Paris.")) as server:
        _, headers, _ = send(server, "POST", body=BODY)
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", [PATH, "/", "/v1beta/models"])
def test_a_question_about_a_resource_uses_no_reply_and_is_no_miss(method: str, path: str) -> None:
    with GeminiServer(reply.text("Paris.")) as server:
        assert send(server, method, path)[::2] == (200, b"")
        assert server.requests == []
        assert send(server, "POST", body=BODY)[0] == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_only_a_post_generates(method: str) -> None:
    with GeminiServer(reply.text("Paris."), strict=False) as server:
        assert send(server, method)[0] == 501
        assert send(server, "POST", body=BODY)[0] == 200


def test_a_cassette_is_not_used_either(tmp_path: object) -> None:
    with GeminiServer(cassette="cassettes/text.yaml") as server:
        assert send(server, "OPTIONS", headers=PREFLIGHT)[0] == 200
        assert send(server, "HEAD")[0] == 200
