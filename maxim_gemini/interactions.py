"""Trace `client.interactions` and `client.aio.interactions`. Imported on first use, as the SDK does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ._core.generation import Outcome
from ._core.logger import Log
from ._interactions import sdk
from ._interactions.traced import TracedInteractions

if TYPE_CHECKING:
    from ._core.logger import Logger
    from ._core.privacy import Privacy


class MaximGeminiInteractions(
    TracedInteractions, sdk.GeminiNextGenInteractions, sdk_class=sdk.GeminiNextGenInteractions
):
    """Traces `client.interactions`: each `create` is a trace, and a chain of interactions is a session."""

    def __init__(
        self, interactions: sdk.GeminiNextGenInteractions, logger: Logger, *, privacy: Privacy | None = None
    ) -> None:
        self._wrap(interactions, Log(logger, privacy))

    def create(
        self,
        *,
        trace_id: str | None = None,
        session_id: str | None = None,
        generation_name: str | None = None,
        **request: Any,
    ) -> Any:
        """Create an interaction as the SDK does; log into the trace *trace_id*, or a new one in the chain's session."""
        call = self._begin(request, trace_id, session_id, generation_name)
        if call is None:
            return self._unrecorded.create(**request)
        with call.ending_on_error():
            if self._is_plain:
                response = sdk.RecordedInteractions(self._wrapped, call).create(**request)
            else:
                generation = call.send(streamed=bool(request.get("stream")), continues=False)
                with generation.until_read():
                    response = sdk.recording(self._unhooked.create(**request), generation, call)
        if sdk.is_stream(response):
            return sdk.ending(response, call)
        return self._answered(response, call)

    def get(self, id: str, **request: Any) -> Any:
        """Read an interaction as the SDK does; if it ran in the background and has ended, end its trace."""
        response = self._unrecorded.get(id, **request)
        if sdk.is_stream(response):
            self._resume(id, request)
            return sdk.watching(response, partial(self._saw_event, id))
        return self._seen(response)

    def cancel(self, id: str, **request: Any) -> Any:
        """Cancel an interaction as the SDK does, and end its trace."""
        return self._seen(self._unrecorded.cancel(id, **request))

    @property
    def with_raw_response(self) -> Any:
        """The same methods, returning the raw HTTP response."""
        return _Accessor("with_raw_response", self._wrapped, self._unrecorded, self._life, is_async=False)

    @property
    def with_streaming_response(self) -> Any:
        """The same methods, returning a context manager of the HTTP response, whose body is not read yet."""
        return _Accessor("with_streaming_response", self._wrapped, self._unrecorded, self._life, is_async=False)


class MaximGeminiAsyncInteractions(
    TracedInteractions, sdk.AsyncGeminiNextGenInteractions, sdk_class=sdk.AsyncGeminiNextGenInteractions
):
    """Traces `client.aio.interactions`: each `create` is a trace, and a chain of interactions is a session."""

    def __init__(
        self, interactions: sdk.AsyncGeminiNextGenInteractions, logger: Logger, *, privacy: Privacy | None = None
    ) -> None:
        self._wrap(interactions, Log(logger, privacy))

    async def create(
        self,
        *,
        trace_id: str | None = None,
        session_id: str | None = None,
        generation_name: str | None = None,
        **request: Any,
    ) -> Any:
        """Create an interaction as the SDK does; log into the trace *trace_id*, or a new one in the chain's session."""
        call = self._begin(request, trace_id, session_id, generation_name)
        if call is None:
            return await self._unrecorded.create(**request)
        with call.ending_on_error():
            if self._is_plain:
                response = await sdk.RecordedAsyncInteractions(self._wrapped, call).create(**request)
            else:
                generation = call.send(streamed=bool(request.get("stream")), continues=False)
                with generation.until_read():
                    response = sdk.recording(await self._unhooked.create(**request), generation, call)
        if sdk.is_stream(response):
            return sdk.ending_async(response, call)
        return self._answered(response, call)

    async def get(self, id: str, **request: Any) -> Any:
        """Read an interaction as the SDK does; if it ran in the background and has ended, end its trace."""
        response = await self._unrecorded.get(id, **request)
        if sdk.is_stream(response):
            self._resume(id, request)
            return sdk.watching_async(response, partial(self._saw_event, id))
        return self._seen(response)

    async def cancel(self, id: str, **request: Any) -> Any:
        """Cancel an interaction as the SDK does, and end its trace."""
        return self._seen(await self._unrecorded.cancel(id, **request))

    def connect(
        self,
        id: str,
        *,
        trace_id: str | None = None,
        session_id: str | None = None,
        generation_name: str | None = None,
        **request: Any,
    ) -> Any:
        """Connect to a live interaction as the SDK does (3.5 and newer), and log its events."""
        return self._connect(id, request, trace_id, session_id, generation_name)

    @property
    def with_raw_response(self) -> Any:
        """The same methods, returning the raw HTTP response."""
        return _Accessor("with_raw_response", self._wrapped, self._unrecorded, self._life, is_async=True)

    @property
    def with_streaming_response(self) -> Any:
        """The same methods, returning a context manager of the HTTP response, whose body is not read yet."""
        return _Accessor("with_streaming_response", self._wrapped, self._unrecorded, self._life, is_async=True)


