"""Merge new recordings into the old content of a file, in its order.

Parallel calls are recorded in a different order each time. A new interaction replaces the one that it matches, so that
the file does not change if the traffic does not. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class Keyed(Protocol):
    """An interaction, by the meaning of its request."""

    @property
    def key(self) -> str: ...


T = TypeVar("T", bound=Keyed)


def added(old: Sequence[T], new: Sequence[T]) -> Iterator[tuple[T, T | None]]:
    """Yield each interaction of the new file, with the old one, if *new* is added to *old*."""
    yield from ((interaction, interaction) for interaction in old)
    yield from ((interaction, None) for interaction in new)


def replaced(
    old: Sequence[T], new: Sequence[T], *, keep: bool, fixed: Mapping[str, int] | None = None
) -> Iterator[tuple[T, T | None]]:
    """Yield the same when *new* takes the place of what it matches; *keep* what it does not match.

    *fixed* is given where others use the file, too: how many of the first interactions of each key stay as they are.
    A further answer to a question that was recorded again is kept then: it may be another's.
    """
    waiting: defaultdict[str, deque[T]] = defaultdict(deque)
    for interaction in new:
        waiting[interaction.key].append(interaction)
    recorded = set(waiting)
    stay = Counter(fixed or {})
    for former in old:
        if stay[former.key] > 0:
            stay[former.key] -= 1
            yield former, former
        elif waiting[former.key]:
            yield waiting[former.key].popleft(), former
        elif keep and (fixed is not None or former.key not in recorded):
            yield former, former
    left = {id(interaction) for group in waiting.values() for interaction in group}
    yield from ((interaction, None) for interaction in new if id(interaction) in left)


def missing(wanted: Iterable[T], present: Iterable[Keyed]) -> list[T]:
    """Return the items of *wanted* without a counterpart with the same key in *present*."""
    left = Counter(interaction.key for interaction in present)
    lacking: list[T] = []
    for interaction in wanted:
        if left[interaction.key] > 0:
            left[interaction.key] -= 1
        else:
            lacking.append(interaction)
    return lacking
