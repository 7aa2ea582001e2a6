"""Who is told when a recorder ends: the pytest plugin, which counts for a whole run.

Imports nothing, so that the plugin can watch recorders without importing them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .recorder import GeminiRecorder

Watcher: TypeAlias = "Callable[[GeminiRecorder], None]"

_watchers: list[Watcher] = []


@contextmanager
def watching(watcher: Watcher) -> Generator[None]:
    """Call *watcher* with every recorder that ends inside."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def ended(recorder: GeminiRecorder) -> None:
    """Tell the innermost watcher that *recorder* has ended."""
    if _watchers:
        _watchers[-1](recorder)
