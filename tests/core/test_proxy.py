"""A wrapper stands in for what it wraps: whatever this google-genai offers, it offers, too."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import subprocess
import sys
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock, create_autospec

import pytest
from google import genai
from google.genai import types
from google.genai.chats import AsyncChat, AsyncChats, Chat, Chats
from google.genai.client import AsyncClient
from google.genai.live import AsyncLive
from google.genai.models import AsyncModels, Models
from support.anew import loaded_anew
from support.functions import add, divide
from support.interactions import VERSION
from support.script import Gemini, call, chunks, response
from support.sides import MODEL, Sync

import maxim_gemini
from maxim_gemini import (
    MaximGeminiAsyncChats,
    MaximGeminiAsyncChatSession,
    MaximGeminiAsyncClient,
    MaximGeminiAsyncLive,
    MaximGeminiAsyncModels,
    MaximGeminiChats,
    MaximGeminiChatSession,
    MaximGeminiClient,
    MaximGeminiModels,
)
from maxim_gemini._generate_content.chats import TracedChat

if TYPE_CHECKING:
    from collections.abc import Callable

    from maxim_gemini.testing import FakeLogger

PAIRS = [
    (MaximGeminiClient, genai.Client),
    (MaximGeminiAsyncClient, AsyncClient),
    (MaximGeminiModels, Models),
    (MaximGeminiAsyncModels, AsyncModels),
    (MaximGeminiChats, Chats),
    (MaximGeminiAsyncChats, AsyncChats),
    (MaximGeminiChatSession, Chat),
    (MaximGeminiAsyncChatSession, AsyncChat),
    (MaximGeminiAsyncLive, AsyncLive),
]

OURS = {
    MaximGeminiClient: {"aio", "chats", "interactions", "models", "delivery"},
    MaximGeminiAsyncClient: {"chats", "interactions", "live", "models", "delivery"},
    MaximGeminiModels: {"generate_content", "generate_content_stream"},
    MaximGeminiAsyncModels: {"generate_content", "generate_content_stream"},
    MaximGeminiChats: {"create"},
    MaximGeminiAsyncChats: {"create"},
    MaximGeminiChatSession: {"send_message", "send_message_stream", "trace_id", "session_id", "end_trace"},
    MaximGeminiAsyncChatSession: {"send_message", "send_message_stream", "trace_id", "session_id", "end_trace"},
    MaximGeminiAsyncLive: {"connect"},
}

if VERSION >= (2, 34):
    from google.genai._gaos.google_genai import AsyncGeminiNextGenInteractions, GeminiNextGenInteractions

    from maxim_gemini import MaximGeminiAsyncInteractions, MaximGeminiInteractions

    PAIRS += [
        (MaximGeminiInteractions, GeminiNextGenInteractions),
        (MaximGeminiAsyncInteractions, AsyncGeminiNextGenInteractions),
    ]
    traced = {"create", "get", "cancel", "with_raw_response", "with_streaming_response"}
    connect = {"connect"} & set(dir(AsyncGeminiNextGenInteractions))
    OURS |= {MaximGeminiInteractions: traced, MaximGeminiAsyncInteractions: traced | connect}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("wrapper", "wrapped"), PAIRS)
def test_everything_that_the_sdk_offers_is_ours_or_passed_on(wrapper: Any, wrapped: type) -> None:
    """A name that a new release adds is passed on; one that we trace has to be there still."""
    assert issubclass(wrapper, wrapped)
    assert public(wrapper) - public(wrapped) <= OURS[wrapper]
    later = set() if hasattr(genai.Client, "interactions") else {"interactions"}
    assert OURS[wrapper] - {"trace_id", "session_id", "end_trace", "delivery"} - later <= public(wrapped)
    target = SimpleNamespace(**{name: object() for name in public(wrapped)})
    instance = object.__new__(wrapper)
    object.__setattr__(instance, "_wrapped", target)
    for name in public(wrapped) - OURS[wrapper]:
        assert getattr(instance, name) is getattr(target, name)
        assert getattr(wrapper, name) == getattr(wrapped, name)


def test_what_a_later_release_calls_like_something_of_ours_stays_ours() -> None:
    """Wrappers share what they have in common by a base, whose names are as much ours."""

    class LaterChat(Chat):
        trace_id = "theirs"
        _begin = None
        summary = "theirs"

    class LaterSession(TracedChat, LaterChat, sdk_class=LaterChat):  # type: ignore[misc]  # the conflict is the point
        pass

    assert LaterSession.trace_id is TracedChat.trace_id
    assert LaterSession._begin is TracedChat._begin
    assert LaterSession.summary == "theirs"


@pytest.mark.parametrize(("wrapper", "wrapped"), PAIRS)
def test_no_method_that_makes_model_calls_is_new_to_us(wrapper: Any, wrapped: type) -> None:
    """Should the SDK grow another way to generate content, this test says so."""
    talking = {name for name in public(wrapped) if "generate_content" in name or "send_message" in name}
    assert talking <= OURS[wrapper]


@pytest.mark.parametrize(("wrapper", "wrapped"), PAIRS)
@pytest.mark.parametrize("misspelt", ["loger", "api_key"])
def test_a_keyword_that_no_constructor_has_is_an_error(
    logger: FakeLogger, wrapper: Any, wrapped: Any, misspelt: str
) -> None:
    """It would be lost without a word; `api_key` is the SDK's, and belongs to the client that is wrapped."""
    target = object.__new__(wrapped)
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{misspelt}'"):
        wrapper(target, logger, **{misspelt: "x"})


