"""The one place that leans on google-genai's inner workings; `tests/wrapper/test_sdk.py` fails when they move.

- `_generate_content`, `_generate_content_stream`: one remote call each, since 1.0; there is no public hook per remote
  call, and automatic function calling makes several in one public call.
- A `Models` holds nothing but `_api_client`, so the models of one call can be made in passing; a `Chat` holds
  `_modules`, `_config` and its histories, so that a turn can run on other models and write into the same history.
- `pil_to_blob` encodes Pillow's images, so that one encoding does for the request and for Maxim.
- An API client reads the headers of every request from `_http_options`, which is set once, when it is made.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from google.genai import _transformers, types
from google.genai.chats import AsyncChat, Chat
from google.genai.models import AsyncModels, Models

from ._scope import has_labels, without_labels
from ._tools import with_recorded_tools

if TYPE_CHECKING:
    from ._recording import Call, Recording

Response: TypeAlias = types.GenerateContentResponse


class RecordedModels(Models):
    """The models of one call: what the SDK does, with a record of each remote call."""

    def __init__(self, models: Any, call: Call) -> None:
        self._api_client = _unlabelled(models._api_client)
        self._call = call

    def _generate_content(self, *, model: str, contents: Any, config: Any = None, **more: Any) -> Response:
        contents = with_encoded_images(contents)
        with self._call.generation(model, contents, config) as recording:
            return recording.add(super()._generate_content(model=model, contents=contents, config=config, **more))

    def _generate_content_stream(
        self, *, model: str, contents: Any, config: Any = None, **more: Any
    ) -> Iterator[Response]:
        contents = with_encoded_images(contents)
        recording = self._call.generation(model, contents, config, streamed=True)
        with recording.until_read():
            chunks = super()._generate_content_stream(model=model, contents=contents, config=config, **more)
        return RecordedChunks(chunks, recording)


class RecordedAsyncModels(AsyncModels):
    """The same with `await`."""

    def __init__(self, models: Any, call: Call) -> None:
        self._api_client = _unlabelled(models._api_client)
        self._call = call

    async def _generate_content(self, *, model: str, contents: Any, config: Any = None, **more: Any) -> Response:
        contents = with_encoded_images(contents)
        with self._call.generation(model, contents, config) as recording:
            return recording.add(await super()._generate_content(model=model, contents=contents, config=config, **more))

    async def _generate_content_stream(self, *, model: str, contents: Any, config: Any = None, **more: Any) -> Any:
        contents = with_encoded_images(contents)
        recording = self._call.generation(model, contents, config, streamed=True)
        with recording.until_read():
            chunks: Any = await super()._generate_content_stream(model=model, contents=contents, config=config, **more)
        return RecordedAsyncChunks(chunks, recording)


class RecordedChunks(Iterator[Response]):
    """The chunks of one remote call. No generator: dropped, it lets go of the SDK's stream as if it were not there."""

    __slots__ = ("_chunks", "_recording")

    def __init__(self, chunks: Iterator[Response], recording: Recording) -> None:
        self._chunks = chunks
        self._recording = recording

    def __next__(self) -> Response:
        try:
            chunk = next(self._chunks)
        except BaseException as error:
            self._recording.end(error)
            raise
        return self._recording.add(chunk)


class RecordedAsyncChunks(AsyncIterator[Response]):
    """The same with `await`."""

    __slots__ = ("_chunks", "_recording")

    def __init__(self, chunks: AsyncIterator[Response], recording: Recording) -> None:
        self._chunks = chunks
        self._recording = recording

    async def __anext__(self) -> Response:
        try:
            chunk = await anext(self._chunks)
        except BaseException as error:
            self._recording.end(error)
            raise
        return self._recording.add(chunk)


class RecordedChat(Chat):
    """One turn of a chat: the SDK's chat on the models of one call, writing into the same history."""

    def __init__(self, chat: Any, call: Call) -> None:
        self.__dict__.update(chat.__dict__, _modules=RecordedModels(chat._modules, call))
        self._config = with_recorded_tools(without_labels(self._config), call.tools)


class RecordedAsyncChat(AsyncChat):
    """The same with `await`."""

    def __init__(self, chat: Any, call: Call) -> None:
        self.__dict__.update(chat.__dict__, _modules=RecordedAsyncModels(chat._modules, call))
        self._config = with_recorded_tools(without_labels(self._config), call.tools)


def with_encoded_images(contents: Any) -> Any:
    """Return *contents* with Pillow's images as the SDK would send them; the same object where there are none."""
    image_class = getattr(sys.modules.get("PIL.Image"), "Image", None)  # what is not imported has no instances
    encode = getattr(_transformers, "pil_to_blob", None)
    if image_class is None or encode is None:
        return contents

    def encoded(item: Any) -> Any:
        if isinstance(item, image_class):
            return types.Part(inline_data=encode(item))
        if isinstance(item, list):
            items: list[Any] = [encoded(one) for one in item]  # pyright: ignore[reportUnknownVariableType]
            return items if any(map(operator.is_not, items, item)) else item  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return item

    try:
        return encoded(contents)
    except Exception:  # no image that can be saved: the SDK will say so
        return contents


def is_plain(models: Any) -> bool:
    """Say whether *models* is the SDK's own and nobody has put anything on it."""
    state: dict[str, Any] = getattr(models, "__dict__", {})
    return type(models) in (Models, AsyncModels) and state.keys() == {"_api_client"}


def is_plain_chat(chat: Any) -> bool:
    """Say whether *chat* is the SDK's own, on plain models, and nobody has put anything on it."""
    state: dict[str, Any] = getattr(chat, "__dict__", {})
    return type(chat) in (Chat, AsyncChat) and state.keys() == _CHAT_STATE and is_plain(chat._modules)


def headers_of(models: Any) -> Any:
    """Return the headers that the client of *models* sends with every request."""
    return getattr(getattr(getattr(models, "_api_client", None), "_http_options", None), "headers", None)


def models_of(chat: Any) -> Any:
    """Return the models that *chat* talks through."""
    return getattr(chat, "_modules", None)


def config_of(chat: Any) -> Any:
    """Return the config that *chat* was created with."""
    return getattr(chat, "_config", None)


def model_of(chat: Any) -> str:
    """Return the model that *chat* talks to."""
    return getattr(chat, "_model", "")


def _unlabelled(api_client: Any) -> Any:
    """Return *api_client*, or one that is the same except that it does not send `x-maxim-*` headers."""
    if not has_labels(api_client._http_options.headers):
        return api_client
    quiet = object.__new__(_quiet(api_client.__class__))
    quiet.__dict__ = api_client.__dict__  # not a copy: what one of them keeps, the other finds
    return quiet


@cache
def _quiet(kind: Any) -> Any:
    class Quiet(kind):  # type: ignore[misc]
        @property
        def _http_options(self) -> Any:
            return without_labels({"http_options": vars(self)["_http_options"]})["http_options"]

        def __del__(self) -> None:
            """Close nothing: all that it holds is the user's."""

    return Quiet


_CHAT_STATE = {"_modules", "_model", "_config", "_comprehensive_history", "_curated_history"}
