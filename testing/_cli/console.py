"""Output of the command line: styled on a terminal, plain if it is piped or `NO_COLOR` is set."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from maxim_gemini.testing._printable import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

T = TypeVar("T")


@cache
def out() -> Console:
    """Return the console for results."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """Return the console for notes, progress and errors: standard error, so that pipes only get results."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console, ConsoleDimensions

    class Safe(Console):
        """A console that shows text without interpreting markup or control characters in it."""

        def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else segment._replace(text=shown(segment.text))

    console = Safe(stderr=stderr, highlight=False, emoji=False, markup=False)
    if console.is_terminal:
        console.size = ConsoleDimensions(*shutil.get_terminal_size())  # rich would say 80 columns of a dumb one
    else:
        console.width = 10_000  # a pipe has no width: nothing is cut, nothing is wrapped
    return console


def wrapped(pieces: Iterable[str], *, indent: int, width: int) -> Iterator[str]:
    """Yield the text of *pieces* as it arrives, wrapped between words; continuation lines begin at column *indent*."""
    column, pending = indent, ""
    for piece in chain(pieces, [None]):
        *words, pending = [pending, ""] if piece is None else re.split(r"(?=\s)", pending + piece)
        for word in words:
            if column > indent and column + len(word) > width:
                yield "\n" + " " * indent
                column, word = indent, word.lstrip()
            yield word
            column += len(word)


def error(message: object) -> None:
    """Print an error on a separate line."""
    err().print("maxim-gemini:", style="bold red", end=" ", soft_wrap=True)
    err().print(str(message), soft_wrap=True)


def note(message: str) -> None:
    """Print a note."""
    err().print(message, style="dim")


def show_states(states: dict[str, str], prefix: str = "") -> None:
    """Print the new state of each cassette that has changed, and the number of cassettes in each state."""
    for name, state in states.items():
        if state != "unchanged":
            out().print(f"{name}: {state}", style="red" if state.startswith("failed") else "", soft_wrap=True)
    counts = Counter(state.partition(":")[0] for state in states.values())
    note(prefix + (", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no cassettes here"))


def progress(items: Iterable[T], doing: str, total: int) -> Iterable[T]:
    """Yield *items*, and show on a terminal how many of *total* are done."""
    if not err().is_terminal:
        return items
    from rich.progress import track

    return track(items, total=total, description=doing, console=err(), transient=True)


def plain(line: str) -> None:
    """Print *line* unchanged and at once, for a program that may be waiting for it."""
    print(shown(line), flush=True)  # noqa: T201  # the one place that prints for programs


def show_json(value: object) -> None:
    """Print *value* as JSON and nothing else."""
    sys.stdout.write(shown(json.dumps(value, ensure_ascii=False, indent=2, default=str)) + "\n")
