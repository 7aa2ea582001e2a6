"""The only module that uses private names of google-genai's interactions.

`tests/interactions/test_sdk.py` fails when they change.

- The classes of `client.interactions`, which the SDK imports from here only when they are first used.
- `_send_create_once`: one remote call, since 2.34; automatic continuation makes several in one `create`. Before that,
  `create` is recorded as a whole.
- A stream reads its events from `generator`; the SDK itself wraps it in generators, and sets `close` on the object.
- A connection (since 3.5) is opened by `_open` of its context, with the headers of `_api_client`; its session, kept as
  `_session`, has the websocket as `_websocket`, and closes it in every case.
- Headers of the client are in `sdk_configuration.security.default_headers`.

During a call, an object of one of these classes replaces the application's interactions. It has the same `__dict__`;
only the attributes that are defined here differ.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import ref

from google.genai._gaos.google_genai import AsyncGeminiNextGenInteractions, GeminiNextGenInteractions
from websockets.exceptions import ConnectionClosed

from .._core.generation import STOPPED_EARLY, SUCCESS, Outcome
from .._core.headers import has_labels, without_labels, without_labels_in
from .._core.streams import stream, stream_async

if TYPE_CHECKING:
    from .._core.connection import ConnectionLog
    from .._core.generation import Generation
    from .call import InteractionCall

__all__ = ["AsyncGeminiNextGenInteractions", "GeminiNextGenInteractions"]


class _OfOneCall:
    """The base of sync and async interactions during one call."""

    __slots__ = ("_call",)

    def __init__(self, interactions: Any, call: InteractionCall) -> None:
        object.__setattr__(self, "__dict__", _unlabelled(interactions.__dict__))
        self._call = call

    def _send(self, prepared: Any, args: tuple[Any, ...]) -> Generation:
        """Begin the generation of one remote call; with a token in *args* it continues the last one."""
        return self._call.send(streamed=bool(prepared.stream), continues=bool(args[2:3] and args[2]))


class RecordedInteractions(_OfOneCall, GeminiNextGenInteractions):
    """The interactions of one call, which record each remote call."""

    __slots__ = ()

    def _send_create_once(self, prepared: Any, *args: Any, **more: Any) -> Any:
        generation = self._send(prepared, args)
        with generation.until_read():
            send: Any = getattr(super(), "_send_create_once")  # noqa: B009  # google-genai before 2.34 has none
            response = send(prepared, *args, **more)
        if is_stream(response):
            response.generator = RecordedEvents(response.generator, generation)
            return response
        return self._call.received(response)


class RecordedAsyncInteractions(_OfOneCall, AsyncGeminiNextGenInteractions):
    """The same with `await`."""

    __slots__ = ()

    async def _send_create_once(self, prepared: Any, *args: Any, **more: Any) -> Any:
        generation = self._send(prepared, args)
        with generation.until_read():
            send: Any = getattr(super(), "_send_create_once")  # noqa: B009
            response = await send(prepared, *args, **more)
        if is_stream(response):
            response.generator = RecordedAsyncEvents(response.generator, generation)
            return response
        return self._call.received(response)


class RecordedEvents(Iterator[Any]):
    """The events of one remote call. No generator: if it is dropped, the SDK's stream is released as without it."""

    __slots__ = ("_events", "_generation")

    def __init__(self, events: Any, generation: Generation) -> None:
        self._events = events
        self._generation = generation

    def __next__(self) -> Any:
        try:
            event = next(self._events)
        except BaseException as error:
            self._generation.end(SUCCESS if isinstance(error, StopIteration) else Outcome.of(error))
            raise
        return self._generation.add(event)

    def close(self) -> None:
        """Close the SDK's own events."""
        self._events.close()


class RecordedAsyncEvents(AsyncIterator[Any]):
    """The same with `await`."""

    __slots__ = ("_events", "_generation")

    def __init__(self, events: Any, generation: Generation) -> None:
        self._events = events
        self._generation = generation

    async def __anext__(self) -> Any:
        try:
            event = await anext(self._events)
        except BaseException as error:
            self._generation.end(SUCCESS if isinstance(error, StopAsyncIteration) else Outcome.of(error))
            raise
        return self._generation.add(event)

    async def aclose(self) -> None:
        """Close the SDK's own events."""
        await self._events.aclose()


def hooks_remote_calls(interactions: Any) -> bool:
    """Return whether *interactions* are the SDK's own, with a hook for each remote call."""
    kinds = (GeminiNextGenInteractions, AsyncGeminiNextGenInteractions)
    return type(interactions) in kinds and hasattr(interactions, "_send_create_once")


def sending_no_labels(interactions: Any) -> Any:
    """Return *interactions*, or a copy that does not send `x-maxim-*` headers if their client has any."""
    state: dict[str, Any] = getattr(interactions, "__dict__", {})
    quiet = _unlabelled(state)
    if quiet is state:
        return interactions
    kind: type[Any] = interactions.__class__
    other: Any = object.__new__(kind)
    object.__setattr__(other, "__dict__", quiet)
    return other


