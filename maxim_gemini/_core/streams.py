"""The generators that streaming methods return: over the SDK's stream, ending the call however they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable

    from .call import Call, NoCall


def stream(call: Call | NoCall, chunks: Any) -> Any:
    """Return a generator over *chunks* that ends *call*; *chunks* itself if it is no stream, but a mock for example."""
    return _chunks(call, chunks) if hasattr(chunks, "__iter__") else chunks


def stream_async(call: Call | NoCall, chunks: Any) -> Any:
    """Return an async generator over *chunks* that ends *call*; *chunks* itself if it is no stream."""
    return _chunks_async(call, chunks) if hasattr(chunks, "__aiter__") else chunks


def _chunks(call: Call | NoCall, chunks: Iterable[Any]) -> Generator[Any, Any, None]:
    with call:
        yield from chunks


async def _chunks_async(call: Call | NoCall, chunks: Any) -> AsyncGenerator[Any, Any]:
    """Do the same as `yield from`, which async generators do not have."""
    with call:
        # A mock may be a plain iterable, without the methods of a generator: each is only looked up when it is needed.
        iterator: Any = aiter(chunks)
        following: Any = anext(iterator)
        while True:
            try:
                chunk = await following
            except StopAsyncIteration:
                return
            try:
                sent = yield chunk
            except GeneratorExit:
                if (close := getattr(iterator, "aclose", None)) is not None:
                    await close()
                raise
            except BaseException as error:
                if (throw := getattr(iterator, "athrow", None)) is None:
                    raise
                following = throw(error)
            else:
                following = anext(iterator) if sent is None else iterator.asend(sent)
