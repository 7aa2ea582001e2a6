"""What a file holds after recording: what it held before, in its order, and what was recorded now.

Parallel calls are recorded in another order every time. What was recorded takes the place of what it matches, so that
unchanged traffic leaves the file as it is. Pure.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Keyed(Protocol):
    """An interaction, by the meaning of its request."""

    key: str


T = TypeVar("T", bound=Keyed)


def added(old: Sequence[T], new: Sequence[T]) -> Iterator[tuple[T, T | None]]:
    """Yield what is in each place of the file and what was there before, when *new* is added to *old*."""
    yield from ((interaction, interaction) for interaction in old)
    yield from ((interaction, None) for interaction in new)


def replaced(old: Sequence[T], new: Sequence[T], *, keep: bool) -> Iterator[tuple[T, T | None]]:
    """Yield the same when *new* takes the place of what it matches; *keep* what it does not match."""
    waiting: defaultdict[str, deque[T]] = defaultdict(deque)
    for interaction in new:
        waiting[interaction.key].append(interaction)
    recorded = set(waiting)
    for former in old:
        if waiting[former.key]:
            yield waiting[former.key].popleft(), former
        elif keep and former.key not in recorded:
            yield former, former
    left = {id(interaction) for group in waiting.values() for interaction in group}
    yield from ((interaction, None) for interaction in new if id(interaction) in left)
