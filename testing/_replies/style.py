"""The style of a model family on a backend, as measured on recorded traffic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .request import Backend

_FAMILY: Final = re.compile(r"gemini-(\d+(?:\.\d+)?)")
_NEWEST_MEASURED: Final = 2.5
"""The family for models with an unknown name."""


@dataclass(frozen=True, slots=True)
class Style:
    """The optional fields that a family writes, and where its streams are cut."""

    backend: Backend = "gemini"
    family: float = _NEWEST_MEASURED

    @classmethod
    def of(cls, model: str, backend: Backend) -> Style:
        """Return the style of *model* on *backend*."""
        match = _FAMILY.search(model)
        return cls(backend, float(match[1]) if match else _NEWEST_MEASURED)

    @property
    def on_vertex(self) -> bool:
        """`True` if Vertex writes it."""
        return self.backend == "vertex"

    @property
    def says_index(self) -> bool:
        """`True` if the first candidate has its index, which is 0."""
        return not self.on_vertex and self.family >= 2.5

    @property
    def says_logprobs(self) -> bool:
        """`True` if a plain answer has its average log probability."""
        return self.on_vertex or self.family < 2.5

    @property
    def counts_by_modality(self) -> bool:
        """`True` if the answer's tokens are counted by modality, too."""
        return self.on_vertex or self.family < 2.5

    @property
    def counts_while_running(self) -> bool:
        """`True` if the events before the last count the answer's tokens."""
        return not self.on_vertex and self.family >= 2.5

    @property
    def announces_calls(self) -> bool:
        """`True` if there is a finish message for function calls."""
        return not self.on_vertex and self.family >= 2.5

    @property
    def signs(self) -> bool:
        """`True` if thought signatures and ids of calls are always sent."""
        return self.family >= 3

    @property
    def ends_with_empty_text(self) -> bool:
        """`True` if a stream ends with an event with an empty text, its signature and the finish reason."""
        return not self.on_vertex and self.family >= 3

    @property
    def streams_calls_apart(self) -> bool:
        """`True` if each parallel call is in a separate event."""
        return not self.on_vertex and self.family >= 3

    @property
    def text_sizes(self) -> tuple[int, ...]:
        """Characters of text in the events of a stream, the last size repeated: the first piece is short."""
        return (24, 123) if self.on_vertex else (8, 34)
