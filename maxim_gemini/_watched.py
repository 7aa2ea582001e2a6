"""Models and chats that are not plain: a mock, another wrapper, replaced methods. They are called themselves, and each
call is recorded as a whole, since what the user put there must run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._sdk import config_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from google.genai import types

    from ._recording import Call, Recording


class WatchedModels:
    """Calls the wrapped models, and records each public call as one generation."""

    def __init__(self, models: Any, call: Call) -> None:
        self._models = models
        self._call = call

    def generate_content(self, **request: Any) -> types.GenerateContentResponse:
        """Call the wrapped method."""
        with _generation(self._call, request) as recording:
            return _whole(self._call, request, recording.add(self._models.generate_content(**_said(request))))

    def generate_content_stream(self, **request: Any) -> Iterator[types.GenerateContentResponse]:
        """Call the wrapped method; the generation begins with the first chunk that is asked for."""
        return _watch(self._models.generate_content_stream(**_said(request)), self._call, request)


class WatchedAsyncModels:
    """The same with `await`."""

    def __init__(self, models: Any, call: Call) -> None:
        self._models = models
        self._call = call

    async def generate_content(self, **request: Any) -> types.GenerateContentResponse:
        """Call the wrapped method."""
        with _generation(self._call, request) as recording:
            answer = await self._models.generate_content(**_said(request))
            return _whole(self._call, request, recording.add(answer))

    async def generate_content_stream(self, **request: Any) -> AsyncIterator[types.GenerateContentResponse]:
        """Call the wrapped method; the generation begins with the first chunk that is asked for."""
        return _watch_async(await self._models.generate_content_stream(**_said(request)), self._call, request)


class WatchedChat:
    """Calls the wrapped chat, and records each turn as one generation."""

    def __init__(self, chat: Any, call: Call, model: str) -> None:
        self._chat = chat
        self._call = call
        self._model = model

    def send_message(self, *said: Any) -> types.GenerateContentResponse:
        """Call the wrapped method."""
        request = _as_request(self._chat, self._model, *said)
        with _generation(self._call, request) as recording:
            return _whole(self._call, request, recording.add(self._chat.send_message(*said)))

    def send_message_stream(self, *said: Any) -> Iterator[types.GenerateContentResponse]:
        """Call the wrapped method; the generation begins with the first chunk that is asked for."""
        return _watch(self._chat.send_message_stream(*said), self._call, _as_request(self._chat, self._model, *said))


class WatchedAsyncChat:
    """The same with `await`."""

    def __init__(self, chat: Any, call: Call, model: str) -> None:
        self._chat = chat
        self._call = call
        self._model = model

    async def send_message(self, *said: Any) -> types.GenerateContentResponse:
        """Call the wrapped method."""
        request = _as_request(self._chat, self._model, *said)
        with _generation(self._call, request) as recording:
            return _whole(self._call, request, recording.add(await self._chat.send_message(*said)))

    async def send_message_stream(self, *said: Any) -> AsyncIterator[types.GenerateContentResponse]:
        """Call the wrapped method; the generation begins with the first chunk that is asked for."""
        chunks = await self._chat.send_message_stream(*said)
        return _watch_async(chunks, self._call, _as_request(self._chat, self._model, *said))


def _as_request(chat: Any, model: str, message: Any, config: Any = None) -> dict[str, Any]:
    return {"model": model, "contents": message, "config": config or config_of(chat)}


def _said(request: dict[str, Any]) -> dict[str, Any]:
    """Return *request* as the application wrote it: without a config if it gave none."""
    return {name: value for name, value in request.items() if name != "config" or value is not None}


def _generation(call: Call, request: dict[str, Any], *, streamed: bool = False) -> Recording:
    return call.generation(request["model"], request["contents"], request["config"], streamed=streamed)


def _whole(call: Call, request: dict[str, Any], answer: types.GenerateContentResponse) -> types.GenerateContentResponse:
    """Take note of the functions that ran before *answer*, and give it back."""
    _note_runs(call, request, _history_of(answer))
    return answer


def _history_of(answer: types.GenerateContentResponse) -> Any:
    """Return what the SDK tells in *answer* of the functions that it ran."""
    return getattr(answer, "automatic_function_calling_history", None)


def _note_runs(call: Call, request: dict[str, Any], history: Any) -> None:
    if history:
        call.log.attempt("read the functions that ran", call.tools.ran, history, request["contents"])


def _watch(chunks: Any, call: Call, request: dict[str, Any]) -> Iterator[types.GenerateContentResponse]:
    with _generation(call, request, streamed=True) as recording:
        history: Any = None
        try:
            for chunk in chunks:
                history = _history_of(chunk) or history
                yield recording.add(chunk)
            _note_runs(call, request, history)
        finally:
            if (close := getattr(chunks, "close", None)) is not None:
                close()


async def _watch_async(
    chunks: Any, call: Call, request: dict[str, Any]
) -> AsyncIterator[types.GenerateContentResponse]:
    with _generation(call, request, streamed=True) as recording:
        history: Any = None
        try:
            async for chunk in chunks:
                history = _history_of(chunk) or history
                yield recording.add(chunk)
            _note_runs(call, request, history)
        finally:
            if (close := getattr(chunks, "aclose", None)) is not None:
                await close()
