"""Metadata that a stream brings in pieces, as Google does, or might."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.script import Gemini, response

from maxim_gemini._generate_content.pieces import Pieces

if TYPE_CHECKING:
    from support.sides import Sync

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger


async def metadata(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, *pieces: dict[str, Any]
) -> dict[str, Any]:
    """Return what is logged beside an answer whose chunks bring *pieces*."""
    chunks = [response("a", reason=None) for _ in pieces]
    for chunk, piece in zip(chunks, pieces, strict=True):
        chunk["candidates"][0] |= piece
    gemini.streams(*chunks, response("."))
    await side.read(await side.open(client))
    return dict(logger.generation.metadata)


def source(name: str) -> dict[str, Any]:
    return {"web": {"uri": f"https://{name}.example.com", "title": name}}


def support(text: str, *indices: int) -> dict[str, Any]:
    return {"segment": {"text": text}, "groundingChunkIndices": list(indices)}


async def test_queries_of_an_early_chunk_and_sources_of_a_late_one_are_one_grounding(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    logged = await metadata(
        side, gemini, client, logger,
        {"groundingMetadata": {"webSearchQueries": ["tea"]}},
        {"groundingMetadata": {}},
        {"groundingMetadata": {"webSearchQueries": ["milk"], "searchEntryPoint": {"renderedContent": "<b>"}}},
        {"groundingMetadata": {"groundingChunks": [source("a"), source("b")], "groundingSupports": [support("x", 1)]}},
    )  # fmt: skip
    assert logged["grounding_metadata"] == {
        "web_search_queries": ["tea", "milk"],
        "search_entry_point": {"rendered_content": "<b>"},
        "grounding_chunks": [source("a"), source("b")],
        "grounding_supports": [{"segment": {"text": "x"}, "grounding_chunk_indices": [1]}],
    }


@pytest.mark.parametrize("cumulative", [False, True], ids=["new sources only", "all sources so far"])
async def test_supports_point_at_their_sources_after_the_merge(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, cumulative: bool
) -> None:
    later = [source("a"), source("b")] if cumulative else [source("b")]
    logged = await metadata(
        side, gemini, client, logger,
        {"groundingMetadata": {"groundingChunks": [source("a")], "groundingSupports": [support("x", 0)]}},
        {"groundingMetadata": {"groundingChunks": later, "groundingSupports": [support("y", len(later) - 1)]}},
    )  # fmt: skip
    grounding = logged["grounding_metadata"]
    assert grounding["grounding_chunks"] == [source("a"), source("b")]
    assert [one["grounding_chunk_indices"] for one in grounding["grounding_supports"]] == [[0], [1]]


async def test_log_probabilities_are_those_of_all_chunks(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    def probabilities(*tokens: str) -> dict[str, Any]:
        chosen = [{"token": token, "logProbability": -0.1} for token in tokens]
        return {
            "logprobsResult": {"chosenCandidates": chosen, "topCandidates": [{"candidates": [one]} for one in chosen]}
        }

    logged = await metadata(
        side, gemini, client, logger, probabilities("ha", "ha"), probabilities("ha"), probabilities("!")
    )
    result = logged["logprobs_result"]
    assert [one["token"] for one in result["chosen_candidates"]] == ["ha", "ha", "ha", "!"]
    assert [one["candidates"][0]["token"] for one in result["top_candidates"]] == ["ha", "ha", "ha", "!"]


async def test_pages_and_ratings_are_the_latest_of_each(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    def rating(category: str, probability: str) -> dict[str, Any]:
        return {"category": f"HARM_CATEGORY_{category}", "probability": probability}

    def page(name: str, status: str) -> dict[str, Any]:
        return {"retrievedUrl": name, "urlRetrievalStatus": f"URL_RETRIEVAL_STATUS_{status}"}

    logged = await metadata(
        side, gemini, client, logger,
        {"safetyRatings": [rating("HARASSMENT", "LOW")], "urlContextMetadata": {"urlMetadata": [page("a", "ERROR")]}},
        {
            "safetyRatings": [rating("HATE_SPEECH", "LOW"), rating("HARASSMENT", "HIGH")],
            "urlContextMetadata": {"urlMetadata": [page("b", "SUCCESS"), page("a", "SUCCESS")]},
        },
    )  # fmt: skip
    assert logged["safety_ratings"] == [rating("HARASSMENT", "HIGH"), rating("HATE_SPEECH", "LOW")]
    assert [
        (one["retrieved_url"], one["url_retrieval_status"][-7:])
        for one in logged["url_context_metadata"]["url_metadata"]
    ] == [
        ("a", "SUCCESS"),
        ("b", "SUCCESS"),
    ]


async def test_citations_are_those_of_all_chunks(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """As Google streams them: one that goes on in the next chunk is said again, with another end."""

    def cited(*ends: int) -> dict[str, Any]:
        return {
            "citationMetadata": {"citationSources": [{"endIndex": end, "uri": "https://a.example.com"} for end in ends]}
        }

    logged = await metadata(side, gemini, client, logger, cited(239), cited(262, 401), cited(401, 588), {})
    assert [one["end_index"] for one in logged["citation_metadata"]["citations"]] == [239, 262, 401, 588]


async def test_one_piece_stays_as_it_is(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    grounding = {"groundingChunks": [source("a"), source("a")], "groundingSupports": [support("x", 1)] * 2}
    logged = await metadata(side, gemini, client, logger, {"groundingMetadata": grounding})
    assert logged["grounding_metadata"]["grounding_chunks"] == grounding["groundingChunks"]
    assert len(logged["grounding_metadata"]["grounding_supports"]) == 2


def test_sums_are_added_and_many_pieces_take_no_long() -> None:
    pieces = Pieces()
    for number in range(20_000):
        pieces.add("logprobs_result", {"log_probability_sum": -1, "chosen_candidates": [{"token": "a"}]})
        pieces.add("citation_metadata", {"citations": [{"uri": f"u{number}"}, {"uri": "u20000"}]})
    assert pieces.merged["logprobs_result"]["log_probability_sum"] == -20_000
    assert len(pieces.merged["logprobs_result"]["chosen_candidates"]) == 20_000
    assert len(pieces.merged["citation_metadata"]["citations"]) == 20_001
