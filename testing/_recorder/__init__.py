"""One block of recorded or replayed traffic, and the outcome of its requests.

A recorder that ends calls a watcher: that of the pytest plugin, which counts for a whole run. Setting it loads no
recorder.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from maxim_gemini.testing._cassette import Cassette
    from maxim_gemini.testing._cassette.cassette import Recorded

    from .traffic import Outcome, RecordMode


class EndedRecorder(Protocol):
    """The part of an ended recorder that a watcher can see."""

    path: Path
    record: RecordMode

    @property
    def outcome(self) -> Outcome: ...
    @property
    def discarded(self) -> bool: ...
    @property
    def unused(self) -> Sequence[Recorded]: ...
    @property
    def cassette(self) -> Cassette: ...


Watcher: TypeAlias = "Callable[[EndedRecorder], None]"

_watchers: list[Watcher] = []


@contextmanager
def watching(watcher: Watcher) -> Generator[None]:
    """Call *watcher* with every recorder that ends inside."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def ended(recorder: EndedRecorder) -> None:
    """Call the innermost watcher with *recorder*."""
    if _watchers:
        _watchers[-1](recorder)