@pytest.mark.parametrize(("wrapper", "wrapped"), PAIRS)
def test_methods_take_what_the_sdks_take_and_more(wrapper: Any, wrapped: Any) -> None:
    for name in OURS[wrapper] & public(wrapped):
        mine, theirs = getattr(wrapper, name), getattr(wrapped, name)
        if callable(theirs):
            assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(theirs)
            parameters = inspect.signature(mine).parameters
            takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
            assert takes_all or set(inspect.signature(theirs).parameters) <= set(parameters)


def test_attributes_are_read_written_and_deleted_on_what_is_wrapped(raw: genai.Client, logger: FakeLogger) -> None:
    client: Any = MaximGeminiClient(raw, logger)
    pairs: list[tuple[Any, Any]] = [
        (client, raw),
        (client.models, raw.models),
        (client.aio, raw.aio),
        (client.aio.models, raw.aio.models),
    ]
    for wrapper, wrapped in pairs:
        wrapper.note = "written"
        assert wrapped.note == wrapper.note == "written"
        del wrapper.note
        assert not hasattr(wrapped, "note")
        assert not hasattr(wrapper, "note")
        assert "note" not in dir(wrapper)
    assert client.files is raw.files
    assert client._api_client is raw._api_client
    assert client.models is client.models
    assert client.aio.models is client.aio.models
    assert client.vertexai is raw.vertexai
    assert repr(client).startswith("MaximGeminiClient(<google.genai.client.Client")


def test_what_an_application_put_on_the_wrapped_object_is_listed(raw: genai.Client, logger: FakeLogger) -> None:
    client: Any = MaximGeminiClient(raw, logger)
    pairs: list[tuple[Any, Any]] = [(client, raw), (client.models, raw.models), (client.aio.models, raw.aio.models)]
    for wrapper, wrapped in pairs:
        listed = dir(wrapper)
        wrapped.note = "theirs"
        assert {*dir(wrapper)} - {*listed} == {"note"}
        assert dir(wrapper) == sorted({*dir(wrapper)})
        assert {*dir(type(wrapper))} < {*listed}


