"""Which trace and session a call belongs to."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.clients import closed
from support.script import Gemini, response
from support.sides import MODEL, Sync

from maxim_gemini import MaximGeminiAsyncChatSession, MaximGeminiChatSession, MaximGeminiClient

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


async def test_a_session_by_hand_names_its_first_trace(side: Sync, raw: genai.Client, logger: FakeLogger) -> None:
    kind: Any = MaximGeminiAsyncChatSession if side.is_async else MaximGeminiChatSession
    chat = kind(side.chats(raw).create(model=MODEL), logger, trace_id="first", is_local_trace=True)
    assert chat.trace_id == "first"
    await side.send(chat, "one")
    assert (logger.trace.id, logger.trace.ended, logger.trace.name) == ("first", True, "Chat turn")
    await side.send(chat, "two")
    assert len(logger.traces) == 2


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


async def test_what_is_said_in_the_call_wins_over_headers(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    headers = {"x-maxim-trace-id": "theirs", "x-maxim-generation-name": "theirs"}
    await side.generate(client, trace_id="mine", generation_name="mine", config={"http_options": {"headers": headers}})
    assert (logger.trace.id, logger.trace.generation.name) == ("mine", "mine")


@pytest.mark.parametrize("tags", ["no json", "[1]", "3"])
async def test_a_malformed_header_is_one_warning(
    side: Sync,
    gemini: Gemini,
    client: MaximGeminiClient,
    logger: FakeLogger,
    caplog: pytest.LogCaptureFixture,
    tags: str,
) -> None:
    config = {"http_options": {"headers": {"x-maxim-trace-tags": tags}}}
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        await side.generate(client, config=config)
        await side.generate(client, config=config)
    (warning,) = caplog.messages
    assert "x-maxim-trace-tags" in warning
    assert tags in warning
    assert "x-maxim-trace-tags" not in gemini.headers[0]
    assert [trace.tags for trace in logger.traces] == [{}, {}]


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
    assert [message.partition(" is ignored")[0] for message in caplog.messages] == [
        f"trace_id {bad!r}",
        f"session_id {bad!r}",
    ]
    assert len(logger.traces) == 3
    logger.assert_complete()


# Headers of the client itself

LABELS = {
    "X-Maxim-Trace-Id": "theirs",
    "x-maxim-generation-name": "named",
    "x-maxim-generation-tags": '{"team": "search"}',
    "x-other": "kept",
}


@pytest.fixture
async def labelled(gemini: Gemini) -> AsyncIterator[genai.Client]:
    options: Any = {"base_url": gemini.url, "client_args": {"verify": False}, "async_client_args": {"verify": False}}
    client = genai.Client(api_key="test-key", http_options={**options, "headers": dict(LABELS)})
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
    before = dict(labelled._api_client._http_options.headers)
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


async def test_what_is_said_nearer_to_the_call_wins_over_the_client(
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
