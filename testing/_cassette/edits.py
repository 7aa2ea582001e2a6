"""Edits of a text, applied to the text or to the chunks in which it was received. Pure."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from maxim_gemini.testing._http.exchange import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Edit(NamedTuple):
    """One edit of a text."""

    start: int
    end: int
    new: str


def ordered(edits: Iterable[Edit]) -> list[Edit]:
    """Return *edits* in order; those that overlap are replaced by one that covers all of them."""
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
        elif edit.end > kept[-1].end:
            kept[-1] = Edit(kept[-1].start, edit.end, kept[-1].new)
    return kept


def applied(text: str, edits: Sequence[Edit]) -> str:
    """Return *text* with *edits* applied, which are in order and don't overlap."""
    if not edits:
        return text
    parts: list[str] = []
    at = 0
    for start, end, new in edits:
        parts += (text[at:start], new)
        at = end
    return "".join((*parts, text[at:]))


def applied_to_chunks(chunks: Sequence[Chunk], text: str, encoding: str, edits: Sequence[Edit]) -> tuple[Chunk, ...]:
    """Return *chunks* of the encoded *text* with *edits* applied; an edit belongs to the chunk in which it begins."""
    pieces: list[tuple[int, bytes]] = []  # where each began in the received body, and what it is now
    before = at = 0
    for edit in (*edits, Edit(len(text), len(text), "")):
        kept = text[at : edit.start].encode(encoding)
        pieces += [(before, kept), (before + len(kept), edit.new.encode(encoding))]
        before += len(kept) + len(text[edit.start : edit.end].encode(encoding))
        at = edit.end
    ends = [*accumulate(len(chunk.data) for chunk in chunks)]
    parts = [bytearray() for _ in chunks]
    number = 0
    for index, (start, data) in enumerate(pieces):
        if index % 2:  # what was changed is not torn
            while number < len(ends) - 1 and ends[number] <= start:
                number += 1
            parts[number] += data
            continue
        while data:
            while number < len(ends) - 1 and ends[number] <= start:
                number += 1
            size = len(data) if number == len(ends) - 1 else ends[number] - start
            parts[number] += data[:size]
            start, data = start + size, data[size:]
    return tuple(Chunk(bytes(part), chunk.at) for part, chunk in zip(parts, chunks, strict=True))
