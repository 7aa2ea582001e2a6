"""Put a block around each call of a function of any kind, including the parts that run after the call returns."""

from __future__ import annotations

import functools
import inspect
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from types import TracebackType


class Block(Protocol):
    """A context manager, sync and async."""

    def __enter__(self) -> object: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    async def __aenter__(self) -> object: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def decorated(block: Callable[[], Block], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the same kind as *function*, with a *block* around each call."""

    async def recorded_async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        async with block(), aclosing(function(*args, **kwargs)) as generator:
            step = generator.asend(None)
            while True:
                try:
                    item = await step
                except StopAsyncIteration:
                    return
                try:
                    step = generator.asend((yield item))
                except GeneratorExit:  # the caller is done: leaving the block closes the generator
                    raise
                except BaseException as error:
                    step = generator.athrow(error)

    def recorded_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with block():
            run: Generator[Any, Any, Any] = function(*args, **kwargs)
            return (yield from run)

    async def recorded_async(*args: Any, **kwargs: Any) -> Any:
        async with block():
            return await function(*args, **kwargs)

    def recorded(*args: Any, **kwargs: Any) -> Any:
        with block():
            return _checked(function, function(*args, **kwargs))

    if inspect.isasyncgenfunction(function):
        return functools.wraps(function)(recorded_async_generator)
    if inspect.isgeneratorfunction(function):
        return functools.wraps(function)(recorded_generator)
    if inspect.iscoroutinefunction(function):
        return functools.wraps(function)(recorded_async)
    return functools.wraps(function)(recorded)


def decorate_tests(block: Callable[[], Block], tests: type) -> None:
    """Put a *block* around each method of *tests* whose name begins with `test`, including inherited ones."""
    names = [name for name in dir(tests) if name.startswith("test") and callable(getattr(tests, name))]
    if not names:
        raise TypeError(f"{tests.__name__} has no method whose name begins with 'test': decorate the methods that send")
    for name in names:
        method = inspect.getattr_static(tests, name)
        # Python binds these by their kind, so the decorated function has to be of the same.
        if isinstance(method, staticmethod | classmethod):
            setattr(tests, name, type(method)(decorated(block, method.__func__)))  # pyright: ignore
        else:
            setattr(tests, name, decorated(block, method))


def _checked(function: Callable[..., Any], result: object) -> Any:
    """Return *result*; raise an error if it would send its requests after the block."""
    if not (inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result)):
        return result
    if close := getattr(result, "close", None):  # or Python warns that it was never awaited
        close()
    raise TypeError(
        f"{getattr(function, '__qualname__', function)} returned {type(result).__name__!r}, which would run after the "
        "recorder's block: decorate the function that runs it, or one with 'async def' or 'yield'"
    )
