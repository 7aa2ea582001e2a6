"""Calls of the public API as users write them: this file must type-check under mypy and pyright, both strict.

It is never run. Where a type is the point, `assert_type` says which one is expected.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any, assert_type

from google import genai
from google.genai import types
from google.genai.live import AsyncSession
from maxim import Maxim  # pyright: ignore[reportMissingTypeStubs]  # maxim-py has annotations but no py.typed
from maxim.logger import Logger  # pyright: ignore[reportMissingTypeStubs]

from maxim_gemini import (
    Delivery,
    Instrumentation,
    InstrumentedCall,
    MaximGeminiAsyncChats,
    MaximGeminiAsyncChatSession,
    MaximGeminiAsyncClient,
    MaximGeminiAsyncInteractions,
    MaximGeminiAsyncLive,
    MaximGeminiAsyncModels,
    MaximGeminiChats,
    MaximGeminiChatSession,
    MaximGeminiClient,
    MaximGeminiInteractions,
    MaximGeminiModels,
    Privacy,
    SpanHandle,
    Suppression,
    TraceHandle,
    current_span,
    current_trace,
    deliver,
    instrument,
    instrument_google_genai,
    mask_secrets,
    span,
    suppress,
    trace,
    uninstrument,
)
from maxim_gemini.testing import (
    Attachment,
    Cassette,
    CassetteBroken,
    CassetteDrift,
    CassetteError,
    CassetteMiss,
    CassetteNotFound,
    CassetteUnused,
    Chunking,
    Error,
    Evaluation,
    Event,
    FakeLogger,
    Fault,
    Feedback,
    FunctionCall,
    Gate,
    GeminiMock,
    GeminiRecorder,
    GeminiRequest,
    GeminiServer,
    Generation,
    IncompleteTrace,
    Interaction,
    MaximApi,
    NotDelivered,
    NotTheOnlyOne,
    Outcome,
    Pace,
    Problem,
    Received,
    RecordMode,
    Reply,
    ReplyFunction,
    RequestNotCaught,
    RequestRefused,
    Retrieval,
    ScriptError,
    SecretFound,
    Session,
    Span,
    TestKitError,
    TextReceived,
    ToolCall,
    Trace,
    View,
    Views,
    WebsocketSession,
    fake_maxim,
    reply,
    strategies,
)


def takes_a_client(client: genai.Client) -> None:
    """Stand for any library that takes google-genai's own client."""


def takes_a_logger(logger: Logger) -> None:
    """Stand for any code that takes Maxim's own logger."""


def wrapped() -> MaximGeminiClient:
    logger = Maxim().logger()
    assert isinstance(logger, Logger)
    client = MaximGeminiClient(genai.Client(), logger)
    takes_a_client(client)
    assert_type(client.models, MaximGeminiModels)
    assert_type(client.chats, MaximGeminiChats)
    assert_type(client.aio, MaximGeminiAsyncClient)
    assert_type(client.interactions, MaximGeminiInteractions)
    assert_type(client.aio.interactions, MaximGeminiAsyncInteractions)
    assert_type(client.aio.live, MaximGeminiAsyncLive)
    assert_type(client.aio.models, MaximGeminiAsyncModels)
    assert_type(client.aio.chats, MaximGeminiAsyncChats)
    client.files.list()
    client.models.count_tokens(model="gemini-2.5-flash", contents="Hi")
    with client as same:
        assert_type(same, MaximGeminiClient)
    return client


def calls(client: MaximGeminiClient) -> None:
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
    assert_type(answer, types.GenerateContentResponse)
    client.models.generate_content(
        model="gemini-2.5-flash",
        contents=types.Part.from_text(text="Hi"),
        config=types.GenerateContentConfig(temperature=0.2),
        trace_id="request-1",
        generation_name="greeting",
    )
    client.models.generate_content(model="gemini-2.5-flash", contents="Hi", config={"temperature": 0.2})
    stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hi", trace_id="request-1")
    assert_type(stream, Generator[types.GenerateContentResponse, Any, None])
    with contextlib.closing(stream) as closed_in_the_end:
        next(closed_in_the_end)
    stream.close()