@pytest.mark.parametrize("kind", [kind for kind, _ in PAIRS])
def test_a_wrapper_in_the_making_has_nothing_yet_and_says_so(kind: Any) -> None:
    """Python makes a copy, or what was pickled, without `__init__`, and looks around on it."""
    for name in ("_wrapped", "_log", "_keep", "_cached", "_conversation", "__nothing__", "anything"):
        with pytest.raises(AttributeError) as raised:
            getattr(object.__new__(kind), name)
        missing = "_wrapped" if name == "anything" else name
        assert str(raised.value) == f"{kind.__name__!r} object has no attribute {missing!r}"


def test_special_methods_are_the_wrappers_own(logger: FakeLogger) -> None:
    """Python asks an instance for some of them: else a copy of a wrapper would be one of what it wraps."""

    class Copied:
        def __deepcopy__(self, _: Any) -> Any:
            raise NotImplementedError

    models: Any = MaximGeminiModels(Copied(), logger)  # type: ignore[arg-type]
    assert not hasattr(models, "__deepcopy__")
    assert models._wrapped.__class__ is Copied


def test_a_copy_stands_in_for_the_same_object(raw: genai.Client, logger: FakeLogger) -> None:
    client: Any = MaximGeminiClient(raw, logger)
    copied = copy.copy(client)
    assert copied is not client
    assert copied.files is raw.files
    assert copied._wrapped is raw
    assert repr(copied) == repr(client)


async def test_context_managers_close_the_wrapped_client_and_give_the_wrapper(
    raw: genai.Client, gemini: Gemini, logger: FakeLogger
) -> None:
    if not hasattr(raw, "close"):
        pytest.skip("this google-genai can't be closed")
    gemini.says(response("ok"))
    with MaximGeminiClient(raw, logger) as client:
        assert isinstance(client, MaximGeminiClient)
        client.models.generate_content(model=MODEL, contents="Hi")
    with pytest.raises(RuntimeError, match="closed"):
        raw.models.generate_content(model=MODEL, contents="Hi")
    async with MaximGeminiClient(raw, logger).aio as aio:
        assert isinstance(aio, MaximGeminiAsyncClient)


def test_models_and_chats_keep_their_client_alive(gemini: Gemini, logger: FakeLogger) -> None:
    gemini.says(response("ok"))
    options: Any = {"base_url": gemini.url, "client_args": {"verify": False}, "async_client_args": {"verify": False}}
    made = MaximGeminiClient(genai.Client(api_key="test-key", http_options=options), logger)
    models, chats, chat = made.models, made.chats, made.chats.create(model=MODEL)
    api_client = made._api_client
    del made
    gc.collect()
    models.generate_content(model=MODEL, contents="Hi")
    chats.create(model=MODEL).send_message("Hi")
    chat.send_message("Hi")
    assert len(logger.traces) == 3
    if hasattr(api_client, "close"):
        api_client.close()


