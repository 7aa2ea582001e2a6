"""The synchronous wrappers: `google.genai.Client`, its models and its chats, traced in Maxim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from google.genai import Client, types
from google.genai.chats import Chat, Chats
from google.genai.models import Models

from . import _sdk
from ._calls import Chatting, begin_call
from ._recording import NoCall
from ._scope import Labels, checked_id, split_labels
from ._streams import Stream
from ._watched import WatchedChat, WatchedModels
from ._wrapping import Wrapper, logging_to
from .async_client import MaximGeminiAsyncClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._maxim import Log, Logger


class MaximGeminiModels(Wrapper, Models, sdk_class=Models):
    """`client.models`, with a trace of every `generate_content` and `generate_content_stream`."""

    def __init__(self, models: Models, logger: Logger | Log, *, keep: Any = None) -> None:
        self._wrap(models, logging_to(logger), keep)

    def generate_content(
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
            answer: types.GenerateContentResponse = models.generate_content(
                model=model, contents=contents, config=config
            )
        return answer

    def generate_content_stream(
        self,
        *,
        model: str,
        contents: types.ContentListUnion | types.ContentListUnionDict,
        config: types.GenerateContentConfigOrDict | None = None,
        trace_id: str | None = None,
        generation_name: str | None = None,
    ) -> Iterator[types.GenerateContentResponse]:
        """Stream content as the SDK does; log into the trace *trace_id*, or into one of its own."""
        models, call, config = self._begin(contents, config, trace_id, generation_name)
        with call.ending_on_error():
            return Stream(call, models.generate_content_stream(model=model, contents=contents, config=config))

    def _begin(self, contents: Any, config: Any, trace_id: Any, generation_name: Any) -> Any:
        begun = self._log.attempt("begin the call", self._begin_call, contents, config, trace_id, generation_name)
        return begun or (self._wrapped, NoCall(), config)

    def _begin_call(self, contents: Any, config: Any, trace_id: Any, generation_name: Any) -> Any:
        plain = _sdk.is_plain(self._wrapped)
        call, config = begin_call(
            self._log, self._wrapped, contents, config, trace_id=trace_id, generation_name=generation_name
        )
        models = _sdk.RecordedModels(self._wrapped, call) if plain else WatchedModels(self._wrapped, call)
        return models, call, config


class MaximGeminiChatSession(Wrapper, Chat, sdk_class=Chat):
    """One chat, with a trace for each turn.

    Without *trace_id* the chat is a session of its own. With it, every turn goes into that trace, which stays the
    caller's; with *is_local_trace* the id only names the trace of the first turn.
    """

    def __init__(
        self, chat: Chat, logger: Logger | Log, trace_id: str | None = None, is_local_trace: bool = False, **place: Any
    ) -> None:
        log = logging_to(logger)
        self._wrap(chat, log, place.get("keep"))
        labels = place.get("labels", Labels(checked_id(log, "trace_id", trace_id)))
        self._conversation = Chatting(log, chat, labels, is_local_trace=is_local_trace)

    def send_message(
        self,
        message: Any,
        config: types.GenerateContentConfigOrDict | str | None = None,
        *,
        generation_name: str | None = None,
    ) -> types.GenerateContentResponse:
        """Send *message* as the SDK does; text in place of *config* is the generation's name."""
        chat, turn, said = self._begin(message, config, generation_name)
        with turn:
            answer: types.GenerateContentResponse = chat.send_message(*said)
        return answer

    def send_message_stream(
        self,
        message: Any,
        config: types.GenerateContentConfigOrDict | str | None = None,
        *,
        generation_name: str | None = None,
    ) -> Iterator[types.GenerateContentResponse]:
        """Send *message* and stream the answer as the SDK does; text in place of *config* is the generation's name."""
        chat, turn, said = self._begin(message, config, generation_name)
        with turn.ending_on_error():
            return Stream(turn, chat.send_message_stream(*said))

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
        chat = _sdk.RecordedChat(wrapped, turn) if plain else WatchedChat(wrapped, turn, _sdk.model_of(wrapped))
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


class MaximGeminiChats(Wrapper, Chats, sdk_class=Chats):
    """`client.chats`, whose chats are traced."""

    def __init__(self, chats: Chats, logger: Logger | Log, *, keep: Any = None) -> None:
        self._wrap(chats, logging_to(logger), keep)

    def create(
        self,
        *,
        model: str,
        config: types.GenerateContentConfigOrDict | None = None,
        history: list[types.ContentOrDict] | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
    ) -> MaximGeminiChatSession:
        """Create a chat as the SDK does, in the caller's trace or session, or as a session of its own."""
        said, config = split_labels(config, self._log)
        chat = self._wrapped.create(model=model, config=config, history=history)
        labels = Labels(
            checked_id(self._log, "trace_id", trace_id), checked_id(self._log, "session_id", session_id)
        ).over(said)
        return MaximGeminiChatSession(chat, self._log, labels=labels, keep=self)


class MaximGeminiClient(Wrapper, Client, sdk_class=Client):
    """A `google.genai.Client` whose calls arrive in Maxim; use it exactly like the one it wraps.

    It owns nothing: closing it closes the wrapped client, dropping it does not.
    """

    def __init__(self, client: Client, logger: Logger | Log) -> None:
        self._wrap(client, logging_to(logger))

    @property
    def models(self) -> MaximGeminiModels:
        """The models, traced."""
        return self._once("models", self._wrapped.models, MaximGeminiModels)

    @property
    def chats(self) -> MaximGeminiChats:
        """The chats, traced."""
        return MaximGeminiChats(self._wrapped.chats, self._log, keep=self)

    @property
    def aio(self) -> MaximGeminiAsyncClient:
        """The asynchronous client, traced."""
        return self._once("aio", self._wrapped.aio, MaximGeminiAsyncClient)

    def __enter__(self) -> Self:
        self._wrapped.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._wrapped.__exit__(*exception)

    def __del__(self) -> None:
        """Leave the user's client open: the SDK's own `__del__` closes it."""
