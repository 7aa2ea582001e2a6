"""Real recorded Gemini traffic, where this machine has it.

The corpus is not part of the project. Tests that need it look in `$MAXIM_GEMINI_CORPUS`, else beside the checkout in
`../shared/corpus`, and skip where neither is there.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

_CHECKOUT = Path(__file__).resolve().parents[2]


def corpus_folder() -> Path | None:
    """Return the folder of the corpus, or `None` where this machine has none."""
    folder = Path(os.environ.get("MAXIM_GEMINI_CORPUS") or _CHECKOUT.parent / "shared" / "corpus")
    return folder if (folder / "traffic.jsonl").is_file() else None


needs_corpus = pytest.mark.skipif(
    corpus_folder() is None,
    reason="no corpus of real traffic here: set MAXIM_GEMINI_CORPUS to its folder",
)


class Answer(NamedTuple):
    """One recorded answer: a line of `traffic.jsonl`."""

    id: str
    licence: str
    backend: str
    method: str
    status: int
    content_type: str
    request: Any
    body: str
    fidelity: str
    shows: str

    def __repr__(self) -> str:
        return f"<{self.id} {self.method} {self.status}>"


@functools.cache
def answers() -> tuple[Answer, ...]:
    """Return every recorded answer, in file order; empty where there is no corpus."""
    folder = corpus_folder()
    if folder is None:
        return ()
    with (folder / "traffic.jsonl").open(encoding="utf-8") as lines:
        return tuple(Answer(**{name: json.loads(line).get(name) for name in Answer._fields}) for line in lines)


@functools.cache
def cassettes() -> tuple[Path, ...]:
    """Return the published vcrpy cassettes, sorted by name; empty where there is no corpus."""
    folder = corpus_folder()
    return tuple(sorted((folder / "cassettes").glob("*.yaml"))) if folder else ()


@functools.cache
def streams_of(name: str) -> tuple[str, ...]:
    """Return the streams in the file *name* of the corpus whose bytes were recorded; empty where there is no corpus."""
    folder = corpus_folder()
    if folder is None:
        return ()
    with (folder / name).open(encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]
    return tuple(
        line["body"]
        for line in recorded
        if "event-stream" in (line["content_type"] or "") and (line["fidelity"] or "").startswith("bytes")
    )


class Exchange(NamedTuple):
    """One recorded exchange with the Interactions API: a line of `interactions.jsonl`."""

    id: str
    backend: str
    status: int
    content_type: str | None
    request: Any
    body: str
    fidelity: str
    http: dict[str, Any]

    def __repr__(self) -> str:
        return f"<{self.id} {self.http['verb']} {self.status}>"

    @property
    def is_stream(self) -> bool:
        """Whether the answer is a stream: some recorders kept no content type."""
        return self.body.startswith(("event: ", ": "))

    @property
    def sent(self) -> bytes:
        """The request's body; where it was not recorded, one that is answered so."""
        if self.http["verb"] != "POST":
            return b""
        body = self.request if isinstance(self.request, dict) else {"model": "gemini-2.5-flash", "input": "hi"}
        return json.dumps({**body, "stream": self.is_stream}).encode()


@functools.cache
def exchanges() -> tuple[Exchange, ...]:
    """Return every recorded exchange with the Interactions API; empty where there is no corpus."""
    folder = corpus_folder()
    if folder is None:
        return ()
    with (folder / "interactions.jsonl").open(encoding="utf-8") as lines:
        return tuple(Exchange(**{name: json.loads(line).get(name) for name in Exchange._fields}) for line in lines)
