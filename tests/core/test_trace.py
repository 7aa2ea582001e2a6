"""Which trace and session a call belongs to."""

from __future__ import annotations

import gc
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import types
from support.clients import closed
from support.own_log import own_messages
from support.script import Gemini, response
from support.sides import MODEL, Sync

from maxim_gemini import (
    MaximGeminiAsyncChatSession,
    MaximGeminiAsyncModels,
    MaximGeminiChatSession,
    MaximGeminiClient,
    MaximGeminiModels,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maxim_gemini.testing import FakeLogger


@pytest.fixture(autouse=True)
def says_ok(gemini: Gemini) -> None:
    gemini.says(response("ok"))


async def test_a_generation_has_the_name_it_is_given(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    await side.generate(client, generation_name="greeting")
    assert (logger.trace.generation.name, logger.trace.generation.provider) == ("greeting", "google")
    assert logger.trace.generation.model == MODEL


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_a_call_and_a_turn_say_what_was_requested_under_the_name_they_are_given(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, streamed: bool
) -> None:
    chat = side.chats(client).create(model=MODEL, config={"temperature": 0.5})
    config = {"temperature": 1.5}
    if streamed:
        gemini.forget()
        gemini.streams(response("ok"))
        await side.read(await side.open(client, "asked", generation_name="greeting", config=config))
        await side.read(await side.open_turn(chat, "asked", generation_name="greeting"))
        await side.read(await side.open_turn(chat, "asked", config, generation_name="greeting"))
    else:
        await side.generate(client, "asked", generation_name="greeting", config=config)
        await side.send(chat, "asked", generation_name="greeting")
        await side.send(chat, "asked", config, generation_name="greeting")
    assert [trace.name for trace in logger.traces] == ["Gemini call", "Chat turn", "Chat turn"]
    assert [(trace.input, trace.generation.name) for trace in logger.traces] == [("asked", "greeting")] * 3
    assert [one.model_parameters["temperature"] for one in logger.generations] == [1.5, 0.5, 1.5]
    assert [sent["generationConfig"]["temperature"] for sent in gemini.requests] == [1.5, 0.5, 1.5]
    assert logger.session.name == "Chat session"


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_an_error_before_anything_is_sent_is_one_on_the_trace(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, streamed: bool
) -> None:
    async def ask(config: Any) -> None:
        if streamed:
            await side.read(await side.open(client, "asked", config=config))
        else:
            await side.generate(client, "asked", config=config)

    async def send(config: Any) -> None:
        chat = side.chats(client).create(model=MODEL)
        if streamed:
            await side.read(await side.open_turn(chat, "asked", config))
        else:
            await side.send(chat, "asked", config)

    for use in (ask, send):
        with pytest.raises(ValueError, match="temperature"):
            await use({"temperature": "hot"})
    assert gemini.requests == []
    assert [(trace.input, trace.ended, [*trace.generations]) for trace in logger.traces] == [("asked", True, [])] * 2
    assert ["temperature" in trace.errors[0].message for trace in logger.traces] == [True, True]


async def test_a_trace_of_the_caller_that_no_one_has_begun_is_begun_without_a_word(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """Another process may have begun it, and says what was asked."""
    await side.generate(client, "one", trace_id="theirs")
    assert (logger.trace.id, logger.trace.name, logger.trace.input, logger.trace.ended) == ("theirs", None, None, False)


async def test_a_chat_in_the_callers_trace_leaves_it_open(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    logger.trace({"id": "mine", "input": "asked"})
    chat = side.chats(client).create(model=MODEL, trace_id="mine")
    assert (chat.trace_id, chat.session_id) == ("mine", None)
    await side.send(chat, "one")
    await side.send(chat, "two")
    chat.end_trace()
    assert (len(logger.trace.generations), logger.trace.ended, logger.trace.output) == (2, False, None)
    assert list(logger.sessions) == []


async def test_a_chat_in_the_callers_session_leaves_it_open(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    logger.session({"id": "talk"})
    chat = side.chats(client).create(model=MODEL, session_id="talk")
    await side.send(chat, "one")
    chat.end_trace()
    await side.send(chat, "two")
    assert [trace.session_id for trace in logger.traces] == ["talk", "talk"]
    assert (chat.session_id, logger.session.ended) == ("talk", False)
    logger.assert_complete()


async def test_a_message_after_the_end_begins_anew(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    chat = side.chats(client).create(model=MODEL)
    await side.send(chat, "one")
    first = chat.trace_id, chat.session_id
    chat.end_trace()
    await side.send(chat, "two")
    assert (chat.trace_id, chat.session_id) == (logger.traces[1].id, logger.sessions[1].id)
    assert not {*first} & {chat.trace_id, chat.session_id}
    chat.end_trace()
    logger.assert_complete(strict=True)


async def test_a_chat_without_a_message_is_nothing(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    side.chats(client).create(model=MODEL).end_trace()
    assert logger.logs == ()


async def test_a_trace_and_a_session_together(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    chat = side.chats(client).create(model=MODEL, trace_id="mine", session_id="talk")
    await side.send(chat, "one")
    await side.send(chat, "two")
    assert (logger.trace.id, logger.trace.session_id) == ("mine", "talk")
    assert len(logger.trace.generations) == 2


async def test_a_chat_begins_with_the_history_and_the_config_it_is_given(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    history: list[Any] = [types.UserContent("One"), types.ModelContent("Two")]
    chat = side.chats(client).create(model=MODEL, config={"temperature": 0.5}, history=history)
    assert chat.get_history() == history
    await side.send(chat, "Three")
    assert gemini.requests[0]["generationConfig"]["temperature"] == 0.5
    assert len(gemini.requests[0]["contents"]) == 3
    assert [one["content"] for one in logger.trace.generation.messages] == ["One", "Two", "Three"]


async def test_a_file_is_attached_where_a_chat_first_says_it(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    for _ in range(2):
        chat = side.chats(client).create(model=MODEL)
        await side.send(chat, types.Part.from_bytes(data=b"png", mime_type="image/png"))
        await side.send(chat, "And now?")
    assert [len(one.attachments) for one in logger.generations] == [1, 0, 1, 0]


async def test_a_session_by_hand_names_its_first_trace(side: Sync, raw: genai.Client, logger: FakeLogger) -> None:
    kind: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    chat = kind(side.chats(raw).create(model=MODEL), logger, trace_id="first", is_local_trace=True)
    assert chat.trace_id == "first"
    await side.send(chat, "one")
    assert (logger.trace.id, logger.trace.ended, logger.trace.name) == ("first", True, "Chat turn")
    await side.send(chat, "two")
    assert len(logger.traces) == 2


async def test_a_session_by_hand_in_the_callers_trace_leaves_it_open(
    side: Sync, raw: genai.Client, logger: FakeLogger
) -> None:
    logger.trace({"id": "mine", "input": "asked"})
    kind: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    chat = kind(side.chats(raw).create(model=MODEL), logger, trace_id="mine")
    await side.send(chat, "one")
    await side.send(chat, "two")
    chat.end_trace()
    assert (chat.trace_id, chat.session_id, list(logger.sessions)) == ("mine", None, [])
    assert (len(logger.trace.generations), logger.trace.ended, logger.trace.output) == (2, False, None)


async def test_the_first_message_may_go_into_another_trace_than_the_session_names(
    side: Sync, raw: genai.Client, logger: FakeLogger
) -> None:
    kind: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    chat = kind(side.chats(raw).create(model=MODEL), logger, trace_id="first", is_local_trace=True)
    await side.send(chat, "one", {"http_options": {"headers": {"x-maxim-trace-id": "mine"}}})
    assert chat.trace_id == "mine"
    await side.send(chat, "two")
    assert [trace.ended for trace in logger.traces] == [False, True]
    assert logger.traces[0].id == "mine"
    assert logger.traces[1].id not in {"first", "mine"}


async def test_headers_on_a_chat_hold_for_its_turns_and_on_a_message_for_one(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    def headers(**labels: str) -> dict[str, Any]:
        names = {f"x-maxim-{name.replace('_', '-')}": value for name, value in labels.items()}
        return {"http_options": {"headers": names}}

    chat = side.chats(client).create(model=MODEL, config=headers(session_id="talk", trace_tags='{"a": "b"}'))
    await side.send(chat, "one")
    await side.send(chat, "two", headers(trace_id="mine", generation_name="second"))
    assert [(trace.session_id, trace.tags) for trace in logger.traces] == [("talk", {"a": "b"})] * 2
    assert (logger.traces[1].id, logger.traces[1].generation.name) == ("mine", "second")
    assert not [name for sent in gemini.headers for name in sent if name.startswith("x-maxim")]


async def test_what_is_stated_in_the_call_wins_over_headers(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    headers = {"x-maxim-trace-id": "theirs", "x-maxim-generation-name": "theirs"}
    await side.generate(client, trace_id="mine", generation_name="mine", config={"http_options": {"headers": headers}})
    assert (logger.trace.id, logger.trace.generation.name) == ("mine", "mine")


NO_TAGS = "expected a JSON object like"
NO_ID = "is ignored: an id has letters"

MALFORMED: list[tuple[str, Any, str]] = [
    ("x-maxim-trace-tags", "no json", NO_TAGS),
    ("x-maxim-trace-tags", "[1]", NO_TAGS),
    ("x-maxim-trace-tags", "3", NO_TAGS),
    ("x-maxim-generation-tags", "no json", NO_TAGS),
    ("x-maxim-generation-name", 3, "expected text"),
    ("x-maxim-trace-id", "two words", NO_ID),
    ("x-maxim-session-id", "two words", NO_ID),
]


@pytest.mark.parametrize(("name", "value", "reason"), MALFORMED)
async def test_a_malformed_header_is_one_warning_and_as_if_it_were_not_there(
    side: Sync,
    gemini: Gemini,
    client: MaximGeminiClient,
    logger: FakeLogger,
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: Any,
    reason: str,
) -> None:
    config = {"http_options": {"headers": {name: value}}}
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        await side.generate(client, config=config)
        await side.send(side.chats(client).create(model=MODEL, config=config), "Hi")
        await side.send(side.chats(client).create(model=MODEL), "Hi", config)
    (warning,) = own_messages(caplog)
    assert warning.startswith(name)
    assert "is ignored: " in warning
    assert repr(value) in warning
    assert reason in warning
    assert not [one for sent in gemini.headers for one in sent if one.startswith("x-maxim")]
    assert [trace.tags for trace in logger.traces] == [{}, {}, {}]
    assert [(one.name, one.tags) for one in logger.generations] == [(None, {})] * 3
    assert len(logger.sessions) == 2
    logger.assert_complete()


@pytest.mark.parametrize(
    ("name", "values"),
    [("x-maxim-generation-name", (3, 4)), ("x-maxim-trace-tags", ("[1]", "[2]")), ("x-maxim-trace-id", ("a b", "c d"))],
)
async def test_malformed_values_of_one_kind_are_one_warning(
    side: Sync, client: MaximGeminiClient, caplog: pytest.LogCaptureFixture, name: str, values: tuple[Any, Any]
) -> None:
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        for value in (*values, *values):
            await side.generate(client, config={"http_options": {"headers": {name: value}}})
    (warning,) = own_messages(caplog)
    assert (name in warning, repr(values[0]) in warning) == (True, True)


async def test_every_kind_of_malformed_value_is_warned_of(
    side: Sync, client: MaximGeminiClient, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = {
        "trace-id": "a b",
        "session-id": "a b",
        "generation-name": 3,
        "trace-tags": "[1]",
        "generation-tags": "x" * 1_000_000,
    }
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        for name, value in kinds.items():
            await side.generate(client, config={"http_options": {"headers": {f"x-maxim-{name}": value}}})
    assert [warning.split()[0] for warning in own_messages(caplog)] == [f"x-maxim-{name}" for name in kinds]
    assert all(len(warning) < 500 for warning in own_messages(caplog))


async def test_a_config_without_our_headers_is_passed_on_as_the_very_object(side: Sync, logger: FakeLogger) -> None:
    seen: list[Any] = []

    class Own:
        def generate_content(self, **request: Any) -> Any:
            seen.append(request["config"])
            return types.GenerateContentResponse.model_validate(response("ok"))

    class AsyncOwn(Own):
        async def generate_content(self, **request: Any) -> Any:
            return super().generate_content(**request)

    models: Any = (
        MaximGeminiAsyncModels(AsyncOwn(), logger)  # type: ignore[arg-type]
        if side.is_async
        else MaximGeminiModels(Own(), logger)  # type: ignore[arg-type]
    )
    client: Any = SimpleNamespace(models=models, aio=SimpleNamespace(models=models))
    configs: list[Any] = [
        {"temperature": 0.5},
        types.GenerateContentConfig(temperature=0.5),
        {"http_options": {"headers": {"about-x-maxim-gemini": "kept", "x-maximum": "kept"}}},
        {"http_options": {"headers": {"x-max": "kept", "im-": "kept"}}},
        {"http_options": {"timeout": 60_000}},
        {"http_options": None},
    ]
    for config in configs:
        await side.generate(client, config=config)
    assert [id(config) for config in seen] == [id(config) for config in configs]


@pytest.mark.parametrize("headers", [3, [1], {1: "x-maxim-trace-id"}], ids=str)
async def test_headers_that_are_none_are_the_sdks_to_refuse(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger, caplog: pytest.LogCaptureFixture, headers: Any
) -> None:
    with caplog.at_level(logging.WARNING, "maxim_gemini"), pytest.raises(ValueError, match="headers"):
        await side.generate(client, config={"http_options": {"headers": headers}})
    assert own_messages(caplog) == []
    assert len(logger.trace.errors) == 1
    logger.assert_complete()


async def test_headers_are_found_under_both_names_of_their_options(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    options = {"headers": {"x-maxim-generation-name": "greeting", "x-other": "kept"}, "timeout": 60_000}
    config = {"httpOptions": options, "temperature": 0.5}
    await side.generate(client, config=config)
    await side.send(side.chats(client).create(model=MODEL, config=config), "Hi")
    await side.send(side.chats(client).create(model=MODEL), "Hi", config)
    assert [one.name for one in logger.generations] == ["greeting"] * 3
    assert [sent["x-other"] for sent in gemini.headers] == ["kept"] * 3
    assert not [name for sent in gemini.headers for name in sent if name.startswith("x-maxim")]
    assert [sent["generationConfig"]["temperature"] for sent in gemini.requests] == [0.5] * 3
    assert [one.model_parameters for one in logger.generations] == [{"temperature": 0.5}] * 3


async def test_tags_are_added_to_a_trace_that_the_caller_has_begun(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    logger.trace({"id": "mine", "tags": {"by": "me"}})
    headers = {"x-maxim-trace-tags": '{"team": "search", "try": 2}'}
    await side.generate(client, trace_id="mine", config={"http_options": {"headers": headers}})
    assert logger.trace.tags == {"by": "me", "team": "search", "try": "2"}
    assert (logger.trace.name, logger.trace.input, logger.trace.ended) == (None, None, False)


async def test_tags_may_be_a_mapping_where_the_headers_are(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    headers = {"x-maxim-trace-tags": {"team": "search", "try": 2}}
    await side.generate(client, config={"http_options": {"headers": headers}})
    assert logger.trace.tags == {"team": "search", "try": "2"}


@pytest.mark.parametrize(
    "bad",
    ["two words", "", "ümlaut", "a/b", "line\n"],
    ids=["space", "empty", "non-ascii", "slash", "newline"],  # an id with a `\` changes when mutmut collects again
)
async def test_an_id_that_maxim_would_drop_is_one_warning(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    with caplog.at_level(logging.WARNING):
        await side.generate(client, trace_id=bad)
        await side.generate(client, trace_id=bad)
        chat = side.chats(client).create(model=MODEL, session_id=bad)
        await side.send(chat, "Hi")
    assert [message.partition(" is ignored")[0] for message in own_messages(caplog)] == [
        f"trace_id {bad!r}",
        f"session_id {bad!r}",
    ]
    assert len(logger.traces) == 3
    logger.assert_complete()


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def test_an_id_that_is_no_text_is_one_warning(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger, caplog: pytest.LogCaptureFixture
) -> None:
    nothing: Any = Unspeakable()
    with caplog.at_level(logging.WARNING):
        await side.generate(client, trace_id=nothing)
        chat = side.chats(client).create(model=MODEL, trace_id=nothing, session_id=nothing)
        await side.send(chat, "Hi")
    assert own_messages(caplog) == ["Could not read an id: RuntimeError: no words"]
    assert len(logger.traces) == 2
    logger.assert_complete()


async def test_a_chat_by_hand_is_warned_of_its_trace_as_well(
    side: Sync, raw: genai.Client, logger: FakeLogger, caplog: pytest.LogCaptureFixture
) -> None:
    kind: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    with caplog.at_level(logging.WARNING):
        chat = kind(side.chats(raw).create(model=MODEL), logger, trace_id="two words")
        made = side.chats(MaximGeminiClient(raw, logger)).create(model=MODEL, trace_id="more words")
        await side.send(chat, "Hi")
        await side.send(made, "Hi")
    assert [message.partition(" is ignored")[0] for message in own_messages(caplog)] == ["trace_id 'two words'"]
    assert len(logger.sessions) == 2
    logger.assert_complete()


async def test_a_turn_that_is_open_when_the_chat_ends_has_stopped_early(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.forget()
    gemini.streams(response("a", reason=None), response("b"))
    chat = side.chats(client).create(model=MODEL)
    stream = await side.open_turn(chat, "Hi")
    await side.next(stream)
    chat.end_trace()
    assert logger.trace.generation.metadata["stopped_early"] is True
    assert logger.session.ended
    await side.close(stream)


# Headers of the client itself

LABELS = {
    "X-Maxim-Trace-Id": "theirs",
    "x-maxim-generation-name": "named",
    "x-maxim-generation-tags": '{"team": "search"}',
    "x-other": "kept",
}


def with_headers(gemini: Gemini, headers: dict[str, str]) -> genai.Client:
    options: Any = {"base_url": gemini.url, "client_args": {"verify": False}, "async_client_args": {"verify": False}}
    options["headers"] = dict(headers)
    return genai.Client(api_key="test-key", http_options=options)


@pytest.fixture
async def labelled(gemini: Gemini) -> AsyncIterator[genai.Client]:
    client = with_headers(gemini, LABELS)
    yield client
    await closed(client)


async def everything(side: Sync, client: Any, chat: Any) -> None:
    await side.generate(client)
    await side.read(await side.open(client))
    await side.send(chat, "Hi")
    await side.read(await side.open_turn(chat, "Hi"))


async def test_headers_of_the_client_hold_for_every_call_and_are_not_sent(
    side: Sync, gemini: Gemini, labelled: genai.Client, logger: FakeLogger
) -> None:
    before = dict(labelled._api_client._http_options.headers or {})
    gemini.forget()
    gemini.says(response("ok")).streams(response("ok")).says(response("ok")).streams(response("ok"))
    client = MaximGeminiClient(labelled, logger)
    chat = side.chats(client).create(model=MODEL)
    assert chat.trace_id == "theirs"
    await everything(side, client, chat)
    assert (logger.trace.id, logger.trace.ended, list(logger.sessions)) == ("theirs", False, [])
    assert [(one.name, one.tags) for one in logger.trace.generations] == [("named", {"team": "search"})] * 4
    assert not [name for sent in gemini.headers for name in sent if name.startswith("x-maxim")]
    assert [sent["x-other"] for sent in gemini.headers] == ["kept"] * 4
    assert labelled._api_client._http_options.headers == before
    logger.trace_end("theirs")
    logger.assert_complete()


DEEP = "[" * 100_000  # what the JSON parser gives up on


@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, value) for name, value, _ in MALFORMED if isinstance(value, str)), ("x-maxim-trace-tags", DEEP)],
    ids=lambda part: part[:20],
)
async def test_a_malformed_header_of_the_client_or_of_a_chat_made_before_is_one_warning(
    side: Sync, gemini: Gemini, logger: FakeLogger, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    gemini.forget()
    gemini.says(response("ok")).streams(response("ok")).says(response("ok")).streams(response("ok"))
    bare = with_headers(gemini, {name: value})
    kind: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    with caplog.at_level(logging.WARNING):
        client = MaximGeminiClient(bare, logger)
        await everything(side, client, side.chats(client).create(model=MODEL))
        config: Any = {"http_options": {"headers": {name: value}}}
        await side.read(await side.open_turn(kind(side.chats(bare).create(model=MODEL, config=config), logger), "Hi"))
    (warning,) = own_messages(caplog)
    assert warning.startswith(name)
    assert len(logger.traces) == 5
    assert len(logger.sessions) == 2
    assert not [one for sent in gemini.headers for one in sent if one.startswith("x-maxim")]
    logger.assert_complete()
    await closed(bare)


async def test_what_is_stated_nearer_to_the_call_wins_over_the_client(
    side: Sync, gemini: Gemini, labelled: genai.Client, logger: FakeLogger
) -> None:
    client = MaximGeminiClient(labelled, logger)
    await side.generate(client, trace_id="mine")
    headers = {"x-maxim-generation-name": "nearer"}
    await side.generate(client, trace_id="mine", config={"http_options": {"headers": headers}})
    chat = side.chats(client).create(model=MODEL, session_id="talk", trace_id="mine")
    await side.send(chat, "Hi", generation_name="nearest")
    assert [one.name for one in logger.trace.generations] == ["named", "nearer", "nearest"]
    assert (logger.trace.id, chat.session_id) == ("mine", "talk")
    assert not [name for sent in gemini.headers for name in sent if name.startswith("x-maxim")]


async def test_a_chat_that_was_made_before_it_was_wrapped_keeps_its_headers_to_itself(
    side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger
) -> None:
    config = {"http_options": {"headers": {"x-maxim-session-id": "talk"}}, "temperature": 0.5}
    made = side.chats(raw).create(model=MODEL, config=config)
    kind: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    chat = kind(made, logger)
    assert chat.session_id == "talk"
    await side.send(chat, "one")
    assert not [name for sent in gemini.headers for name in sent if name.startswith("x-maxim")]
    assert gemini.requests[0]["generationConfig"]["temperature"] == 0.5
    assert logger.trace.session_id == "talk"


async def test_what_the_sdk_keeps_between_calls_is_kept_by_the_users_client(
    side: Sync, labelled: genai.Client, logger: FakeLogger
) -> None:
    client = MaximGeminiClient(labelled, logger)
    await side.generate(client)
    held = dict(vars(labelled._api_client))
    await side.generate(client)
    gc.collect()
    await side.generate(client)
    assert {name: id(value) for name, value in vars(labelled._api_client).items()} == {
        name: id(value) for name, value in held.items()
    }
    assert len(logger.trace.generations) == 3
