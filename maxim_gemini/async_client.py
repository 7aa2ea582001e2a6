"""The asynchronous wrappers: the same as in `client`, with `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from google.genai import types
from google.genai.chats import AsyncChat, AsyncChats
from google.genai.client import AsyncClient
from google.genai.models import AsyncModels

from ._core.headers import Labels, checked_id
from ._core.logger import Log
from ._core.proxy import OMITTED, Wrapper
from ._core.streams import stream_async
from ._generate_content import sdk
from ._generate_content.chats import TracedChat, TracedChats
from ._generate_content.models import TracedModels

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ._core.delivery import Delivery
    from ._core.logger import Logger
    from ._core.privacy import Privacy
    from .interactions import MaximGeminiAsyncInteractions
    from .live import MaximGeminiAsyncLive


HAS_LIVE = "waiting_for_input" in types.LiveServerContent.model_fields
"""`True` if this is the Live API of google-genai 2 and newer, the only one that is traced."""


class MaximGeminiAsyncModels(TracedModels, AsyncModels, sdk_class=AsyncModels):
    """Traces `client.aio.models`: each `generate_content` and `generate_content_stream` is a trace."""

    _recorded = sdk.RecordedAsyncModels

    def __init__(self, models: AsyncModels, logger: Logger, *, privacy: Privacy | None = None) -> None:
        self._wrap(models, Log(logger, privacy))

    async def generate_content(
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
            answer: types.GenerateContentResponse = await models.generate_content(**request)
        return answer

    async def generate_content_stream(
        self,
        *,
        model: str,
        contents: types.ContentListUnion | types.ContentListUnionDict,
        config: types.GenerateContentConfigOrDict | None = OMITTED,
        trace_id: str | None = None,
        generation_name: str | None = None,
    ) -> AsyncGenerator[types.GenerateContentResponse, Any]:
        """Stream content as the SDK does; log into the trace *trace_id*, or into a new one."""
        models, call, request = self._begin(model, contents, config, trace_id, generation_name)
        with call.ending_on_error():
            opened: AsyncGenerator[types.GenerateContentResponse, Any] = stream_async(
                call, await models.generate_content_stream(**request)
            )
        return opened


class MaximGeminiAsyncChatSession(TracedChat, AsyncChat, sdk_class=AsyncChat):
    """Traces one asynchronous chat: each turn is a trace; see `MaximGeminiChatSession`."""

    _recorded = sdk.RecordedAsyncChat

    def __init__(
        self,
        chat: AsyncChat,
        logger: Logger,
        trace_id: str | None = None,
        is_local_trace: bool = False,
        *,
        privacy: Privacy | None = None,
    ) -> None:
        log = Log(logger, privacy)
        self._wrap(chat, log)
        self._converse(Labels(checked_id(log, "trace_id", trace_id)), is_local_trace=is_local_trace)

    async def send_message(
        self,
        message: Any,
        config: types.GenerateContentConfigOrDict | str | None = OMITTED,
        *,
        generation_name: str | None = None,
    ) -> types.GenerateContentResponse:
        """Send *message* as the SDK does. Text in place of *config* is the name of the generation."""
        chat, turn, sent = self._begin(message, config, generation_name)
        with turn:
            answer: types.GenerateContentResponse = await chat.send_message(*sent)
        return answer

    async def send_message_stream(
        self,
        message: Any,
        config: types.GenerateContentConfigOrDict | str | None = OMITTED,
        *,
        generation_name: str | None = None,
    ) -> AsyncGenerator[types.GenerateContentResponse, Any]:
        """Send *message* and stream the answer as the SDK does. Text in place of *config* names the generation."""
        chat, turn, sent = self._begin(message, config, generation_name)
        with turn.ending_on_error():
            opened: AsyncGenerator[types.GenerateContentResponse, Any] = stream_async(
                turn, await chat.send_message_stream(*sent)
            )
        return opened


class MaximGeminiAsyncChats(TracedChats, AsyncChats, sdk_class=AsyncChats):
    """Traces `client.aio.chats`: the chats that it creates are traced."""

    _session = MaximGeminiAsyncChatSession

    def __init__(self, chats: AsyncChats, logger: Logger, *, privacy: Privacy | None = None) -> None:
        self._wrap(chats, Log(logger, privacy))

    def create(
        self,
        *,
        model: str,
        config: types.GenerateContentConfigOrDict | None = None,
        history: list[types.ContentOrDict] | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
    ) -> MaximGeminiAsyncChatSession:
        """Create a chat as the SDK does, in the trace *trace_id*, in the session *session_id*, or in a new session."""
        session: MaximGeminiAsyncChatSession = self._create(model, config, history, trace_id, session_id)
        return session


class MaximGeminiAsyncClient(Wrapper, AsyncClient, sdk_class=AsyncClient):
    """A `google.genai.client.AsyncClient` whose calls are traced in Maxim; see `MaximGeminiClient`."""

    def __init__(self, client: AsyncClient, logger: Logger, *, privacy: Privacy | None = None) -> None:
        self._wrap(client, Log(logger, privacy))

    @property
    def delivery(self) -> Delivery:
        """The delivery of the logs, with its counts: queued, sent, retried, dropped, spilled, recovered."""
        return self._log.delivery

    @property
    def models(self) -> MaximGeminiAsyncModels:
        """The models, traced."""
        return self._once("models", self._wrapped.models, MaximGeminiAsyncModels)

    @property
    def chats(self) -> MaximGeminiAsyncChats:
        """The chats, traced."""
        return self._part(self._wrapped.chats, MaximGeminiAsyncChats)

    @property
    def interactions(self) -> MaximGeminiAsyncInteractions:
        """The interactions, traced. Before google-genai 2.9, they are another API, and not traced."""
        try:  # as heavy as the rest together, and the SDK imports it late, too
            from .interactions import MaximGeminiAsyncInteractions
        except ImportError:
            bare: MaximGeminiAsyncInteractions = self._wrapped.interactions
            return bare
        return self._once("interactions", self._wrapped.interactions, MaximGeminiAsyncInteractions)

    @property
    def live(self) -> MaximGeminiAsyncLive:
        """The Live API, traced. `live.music` is not traced; before google-genai 2, nothing of it is."""
        if not HAS_LIVE:
            bare: MaximGeminiAsyncLive = self._wrapped.live
            return bare
        from .live import MaximGeminiAsyncLive  # few applications speak

        return self._once("live", self._wrapped.live, MaximGeminiAsyncLive)

    async def __aenter__(self) -> Self:
        await self._wrapped.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._wrapped.__aexit__(*exception)

    def __del__(self) -> None:
        """Leave the application's client open, even if the SDK's class gets a `__del__` that closes it."""