PARTS: dict[str, Callable[[Any], Any]] = {
    "models": lambda client: client.models,
    "chats": lambda client: client.chats,
    "chat": lambda client: client.chats.create(model=MODEL),
    "aio": lambda client: client.aio,
    "aio.chats": lambda client: client.aio.chats,
    "aio chat": lambda client: client.aio.chats.create(model=MODEL),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_each_part_of_a_client_alone_keeps_it_alive_and_no_longer(
    logger: FakeLogger, part: Callable[[Any], Any]
) -> None:
    """Where nobody holds the client any more, the SDK closes its connections."""
    bare = genai.Client(api_key="test-key")
    alive = weakref.ref(bare)
    held = part(MaximGeminiClient(bare, logger))
    del bare
    gc.collect()
    assert alive() is not None
    del held
    gc.collect()
    assert alive() is None


def test_async_models_alone_keep_the_async_client_alive(logger: FakeLogger) -> None:
    bare = genai.Client(api_key="test-key")
    alive = weakref.ref(bare.aio)
    held = MaximGeminiClient(bare, logger).aio.models
    del bare
    gc.collect()
    assert alive() is not None
    del held
    gc.collect()
    assert alive() is None


def test_models_are_wrapped_anew_when_the_application_puts_others_in_their_place(
    raw: genai.Client, logger: FakeLogger
) -> None:
    theirs: Any = SimpleNamespace(models=raw.models)
    client: Any = MaximGeminiClient(theirs, logger)
    before = client.models
    theirs.models = Models(raw._api_client)
    after = client.models
    assert (before._wrapped, after._wrapped) == (raw.models, theirs.models)
    assert client.models is after


# What is not the SDK's own is called itself.


async def test_a_mock_is_called_as_the_application_called_it(logger: FakeLogger) -> None:
    answer = types.GenerateContentResponse.model_validate(response("mocked"))
    mock = MagicMock(spec=Models)
    mock.generate_content.return_value = answer
    mock.generate_content_stream.return_value = iter([answer])
    models = MaximGeminiModels(mock, logger)
    assert models.generate_content(model=MODEL, contents="Hi") is answer
    mock.generate_content.assert_called_once_with(model=MODEL, contents="Hi")
    assert list(models.generate_content_stream(model=MODEL, contents="Hi", config={"seed": 1})) == [answer]
    mock.generate_content_stream.assert_called_once_with(model=MODEL, contents="Hi", config={"seed": 1})
    models.count_tokens(model=MODEL, contents="Hi")
    mock.count_tokens.assert_called_once()
    assert [trace.output for trace in logger.traces] == ["mocked", "mocked"]
    logger.assert_complete()


async def test_an_async_mock_is_called_as_the_application_called_it(logger: FakeLogger) -> None:
    answer = types.GenerateContentResponse.model_validate(response("mocked"))

    async def streaming(**_: Any) -> Any:
        async def stream() -> Any:
            yield answer

        return stream()

    mock = create_autospec(AsyncModels, instance=True)
    mock.generate_content = AsyncMock(return_value=answer)
    mock.generate_content_stream = streaming
    models = MaximGeminiAsyncModels(mock, logger)
    assert await models.generate_content(model=MODEL, contents="Hi") is answer
    stream = await models.generate_content_stream(model=MODEL, contents="Hi")
    assert [chunk async for chunk in stream] == [answer]
    assert [trace.output for trace in logger.traces] == ["mocked", "mocked"]
    logger.assert_complete()


async def test_a_replaced_method_runs(side: Sync, raw: genai.Client, gemini: Gemini, logger: FakeLogger) -> None:
    answer = types.GenerateContentResponse.model_validate(response("replaced"))
    replaced: Any = AsyncMock(return_value=answer) if side.is_async else MagicMock(return_value=answer)
    side.models(raw).generate_content = replaced
    client = MaximGeminiClient(raw, logger)
    assert await side.generate(client) is answer
    chat = side.chats(client).create(model=MODEL)
    assert await side.send(chat, "Hi") is answer
    assert gemini.requests == []
    assert [trace.output for trace in logger.traces] == ["replaced", "replaced"]
    assert [one.model for one in logger.generations] == [MODEL, MODEL]
    logger.assert_complete()


async def test_mocked_chats_are_created_without_our_headers(side: Sync, logger: FakeLogger) -> None:
    mock: Any = MagicMock(spec=AsyncChats if side.is_async else Chats)
    chats: Any = (MaximGeminiAsyncChats if side.is_async else MaximGeminiChats)(mock, logger)
    history: Any = [types.UserContent("One"), types.ModelContent("Two")]
    headers = {"x-maxim-session-id": "talk", "x-other": "kept"}
    chat = chats.create(model=MODEL, config={"http_options": {"headers": headers}}, history=history)
    config = {"http_options": {"headers": {"x-other": "kept"}}}
    mock.create.assert_called_once_with(model=MODEL, config=config, history=history)
    assert chat.session_id == "talk"
    assert isinstance(chat, AsyncChat if side.is_async else Chat)


async def test_a_mocked_chat_is_called_as_the_application_called_it(side: Sync, logger: FakeLogger) -> None:
    answer = types.GenerateContentResponse.model_validate(response("mocked"))
    chat = MagicMock(spec=AsyncChat if side.is_async else Chat)
    chat.send_message = AsyncMock(return_value=answer) if side.is_async else MagicMock(return_value=answer)
    kind: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    assert await side.send(kind(chat, logger), "Hi") is answer
    chat.send_message.assert_called_once_with("Hi")
    assert logger.trace.generation.text == "mocked"
    logger.assert_complete()


async def test_a_wrapper_around_a_wrapper_logs_to_both(
    side: Sync, raw: genai.Client, gemini: Gemini, logger: FakeLogger
) -> None:
    from maxim_gemini.testing import FakeLogger as Other

    gemini.says(response("ok")).streams(*chunks("a", "b"))
    other = Other()
    client = MaximGeminiClient(MaximGeminiClient(raw, logger), other)
    await side.generate(client)
    await side.read(await side.open(client))
    for each in (logger, other):
        each.assert_complete()
        assert [trace.output for trace in each.traces] == ["ok", "ab"]


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_functions_that_something_else_ran_are_tool_calls(
    side: Sync, raw: genai.Client, gemini: Gemini, logger: FakeLogger, streamed: bool
) -> None:
    """The SDK tells what it ran: here below a method that the application has put in place of the SDK's."""
    name = "generate_content_stream" if streamed else "generate_content"
    models = side.models(raw)
    setattr(models, name, functools.partial(getattr(type(models), name), models))
    earlier = [
        types.Content(role="model", parts=[types.Part.from_function_call(name="add", args={"left": 0, "right": 0})]),
        types.Content(role="user", parts=[types.Part.from_function_response(name="add", response={"result": 0})]),
    ]
    rounds = [
        response(call("add", left=1, right=2), call("divide", left=1, right=0)),
        response(call("add", left=3, right=4)),
        response("done"),
    ]
    client = MaximGeminiClient(raw, logger)
    config = {"tools": [add, divide]}
    if streamed:
        for one in rounds:
            gemini.streams(one)
        await side.read(await side.open(client, ["Go", *earlier], config=config))
    else:
        gemini.says(*rounds)
        await side.generate(client, ["Go", *earlier], config=config)
    assert len(gemini.requests) == 3
    runs = sorted(logger.trace.tool_calls, key=lambda one: str(one.arguments))
    assert [(one.name, one.arguments, one.result) for one in runs] == [
        ("divide", {"left": 1, "right": 0}, None),
        ("add", {"left": 1, "right": 2}, "3"),
        ("add", {"left": 3, "right": 4}, "7"),
    ]
    failed = runs[0].error
    assert failed is not None
    assert "division" in failed.message
    assert logger.trace.output == "done"
    logger.assert_complete(strict=True)


async def test_functions_given_with_one_message_are_tool_calls(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("add", left=1, right=2)), response("three"))
    await side.send(side.chats(client).create(model=MODEL), "Go", {"tools": [add]})
    assert (logger.trace.tool_call.result, logger.trace.output) == ("3", "three")
    logger.assert_complete()


def test_all_is_what_is_public() -> None:
    wrappers = {"MaximGeminiInteractions", "MaximGeminiAsyncInteractions", *(kind.__name__ for kind, _ in PAIRS)}
    settings = {"Delivery", "Privacy", "deliver", "mask_secrets"}
    context = {"trace", "span", "suppress", "current_trace", "current_span", "TraceHandle", "SpanHandle", "Suppression"}
    process = {"instrument", "instrument_google_genai", "uninstrument", "Instrumentation", "InstrumentedCall"}
    wrappers.add("MaximGeminiAsyncLive")
    assert set(maxim_gemini.__all__) == wrappers | settings | context | process
    assert set(maxim_gemini.__all__) <= set(dir(loaded_anew(maxim_gemini)))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = maxim_gemini.Nothing


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, maxim_gemini; print(sorted({'google.genai', 'maxim', 'pydantic'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
