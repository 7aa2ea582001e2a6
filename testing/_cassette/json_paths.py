"""JSON paths such as `generationConfig.seed`, `contents[].role` or `$.tools[0]`. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from maxim_gemini.testing._json_types import JsonDict, is_list, is_object

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\*?|-?\d+)\]")

Step = str | int | None
"""The name of a member, the index of an item, or `None` for every item."""


def parsed(path: str) -> tuple[Step, ...]:
    """Return the steps of *path*.

    Raises:
        ValueError: it is not a path.
    """
    text = path.removeprefix("$")
    matches = list(_STEP.finditer(text))
    if not matches or "".join(match[0] for match in matches) != text:
        raise ValueError(f"{path!r} is not a JSON path: write names and dots, and [] for every item: contents[].role")
    return tuple(match[1] or (None if match[2] in ("", "*") else int(match[2])) for match in matches)


def without(value: object, steps: tuple[Step, ...]) -> Any:
    """Return *value* without the members at *steps*; the value itself is not changed."""
    first, *further = steps
    rest = tuple(further)
    if is_object(value) and isinstance(first, str) and first in value:
        members: JsonDict = dict(value)
        inner = members.pop(first)
        return {**members, first: without(inner, rest)} if rest else members
    if is_list(value) and first is None:
        return [without(item, rest) for item in value] if rest else []
    if is_list(value) and isinstance(first, int) and -len(value) <= first < len(value):
        items = list(value)
        items[first : first + 1 or None] = [without(items[first], rest)] if rest else []
        return items
    return value
