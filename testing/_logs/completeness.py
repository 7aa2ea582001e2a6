"""Problems of received entities: not ended, ended twice, never begun, or lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from .commits import Commit
from .view import view_of
from .views import Generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .tree import Node, Tree

_MUST_END: Final = frozenset({"trace", "span", "generation", "tool_call", "retrieval"})
_ENDS_ONCE: Final = frozenset({"trace", "span", "generation", "tool_call"})
"""Without retrievals: maxim-py itself ends one with its input, and again with its output."""

_ANSWER_KEYS: Final = {
    "trace": {"input", "output"},
    "span": {"input", "output"},
    "generation": {"result"},
    "tool_call": {"result", "error"},
    "retrieval": set[str](),
}
_VALID_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")


class Problem(NamedTuple):
    """A problem of one entity, and the commit that caused it."""

    kind: str
    id: str
    what: str
    commit: Commit | None = None

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.id}: {self.reason}"

    @property
    def reason(self) -> str:
        """The problem, with the commit."""
        commit = self.commit
        return (
            f"{self.what} (commit {commit.index}: {commit.entity} {commit.id} {commit.action})" if commit else self.what
        )


def problems(tree: Tree, *, strict: bool = False) -> list[Problem]:
    """Return the problems, in the order of the tree, and then the dropped commits.

    Sessions, and function calls that the application has not answered yet, may be open, except with *strict*.
    """
    may_stay_open = frozenset[str]() if strict else _unanswered(tree)
    return [
        *(
            Problem(node.kind, node.id, what, commit)
            for node in tree.walk()
            for what, commit in (
                *_birth(node, strict=strict),
                *_end(node, may_stay_open, strict=strict),
                *_after_the_end(node),
                *(
                    (f"{key!r} can't be serialised and is left out: {reason}", commit)
                    for commit in node.commits
                    for key, reason in commit.lost.items()
                ),
            )
        ),
        *(Problem(commit.entity, commit.id, f"dropped: {reason}", commit) for commit, reason in tree.dropped),
    ]


Finding = tuple[str, Commit | None]


def _birth(node: Node, *, strict: bool) -> Iterator[Finding]:
    if not node.births:
        if strict or node.later or node.kind != "session":
            below = (birth for child in node.children for birth in child.births)
            first = node.later[0] if node.later else min(below, key=lambda commit: commit.index, default=None)
            yield "never created", first
        return
    for birth in node.births[1:]:
        yield "created twice, which resets its start time and tags", birth
    if node.births[0].action != "create" and not _VALID_ID.fullmatch(node.id):
        yield "invalid id, so that later commits about it are dropped: letters, digits, - and _ only", node.births[0]


def _end(node: Node, may_stay_open: frozenset[str], *, strict: bool) -> Iterator[Finding]:
    if not node.births:
        return
    must_end = node.kind in _MUST_END or (strict and node.kind == "session")
    unanswered = node.kind == "tool_call" and node.id in may_stay_open
    if must_end and not node.ends and not unanswered:
        yield _reason_for_no_end(node), node.births[0]
    if node.kind in _ENDS_ONCE:
        for end in node.ends[1:]:
            yield "ended twice", end


def _reason_for_no_end(node: Node) -> str:
    """Return why *node* has no end: if a trace has no name and no input, the caller has named it, and has to end it."""
    is_the_callers = node.kind == "trace" and not node.data.keys() & {"name", "input"}
    if is_the_callers and any(child.data.get("provider") == "google" for child in node.children):
        return (
            "never ended: this trace was named by the caller, by trace_id= or x-maxim-trace-id, "
            f"and is the caller's to end: logger.trace_end({node.id!r})"
        )
    return "never ended"


def _after_the_end(node: Node) -> Iterator[Finding]:
    if not node.ends:
        return
    end = node.ends[0]
    for commit in node.later:
        if _later(commit, end) and (answer := _ANSWER_KEYS.get(node.kind, set()) & commit.data.keys()):
            yield f"{' and '.join(sorted(answer))} after its end", commit
    if node.kind in ("trace", "span"):
        for child in node.children:
            if child.births and _later(child.births[0], end):
                yield f"{child.kind.replace('_', ' ')} {child.id} began after its end", child.births[0]


def _later(commit: Commit, end: Commit) -> bool:
    # Between batches nothing is known: they may be sent by several threads.
    return commit.batch == end.batch and commit.index > end.index


def _unanswered(tree: Tree) -> frozenset[str]:
    """Return the ids of function calls whose results were not sent in a later request of the same conversation."""
    begun = sorted((node for node in tree.walk() if node.births), key=lambda node: node.births[0].index)
    session_of_open: dict[str, Node | None] = {}
    for node in begun:
        generation = view_of(node)
        if not isinstance(generation, Generation):
            continue
        session = next((above for above in node.upwards() if above.kind == "session"), None)
        for message in generation.messages:
            call_id = str(message.get("tool_call_id"))
            # Gemini counts ids up in each conversation, so another session may answer a call of the same id.
            if call_id in session_of_open and session_of_open[call_id] in (session, None):
                del session_of_open[call_id]
        session_of_open.update((call.id, session) for call in generation.tool_calls)
    return frozenset(session_of_open)