def chats(client: MaximGeminiClient) -> None:
    chat = client.chats.create(model="gemini-2.5-flash", session_id="conversation-1", trace_id=None, history=[])
    assert_type(chat, MaximGeminiChatSession)
    assert_type(chat.send_message("Hi"), types.GenerateContentResponse)
    chat.send_message("Hi", types.GenerateContentConfig(temperature=0.2), generation_name="greeting")
    chat.send_message("Hi", "greeting")
    iterator: Iterator[types.GenerateContentResponse] = chat.send_message_stream("Hi")
    next(iterator)
    assert_type(chat.trace_id, str | None)
    assert_type(chat.session_id, str | None)
    chat.end_trace()


async def asynchronous(client: MaximGeminiClient) -> None:
    models = client.aio.models
    assert_type(await models.generate_content(model="gemini-2.5-flash", contents="Hi"), types.GenerateContentResponse)
    stream = await models.generate_content_stream(model="gemini-2.5-flash", contents="Hi", generation_name="greeting")
    assert_type(stream, AsyncGenerator[types.GenerateContentResponse, Any])
    accepted: AsyncIterator[types.GenerateContentResponse] = stream
    async with contextlib.aclosing(stream) as closed_in_the_end:
        await anext(closed_in_the_end)
    await stream.aclose()
    async for chunk in accepted:
        assert_type(chunk, types.GenerateContentResponse)
    chat = client.aio.chats.create(model="gemini-2.5-flash", session_id="conversation-1")
    assert_type(chat, MaximGeminiAsyncChatSession)
    assert_type(await chat.send_message("Hi"), types.GenerateContentResponse)
    async for chunk in await chat.send_message_stream("Hi"):
        assert_type(chunk, types.GenerateContentResponse)
    chat.end_trace()


async def live(client: MaximGeminiClient) -> None:
    async with client.aio.live.connect(model="a-live-model", config={}, session_id="s", audio_seconds=0) as session:
        assert_type(session, AsyncSession)
        async for message in session.receive():
            assert_type(message, types.LiveServerMessage)


def parts_by_hand(bare: genai.Client, logger: Logger) -> None:
    MaximGeminiModels(bare.models, logger)
    MaximGeminiAsyncModels(bare.aio.models, logger)
    MaximGeminiChats(bare.chats, logger)
    MaximGeminiAsyncChats(bare.aio.chats, logger)
    MaximGeminiAsyncClient(bare.aio, logger)
    MaximGeminiAsyncLive(bare.aio.live, logger, audio_seconds=10)
    MaximGeminiChatSession(bare.chats.create(model="gemini-2.5-flash"), logger, trace_id="t", is_local_trace=True)
    MaximGeminiAsyncChatSession(bare.aio.chats.create(model="gemini-2.5-flash"), logger, "t")


def logged() -> None:
    logger = FakeLogger()
    takes_a_logger(logger)
    assert_type(logger.traces, "Views[Trace]")
    assert_type(logger.generations[0], "Generation")
    assert_type(logger.tool_calls["call-1"], "ToolCall")
    logger.assert_complete(strict=True)
    assert_type(logger.snapshot(), dict[str, Any])
    assert_type(logger.render(color=False, width=80), str)
    logger.clear()
    with fake_maxim() as same:
        assert_type(same, FakeLogger)


def recorded(path: Path) -> None:
    with GeminiRecorder(path, record="once", pace="recorded", chunking="torn", strict=True) as recorder:
        assert_type(recorder, GeminiRecorder)
        assert_type(recorder.client, MaximGeminiClient)
        assert_type(recorder.wrap(genai.Client()), MaximGeminiClient)
        assert_type(recorder.logger, FakeLogger)
        assert_type(recorder.waits, list[float])
        assert_type(recorder.misses, list[CassetteMiss])
        assert_type(recorder.unused, "list[Interaction | WebsocketSession]")
        assert_type(recorder.outcome, "Outcome")
        recorder.disconnect_after(events=3)
        with recorder.stall(0.5, before=1, times=2):
            pass
        recorder.corrupt(0, 1)
        recorder.discard()


async def recorded_async() -> None:
    async with GeminiRecorder("a.yaml", client=genai.Client, pace=0.5, chunking=(1, 2, 3)) as recorder:
        await recorder.client.aio.models.generate_content(model="gemini-2.5-flash", contents="Hi")


@GeminiRecorder("a.yaml")
def decorated(number: int) -> str:
    return str(number)


def used() -> None:
    assert_type(decorated(1), str)


