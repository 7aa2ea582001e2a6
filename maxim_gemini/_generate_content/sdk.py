"""The only module that uses private names of google-genai for `generate_content` and chats.

`tests/generate_content/test_sdk.py` fails when they change.

- `_generate_content`, `_generate_content_stream`: one remote call each, since 1.0. There is no public hook for a remote
  call, and automatic function calling makes several in one public call.
- Models send by `_api_client`, which reads the headers of every request from `_http_options`, set once by `__init__`.
- `pil_to_blob` encodes Pillow's images: once for both the request and Maxim.
- A chat sends by `_modules`, with its `_config` if the message has none.

During a call, an object of one of these classes replaces the application's models or chat. It has the same `__dict__`,
so that the SDK's methods, and those of tracers on the SDK's classes, read and write the application's attributes. Only
the attributes that are defined here differ.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cache, partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

from google.genai import _transformers, types
from google.genai import chats as chats_of_the_sdk
from google.genai import models as models_of_the_sdk
from google.genai.chats import AsyncChat, Chat
from google.genai.models import AsyncModels, Models

from .._core import forwarding
from .._core.generation import SUCCESS, Outcome
from .._core.headers import has_labels, without_labels
from .._core.proxy import OMITTED
from .tools import with_recorded_tools

if TYPE_CHECKING:
    from .._core.generation import Generation
    from .._core.proxy import Replaced
    from .call import ContentCall
    from .opaque import WholeCall

T = TypeVar("T")
Response: TypeAlias = types.GenerateContentResponse

_NOTHING: Final[Mapping[str, Replaced]] = {}

_SDK_CLASSES: Final = (Models, AsyncModels, Chat, AsyncChat)
# Files with methods that make the remote calls below: the SDK's, and its replacements under `instrument()`.
_SDK_FILES: Final = {models_of_the_sdk.__file__, chats_of_the_sdk.__file__, forwarding.__file__}


def recorded(method: T) -> T:
    """Make *method* override an attribute of the shared `__dict__`, which a plain method would not.

    A property does. It is made of C functions, because Python ones would add two frames to each call.
    """

    def write(instance: object, value: object) -> None:
        vars(instance)[name] = value

    name: str = cast("Any", method).__name__
    return cast("T", property(partial(MethodType, cast("Any", method)), write))


class Target:
    """Replaces the application's models or chat during one call."""

    __slots__ = ("_call", "_is_the_sdks", "_models", "_replaced", "_target")

    _models: Any

    def _stand_in(self, target: object, call: ContentCall, replaced: Mapping[str, Replaced]) -> None:
        """Replace *target*; *replaced* has the originals of methods that the application has replaced."""
        self._target = target
        self._call = call
        self._replaced = replaced
        self._is_the_sdks = type(target) in _SDK_CLASSES
        if self._is_the_sdks:
            object.__setattr__(self, "__dict__", target.__dict__)

    def _method(self, name: str, sdk: object) -> tuple[Any, bool, bool]:
        """Return the target's method *name*, whether its class defines it, and whether it is google-genai's own.

        *sdk* has the methods of the SDK's class. Only google-genai's own method is certain to make its remote calls by
        the methods here; those that tracers and mocks put on the object or the class may not.
        """
        replaced = self._replaced.get(name)
        if not self._is_the_sdks:
            return (replaced.method if replaced else getattr(self._target, name)), False, False
        on_the_object = vars(self).get(name) if replaced is None else replaced.is_the_instances and replaced.method
        if on_the_object:
            return on_the_object, False, False
        method = getattr(sdk, name)
        function = getattr(method, "__func__", None)
        return method, True, type(function) is FunctionType and function.__code__.co_filename in _SDK_FILES


