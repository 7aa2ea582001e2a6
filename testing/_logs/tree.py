"""Build a tree of entities from commits, in any order, as the backend does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._json_types import JsonDict, is_list, is_object, mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .commits import Commit, Dropped

BIRTHS: Final = {
    "add-generation": "generation",
    "add-retrieval": "retrieval",
    "add-span": "span",
    "add-tool-call": "tool_call",
}
"""The actions that begin a child, and the kind of child."""

RECORDS: Final = frozenset({"add-attachment", "add-error", "add-event", "add-feedback", "evaluate"})
"""The actions that add a record to an entity without changing its values."""

_MERGED: Final = frozenset({"metadata", "metrics", "tags"})


class Node:
    """One entity: the commits that began it, all later commits, and its place in the tree."""

    __slots__ = ("_data", "births", "children", "id", "kind", "later", "parent")

    def __init__(self, kind: str, id: str) -> None:
        self.kind = kind
        self.id = id
        self.births: list[Commit] = []
        self.later: list[Commit] = []
        self.parent: Node | None = None
        self.children: list[Node] = []
        self._data: JsonDict | None = None

    @property
    def data(self) -> JsonDict:
        """Its values by their wire names, merged from all commits about it."""
        if self._data is None:
            self._data = self._folded()
        return self._data

    @property
    def commits(self) -> list[Commit]:
        """All commits about it, in order of arrival."""
        return sorted(self.births + self.later, key=lambda commit: commit.index)

    @property
    def ends(self) -> list[Commit]:
        """The commits that ended it."""
        return [commit for commit in self.later if commit.action == "end"]

    def records(self, action: str) -> list[Commit]:
        """Return the commits that added records to it, by their times."""
        return sorted((commit for commit in self.later if commit.action == action), key=_by_time)

    def walk(self) -> Iterator[Node]:
        """Yield it and all entities in it, depth first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def upwards(self) -> Iterator[Node]:
        """Yield it and all entities around it, up to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    def inside(self, other: Node) -> bool:
        """Return whether it is *other*, or is in it, at any depth."""
        return any(node is other for node in self.upwards())

    def _folded(self) -> JsonDict:
        data: JsonDict = {}
        for birth in self.births:
            data |= birth_data(birth)
        for commit in self.later:
            if commit.action not in RECORDS:
                for key, value in commit.data.items():
                    data[key] = _merged(key, data.get(key), value)
        return data


class Tree:
    """Everything that was received, as entities."""

    def __init__(self, commits: Iterable[Commit], dropped: Iterable[Dropped] = ()) -> None:
        self.commits = tuple(commits)
        self.dropped = tuple(dropped)
        self.nodes: dict[tuple[str, str], Node] = {}
        for commit in self.commits:
            self._add(commit)
        # After all commits, since a child may come before its parent.
        for node in list(self.nodes.values()):
            self._settle(node)
        self.roots = [node for node in self.nodes.values() if node.parent is None]
        for siblings in (self.roots, *(node.children for node in self.nodes.values())):
            siblings.sort(key=_by_start)

    def walk(self) -> Iterator[Node]:
        """Yield every entity, depth first, in the order in which they began."""
        for root in self.roots:
            yield from root.walk()

    def _node(self, kind: str, id: str) -> Node:
        return self.nodes.get((kind, id)) or self.nodes.setdefault((kind, id), Node(kind, id))

    def _add(self, commit: Commit) -> None:
        owner = self._node(commit.entity, commit.id)
        kind = BIRTHS.get(commit.action)
        if kind is not None:
            self._node(kind, child_id(commit)).births.append(commit)
        elif commit.action == "create":
            owner.births.append(commit)
        else:
            owner.later.append(commit)

    def _settle(self, node: Node) -> None:
        parent = self._parent(node)
        if parent is not None and not parent.inside(node):
            node.parent = parent
            parent.children.append(node)

    def _parent(self, node: Node) -> Node | None:
        """Return the parent of an entity: the span or session that it names, or the entity to which it was added."""
        if not node.births:
            return None
        birth = node.births[-1]
        for key, kind in (("spanId", "span"), ("sessionId", "session")):
            if isinstance(named := birth.data.get(key), str):
                return self._node(kind, named)
        return None if birth.action == "create" else self._node(birth.entity, birth.id)


def child_id(birth: Commit) -> str:
    """Return the id of the child that a commit adds; maxim-py may leave it out."""
    return str(birth.data.get("id") or f"{birth.entity}-{birth.id}-{birth.index}")


def birth_data(birth: Commit) -> JsonDict:
    """Return the data of the entity that a commit begins."""
    return {key: value for key, value in birth.data.items() if key not in ("id", "sessionId", "spanId")}


def instant(value: Any) -> datetime | None:
    """Return a time on the wire as a `datetime`; a time without a zone is UTC."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _by_time(record: Commit) -> tuple[float, int]:
    time = instant(record.data.get("timestamp") or record.data.get("startTimestamp"))
    return time.timestamp() if time else 0.0, record.index


def _by_start(node: Node) -> tuple[float, int]:
    started = instant(node.data.get("startTimestamp"))
    first = next(iter(node.births or node.later), None)
    return started.timestamp() if started else 0.0, first.index if first else -1


def _merged(key: str, old: Any, new: Any) -> Any:
    if key in _MERGED and is_object(new):
        if key == "metrics" and set(new) == {"name", "value"}:  # tool calls and retrievals send them apart
            new = {str(new["name"]): new["value"]}
        return {**mapping(old), **new}
    if key == "messages" and is_list(new):
        return [*(old or []), *new]
    return new
