"""How the command line speaks: rich on a terminal, plain where it is piped or `NO_COLOR` is set."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from maxim_gemini.testing._printable import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment


@cache
def out() -> Console:
    """Return what prints results."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """Return what prints notes, progress and errors: never in the way of a pipe."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    class Safe(Console):
        """A console that shows what it is given, and obeys nothing in it."""

        def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else segment._replace(text=shown(segment.text))

    console = Safe(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no width: nothing is cut, nothing is wrapped
    return console


def complain(message: object) -> None:
    """Say in one line of its own what is wrong."""
    err().print("maxim-gemini:", style="bold red", end=" ", soft_wrap=True)
    err().print(str(message), soft_wrap=True)


def note(message: str) -> None:
    """Say something on the side."""
    err().print(message, style="dim", soft_wrap=True)


def plain(line: str) -> None:
    """Print *line* for a program that reads it, tabs and all, and that may be waiting for it."""
    print(shown(line), flush=True)  # noqa: T201  # the one place that talks to programs


def show_json(value: Any) -> None:
    """Print *value* as JSON and nothing else."""
    sys.stdout.write(shown(json.dumps(value, ensure_ascii=False, indent=2, default=str)) + "\n")
