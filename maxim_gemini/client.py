"""The synchronous wrappers: of `google.genai.Client`, its models and its chats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from google.genai import Client, types
from google.genai.chats import Chat, Chats
from google.genai.models import Models

from ._core.headers import Labels, checked_id
from ._core.logger import Log
from ._core.proxy import OMITTED, Wrapper
from ._core.streams import stream
from ._generate_content import sdk
from ._generate_content.chats import TracedChat, TracedChats
from ._generate_content.models import TracedModels
from .async_client import MaximGeminiAsyncClient

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._core.delivery import Delivery
    from ._core.logger import Logger
    from ._core.privacy import Privacy
    from .interactions import MaximGeminiInteractions


class MaximGeminiModels(TracedModels, Models, sdk_class=Models):
    """Traces `client.models`: each `generate_content` and `generate_content_stream` is a trace."""

    _recorded = sdk.RecordedModels

    def __init__(self, models: Models, logger: Logger, *, privacy: Privacy | None = None) -> None:
        self._wrap(models, Log(logger, privacy))

    def generate_content(
        self,
        *,
        model: str,
        contents: types.ContentListUnion | types.ContentListUnionDict,
        config: types.GenerateContentConfigOrDict | None = OMITTED,
        trace_id: str | None = None,
        generation_name: str | None = None,
    ) -> types.GenerateContentResponse:
        """Generate content as the SDK does; log into the trace *trace_id*, or into a new one."""
        models, call, request = self._begin(model, contents, config, trace_id, generation_name)
        with call:
            answer: types.GenerateContentResponse = models.generate_content(**request)
        return answer

    def generate_content_stream(
        self,
        *,
        model: str,
        contents: types.ContentListUnion | types.ContentListUnionDict,
        config: types.GenerateContentConfigOrDict | None = OMITTED,
        trace_id: str | None = None,
        generation_name: str | None = None,
    ) -> Generator[types.GenerateContentResponse, Any, None]:
        """Stream content as the SDK does; log into the trace *trace_id*, or into a new one."""
        models, call, request = self._begin(model, contents, config, trace_id, generation_name)
        with call.ending_on_error():
            opened: Generator[types.GenerateContentResponse, Any, None] = stream(
                call, models.generate_content_stream(**request)
            )
        return opened


class MaximGeminiChatSession(TracedChat, Chat, sdk_class=Chat):
    """Traces one chat: each turn is a trace.

    Without *trace_id* the chat is a new session. With it, all turns are logged into that trace, which the caller has to
    end; with *is_local_trace* it is only the id of the first turn's trace.
    """

    _recorded = sdk.RecordedChat

    def __init__(
        self,
        chat: Chat,
        logger: Logger,
        trace_id: str | None = None,
        is_local_trace: bool = False,
        *,
        privacy: Privacy | None = None,
    ) -> None:
        log = Log(logger, privacy)
        self._wrap(chat, log)
        self._converse(Labels(checked_id(log, "trace_id", trace_id)), is_local_trace=is_local_trace)

    def send_message(
        self,
        message: Any,
        config: types.GenerateContentConfigOrDict | str | None = OMITTED,
        *,
        generation_name: str | None = None,
    ) -> types.GenerateContentResponse:
        """Send *message* as the SDK does. Text in place of *config* is the name of the generation."""
        chat, turn, sent = self._begin(message, config, generation_name)
        with turn:
            answer: types.GenerateContentResponse = chat.send_message(*sent)
        return answer

    def send_message_stream(
        self,
        message: Any,
        config: types.GenerateContentConfigOrDict | str | None = OMITTED,
        *,
        generation_name: str | None = None,
    ) -> Generator[types.GenerateContentResponse, Any, None]:
        """Send *message* and stream the answer as the SDK does. Text in place of *config* names the generation."""
        chat, turn, sent = self._begin(message, config, generation_name)
        with turn.ending_on_error():
            opened: Generator[types.GenerateContentResponse, Any, None] = stream(turn, chat.send_message_stream(*sent))
        return opened


class MaximGeminiChats(TracedChats, Chats, sdk_class=Chats):
    """Traces `client.chats`: the chats that it creates are traced."""

    _session = MaximGeminiChatSession

    def __init__(self, chats: Chats, logger: Logger, *, privacy: Privacy | None = None) -> None:
        self._wrap(chats, Log(logger, privacy))

    def create(
        self,
        *,
        model: str,
        config: types.GenerateContentConfigOrDict | None = None,
        history: list[types.ContentOrDict] | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
    ) -> MaximGeminiChatSession:
        """Create a chat as the SDK does, in the trace *trace_id*, in the session *session_id*, or in a new session."""
        session: MaximGeminiChatSession = self._create(model, config, history, trace_id, session_id)
        return session


class MaximGeminiClient(Wrapper, Client, sdk_class=Client):
    """A `google.genai.Client` whose calls are traced in Maxim; use it like the client that it wraps.

    Everything that is not traced is passed through. Closing it closes the wrapped client; dropping it does not.
    *privacy* is the policy for what may be logged.
    """

    def __init__(self, client: Client, logger: Logger, *, privacy: Privacy | None = None) -> None:
        self._wrap(client, Log(logger, privacy))

    @property
    def delivery(self) -> Delivery:
        """The delivery of the logs, with its counts: queued, sent, retried, dropped, spilled, recovered."""
        return self._log.delivery

    @property
    def models(self) -> MaximGeminiModels:
        """The models, traced."""
        return self._once("models", self._wrapped.models, MaximGeminiModels)

    @property
    def chats(self) -> MaximGeminiChats:
        """The chats, traced."""
        return self._part(self._wrapped.chats, MaximGeminiChats)

    @property
    def interactions(self) -> MaximGeminiInteractions:
        """The interactions, traced. Before google-genai 2.9, they are another API, and not traced."""
        try:  # imported late, as the SDK does: it takes as long as all the rest
            from .interactions import MaximGeminiInteractions
        except ImportError:
            bare: MaximGeminiInteractions = self._wrapped.interactions
            return bare
        return self._once("interactions", self._wrapped.interactions, MaximGeminiInteractions)

    @property
    def aio(self) -> MaximGeminiAsyncClient:
        """The asynchronous client, traced."""
        return self._once("aio", self._wrapped.aio, MaximGeminiAsyncClient)

    def __enter__(self) -> Self:
        self._wrapped.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._wrapped.__exit__(*exception)

    def __del__(self) -> None:
        """Leave the application's client open: the SDK's own `__del__` would close it."""
