"""Function calls whose arguments arrive in pieces, as Vertex streams them on request."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final, cast

from google.genai import types

from .._core.patterns import compiled

if TYPE_CHECKING:
    from .._core.values import JsonDict

_STEP: Final = r"""\.([^.\[\]]+)|\[(\d{1,18})\]|\['([^']*)'\]|\["([^"]*)"\]|\[(\d{19,})\]"""

# Steps of a path that are followed; the rest is one name. Protocol buffers are not nested deeper, either.
_DEEPEST: Final = 100

# Empty places of a list that are filled, in addition to as many as there are items.
_GAPS: Final = 64


class PartialCall:
    """Builds one function call from its pieces, such as `$.city` = "Par" and then `$.city` = "is"."""

    __slots__ = ("_args", "_id", "_name")

    def __init__(self, first: types.FunctionCall) -> None:
        self._id = first.id
        self._name = first.name
        self._args: JsonDict = _unfinished(first.args or {})
        self._add_args(first)

    def add(self, piece: types.FunctionCall) -> None:
        """Add the arguments in *piece*."""
        self._id = self._id or piece.id
        self._args.update(_unfinished(piece.args or {}))
        self._add_args(piece)

    def whole(self) -> types.FunctionCall:
        """Return the call with the arguments so far."""
        return types.FunctionCall(id=self._id, name=self._name, args=_finished(self._args))

    def _add_args(self, piece: types.FunctionCall) -> None:
        for arg in getattr(piece, "partial_args", None) or ():
            value: object = arg.string_value
            if value is None:
                value = arg.number_value if arg.number_value is not None else arg.bool_value
            _put(self._args, _steps(arg.json_path or ""), value)


class _Items(dict[Any, Any]):
    """The items of a list by index. An index may be huge, and a list would need all places before it."""


class _Text(list[str]):
    """The pieces of a text, joined at the end: adding each to the text so far would copy that each time."""


def _steps(path: str) -> list[str | int]:
    matches = list(itertools.islice(compiled(_STEP).finditer(path), _DEEPEST + 1))
    steps: list[str | int] = [int(match[2]) if match[2] else match[match.lastindex or 0] for match in matches]
    return steps if len(steps) <= _DEEPEST else [*steps[: _DEEPEST - 1], path[matches[_DEEPEST - 1].start() :]]


def _put(args: dict[Any, Any], steps: list[str | int], value: object) -> None:
    """Set the value at the path *steps*; text is appended to earlier text."""
    if not steps:
        return
    for step, following in itertools.pairwise(steps):
        if not isinstance(args.get(step), dict):
            args[step] = _Items() if isinstance(following, int) else {}
        args = args[step]
    before = args.get(steps[-1])
    if isinstance(before, _Text) and isinstance(value, str):
        before.append(value)
    else:
        args[steps[-1]] = _Text([value]) if isinstance(value, str) else value


def _unfinished(value: object) -> Any:
    """Return a copy of *value* to which pieces can be added."""
    if isinstance(value, str):
        return _Text([value])
    if isinstance(value, dict):
        return {name: _unfinished(item) for name, item in cast("JsonDict", value).items()}
    if isinstance(value, list):
        return _Items(enumerate(map(_unfinished, value)))  # pyright: ignore[reportUnknownArgumentType]
    return value


def _finished(value: object) -> Any:
    if isinstance(value, _Text):
        return "".join(value)
    # A path like `$.items[999999]` must not make a list of a million gaps.
    if isinstance(value, _Items) and all(isinstance(index, int) for index in value):
        length = max(value, default=-1) + 1
        if length <= 2 * len(value) + _GAPS:
            return [_finished(value.get(index)) for index in range(length)]
    if isinstance(value, dict):
        return {str(name): _finished(item) for name, item in cast("dict[str | int, Any]", value).items()}
    return value
