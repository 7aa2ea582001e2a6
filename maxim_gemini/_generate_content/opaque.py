"""Methods that are not google-genai's own, but those of a mock, another tracer or another wrapper.

They are called unchanged, because the application's replacement has to run. If such a method makes remote calls by the
SDK, each of them is recorded; otherwise the whole method is recorded as one generation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from google.genai import types

from .._core.generation import STOPPED_EARLY, SUCCESS, Outcome, Start
from .call import RUNNING
from .messages import functions_run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._core.generation import Generation
    from .._core.values import JsonDict
    from .call import ContentCall

Response = types.GenerateContentResponse


class WholeCall:
    """One run of such a method. It is a generation, unless a remote call inside it was recorded as one."""

    __slots__ = ("_before", "_call", "_generation", "_history", "_models", "_request", "_start", "_streamed")

    def __init__(self, call: ContentCall, models: object, request: JsonDict) -> None:
        self._call = call
        self._models = models
        self._request = request
        self._streamed = False
        self._before = call.generations
        self._start = Start()
        self._generation: Generation | None = None
        self._history: Any = None

    @contextmanager
    def running(self) -> Generator[None]:
        """Make the call known to the code in the block."""
        token = RUNNING.set((self._call, self._models))
        try:
            yield
        finally:
            RUNNING.reset(token)

    def run(self, method: Callable[[], Any]) -> Any:
        """Call *method*, record its answer, and return it."""
        try:
            with self.running():
                answer = method()
        except BaseException as error:
            self.end(Outcome.of(error))
            raise
        self.add(answer)
        self.end(SUCCESS)
        return answer

    async def run_async(self, method: Callable[[], Any]) -> Any:
        """Call *method*, await its answer, record and return it."""
        try:
            with self.running():
                answer = await method()
        except BaseException as error:
            self.end(Outcome.of(error))
            raise
        self.add(answer)
        self.end(SUCCESS)
        return answer

    def open(self, method: Callable[[], Any]) -> Any:
        """Call *method* and return its stream, recorded; a value that is no stream is returned unchanged."""
        with self.running():
            chunks = method()
        return WholeStream(self, chunks) if hasattr(chunks, "__iter__") else chunks

    async def open_async(self, method: Callable[[], Any]) -> Any:
        """Call *method*, await its stream, and return it recorded; a value that is no stream is returned unchanged."""
        with self.running():
            chunks = await method()
        return AsyncWholeStream(self, chunks) if hasattr(chunks, "__aiter__") else chunks

    def start(self) -> None:
        """Set the start time: a stream makes its request when its first chunk is read."""
        self._streamed = True
        self._start = Start()

    def add(self, response: object) -> Any:
        """Record an answer, or a chunk of one, and return it."""
        if (generation := self._begun()) is not None:
            self._history = getattr(response, "automatic_function_calling_history", None) or self._history
            generation.add(response)
        return response

    def end(self, outcome: Outcome) -> None:
        """End the generation, if there is one."""
        # A stream that was never read has made no request.
        if outcome is STOPPED_EARLY and self._generation is None:
            return
        if (generation := self._begun()) is not None:
            if outcome is SUCCESS and self._history:
                self._call.log.attempt(
                    "read the functions that ran",
                    lambda: self._call.tools.ran(functions_run(self._history, self._request["contents"])),
                )
            generation.end(outcome)

    def _begun(self) -> Generation | None:
        # A remote call inside the method has been recorded already.
        if self._generation is None and self._call.generations == self._before:
            model, contents, config = (self._request.get(name) for name in ("model", "contents", "config"))
            self._generation = self._call.send(
                model or "", contents, config, streamed=self._streamed, start=self._start
            )
        return self._generation


class WholeStream(Iterator[Response]):
    """The stream of such a method, recorded."""

    def __init__(self, whole: WholeCall, chunks: Any) -> None:
        self._whole = whole
        self._chunks = chunks
        self._iterator: Any = None

    def __next__(self) -> Response:
        return self._step("__next__")

    def send(self, value: object) -> Response:
        """Send *value* to the wrapped stream."""
        return self._step("send", value)

    def throw(self, *thrown: Any) -> Response:
        """Raise an exception inside the wrapped stream; here, if that is no generator."""
        return self._step("throw", *thrown)

    def close(self) -> None:
        """Close the wrapped stream, if it can be closed."""
        with self._whole.running():
            for one in _closable(self._chunks, self._iterator, "close"):
                one.close()

    def _step(self, name: str, *args: Any) -> Response:
        try:
            with self._whole.running():
                if self._iterator is None:
                    self._whole.start()
                    self._iterator = iter(self._chunks)
                below = self._iterator
                if name == "throw" and not hasattr(below, name):
                    below = (chunk for chunk in list[Response]())  # a generator accepts all forms of an exception
                chunk: Response = getattr(below, name)(*args)
        except BaseException as error:
            self._whole.end(SUCCESS if isinstance(error, StopIteration) else Outcome.of(error))
            raise
        return self._whole.add(chunk)  # type: ignore[no-any-return]


class AsyncWholeStream(AsyncIterator[Response]):
    """The same with `await`."""

    def __init__(self, whole: WholeCall, chunks: Any) -> None:
        self._whole = whole
        self._chunks = chunks
        self._iterator: Any = None

    async def __anext__(self) -> Response:
        return await self._step("__anext__")

    async def asend(self, value: object) -> Response:
        """Send *value* to the wrapped stream."""
        return await self._step("asend", value)

    async def athrow(self, error: BaseException) -> Response:
        """Raise an exception inside the wrapped stream; here, if that is no generator."""
        return await self._step("athrow", error)

    async def aclose(self) -> None:
        """Close the wrapped stream, if it can be closed."""
        with self._whole.running():
            for one in _closable(self._chunks, self._iterator, "aclose"):
                await one.aclose()

    async def _step(self, name: str, *args: Any) -> Response:
        try:
            with self._whole.running():
                if self._iterator is None:
                    self._whole.start()
                    self._iterator = aiter(self._chunks)
                if name == "athrow" and not hasattr(self._iterator, name):
                    raise args[0]
                chunk: Response = await getattr(self._iterator, name)(*args)
        except BaseException as error:
            self._whole.end(SUCCESS if isinstance(error, StopAsyncIteration) else Outcome.of(error))
            raise
        return self._whole.add(chunk)  # type: ignore[no-any-return]


def _closable(chunks: object, iterator: object, name: str) -> list[Any]:
    """Return the objects to close: the iterator, and the iterable that it was made from."""
    both = [chunks] if iterator is None or iterator is chunks else [iterator, chunks]
    return [one for one in both if hasattr(one, name)]