def is_stream(response: object) -> bool:
    """Return whether *response* is one of the SDK's streams of events."""
    return hasattr(response, "generator") and hasattr(response, "close")


def is_interaction(response: object) -> bool:
    """Return whether *response* is an interaction, and not the raw response of an accessor."""
    return hasattr(response, "status") and hasattr(response, "id")


def recording(response: Any, generation: Generation, call: InteractionCall) -> Any:
    """Return *response*, of a `create` that is not the SDK's own, recorded as one generation."""
    if not is_stream(response):
        return call.received(response)
    events = RecordedEvents if hasattr(response, "__next__") else RecordedAsyncEvents
    response.generator = events(response.generator, generation)
    return response


def parsed_by(response: Any, call: InteractionCall, end_with: Callable[[Any, InteractionCall], Any]) -> Any:
    """Return a raw *response* whose `parse` returns a recorded stream; *end_with* makes the stream end *call*."""
    parse = response.parse

    def taken(parsed: Any) -> Any:
        generation = call.generation
        if is_stream(parsed) and generation is not None:
            return end_with(recording(parsed, generation, call), call)
        return call.received(parsed) if is_interaction(parsed) else parsed

    async def awaited(parsed: Any) -> Any:
        return taken(await parsed)

    def parsing(*args: Any, **named: Any) -> Any:
        parsed = parse(*args, **named)
        return awaited(parsed) if hasattr(parsed, "__await__") else taken(parsed)

    response.parse = parsing
    return response


def ending(opened: Any, call: InteractionCall) -> Any:
    """Return the stream *opened*, changed to end *call* however it ends."""
    opened.generator = stream(call, opened.generator)
    close = _close_of(opened)

    def closing() -> None:
        try:
            close()
        finally:
            call.end(STOPPED_EARLY)

    opened.close = closing
    return opened


def ending_async(opened: Any, call: InteractionCall) -> Any:
    """The same with `await`."""
    opened.generator = stream_async(call, opened.generator)
    close = _close_of(opened)

    async def closing() -> None:
        try:
            await close()
        finally:
            call.end(STOPPED_EARLY)

    opened.close = closing
    return opened


def watching(opened: Any, see: Callable[[Any], object]) -> Any:
    """Return the stream *opened* of an interaction that is read again; it calls *see* with every event."""
    events = opened.generator

    def watched() -> Iterator[Any]:
        for event in events:
            see(event)
            yield event

    opened.generator = watched()
    return opened


def watching_async(opened: Any, see: Callable[[Any], object]) -> Any:
    """The same with `await`."""
    events = opened.generator

    async def watched() -> AsyncIterator[Any]:
        async for event in events:
            see(event)
            yield event

    opened.generator = watched()
    return opened


def headers_of(interactions: Any) -> Any:
    """Return the headers that the client of *interactions* sends with every request."""
    return _default_headers(getattr(interactions, "sdk_configuration", None))


def watch(context: Any, log: ConnectionLog) -> None:
    """Record the connection that *context* opens by *log*, until its websocket is closed."""
    open_ = context._open

    async def opening() -> Any:
        if context._session is not None:
            return await open_()
        log.__enter__()
        try:
            session = await open_()
        except BaseException as error:
            log.__exit__(type(error), error, None)
            raise
        socket = session._websocket
        close = socket.close

        async def closing(*args: Any, **kwargs: Any) -> Any:
            try:
                return await close(*args, **kwargs)
            finally:
                log.end(STOPPED_EARLY)

        log.watch(socket, ConnectionClosed)
        socket.close = closing
        return session

    context._open = opening


def quieten(context: Any) -> None:
    """Remove the `x-maxim-*` headers of the client from the connection of *context*."""
    client = context._api_client
    if has_labels(getattr(client._http_options, "headers", None)):
        options = without_labels({"http_options": client._http_options})["http_options"]
        context._api_client = _QuietClient(client, options)


class _QuietClient:
    """The client of a connection, with other options. A copy would close the client when it is dropped."""

    def __init__(self, client: Any, options: Any) -> None:
        self._client = client
        self._http_options = options

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def _close_of(opened: Any) -> Any:
    """Return a function that closes *opened* and does not keep it alive: the application decides when it is dropped."""
    state: dict[str, Any] = getattr(opened, "__dict__", {})
    kind: Any = opened.__class__
    known = ref(opened)
    return state.get("close") or (lambda: kind.close(known()))


def _default_headers(configuration: Any) -> Any:
    return getattr(getattr(configuration, "security", None), "default_headers", None)


def _unlabelled(state: dict[str, Any]) -> dict[str, Any]:
    """Return *state* without `x-maxim-*` headers of the client; the same object if there are none."""
    configuration = state.get("sdk_configuration")
    headers = _default_headers(configuration)
    if configuration is None or not has_labels(headers):
        return state
    security = configuration.security.model_copy(update={"default_headers": without_labels_in(headers)})
    quiet = copy.copy(configuration)
    quiet.security = security
    return {**state, "sdk_configuration": quiet}
