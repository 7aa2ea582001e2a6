"""A function call whose arguments come in pieces, as Vertex streams them on request."""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

from google.genai import types

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")


class PartialCall:
    """Puts a function call together: `$.city` = "Par", then `$.city` = "is"."""

    __slots__ = ("_args", "_id", "_name")

    def __init__(self, first: types.FunctionCall) -> None:
        self._id = first.id
        self._name = first.name
        self._args: dict[str, Any] = dict(first.args or {})
        self._add_args(first)

    def add(self, piece: types.FunctionCall) -> None:
        """Add what *piece* says about the arguments."""
        self._id = self._id or piece.id
        self._args.update(piece.args or {})
        self._add_args(piece)

    def whole(self) -> types.FunctionCall:
        """Return the call with the arguments so far."""
        return types.FunctionCall(id=self._id, name=self._name, args=self._args)

    def _add_args(self, piece: types.FunctionCall) -> None:
        for arg in getattr(piece, "partial_args", None) or ():
            _put(self._args, _steps(arg.json_path or ""), _value(arg))


def _steps(path: str) -> list[str | int]:
    return [int(place) if place else name or quoted for name, place, quoted in _STEP.findall(path)]


def _value(arg: Any) -> Any:
    if arg.string_value is not None:
        return arg.string_value
    return arg.number_value if arg.number_value is not None else arg.bool_value


def _put(args: Any, steps: list[str | int], value: Any) -> None:
    """Put *value* where *steps* lead; text is added to the text that is there."""
    if not steps:
        return
    for step, following in itertools.pairwise(steps):
        args = _at(args, step, [] if isinstance(following, int) else {})
    before = _at(args, steps[-1], None)
    args[steps[-1]] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _at(container: Any, step: str | int, default: Any) -> Any:
    if isinstance(step, int):
        container.extend([None] * (step + 1 - len(container)))
        if container[step] is None:
            container[step] = default
        return container[step]
    return container.setdefault(step, default)
