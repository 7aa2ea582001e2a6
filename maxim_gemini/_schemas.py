"""Tools and response schemas as JSON schema, in the SDK's own words."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import pydantic
from google.genai import types

if TYPE_CHECKING:
    from collections.abc import Callable

_declared: WeakKeyDictionary[Callable[..., Any], tuple[str, str | None, dict[str, Any]]] = WeakKeyDictionary()

_STANDS_FOR: Final = "_maxim_gemini_stands_for"


# google-genai 3 sends functions as JSON schema, and warns of whoever does not.
_AS_THE_SDK_DOES: Final[dict[str, Any]] = (
    {"use_json_schema": True}
    if "use_json_schema" in inspect.signature(types.FunctionDeclaration.from_callable_with_api_option).parameters
    else {}
)


def declarations(tools: Any) -> list[Any]:
    """Return what each of *tools* tells the model: functions by the SDK's schema, the rest as given."""
    return [_declaration(tool) for tool in tools]


def _declaration(tool: Any) -> Any:
    if inspect.isfunction(tool) or inspect.ismethod(tool):
        return {"function_declarations": [_of_function(tool)]}
    if isinstance(tool, (dict, pydantic.BaseModel)):
        return tool  # pyright: ignore[reportUnknownVariableType]
    return {"type": getattr(tool, "__name__", type(tool).__name__)}


def stands_for(stand_in: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Take note that *stand_in* is made anew for every call, and always declares the same as *function*.

    `__wrapped__` does not say so: two tools may wrap one function under two names.
    """
    setattr(stand_in, _STANDS_FOR, function)


def _of_function(function: Any) -> dict[str, Any]:
    """Return the SDK's declaration of *function*, worked out once: that is slow."""
    key = getattr(function, "__func__", function)
    key = getattr(key, _STANDS_FOR, key)
    known = _declared.get(key)
    if known is None or known[:2] != (key.__name__, key.__doc__):
        declared = types.FunctionDeclaration.from_callable_with_api_option(
            callable=function, api_option="GEMINI_API", **_AS_THE_SDK_DOES
        )
        known = key.__name__, key.__doc__, declared.model_dump(mode="json", exclude_none=True)
        _declared[key] = known
    return known[2]


def schema_of(schema: Any) -> Any:
    """Return a response schema as JSON schema, whatever form it was given in."""
    if isinstance(schema, (dict, pydantic.BaseModel)):
        return schema  # pyright: ignore[reportUnknownVariableType]
    return _json_schema(schema)


@lru_cache(maxsize=128)
def _json_schema(schema: Any) -> dict[str, Any]:
    return pydantic.TypeAdapter(schema).json_schema()