class ModelsOfOneCall(Target):
    """The base of sync and async models during one call."""

    __slots__ = ("_api_client", "_records_tools")  # a slot, too, overrides an attribute of the shared `__dict__`

    def __init__(
        self,
        models: object,
        call: ContentCall,
        replaced: Mapping[str, Replaced] = _NOTHING,
        *,
        records_tools: bool = False,
    ) -> None:
        self._stand_in(models, call, replaced)
        self._models = models
        self._records_tools = records_tools
        client: Any = getattr(models, "_api_client", None)
        self._api_client = client
        if self._is_the_sdks and has_labels(headers_of(models)):
            self._api_client = object.__new__(_quiet(client.__class__))
            self._api_client.__dict__ = client.__dict__  # shared, not copied: each must see what the other one sets

    def _prepared(self, name: str, sdk: object, request: dict[str, Any]) -> tuple[Any, WholeCall | None]:
        """Return a function that makes *request*, and a `WholeCall` unless its remote calls are recorded."""
        method, is_of_the_class, is_original = self._method(name, sdk)
        if self._records_tools and is_of_the_class and request.get("config") is not None:
            request["config"] = recording_tools(request["config"], self._call)
        return partial(method, **request), None if is_original else _whole(self._call, self._models, request)


class RecordedModels(ModelsOfOneCall, Models):
    """The models of one call, which record each remote call."""

    __slots__ = ()

    @recorded
    def generate_content(self, **request: Any) -> Any:
        run, whole = self._prepared("generate_content", super(), request)
        return run() if whole is None else whole.run(run)

    @recorded
    def generate_content_stream(self, **request: Any) -> Any:
        run, whole = self._prepared("generate_content_stream", super(), request)
        return run() if whole is None else whole.open(run)

    @recorded
    def _generate_content(self, *, model: str, contents: Any, config: Any = None, **more: Any) -> Response:
        contents = with_encoded_images(contents)
        method = vars(self).get("_generate_content") or super()._generate_content
        with self._call.send(model, contents, config) as generation:
            return generation.add(method(model=model, contents=contents, config=config, **more))

    @recorded
    def _generate_content_stream(
        self, *, model: str, contents: Any, config: Any = None, **more: Any
    ) -> Iterator[Response]:
        contents = with_encoded_images(contents)
        method = vars(self).get("_generate_content_stream") or super()._generate_content_stream
        generation = self._call.send(model, contents, config, streamed=True)
        with generation.until_read():
            chunks = iter(method(model=model, contents=contents, config=config, **more))
        return RecordedChunks(chunks, generation)


class RecordedAsyncModels(ModelsOfOneCall, AsyncModels):
    """The same with `await`."""

    __slots__ = ()

    @recorded
    async def generate_content(self, **request: Any) -> Any:
        run, whole = self._prepared("generate_content", super(), request)
        return await (run() if whole is None else whole.run_async(run))

    @recorded
    async def generate_content_stream(self, **request: Any) -> Any:
        run, whole = self._prepared("generate_content_stream", super(), request)
        return await (run() if whole is None else whole.open_async(run))

    @recorded
    async def _generate_content(self, *, model: str, contents: Any, config: Any = None, **more: Any) -> Response:
        contents = with_encoded_images(contents)
        method = vars(self).get("_generate_content") or super()._generate_content
        with self._call.send(model, contents, config) as generation:
            return generation.add(await method(model=model, contents=contents, config=config, **more))

    @recorded
    async def _generate_content_stream(self, *, model: str, contents: Any, config: Any = None, **more: Any) -> Any:
        contents = with_encoded_images(contents)
        method = vars(self).get("_generate_content_stream") or super()._generate_content_stream
        generation = self._call.send(model, contents, config, streamed=True)
        with generation.until_read():
            opened: Any = await method(model=model, contents=contents, config=config, **more)
            chunks = aiter(opened)
        return RecordedAsyncChunks(chunks, generation)


class RecordedChunks(Iterator[Response]):
    """The chunks of one remote call. No generator: if it is dropped, the SDK's stream is released as without it."""

    __slots__ = ("_chunks", "_generation")

    def __init__(self, chunks: Iterator[Response], generation: Generation) -> None:
        self._chunks = chunks
        self._generation = generation

    def __next__(self) -> Response:
        try:
            chunk = next(self._chunks)
        except BaseException as error:
            self._generation.end(SUCCESS if isinstance(error, StopIteration) else Outcome.of(error))
            raise
        return self._generation.add(chunk)


class RecordedAsyncChunks(AsyncIterator[Response]):
    """The same with `await`."""

    __slots__ = ("_chunks", "_generation")

    def __init__(self, chunks: AsyncIterator[Response], generation: Generation) -> None:
        self._chunks = chunks
        self._generation = generation

    async def __anext__(self) -> Response:
        try:
            chunk = await anext(self._chunks)
        except BaseException as error:
            self._generation.end(SUCCESS if isinstance(error, StopAsyncIteration) else Outcome.of(error))
            raise
        return self._generation.add(chunk)


