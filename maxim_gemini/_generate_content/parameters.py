"""Convert a config, in all forms that google-genai accepts, to Maxim's model parameters, with schemas as JSON schema.

Pure: no logger and no network, and arguments are never changed.
"""

from __future__ import annotations

import inspect
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import pydantic
from google.genai import types

from .._core.secrets import redacted, without_credentials
from .._core.values import JsonDict, as_text, mapping, unwritten

if TYPE_CHECKING:
    from collections.abc import Callable

# Logged as a message (the system instruction), or never logged (headers, keys, clients).
_NOT_PARAMETERS: Final = frozenset({"system_instruction", "http_options"})

# In characters. maxim-py does not send longer parameters.
_LONGEST_PARAMETER: Final = 64 * 1024

_declared: WeakKeyDictionary[Callable[..., Any], tuple[str, str | None, JsonDict]] = WeakKeyDictionary()

_STANDS_FOR: Final = "_maxim_gemini_stands_for"

# google-genai 3 sends functions as JSON schema, and warns of callers that do not ask for it.
_AS_THE_SDK_DOES: Final[JsonDict] = (
    {"use_json_schema": True}
    if "use_json_schema" in inspect.signature(types.FunctionDeclaration.from_callable_with_api_option).parameters
    else {}
)


def read_parameters(config: Any, sent: object = None) -> dict[str, str]:
    """Return the values that are set in *config*, in Maxim's wire form: strings unchanged, the rest as JSON.

    Tools are read from *sent*, the config that the SDK made of it, which has the tools of MCP sessions.
    """
    if config is None:
        return {}
    given = mapping(config)
    if given is None:
        given = {name: getattr(config, name) for name in sorted(config.model_fields_set)}
    parameters: dict[str, str] = {}
    for key, value in given.items():
        # The SDK accepts `topK`, too.
        name = key if key.islower() else "".join(f"_{char.lower()}" if char.isupper() else char for char in key)
        if value is None or name in _NOT_PARAMETERS:
            continue
        if name == "tools":
            value = getattr(sent, "tools", None) or value
        parameters[name] = _written(name, value)
    return parameters


def _written(name: str, value: object) -> str:
    try:
        if name in ("response_schema", "response_json_schema"):
            value = schema_of(value)
        else:
            value = without_credentials({name: declarations(value) if name == "tools" else value})[name]
        text = as_text(value.value if isinstance(value, Enum) else value)
        return _redacted(text) if len(text) <= _LONGEST_PARAMETER else f"[{len(text)} characters, left out]"
    except Exception:
        return unwritten(value)


_redacted = lru_cache(maxsize=64)(redacted)  # cached: an application sends the same tools with every request


def declarations(tools: Any) -> list[Any]:
    """Return *tools* as the model gets them: functions as the SDK declares them, all others unchanged."""
    declared: list[Any] = []
    for tool in tools:
        if inspect.isfunction(tool) or inspect.ismethod(tool):
            declared.append({"function_declarations": [_of_function(tool)]})
        elif isinstance(tool, (dict, pydantic.BaseModel)):
            declared.append(tool)
        else:
            declared.append({"type": getattr(tool, "__name__", type(tool).__name__)})
    return declared


def stands_for(stand_in: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Register *stand_in*, made for one call, to share the cached declaration of *function*.

    `__wrapped__` can't be used for that: two tools may wrap one function under two names.
    """
    setattr(stand_in, _STANDS_FOR, function)


def _of_function(function: Any) -> JsonDict:
    """Return the SDK's declaration of *function*; it is cached, because making it is slow."""
    # A bound method is a new object each time it is read; its function is not.
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


def schema_of(schema: object) -> Any:
    """Return a response schema, in any form that the SDK accepts, as JSON schema."""
    if isinstance(schema, (dict, pydantic.BaseModel)):
        return schema  # pyright: ignore[reportUnknownVariableType]
    return _json_schema(schema)


@lru_cache(maxsize=128)
def _json_schema(schema: Any) -> JsonDict:
    return pydantic.TypeAdapter(schema).json_schema()
