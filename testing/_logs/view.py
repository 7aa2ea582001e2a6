"""The base of all views of entities.

A view shows the state at the time at which it was made. Two views with the same content are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, SupportsIndex, TypeVar, overload

from maxim_gemini.testing._json_types import JsonDict, decoded_values, filled, mapping, plain
from maxim_gemini.testing.exceptions import NotTheOnlyOne

from .records import Attachment, Error, Evaluation
from .tree import Node, instant

if TYPE_CHECKING:
    from datetime import timedelta

    from .commits import Commit

V = TypeVar("V", bound="View", covariant=True)

_KINDS: Final[dict[str, type[View]]] = {}
"""The view classes by kind; each class adds itself."""

_RECORDS: Final = ("errors", "events", "feedback", "attachments", "evaluations")
_KNOWN_KEYS: Final = frozenset(
    (
        *("name", "tags", "metadata", "metrics", "input", "output", "docs", "startTimestamp", "endTimestamp"),
        *("model", "provider", "modelParameters", "messages", "result", "cost", "description", "args", "error"),
    )
)


class Views(Sequence[V], Generic[V]):
    """Views, in the order in which their entities began. Index it by position, by id or by name."""

    __slots__ = ("_views", "_what")

    def __init__(self, views: Sequence[V], what: str) -> None:
        self._views = tuple(views)
        self._what = what

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> V: ...
    @overload
    def __getitem__(self, key: slice) -> Views[V]: ...
    def __getitem__(self, key: SupportsIndex | str | slice) -> V | Views[V]:
        if isinstance(key, str):
            return next((view for view in self._views if view.id == key), None) or self.named(key).only
        return Views(self._views[key], self._what) if isinstance(key, slice) else self._views[key]

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[V]:
        return iter(self._views)

    def __eq__(self, other: object) -> bool:
        return self._views == tuple(other) if isinstance(other, (Views, tuple, list)) else NotImplemented  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    def __hash__(self) -> int:
        return hash(self._views)

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self._views))}]"

    def named(self, name: str) -> Views[V]:
        """Return the views with that name."""
        return Views([view for view in self._views if view.name == name], f"{self._what} named {name!r}")

    @property
    def only(self) -> V:
        """The only view; raises `NotTheOnlyOne`, which lists the views, if there is none, or more than one."""
        if len(self._views) != 1:
            raise NotTheOnlyOne(f"expected exactly one {self._what}, found {_listed(self._views)}")
        return self._views[0]


def _listed(views: Sequence[View]) -> str:
    if not views:
        return "none"
    shown = "".join(f"\n  {view!r}" for view in views[:20])
    return f"{len(views)}:{shown}" + ("\n  ..." if len(views) > 20 else "")


class View:
    """A read-only view of one entity."""

    kind: ClassVar[str]
    _content: ClassVar[tuple[str, ...]] = ()
    """The properties in `as_dict` that only this kind has."""
    __slots__ = ("_node",)
    _node: Node

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Register the class as the view of its kind, if it has one."""
        super().__init_subclass__(**kwargs)
        if isinstance(kind := vars(cls).get("kind"), str):
            _KINDS[kind] = cls

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def id(self) -> str:
        """The id."""
        return self._node.id

    @property
    def name(self) -> str | None:
        """The name."""
        return self._node.data.get("name")

    @property
    def tags(self) -> JsonDict:
        """The tags; names and values are text."""
        return plain(mapping(self._node.data.get("tags")))

    @property
    def metadata(self) -> JsonDict:
        """The metadata; values that maxim-py sends as JSON text are decoded."""
        return decoded_values(self._node.data.get("metadata"))

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name."""
        return plain(mapping(self._node.data.get("metrics")))

    @property
    def data(self) -> JsonDict:
        """The fields, as they are on the wire."""
        return plain(self._node.data)

    @property
    def commits(self) -> tuple[Commit, ...]:
        """The commits about it, in order of arrival."""
        return tuple(self._node.commits)

    @property
    def parent(self) -> View | None:
        """The entity that it is part of; `None` for the outermost."""
        return view_of(self._node.parent) if self._node.parent else None

    @property
    def created(self) -> bool:
        """`True` if it was created, and not only referred to by other commits."""
        return bool(self._node.births)

    @property
    def ended(self) -> bool:
        """`True` if it has ended."""
        return bool(self._node.ends)

    @property
    def started_at(self) -> datetime | None:
        """The time at which it began."""
        return instant(self._node.data.get("startTimestamp"))

    @property
    def ended_at(self) -> datetime | None:
        """The time at which it ended."""
        return instant(self._node.data.get("endTimestamp"))

    @property
    def duration(self) -> timedelta | None:
        """The time from its beginning to its end; `None` if it has not ended."""
        start, end = self.started_at, self.ended_at
        return end - start if start and end else None

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The attached files, bytes and URLs."""
        return tuple(Attachment.of(commit) for commit in self._node.records("add-attachment"))

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The requested evaluations."""
        return tuple(Evaluation.of(commit.data) for commit in self._node.records("evaluate"))

    @property
    def noted_errors(self) -> tuple[Error, ...]:
        """The errors that were added to it, without the one that it ended with."""
        return tuple(Error.of(commit.data, str(self)) for commit in self._node.records("add-error"))

    @property
    def error(self) -> Error | None:
        """The error that it ended with; only a generation and a tool call can have one."""
        return None

    @property
    def errors(self) -> tuple[Error, ...]:
        """The errors of it and of everything in it."""
        views = map(view_of, self._node.walk())
        return tuple(error for view in views for error in (view.error, *view.noted_errors) if error is not None)

    @property
    def children(self) -> Views[View]:
        """The entities directly in it, in the order in which they began."""
        return Views([view_of(node) for node in self._node.children], f"child of {self}")

    def as_dict(self, *, clocks: bool = True) -> JsonDict:
        """Return it and everything in it as plain data for JSON, without empty fields; with *clocks*, with times."""
        return filled(dict(self._entries(clocks=clocks)))

    def _entries(self, *, clocks: bool) -> Iterator[tuple[str, Any]]:
        yield "kind", self.kind
        yield "id", self.id
        yield "name", self.name
        yield "state", "never created" if not self.created else None if self.ended else "open"
        if clocks:
            yield "started_at", self.started_at and self.started_at.isoformat()
            yield "ended_at", self.ended_at and self.ended_at.isoformat()
            yield "duration", None if self.duration is None else self.duration.total_seconds()
        for key in self._content:
            yield key, _plain(getattr(self, key), clocks=clocks)
        yield "other", {key: value for key, value in self.data.items() if key not in _KNOWN_KEYS}
        for key in _RECORDS:
            records = self.noted_errors if key == "errors" else getattr(self, key, ())
            yield key, [_plain(record, clocks=clocks) for record in records]
        yield "children", [child.as_dict(clocks=clocks) for child in self.children]

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.id}"

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<{self}{name}{'' if self.ended else ' (open)'}>"

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == other.as_dict() if isinstance(other, View) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.kind, self.id))


class Unknown(View):
    """An entity of a kind that this package does not know."""

    __slots__ = ()

    @property
    def kind(self) -> str:  # type: ignore[override]  # the kind that the wire names
        """The kind, as it is on the wire."""
        return self._node.kind


def view_of(node: Node) -> View:
    """Return the view of an entity."""
    return _KINDS.get(node.kind, Unknown)(node)


def _plain(value: object, *, clocks: bool) -> Any:
    if not is_dataclass(value) or isinstance(value, type):
        return value
    left_out = {"entity", "content"} if clocks else {"entity", "content", "at"}
    return filled({key: _for_json(item) for key, item in asdict(value).items() if key not in left_out})


def _for_json(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return [*value] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType]
