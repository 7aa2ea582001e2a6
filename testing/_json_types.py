"""JSON values: distinguished for the type checkers, copied, and decoded where maxim-py put them on the wire as text."""

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
    """Return *value* if it is an object, else an empty one."""
    return value if is_object(value) else {}


def sequence(value: object) -> list[Any]:
    """Return *value* if it is a list, else an empty one."""
    return value if is_list(value) else []


def refuse_constant(name: str) -> NoReturn:
    """Raise `ValueError`: for `json.loads`, which else reads what is no JSON, such as `NaN`."""
    raise ValueError(f"JSON has no {name}")


def plain(value: T) -> T:
    """Copy a JSON value, so that a reader who changes it does not change the view."""
    if is_object(value):
        return cast("T", {key: plain(item) for key, item in value.items()})
    return cast("T", [plain(item) for item in value]) if is_list(value) else value


def decoded(value: object) -> Any:
    """Undo maxim-py's "a string as it is, anything else as JSON text"; what is no JSON stays as it is."""
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
    """Leave out what is empty; zero and false are not."""
    return {key: value for key, value in entries.items() if value not in (None, "", [], {}, ())}
