"""What the loopback server sends is framed as real servers frame it: headers, fields, and how events are cut."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml
from support.corpus import answers, cassettes, needs_corpus

from maxim_gemini.testing import GeminiServer, reply
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._replies.flows import FLOWS
from maxim_gemini.testing._replies.render import misfit, write
from maxim_gemini.testing._replies.request import GeminiRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maxim_gemini.testing._replies.model import Reply

HOSTS = {
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "vertex": "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/l/publishers/google",
}
MODELS = ("gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-pro-preview")
METHODS = {"generateContent": "generateContent", "streamGenerateContent": "streamGenerateContent?alt=sse"}

RARE: tuple[Reply, ...] = (
    reply.text("a") + reply.logprobs(("a", -0.25)) + reply.url_context("https://example.com"),
    reply.text("a") + reply.citations({"startIndex": 0, "endIndex": 9, "uri": "https://example.com"}),
    reply.text("a") + reply.usage(tool_use=7) + reply.response(turnToken="t"),
    reply.code("1", code_id="a") + reply.code_result("1", code_id="a"),
    reply.part({"toolCall": {"toolType": "FILE_SEARCH", "id": "a"}})
    + reply.part({"toolResponse": {"toolType": "FILE_SEARCH", "id": "a"}}),
    reply.partial_call("f", country="USA"),
    reply.blocked("SAFETY", "Reasons"),
    *map(reply.error, (400, 401, 403, 404, 429, 500, 503)),
)

NEVER_RECORDED: dict[tuple[str, str], set[str]] = {
    ("gemini", "generateContent"): {
        ".candidates[].citationMetadata",
        ".candidates[].safetyRatings[].blocked",
        ".candidates[].urlContextMetadata",
        ".promptFeedback",
    },
    ("gemini", "streamGenerateContent"): {
        ".candidates[].content.parts[].toolCall",
        ".candidates[].content.parts[].toolResponse",
        ".candidates[].finishMessage",
        ".candidates[].logprobsResult",
        ".candidates[].safetyRatings",
        ".promptFeedback.blockReasonMessage",
    },
    ("vertex", "generateContent"): {
        ".candidates[].citationMetadata",
        ".candidates[].content.parts[].codeExecutionResult",
        ".candidates[].content.parts[].executableCode",
        ".candidates[].content.parts[].toolCall",
        ".candidates[].content.parts[].toolResponse",
        ".candidates[].groundingMetadata",
        ".candidates[].safetyRatings",
        ".candidates[].urlContextMetadata",
        ".turnToken",
        ".usageMetadata.cacheTokensDetails",
        ".usageMetadata.cachedContentTokenCount",
        ".usageMetadata.toolUsePromptTokenCount",
        ".usageMetadata.toolUsePromptTokensDetails",
    },
    ("vertex", "streamGenerateContent"): {
        ".candidates[].citationMetadata",
        ".candidates[].content.parts[].codeExecutionResult",
        ".candidates[].content.parts[].executableCode",
        ".candidates[].content.parts[].functionCall.args",
        ".candidates[].content.parts[].functionCall.id",
        ".candidates[].content.parts[].inlineData",
        ".candidates[].content.parts[].thought",
        ".candidates[].content.parts[].toolCall",
        ".candidates[].content.parts[].toolResponse",
        ".candidates[].groundingMetadata",
        ".candidates[].logprobsResult",
        ".candidates[].safetyRatings[].blocked",
        ".candidates[].urlContextMetadata",
        ".promptFeedback.blockReason",
        ".promptFeedback.blockReasonMessage",
        ".turnToken",
        ".usageMetadata.cacheTokensDetails",
        ".usageMetadata.cachedContentTokenCount",
        ".usageMetadata.toolUsePromptTokenCount",
        ".usageMetadata.toolUsePromptTokensDetails",
    },
}
"""Fields that we write and that no answer of the corpus has, on that backend and method."""

NEVER_WRITTEN: dict[tuple[str, str], set[str]] = {
    ("gemini", "generateContent"): {
        ".candidates[].groundingMetadata.groundingChunks[].retrievedContext",
    },
    ("gemini", "streamGenerateContent"): {
        ".candidates[].groundingMetadata.groundingSupports[].segment.startIndex",
    },
    ("vertex", "generateContent"): {
        ".candidates[].finishMessage",
    },
    ("vertex", "streamGenerateContent"): {
        ".usageMetadata.billablePromptUsage",
    },
}
"""Fields of the corpus that the sample replies here don't have."""


def asked(backend: str, model: str, method: str) -> GeminiRequest:
    body = '{"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}'
    return GeminiRequest.of("POST", f"{HOSTS[backend]}/models/{model}:{METHODS[method]}", (), body)


def said(body: bytes) -> list[Any]:
    if not body.startswith(b"data:"):
        return [json.loads(body)]
    return [json.loads(wire.event_data(block) or block) for block in wire.split_events(body)]


def paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from paths(item, path + "[]")
    elif isinstance(value, dict) and not path.endswith((".args", ".details[]", ".metadata")):
        for key, item in value.items():
            yield f"{path}.{key}"
            yield from paths(item, f"{path}.{key}")


def outermost(found: set[str]) -> set[str]:
    return {
        one for one in found if not any(one != other and one.startswith((f"{other}.", f"{other}[")) for other in found)
    }


@needs_corpus
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("backend", HOSTS)
def test_fields_are_those_of_recorded_answers(backend: str, method: str) -> None:
    recorded = {
        p
        for a in answers()
        if (a.backend, a.method) == (backend, method)
        for v in said(a.body.encode())
        for p in paths(v)
    }
    replies = [*(one for flow in FLOWS.values() for one in flow.script), *RARE]
    requests = [asked(backend, model, method) for model in MODELS]
    bodies = [write(one, request).body for one in replies for request in requests if not misfit(one, request)]
    written = {path for body in bodies for value in said(body) for path in paths(value)}
    assert outermost(written - recorded) == NEVER_RECORDED[backend, method]
    assert outermost(recorded - written) == NEVER_WRITTEN[backend, method]


VOLATILE = {"date", "content-length", "transfer-encoding", "content-encoding", "connection"}
"""Headers that a recorder may add, drop or unpack."""


REDACTED = {"X-CONTENT-TYPE-XXX": "nosniff", "X-FRAME-OPTIONS-XXX": "SAMEORIGIN", "X-XSS-PROTECTION-XXX": "0"}
"""What a recorder wrote in place of values."""
PROXIED = {("accept-ranges", "none"), ("vary", "Origin,Accept-Encoding")}
"""What something between Vertex and the recorder said."""


def recorded_heads() -> dict[tuple[str, str, int], set[tuple[str, str]]]:
    """Return every header of recorded answers, by backend, kind of answer and status."""
    heads: dict[tuple[str, str, int], set[tuple[str, str]]] = {}
    for path in cassettes():
        content = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for interaction in content["interactions"]:
            uri, answer = interaction["request"]["uri"], interaction["response"]
            status = answer["status"]["code"] if isinstance(answer["status"], dict) else answer["status"]
            if "enerateContent" in uri and "googleapis.com" in uri and "enum-encoding" not in uri:
                backend = "vertex" if "aiplatform" in uri else "gemini"
                kind = "events" if "alt=sse" in uri else "plain"
                heads.setdefault((backend, kind, status), set()).update(_pairs(answer.get("headers") or {}))
    return heads


def _pairs(headers: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [values]:
            said = REDACTED.get(str(value), str(value))
            yield name.lower(), "gfet4t7; dur=" if name.lower() == "server-timing" else said


def served_heads(backend: str, kind: str, status: int) -> list[tuple[str, str]]:
    method = METHODS["streamGenerateContent" if kind == "events" else "generateContent"]
    path = urlsplit(f"{HOSTS[backend]}/models/gemini-2.5-flash:{method}")
    with GeminiServer(reply.text("hi") if status == 200 else reply.error(status)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", f"{path.path}?{path.query}", b"{}", {"accept-encoding": "gzip"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
    assert answer.status == status
    return [(n.lower(), "gfet4t7; dur=" if n.lower() == "server-timing" else v) for n, v in answer.getheaders()]


@needs_corpus
@pytest.mark.parametrize(
    ("backend", "kind", "status"),
    [("gemini", "plain", 200), ("gemini", "events", 200), ("gemini", "events", 400), ("gemini", "plain", 404),
     ("gemini", "plain", 429), ("vertex", "plain", 200), ("vertex", "events", 200)],
)  # fmt: skip
def test_headers_are_those_of_recorded_answers(backend: str, kind: str, status: int) -> None:
    recorded = {pair for pair in recorded_heads()[backend, kind, status] if pair[0] not in VOLATILE}
    served = {pair for pair in served_heads(backend, kind, status) if pair[0] not in VOLATILE}
    tells_tier = backend == "gemini" and (kind, status) != ("events", 200)
    newer = {("x-gemini-service-tier", "standard")} if tells_tier else set[Any]()
    assert served - recorded <= newer, "headers that no recorded answer has; the tier is newer than some recordings"
    assert recorded - served <= PROXIED, "headers of recorded answers that we don't send"


def test_plain_answers_are_gzipped_and_chunked_and_streams_are_not_gzipped() -> None:
    plain, events = dict(served_heads("gemini", "plain", 200)), dict(served_heads("gemini", "events", 200))
    assert (plain["content-encoding"], plain["transfer-encoding"]) == ("gzip", "chunked")
    assert (events.get("content-encoding"), events["transfer-encoding"]) == (None, "chunked")


def test_a_failed_stream_has_a_plain_body_with_its_length_under_the_type_of_events() -> None:
    head = dict(served_heads("gemini", "events", 400))
    assert head["content-type"] == "text/event-stream"
    assert "content-length" in head
    assert "content-disposition" not in head
