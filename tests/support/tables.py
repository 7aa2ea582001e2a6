"""Counts that tests leave for the end of a run."""

from __future__ import annotations

from collections import defaultdict


class Tally:
    """A table of counts."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, row: str, column: str, count: int = 1) -> None:
        """Add *count* in a cell."""
        self._counts[row][column] += count

    def lines(self) -> list[str]:
        """Return the table, a line for each row."""
        columns = list(dict.fromkeys(column for row in self._counts.values() for column in row))
        head = " ".join(["", *(f"{column:>14}" for column in columns)])
        rows = [" ".join([f"{row:<8}", *(f"{cells[c]:>14}" for c in columns)]) for row, cells in self._counts.items()]
        return [f"{'':<7}{head}", *rows]
