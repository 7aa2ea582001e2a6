"""What methods that generate nothing are answered with, in the words of either backend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google import genai

from maxim_gemini.testing import GeminiServer
from maxim_gemini.testing._http.sdk import ReplayedCredentials, closing
from maxim_gemini.testing._replies.documents import counted_tokens
from maxim_gemini.testing._replies.request import GeminiRequest

MODELS = {
    "gemini": "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash",
    "vertex": "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/m",
}
VERTEX: Any = {"vertexai": True, "project": "p", "location": "l", "credentials": ReplayedCredentials()}


@pytest.mark.parametrize(("backend", "characters"), [("gemini", {}), ("vertex", {"totalBillableCharacters": 10})])
def test_vertex_counts_characters_beside_tokens(backend: str, characters: dict[str, int]) -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "YWJj"}}
    body = {"contents": [{"parts": [{"text": "12345678"}, picture]}, {"parts": [{"text": "ab"}]}]}
    request = GeminiRequest.of("POST", f"{MODELS[backend]}:countTokens", [], json.dumps(body))
    said = counted_tokens(request)
    by_modality = {one["modality"]: one["tokenCount"] for one in said.pop("promptTokensDetails")}
    assert by_modality.keys() == {"TEXT", "IMAGE"}
    assert said == {"totalTokens": sum(by_modality.values()), **characters}


@pytest.mark.parametrize(("said", "size"), [({}, 8), ({"output_dimensionality": 3}, 3)], ids=["none said", "3"])
def test_an_embedding_has_the_size_that_is_requested(said: Any, size: int) -> None:
    asked: Any = {"model": "gemini-embedding-001", "contents": ["a", "b"], "config": said}
    with GeminiServer(strict=False) as server:
        for options in ({"api_key": "any"}, VERTEX):
            with closing(genai.Client(**options, http_options={"base_url": server.url})) as client:
                embeddings = client.models.embed_content(**asked).embeddings or []
            assert [len(one.values or ()) for one in embeddings] == [size, size]


def test_the_tokens_themselves_are_four_bytes_each() -> None:
    with (
        GeminiServer(strict=False) as server,
        closing(genai.Client(**VERTEX, http_options={"base_url": server.url})) as client,
    ):
        answer = client.models.compute_tokens(model="gemini-2.5-flash", contents="123456")
    (info,) = answer.tokens_info or []
    assert (info.role, info.tokens) == ("user", [b"1234", b"56"])
    assert info.token_ids == [int.from_bytes(b"1234", "big") % 256_000, int.from_bytes(b"56", "big")]
