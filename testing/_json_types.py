"""JSON values: type guards, copies, and decoding of values that maxim-py sends as text."""

from __future__ import annotations

import contextlib
import json
from typing import Any, NoReturn, TypeGuard, TypeVar, cast

JsonDict = dict[str, Any]
T = TypeVar("T")


def is_object(value: object) -> TypeGuard[JsonDict]:
    """Return whether *value* is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Return whether *value* is a JSON array."""
    return isinstance(value, list)


def mapping(value: object) -> JsonDict:
    """Return *value* if it is an object, otherwise an empty one."""
    return value if is_object(value) else {}


def sequence(value: object) -> list[Any]:
    """Return *value* if it is a list, otherwise an empty one."""
    return value if is_list(value) else []


def refuse_constant(name: str) -> NoReturn:
    """Raise `ValueError`; for `json.loads`, which otherwise accepts `NaN` and similar."""
    raise ValueError(f"JSON has no {name}")


def plain(value: T) -> T:
    """Return a copy of a JSON value, so that changing it does not change the view."""
    if is_object(value):
        return cast("T", {key: plain(item) for key, item in value.items()})
    return cast("T", [plain(item) for item in value]) if is_list(value) else value


def decoded(value: object) -> Any:
    """Decode a text if it is JSON, as maxim-py sends values that are no strings; otherwise return it unchanged."""
    if not isinstance(value, str):
        return plain(value)
    with contextlib.suppress(ValueError, RecursionError):
        read = json.loads(value)
        return value if isinstance(read, str) else read
    return value


def decoded_values(value: object) -> JsonDict:
    """Decode each value of an object."""
    return {key: decoded(item) for key, item in mapping(value).items()}


def filled(entries: dict[str, Any]) -> JsonDict:
    """Return the members that are not empty; zero and false are not empty."""
    return {key: value for key, value in entries.items() if value not in (None, "", [], {}, ())}
