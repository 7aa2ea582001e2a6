"""The answers of methods that generate no content, in the format of the requested backend."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from .request import GeminiRequest, parts_of, text_of
from .usage import by_modality, details

if TYPE_CHECKING:
    from maxim_gemini.testing._json_types import JsonDict

    from .model import Document

DIMENSIONS: Final = 8
"""Size of an embedding without a scripted reply or a requested size."""
_LARGEST: Final = 3072
"""Size of the largest embedding of a real model."""


def document_json(document: Document, request: GeminiRequest) -> Any:
    """Return the JSON of *document* as the answer to *request*."""
    if document.kind != "embedding":
        return document.value
    vectors: list[list[float]] = document.value
    match request.action:
        case "predict":
            statistics = [{"truncated": False, "token_count": len(vector)} for vector in vectors]
            embedded = zip(statistics, vectors, strict=True)
            return {"predictions": [{"embeddings": {"statistics": s, "values": vector}} for s, vector in embedded]}
        case "embedContent":
            return {"embedding": {"values": vectors[0]}}
        case _:
            return {"embeddings": [{"values": vector} for vector in vectors]}


def counted_tokens(request: GeminiRequest) -> JsonDict:
    """Return the answer to a request to count tokens."""
    inner: Any = request.field("generateContentRequest")
    contents: list[Any] = (inner.get("contents") or []) if inner else request.contents
    counts = by_modality(part for content in contents for part in parts_of(content))
    answer = {"totalTokens": sum(counts.values()), "promptTokensDetails": details(counts)}
    if request.backend == "vertex":
        return {**answer, "totalBillableCharacters": sum(len(text_of(content)) for content in contents)}
    return answer


def computed_tokens(request: GeminiRequest) -> JsonDict:
    """Return the answer to a request for the tokens themselves: about four bytes of UTF-8 each, in base64."""
    infos: list[JsonDict] = []
    for content in request.contents:
        data = text_of(content).encode("utf-8", "replace")
        pieces = [data[start : start + 4] for start in range(0, len(data), 4)]
        infos.append(
            {
                "tokens": [base64.b64encode(piece).decode() for piece in pieces],
                "tokenIds": [str(int.from_bytes(piece, "big") % 256_000) for piece in pieces],
                "role": content.get("role", "user"),
            }
        )
    return {"tokensInfo": infos}


def embeddings(request: GeminiRequest) -> list[list[float]]:
    """Return a vector for each content of *request*: the same for the same text, of the requested size.

    Raises:
        ValueError: there is no content, or no model gives vectors of that size.
    """
    match request.action:
        case "predict":
            size = _requested_size(request.field("parameters"))
            texts = [str(instance.get("content", "")) for instance in request.field("instances") or ()]
        case "embedContent":
            size = _requested_size(request.field("embedContentConfig"))
            texts = [text_of(request.field("content"))]
        case _:
            requests: list[Any] = request.field("requests") or []
            first: Any = requests[0] if requests else {}
            size = _requested_size(first.get("embedContentConfig", first))  # Vertex has a config of its own
            texts = [text_of(one.get("content")) for one in requests]
    if not texts:
        raise ValueError("at least one content is required")
    return [_vector(text, size) for text in texts]


def _requested_size(fields: Any) -> int:
    size = fields.get("outputDimensionality", fields.get("output_dimensionality", DIMENSIONS)) if fields else DIMENSIONS
    if not isinstance(size, int) or not 1 <= size <= _LARGEST:
        raise ValueError(f"outputDimensionality must be 1 to {_LARGEST}, got {size!r}")
    return size


def _vector(text: str, size: int) -> list[float]:
    """Return *size* numbers between -1 and 1, always the same for *text*."""
    numbers: list[float] = []
    while len(numbers) < size:
        digest = hashlib.sha256(f"{len(numbers)} {text}".encode("utf-8", "replace")).digest()
        numbers += [round((byte - 127.5) / 127.5, 7) for byte in digest]
    return numbers[:size]