if not hasattr(sdk.AsyncGeminiNextGenInteractions, "connect"):  # google-genai before 3.5
    del MaximGeminiAsyncInteractions.connect


class _Accessor:
    """The raw accessor *name* of wrapped interactions; methods that are not traced are the SDK's own."""

    def __init__(self, name: str, interactions: Any, unrecorded: Any, life: tuple[Any, Any], *, is_async: bool) -> None:
        self._name = name
        self._of_the_sdk = interactions
        self._unrecorded = unrecorded
        self._begin, self._answered = life
        self._is_async = is_async

    def __getattr__(self, attribute: str) -> Any:
        return getattr(getattr(self._unrecorded, self._name), attribute)

    def create(
        self,
        *,
        trace_id: str | None = None,
        session_id: str | None = None,
        generation_name: str | None = None,
        **request: Any,
    ) -> Any:
        """Create an interaction as the SDK's accessor does: return a response, a context manager, or an awaitable."""
        call = self._begin(request, trace_id, session_id, generation_name)
        if call is None:
            return getattr(self._unrecorded, self._name).create(**request)
        if sdk.hooks_remote_calls(self._of_the_sdk):
            recorded = sdk.RecordedAsyncInteractions if self._is_async else sdk.RecordedInteractions
            create = getattr(recorded(self._of_the_sdk, call), self._name).create
        else:
            call.send(streamed=bool(request.get("stream")), continues=False)
            create = getattr(sdk.sending_no_labels(self._of_the_sdk), self._name).create
        if self._is_async and self._name == "with_raw_response":
            return self._awaited(create, call, request)
        with call.ending_on_error():
            response = create(**request)
        if self._name == "with_streaming_response":
            return _Opened(response, call)
        return self._answered(response, call, sdk.ending)

    async def _awaited(self, create: Any, call: Any, request: dict[str, Any]) -> Any:
        with call.ending_on_error():
            response = await create(**request)
        return self._answered(response, call, sdk.ending_async)


class _Opened:
    """The SDK's context manager of an HTTP response; leaving it ends the call."""

    def __init__(self, manager: Any, call: Any) -> None:
        self._manager = manager
        self._call = call

    def __enter__(self) -> Any:
        with self._call.ending_on_error():
            return sdk.parsed_by(self._manager.__enter__(), self._call, sdk.ending)

    def __exit__(self, *exception: Any) -> Any:
        try:
            return self._manager.__exit__(*exception)
        finally:
            self._call.end(Outcome.of(exception[1]))

    async def __aenter__(self) -> Any:
        with self._call.ending_on_error():
            return sdk.parsed_by(await self._manager.__aenter__(), self._call, sdk.ending_async)

    async def __aexit__(self, *exception: Any) -> Any:
        try:
            return await self._manager.__aexit__(*exception)
        finally:
            self._call.end(Outcome.of(exception[1]))