def scripted() -> None:
    said = reply.stream("a", "b") + reply.usage(prompt=7, candidates=2)
    assert_type(said, reply.Reply)
    with GeminiServer(said, reply.error(429)) as server:
        server.when(model="gemini-2.5-pro").always(reply.text("hi"))
        server.always(lambda request: reply.text(request.text))
        assert_type(server.url, str)
        assert_type(server.requests[0].text, str)
    with GeminiMock(said) as mock:
        mock.reply(reply.function_call("weather", city="Paris"), reply.blocked("SAFETY"))
    with MaximApi(key="any") as api:
        takes_a_logger(api.logger())
        api.fail(429, on="log", times=1)
        api.flush()
        assert_type(api.traces, "Views[Trace]")


def generated() -> None:
    assert_type(strategies.responses().example(), reply.Reply)
    strategies.streams(broken=True)
    strategies.configs("vertex")


def failing() -> None:
    try:
        recorded(Path("a.yaml"))
    except CassetteMiss as miss:
        error: TestKitError = miss
        raise error from None


def delivery(client: MaximGeminiClient, logger: Logger) -> None:
    mine = deliver(logger, when_full="wait", memory_limit=1_000_000, journal=True, folder=Path("spool"), timeout=5)
    assert_type(mine, Delivery)
    assert_type(mine.flush(), bool)
    assert_type(mine.queued + mine.sent + mine.retried + mine.dropped + mine.spilled + mine.recovered, int)
    assert_type(client.delivery, Delivery)
    assert_type(client.aio.delivery, Delivery)


def privacy(client: genai.Client, logger: Logger, fake: FakeLogger) -> None:
    policy = Privacy(capture="no-media", mask=mask_secrets, sample=0.1, keep_errors=True, attachments=False)
    assert_type(policy.keeps("trace"), bool)
    assert_type(mask_secrets("text", "trace.input"), str)
    MaximGeminiClient(client, logger, privacy=policy)
    MaximGeminiChats(client.chats, logger, privacy=None)
    fake.assert_no_text("secret", "another")


Anything = (
    Attachment
    | Cassette
    | CassetteBroken
    | CassetteDrift
    | CassetteError
    | CassetteMiss
    | CassetteNotFound
    | CassetteUnused
    | Chunking
    | Error
    | Evaluation
    | Event
    | FakeLogger
    | Fault
    | Feedback
    | FunctionCall
    | Gate
    | GeminiMock
    | GeminiRecorder
    | GeminiRequest
    | GeminiServer
    | Generation
    | IncompleteTrace
    | Interaction
    | NotDelivered
    | NotTheOnlyOne
    | Outcome
    | Pace
    | Problem
    | Received
    | RecordMode
    | Reply
    | ReplyFunction
    | RequestNotCaught
    | RequestRefused
    | Retrieval
    | ScriptError
    | SecretFound
    | Session
    | Span
    | TestKitError
    | TextReceived
    | ToolCall
    | Trace
    | View
    | Views[Trace]
)


def annotated(value: Anything) -> Anything:
    """Write each public type in an annotation."""
    return value


def one_trace_for_one_piece_of_work(logger: Logger, headers: dict[str, str]) -> None:
    with trace(logger, name="Answer", input={"q": 1}, session_id="s", tags={"a": "b"}, metadata={"c": 1}) as work:
        assert_type(work, TraceHandle)
        assert_type(work.headers(), dict[str, str])
        work.output = ["anything"]
        with span("Part", input="x") as part:
            assert_type(part, SpanHandle)
        work.add_feedback({"score": 5})
    with suppress() as nothing:
        assert_type(nothing, Suppression)
    assert_type(current_trace(), TraceHandle | None)
    assert_type(current_span(), SpanHandle | None)

    @trace(logger, headers=headers)
    def count(text: str) -> int:
        return len(text)

    @suppress()
    async def count_async(text: str) -> int:
        return count(text)

    assert_type(count("text"), int)


async def async_work(logger: Logger) -> None:
    async with trace(logger), span():
        pass


def every_client_of_the_process(logger: Logger) -> None:
    def skip(call: InstrumentedCall) -> bool:
        assert_type(call.headers, dict[str, str])
        return call.method == "models.generate_content" and call.made_by("google-adk")

    with instrument(logger, skip=skip) as instrumentation:
        assert_type(instrumentation, Instrumentation)
    instrument_google_genai(logger)
    uninstrument()
