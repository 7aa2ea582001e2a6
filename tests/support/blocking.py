"""The async side of a client as if it were the sync one, so that one program drives both."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


class Blocking:
    """Wraps `client.aio`: what is awaited there is waited for here, and its async streams are plain ones."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if callable(attribute):
            return lambda *args, **kwargs: self._called(attribute, args, kwargs)
        return (
            Blocking(attribute, self._runner)
            if type(attribute).__module__.startswith(("google.", "maxim_"))
            else attribute
        )

    def _called(self, function: Any, args: Any, kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if inspect.isawaitable(result) and not hasattr(result, "__aiter__"):
            result = self._runner.run(_awaited(result))
        if hasattr(result, "__aiter__"):
            return self._items(result)
        return Blocking(result, self._runner) if type(result).__name__.endswith(("Chat", "ChatSession")) else result

    def _items(self, stream: Any) -> Iterator[Any]:
        iterator = aiter(stream)
        while True:
            try:
                yield self._runner.run(_awaited(anext(iterator)))
            except StopAsyncIteration:
                return


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
