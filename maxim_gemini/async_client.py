"""The asynchronous wrappers: the same as in `client`, with `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from google.genai.chats import AsyncChat, AsyncChats
from google.genai.client import AsyncClient
from google.genai.models import AsyncModels

from . import _sdk
from ._calls import TracedChat, TracedChats, TracedModels
from ._streams import AsyncStream
from ._watched import WatchedAsyncChat, WatchedAsyncModels
from ._wrapping import Wrapper, logging_to

if TYPE_CHECKING:
    from google.genai import types

    from ._maxim import Log, Logger


class MaximGeminiAsyncModels(TracedModels, AsyncModels, sdk_class=AsyncModels):
    """`client.aio.models`, with a trace of every `generate_content` and `generate_content_stream`."""

    _recorded = _sdk.RecordedAsyncModels
    _watched = WatchedAsyncModels

    def __init__(self, models: AsyncModels, logger: Logger | Log, *, keep: Any = None) -> None:
        self._stand_in(models, logger, keep)

    async def generate_content(
        self,
        *,
        model: str,
        contents: types.ContentListUnion | types.ContentListUnionDict,
        config: types.GenerateContentConfigOrDict | None = None,
        trace_id: str | None = None,
        generation_name: str | None = None,
    ) -> types.GenerateContentResponse:
        """Generate content as the SDK does; log into the trace *trace_id*, or into one of its own."""
        models, call, config = self._begin(contents, config, trace_id, generation_name)
        with call:
            answer: types.GenerateContentResponse = await models.generate_content(
                model=model, contents=contents, config=config
            )
        return answer

    async def generate_content_stream(
        self,
        *,
        model: str,
        contents: types.ContentListUnion | types.ContentListUnionDict,
        config: types.GenerateContentConfigOrDict | None = None,
        trace_id: str | None = None,
        generation_name: str | None = None,
    ) -> AsyncStream:
        """Stream content as the SDK does; log into the trace *trace_id*, or into one of its own."""
        models, call, config = self._begin(contents, config, trace_id, generation_name)
        with call.ending_on_error():
            return AsyncStream(
                call, await models.generate_content_stream(model=model, contents=contents, config=config)
            )


class MaximGeminiAsyncChatSession(TracedChat, AsyncChat, sdk_class=AsyncChat):
    """One asynchronous chat, with a trace for each turn; see `MaximGeminiChatSession`."""

    _recorded = _sdk.RecordedAsyncChat
    _watched = WatchedAsyncChat

    def __init__(
        self,
        chat: AsyncChat,
        logger: Logger | Log,
        trace_id: str | None = None,
        is_local_trace: bool = False,
        **place: Any,
    ) -> None:
        self._converse(chat, logger, trace_id, place, is_local_trace=is_local_trace)

    async def send_message(
        self,
        message: Any,
        config: types.GenerateContentConfigOrDict | str | None = None,
        *,
        generation_name: str | None = None,
    ) -> types.GenerateContentResponse:
        """Send *message* as the SDK does; text in place of *config* is the generation's name."""
        chat, turn, said = self._begin(message, config, generation_name)
        with turn:
            answer: types.GenerateContentResponse = await chat.send_message(*said)
        return answer

    async def send_message_stream(
        self,
        message: Any,
        config: types.GenerateContentConfigOrDict | str | None = None,
        *,
        generation_name: str | None = None,
    ) -> AsyncStream:
        """Send *message* and stream the answer as the SDK does; text in place of *config* is the generation's name."""
        chat, turn, said = self._begin(message, config, generation_name)
        with turn.ending_on_error():
            return AsyncStream(turn, await chat.send_message_stream(*said))


class MaximGeminiAsyncChats(TracedChats, AsyncChats, sdk_class=AsyncChats):
    """`client.aio.chats`, whose chats are traced."""

    def __init__(self, chats: AsyncChats, logger: Logger | Log, *, keep: Any = None) -> None:
        self._wrap(chats, logging_to(logger), keep)

    def create(
        self,
        *,
        model: str,
        config: types.GenerateContentConfigOrDict | None = None,
        history: list[types.ContentOrDict] | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
    ) -> MaximGeminiAsyncChatSession:
        """Create a chat as the SDK does, in the caller's trace or session, or as a session of its own."""
        chat, place = self._create(model, config, history, trace_id, session_id)
        return MaximGeminiAsyncChatSession(chat, self._log, **place)


class MaximGeminiAsyncClient(Wrapper, AsyncClient, sdk_class=AsyncClient):
    """A `google.genai.client.AsyncClient` whose calls arrive in Maxim."""

    def __init__(self, client: AsyncClient, logger: Logger | Log, *, keep: Any = None) -> None:
        self._wrap(client, logging_to(logger), keep)

    @property
    def models(self) -> MaximGeminiAsyncModels:
        """The models, traced."""
        return self._once("models", self._wrapped.models, MaximGeminiAsyncModels)

    @property
    def chats(self) -> MaximGeminiAsyncChats:
        """The chats, traced."""
        return MaximGeminiAsyncChats(self._wrapped.chats, self._log, keep=self)

    async def __aenter__(self) -> Self:
        await self._wrapped.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self._wrapped.__aexit__(*exception)

    def __del__(self) -> None:
        """Leave the user's client open, should the SDK's class ever close it here."""
