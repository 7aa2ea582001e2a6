"""The commits of a logger, as the backend reads them: one action on one entity, with data as JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maxim_gemini.testing._json_types import JsonDict

_WIRE_LINE = re.compile(r"(?P<entity>\w+)\{id=(?P<id>[^,]*),action=(?P<action>[^,]*),data=(?P<text>.*)\}", re.DOTALL)


class Commit:
    """One action on one entity, such as `trace abc: update`.

    *batch* is the number of the post: only within one post are commits in the order of the calls.
    *lost* has the keys of the data that could not be serialized, with the reasons; *content* is the uploaded file.
    """

    __slots__ = ("_data", "action", "batch", "content", "entity", "id", "index", "lost", "text")

    def __init__(
        self,
        entity: str,
        id: str,
        action: str,
        text: str,
        *,
        index: int = 0,
        batch: int = 0,
        lost: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> None:
        self.entity = entity
        self.id = id
        self.action = action
        self.text = text
        self.index = index
        self.batch = batch
        self.lost = dict(lost or {})
        self.content = content
        self._data: JsonDict | None = None

    @classmethod
    def parse(cls, line: str, *, index: int = 0, batch: int = 0) -> Commit:
        """Read one line of a post of maxim-py; raise `ValueError` if it is none."""
        match = _WIRE_LINE.fullmatch(line)
        problem = ValueError(f"not a line of a Maxim log: {line[:120]!r}")
        if match is None:
            raise problem
        try:
            json.loads(match["text"])
        except ValueError:
            raise problem from None
        entity, id, action, text = match.group("entity", "id", "action", "text")
        return cls(entity, id, action, text, index=index, batch=batch)

    @property
    def data(self) -> JsonDict:
        """The data, read from the JSON text; empty if there are none."""
        if self._data is None:
            decoded = json.loads(self.text)
            self._data = decoded if isinstance(decoded, dict) else {}
        return self._data

    @property
    def line(self) -> str:
        """The line on the wire."""
        return f"{self.entity}{{id={self.id},action={self.action},data={self.text}}}"

    def __repr__(self) -> str:
        return f"<commit {self.index}: {self.entity} {self.id} {self.action}>"

    def __eq__(self, other: object) -> bool:
        return self.line == other.line if isinstance(other, Commit) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.entity, self.id, self.action))


class Dropped(NamedTuple):
    """A commit that would never reach the backend, and the reason."""

    commit: Commit
    reason: str