class ChatOfOneTurn(Target):
    """The base of sync and async chats during one turn."""

    __slots__ = ("_config", "_modules")

    def __init__(self, chat: object, call: ContentCall, replaced: Mapping[str, Replaced]) -> None:
        self._stand_in(chat, call, replaced)
        self._models = models_of(chat)
        if self._is_the_sdks:
            recorded = RecordedModels if type(chat) is Chat else RecordedAsyncModels
            self._modules: Any = recorded(self._models, call)
            self._config: Any = recording_tools(without_labels(config_of(chat)), call)

    def _prepared(self, name: str, sdk: object, message: object, config: object) -> tuple[Any, WholeCall | None]:
        """Return a function that sends the message, and a `WholeCall` unless its remote calls are recorded."""
        method, is_of_the_class, is_original = self._method(name, sdk)
        sent = [message] if config is OMITTED else [message, config]
        if is_of_the_class:
            sent[1:] = [recording_tools(one, self._call) for one in sent[1:]]
        if is_original:
            return partial(method, *sent), None
        config = config_of(self._target) if config is OMITTED or not config else config
        request = {"model": model_of(self._target), "contents": message, "config": config}
        return partial(method, *sent), _whole(self._call, self._models, request)


class RecordedChat(ChatOfOneTurn, Chat):
    """The chat during one turn, whose models record each remote call."""

    __slots__ = ()

    @recorded
    def send_message(self, message: object, config: object = OMITTED) -> Any:
        run, whole = self._prepared("send_message", super(), message, config)
        return run() if whole is None else whole.run(run)

    @recorded
    def send_message_stream(self, message: object, config: object = OMITTED) -> Any:
        run, whole = self._prepared("send_message_stream", super(), message, config)
        return run() if whole is None else whole.open(run)


class RecordedAsyncChat(ChatOfOneTurn, AsyncChat):
    """The same with `await`."""

    __slots__ = ()

    @recorded
    async def send_message(self, message: object, config: object = OMITTED) -> Any:
        run, whole = self._prepared("send_message", super(), message, config)
        return await (run() if whole is None else whole.run_async(run))

    @recorded
    async def send_message_stream(self, message: object, config: object = OMITTED) -> Any:
        run, whole = self._prepared("send_message_stream", super(), message, config)
        return await (run() if whole is None else whole.open_async(run))


def _whole(call: ContentCall, models: object, request: dict[str, Any]) -> WholeCall:
    """Return what records a run of a method that is not google-genai's own."""
    from .opaque import WholeCall  # not with this module: few clients have such methods

    return WholeCall(call, models, request)


def with_encoded_images(contents: object) -> Any:
    """Return *contents* with Pillow's images encoded as the SDK does; the same object if there are none."""
    if isinstance(contents, str):
        return contents
    image_class = getattr(sys.modules.get("PIL.Image"), "Image", None)  # without the module there are no instances
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
    except Exception:  # an image that can't be saved: the SDK raises its own error
        return contents


def recording_tools(config: object, call: ContentCall) -> Any:
    """Return *config* with tools that record their runs; the same object if that fails."""
    recording = config and call.log.attempt("record the tools", with_recorded_tools, config, call.tools)
    return config if recording is None else recording


def headers_of(models: object) -> Any:
    """Return the headers that the client of *models* sends with every request."""
    return getattr(getattr(getattr(models, "_api_client", None), "_http_options", None), "headers", None)


def models_of(chat: object) -> Any:
    """Return the models that *chat* calls."""
    return getattr(chat, "_modules", None)


def config_of(chat: object) -> Any:
    """Return the config of *chat*."""
    return getattr(chat, "_config", None)


def model_of(chat: object) -> str:
    """Return the name of the model of *chat*."""
    return getattr(chat, "_model", "")


@cache
def _quiet(kind: Any) -> Any:
    """Return a subclass of an API client's class that does not send `x-maxim-*` headers."""

    class Quiet(kind):  # type: ignore[misc]
        @property
        def _http_options(self) -> Any:
            return without_labels({"http_options": vars(self)["_http_options"]})["http_options"]

        def __del__(self) -> None:
            """Close nothing: the connections belong to the application's client."""

    return Quiet
