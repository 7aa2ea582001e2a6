"""Replace functions and MCP sessions that the SDK runs by ones that record each run."""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from .._core.values import JsonDict, mapping, readable
from .parameters import stands_for
from .parts import result_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.tool_calls import ToolRuns


def with_recorded_tools(config: Any, runs: ToolRuns) -> Any:
    """Return *config* with tools that record their runs; the same object if there is nothing to record."""
    if config is None:
        return None
    settings = mapping(config)
    tools: Any = getattr(config, "tools", None) if settings is None else settings.get("tools")
    if not isinstance(tools, list):
        return config
    recorded: list[Any] = [_recorded(tool, runs) for tool in tools]  # pyright: ignore[reportUnknownVariableType]
    if all(map(operator.is_, recorded, tools)):  # pyright: ignore[reportUnknownArgumentType]
        return config
    return config.model_copy(update={"tools": recorded}) if settings is None else {**settings, "tools": recorded}


def _recorded(tool: Any, runs: ToolRuns) -> Any:
    """Return a tool that records its runs and looks like *tool* to the SDK: name, signature, docstring and kind.

    A tool that the SDK does not run is returned unchanged.
    """
    if _is_from_mcp(tool, "ClientSession"):
        return _recorded_session(tool, runs)
    if not isinstance(tool, (FunctionType, MethodType)) or not inspect.isroutine(inspect.unwrap(tool)):
        return tool
    if isinstance(tool, MethodType):  # the SDK copies a method together with its object: that must still work
        return MethodType(_recorded_function(tool.__func__, runs), tool.__self__)
    return _recorded_function(tool, runs)


def _recorded_function(function: Callable[..., Any], runs: ToolRuns) -> Callable[..., Any]:
    recorded: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with runs.running(function.__name__, kwargs, function) as give_back:
                return give_back(await function(*args, **kwargs))

        recorded = run_async
    else:

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with runs.running(function.__name__, kwargs, function) as give_back:
                return give_back(function(*args, **kwargs))

        recorded = run
    stands_for(recorded, function)
    return recorded


def _recorded_session(session: Any, runs: ToolRuns) -> Any:
    """Return an MCP session that shares the state of *session*, and records each tool call."""

    class Recorded(type(session)):  # type: ignore[misc]
        async def call_tool(self, name: str, arguments: JsonDict | None = None, *args: Any, **more: Any) -> Any:
            with runs.running(name, arguments or {}) as give_back:
                return give_back(await session.call_tool(name, arguments, *args, **more))

    # Without `__init__`, which would begin another session.
    recorded = object.__new__(Recorded)
    recorded.__dict__ = session.__dict__
    return recorded


def describe_result(value: object) -> tuple[str, bool]:
    """Return *value*, which a function returned, as text, and whether it is an error of an MCP server."""
    if _is_from_mcp(value, "CallToolResult") and getattr(value, "is_error", getattr(value, "isError", False)):
        return readable(value), True
    return result_text(value, []), False


def _is_from_mcp(value: object, name: str) -> bool:
    """Return whether *value* is of mcp's class *name*; without the module there are no instances."""
    kind = getattr(sys.modules.get("mcp.types"), name, None) or getattr(sys.modules.get("mcp"), name, None)
    return kind is not None and type(value) is kind
