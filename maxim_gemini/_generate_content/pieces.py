"""Merge the metadata of an answer from the chunks of a stream.

Sources, queries and supports may be in any chunk, in one or in several, with or without those of earlier chunks; log
probabilities are those of the chunk's own tokens. Pure: no chunk is kept or changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from .._core.values import JsonDict

# Lists with items for each token of the chunk: equal items are not duplicates.
_EACH_ITS_OWN: Final = frozenset({"chosen_candidates", "top_candidates"})

# Numbers that are a sum over the chunk's own tokens.
_SUMS: Final = frozenset({"log_probability_sum"})

# The key of an item: a later item with the same value replaces an earlier one.
_SUBJECTS: Final = {"safety_ratings": "category", "url_metadata": "retrieved_url"}


class Pieces:
    """Metadata by name, merged from their pieces, which are plain JSON data."""

    __slots__ = ("_places", "merged")

    def __init__(self) -> None:
        self.merged: JsonDict = {}
        self._places: dict[int, dict[str, int]] = {}

    def add(self, name: str, piece: Any) -> None:
        """Merge *piece* into the value of *name*; an empty piece changes nothing."""
        if piece:
            self._add(self.merged, name, piece)

    def _add(self, target: JsonDict, name: str, piece: Any) -> None:
        before = target.get(name)
        if isinstance(before, dict) and isinstance(piece, dict):
            self._update(cast("JsonDict", before), cast("JsonDict", piece))
        elif isinstance(before, list) and isinstance(piece, list):
            self._extend(before, name, piece)  # pyright: ignore[reportUnknownArgumentType]
        elif name in _SUMS and before is not None:
            target[name] = before + piece
        else:
            target[name] = piece

    def _update(self, target: JsonDict, piece: JsonDict) -> None:
        if (sources := piece.get("grounding_chunks")) and "grounding_chunks" in target:
            places = self._extend(target["grounding_chunks"], "grounding_chunks", sources)
            supports = [_pointing_to(places, support) for support in piece.get("grounding_supports", ())]
            piece = {name: value for name, value in piece.items() if name != "grounding_chunks"}
            piece |= {"grounding_supports": supports} if supports else {}
        for name, value in piece.items():
            self._add(target, name, value)

    def _extend(self, items: list[Any], name: str, more: list[Any]) -> list[int]:
        """Add the items of *more* that are new to *items*; return the index of each in *items*."""
        if name in _EACH_ITS_OWN:
            items.extend(more)
            return []
        subject = _SUBJECTS.get(name)
        known = self._places.setdefault(id(items), {})
        if not known:
            known.update((_key(item, subject), index) for index, item in reversed(list(enumerate(items))))
        places: list[int] = []
        for item in more:
            index = known.setdefault(_key(item, subject), len(items))
            items[index : index + 1] = [item]
            places.append(index)
        return places


def _key(item: object, subject: str | None) -> str:
    if subject is not None and isinstance(item, dict):
        item = cast("JsonDict", item).get(subject, cast("Any", item))
    return json.dumps(item, sort_keys=True)


def _pointing_to(places: list[int], support: JsonDict) -> JsonDict:
    """Return *support* with its indices, which count the sources of one piece, moved to those of all sources."""
    indices = support.get("grounding_chunk_indices")
    if not indices:
        return support
    moved: list[int] = [places[index] if 0 <= index < len(places) else index for index in indices]
    return {**support, "grounding_chunk_indices": moved}
