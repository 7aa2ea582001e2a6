"""The asynchronous wrappers: the same as in `client`, with `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from google.genai.chats import AsyncChat, AsyncChats
from google.genai.client import AsyncClient
from google.genai.models import AsyncModels

from . import _sdk
from ._calls import Chatting, begin_call
from ._recording import NoCall
from ._scope import Labels, checked_id, split_labels
from ._streams import AsyncStream
from ._watched import WatchedAsyncChat, WatchedAsyncModels
from ._wrapping import Wrapper, logging_to

if TYPE_CHECKING:
    from google.genai import types

    from ._maxim import Log, Logger


class MaximGeminiAsyncModels(Wrapper, AsyncModels, sdk_class=AsyncModels):
    """`client.aio.models`, with a trace of every `generate_content` and `generate_content_stream`."""

    def __init__(self, models: AsyncModels, logger: Logger | Log, *, keep: Any = None) -> None:
        self._wrap(models, logging_to(logger), keep)

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

    def _begin(self, contents: Any, config: Any, trace_id: Any, generation_name: Any) -> Any:
        begun = self._log.attempt("begin the call", self._begin_call, contents, config, trace_id, generation_name)
        return begun or (self._wrapped, NoCall(), config)

    def _begin_call(self, contents: Any, config: Any, trace_id: Any, generation_name: Any) -> Any:
        plain = _sdk.is_plain(self._wrapped)
        call, config = begin_call(
            self._log, self._wrapped, contents, config, trace_id=trace_id, generation_name=generation_name
        )
        models = _sdk.RecordedAsyncModels(self._wrapped, call) if plain else WatchedAsyncModels(self._wrapped, call)
        return models, call, config


class MaximGeminiAsyncChatSession(Wrapper, AsyncChat, sdk_class=AsyncChat):
    """One asynchronous chat, with a trace for each turn; see `MaximGeminiChatSession`."""

    def __init__(
        self,
        chat: AsyncChat,
        logger: Logger | Log,
        trace_id: str | None = None,
        is_local_trace: bool = False,
        **place: Any,
    ) -> None:
        log = logging_to(logger)
        self._wrap(chat, log, place.get("keep"))
        labels = place.get("labels", Labels(checked_id(log, "trace_id", trace_id)))
        self._conversation = Chatting(log, chat, labels, is_local_trace=is_local_trace)

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

    def _begin(self, message: Any, config: Any, generation_name: Any) -> Any:
        if isinstance(config, str):
            config, generation_name = None, generation_name or config
        begun = self._log.attempt("begin the turn", self._begin_turn, message, config, generation_name)
        chat, turn, config = begun or (self._wrapped, NoCall(), config)
        return chat, turn, (message,) if config is None else (message, config)

    def _begin_turn(self, message: Any, config: Any, generation_name: Any) -> Any:
        plain = _sdk.is_plain_chat(self._wrapped)
        turn, config = self._conversation.begin_turn(
            message, config, _sdk.config_of(self._wrapped), generation_name=generation_name, is_plain=plain
        )
        wrapped = self._wrapped
        chat = (
            _sdk.RecordedAsyncChat(wrapped, turn) if plain else WatchedAsyncChat(wrapped, turn, _sdk.model_of(wrapped))
        )
        return chat, turn, config

    @property
    def trace_id(self) -> str | None:
        """The trace of the current or latest turn."""
        return self._conversation.trace_id

    @property
    def session_id(self) -> str | None:
        """The session that the turns belong to."""
        return self._conversation.session_id

    def end_trace(self) -> None:
        """End a turn that is still open, and the session if it is the chat's own; it may be called again."""
        self._conversation.end()


class MaximGeminiAsyncChats(Wrapper, AsyncChats, sdk_class=AsyncChats):
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
        said, config = split_labels(config, self._log)
        chat = self._wrapped.create(model=model, config=config, history=history)
        labels = Labels(
            checked_id(self._log, "trace_id", trace_id), checked_id(self._log, "session_id", session_id)
        ).over(said)
        return MaximGeminiAsyncChatSession(chat, self._log, labels=labels, keep=self)


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
