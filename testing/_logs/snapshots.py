"""Convert what was received to plain data: complete for other programs, or without times and random ids to compare."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._json_types import JsonDict, filled, is_list, is_object

from .view import view_of

if TYPE_CHECKING:
    from .tree import Tree


def export(tree: Tree, *, clocks: bool = True) -> JsonDict:
    """Return everything received: `sessions`, `traces`, `orphans` and `dropped`, without empty lists."""
    groups: JsonDict = {"sessions": [], "traces": [], "orphans": []}
    for root in tree.roots:
        group = f"{root.kind}s" if root.births else "orphans"
        groups[group if group in groups else "orphans"].append(view_of(root).as_dict(clocks=clocks))
    groups["dropped"] = [
        {"entity": commit.entity, "id": commit.id, "action": commit.action, "reason": reason}
        for commit, reason in tree.dropped
    ]
    return filled(groups)


def snapshot(tree: Tree) -> JsonDict:
    """Return everything received with stable ids and without times: equal for equal runs."""
    exported = export(tree, clocks=False)
    return _StableIds(exported).applied(exported)


_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{8,}")
_CLOCK: Final = re.compile(r"(^|_)(ms|s|seconds|duration|latency|elapsed|times?|timestamps?|created)(_|$)")


class _StableIds:
    """The stable names of ids: `trace-1` is the first trace.

    An id is also replaced inside texts if it looks generated: eight characters or more, with a digit.
    """

    def __init__(self, exported: JsonDict) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._in_text: dict[str, str] = {}
        for group in ("sessions", "traces", "orphans"):
            for entity in exported.get(group, ()):
                self._claim(entity)

    def applied(self, exported: JsonDict) -> JsonDict:
        return {
            key: [self._value(item, timed=False) if key == "dropped" else self._entity(item) for item in group]
            for key, group in exported.items()
        }

    def _claim(self, entity: JsonDict) -> None:
        self._name(entity["kind"], entity["id"])
        for key, kind in (("events", "event"), ("attachments", "attachment")):
            for record in entity.get(key, ()):
                self._name(kind, record.get("id", ""))
        for child in entity.get("children", ()):
            self._claim(child)

    def _name(self, kind: str, id: str) -> str:
        key = (kind, id)
        if key not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[key] = f"{kind.replace('_', '-')}-{self._counts[kind]}"
            if _WORD.fullmatch(id) and any(map(str.isdigit, id)):
                self._in_text.setdefault(id, self._names[key])
        return self._names[key]

    def _entity(self, entity: JsonDict) -> JsonDict:
        return {key: self._entry(entity["kind"], key, value) for key, value in entity.items()}

    def _entry(self, kind: str, key: str, value: Any) -> Any:
        if key == "kind":
            return value
        if key == "id":
            return self._name(kind, value)
        if key == "children":
            return [self._entity(child) for child in value]
        if key in ("events", "attachments"):
            return [self._record(key.removesuffix("s"), record) for record in value]
        return self._value(value, timed=key in ("result", "metrics", "metadata"))

    def _record(self, kind: str, record: JsonDict) -> JsonDict:
        renamed = self._value({key: value for key, value in record.items() if key != "id"}, timed=True)
        return {"id": self._name(kind, record.get("id", "")), **renamed}

    def _value(self, value: object, *, timed: bool) -> Any:
        if isinstance(value, str):
            return _WORD.sub(self._word, value)
        if is_list(value):
            return [self._value(item, timed=timed) for item in value]
        if is_object(value):
            items = value.items()
            return {self._value(key, timed=False): self._item(key, item, timed=timed) for key, item in items}
        return value

    def _item(self, key: str, value: object, *, timed: bool) -> Any:
        if timed and _CLOCK.search(key):
            values = value if is_list(value) else [value]
            if all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
                return "<time>"
        return self._value(value, timed=timed)

    def _word(self, match: re.Match[str]) -> str:
        return self._in_text.get(match[0]) or _UUID.sub(
            lambda uuid: self._in_text.get(uuid[0]) or self._name("uuid", uuid[0]), match[0]
        )
