"""What a streamed call hands out: the SDK's stream, and with it the end of the call, whichever way it ends."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

from google.genai import types

if TYPE_CHECKING:
    from ._recording import Call

Response = types.GenerateContentResponse


class Stream(Generator[Response, Any, None]):
    """The chunks of one call, each the moment it comes."""

    __slots__ = ("__weakref__", "_call", "_chunks")

    def __init__(self, call: Call, chunks: Any) -> None:
        self._call = call
        self._chunks = chunks

    def __next__(self) -> Response:
        try:
            return next(self._chunks)  # type: ignore[no-any-return]
        except BaseException as error:
            self._call.end(error)
            raise

    def send(self, value: Any) -> Response:
        """Resume the SDK's stream."""
        with self._call.ending_on_error():
            return self._chunks.send(value)  # type: ignore[no-any-return]

    def throw(self, *thrown: Any) -> Response:
        """Raise an exception inside the SDK's stream."""
        with self._call.ending_on_error():
            return self._chunks.throw(*thrown)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the SDK's stream, and with it the connection."""
        with self._call.stopping_early():
            if (close := getattr(self._chunks, "close", None)) is not None:
                close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._call.abandon()


class AsyncStream(AsyncGenerator[Response, Any]):
    """The same with `await`; awaiting it gives itself, as the replaced system had it."""

    __slots__ = ("__weakref__", "_call", "_chunks")

    def __init__(self, call: Call, chunks: Any) -> None:
        self._call = call
        self._chunks = chunks

    def __await__(self) -> Generator[Any, Any, AsyncStream]:
        yield from ()
        return self

    async def __anext__(self) -> Response:
        try:
            return await anext(self._chunks)
        except BaseException as error:
            self._call.end(error)
            raise

    async def asend(self, value: Any) -> Response:
        """Resume the SDK's stream."""
        with self._call.ending_on_error():
            return await self._chunks.asend(value)  # type: ignore[no-any-return]

    async def athrow(self, *thrown: Any) -> Response:
        """Raise an exception inside the SDK's stream."""
        with self._call.ending_on_error():
            return await self._chunks.athrow(*thrown)  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close the SDK's stream, and with it the connection."""
        with self._call.stopping_early():
            if (close := getattr(self._chunks, "aclose", None)) is not None:
                await close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._call.abandon()
