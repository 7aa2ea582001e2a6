"""Every client of the process is traced, whoever made it, and nothing is left of that afterwards."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai.chats import AsyncChat, Chat
from google.genai.models import AsyncModels, Models
from support.clients import closed
from support.script import Gemini, call, response
from support.sides import MODEL, Sync

import maxim_gemini
from maxim_gemini import InstrumentedCall, MaximGeminiClient, instrument, span, suppress, trace, uninstrument
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = [
    (owner, name)
    for owner, names in (
        (Models, ("generate_content", "generate_content_stream")),
        (AsyncModels, ("generate_content", "generate_content_stream")),
        (Chat, ("send_message", "send_message_stream")),
        (AsyncChat, ("send_message", "send_message_stream")),
    )
    for name in names
]


def code_of_all() -> list[tuple[Any, Any]]:
    return [(vars(owner)[name], vars(owner)[name].__code__) for owner, name in METHODS]


@pytest.fixture(autouse=True)
def says_ok(gemini: Gemini) -> None:
    gemini.says(response("ok"))


async def use_in_every_way(side: Sync, gemini: Gemini, client: Any) -> list[str]:
    """Make a call, a stream, a turn and a streamed turn; return their texts."""
    chat = side.chats(client).create(model=MODEL)
    answers = [await side.generate(client, "one"), await side.send(chat, "two")]
    gemini.forget()
    gemini.streams(response("o"), response("k"))
    texts = [str(answer.text) for answer in answers]
    streams = await side.open(client, "three"), await side.open_turn(chat, "four")
    texts += ["".join(chunk.text for chunk in await side.read(stream)) for stream in streams]
    gemini.forget()
    gemini.says(response("ok"))
    return texts


async def test_a_bare_client_is_traced_until_it_is_undone(
    side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger
) -> None:
    before = code_of_all()
    instrument(logger)
    assert await use_in_every_way(side, gemini, raw) == ["ok"] * 4
    names = [one.name or "" for one in logger.traces]
    assert sorted(names) == ["Chat turn", "Chat turn", "Gemini call", "Gemini call"]
    assert {one.input for one in logger.traces} == {"one", "two", "three", "four"}
    assert len({one.session_id for one in logger.traces if one.name == "Chat turn"}) == 1  # one chat, one session
    logger.assert_complete()
    uninstrument()
    uninstrument()
    assert code_of_all() == before
    assert await use_in_every_way(side, gemini, raw) == ["ok"] * 4
    assert len(logger.traces) == 4


async def test_tools_that_run_are_tool_calls(side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger) -> None:
    def weather(city: str) -> str:
        raw.models.generate_content(model=MODEL, contents="a call of the tool's own")
        return f"sunny in {city}"

    gemini.forget()
    gemini.says(response(call("weather", city="Rome")), response("from the tool"), response("Sunny."))
    with instrument(logger), trace(logger, name="Work"):
        answer = await side.generate(raw, "How is it?", config={"tools": [weather]})
    assert answer.text == "Sunny."
    assert [one.text for one in logger.trace.generations] == [None, "from the tool", "Sunny."]
    assert logger.trace.tool_call.result == "sunny in Rome"
    logger.assert_complete()


async def test_a_wrapped_client_is_traced_once_by_its_own_logger(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    others = FakeLogger()
    with instrument(others):
        await use_in_every_way(side, gemini, client)
    assert (len(logger.generations), len(others.logs)) == (4, 0)
    with instrument(logger):
        await use_in_every_way(side, gemini, client)
    assert len(logger.generations) == 8
    logger.assert_complete()


async def test_the_second_logger_takes_the_place_of_the_first(
    side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger
) -> None:
    second = FakeLogger()
    with instrument(logger):
        gemini.forget()
        gemini.streams(response("o"), response("k"))
        stream = await side.open(raw, "of the first")
        chat = side.chats(raw).create(model=MODEL)
        with instrument(second):
            await side.read(stream)  # what runs goes on where it began
            await side.read(await side.open(raw, "of the second"))
            await side.read(await side.open_turn(chat, "of the second"))
        await side.read(await side.open(raw, "of the first again"))
    assert [one.input for one in logger.traces] == ["of the first", "of the first again"]
    assert [one.input for one in second.traces] == ["of the second"] * 2
    logger.assert_complete()
    second.assert_complete()


def test_loggers_may_change_while_calls_run(raw: genai.Client) -> None:
    loggers = [FakeLogger(), FakeLogger()]
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for logger in loggers:
                instrument(logger)

    thread = threading.Thread(target=change)
    instrument(loggers[0])
    thread.start()
    try:
        for _ in range(20):
            raw.models.generate_content(model=MODEL, contents="Hi")
    finally:
        stop.set()
        thread.join()
    assert sum(len(logger.traces) for logger in loggers) == 20
    for logger in loggers:
        logger.assert_complete()


async def test_methods_that_were_taken_before_are_traced(side: Sync, raw: genai.Client, logger: FakeLogger) -> None:
    generate = side.models(raw).generate_content
    with instrument(logger):
        answer = generate(model=MODEL, contents="Hi")
        if side.is_async:
            await answer
    assert logger.trace.generation.text == "ok"


async def test_what_surrounds_a_call_holds_for_instrumented_clients(
    side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger
) -> None:
    with instrument(logger), trace(logger, name="Work"):
        with span("Part"):
            await use_in_every_way(side, gemini, raw)
        with suppress():
            await use_in_every_way(side, gemini, raw)
    assert len(logger.trace.span.generations) == 4
    assert len(logger.generations) == 4
    logger.assert_complete()


async def test_what_it_skips_is_not_traced(side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger) -> None:
    seen: list[tuple[str, str]] = []

    def skip(one: InstrumentedCall) -> bool:
        seen.append((one.method, type(one.target).__name__))
        return one.made_by("google-adk")

    theirs: Any = {"http_options": {"headers": {"x-goog-api-client": "google-adk/2.0 gl-python/3.11"}}}
    with instrument(logger, skip=skip):
        await side.generate(raw, "theirs", config=theirs)
        await side.send(side.chats(raw).create(model=MODEL, config=theirs), "theirs, too")
        await side.generate(raw, "ours")
    assert [one.input for one in logger.traces] == ["ours"]
    kinds = side.kinds
    assert seen == [
        ("models.generate_content", kinds.models.__name__),
        ("chats.send_message", kinds.chat.__name__),
        ("models.generate_content", kinds.models.__name__),  # the chat's own call, which is not traced, either
        ("models.generate_content", kinds.models.__name__),
    ]


async def test_a_skip_that_fails_skips_nothing(side: Sync, raw: genai.Client, logger: FakeLogger) -> None:
    def skip(_: InstrumentedCall) -> bool:
        raise ValueError("no")

    with instrument(logger, skip=skip):
        await side.generate(raw)
    assert logger.trace.generation.text == "ok"


async def test_wrong_arguments_are_the_sdks_to_refuse(side: Sync, raw: genai.Client, logger: FakeLogger) -> None:
    models: Any = side.models(raw)
    chat: Any = side.chats(raw).create(model=MODEL)
    calls: list[Callable[[], Any]] = [
        lambda: models.generate_content(model=MODEL),
        lambda: models.generate_content(model=MODEL, contents="Hi", trace_id="t"),
        lambda: models.generate_content_stream(contents="Hi"),
        lambda: chat.send_message(),
        lambda: chat.send_message("Hi", generation_name="n"),
        lambda: chat.send_message("Hi", None, None),
    ]

    async def error_of(one: Callable[[], Any]) -> str:
        with pytest.raises(TypeError) as raised:  # noqa: PT012
            answer = one()
            if inspect.isawaitable(answer):
                await answer
        return str(raised.value)

    bare = [await error_of(one) for one in calls]
    with instrument(logger):
        assert [await error_of(one) for one in calls] == bare
    assert logger.logs == ()


async def test_errors_are_the_sdks_own(side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger) -> None:
    gemini.forget()
    gemini.fails(400, "INVALID_ARGUMENT", "no")
    with instrument(logger), pytest.raises(genai.errors.ClientError, match="no"):
        await side.generate(raw)
    assert logger.trace.generation.error is not None
    logger.assert_complete()


async def test_labels_are_read_and_never_sent(
    side: Sync, gemini: Gemini, raw: genai.Client, logger: FakeLogger
) -> None:
    config: Any = {"http_options": {"headers": {"x-maxim-generation-name": "named"}}}
    with instrument(logger):
        await side.generate(raw, config=config)
    assert logger.trace.generation.name == "named"
    assert [name for sent in gemini.headers for name in sent if "maxim" in name.lower()] == []


@pytest.mark.parametrize("where", ["client", "call"])
async def test_labels_are_not_sent_where_it_is_suppressed_either(
    side: Sync, gemini: Gemini, logger: FakeLogger, where: str
) -> None:
    headers = {"x-maxim-generation-name": "named", "x-other": "sent"}
    options: Any = {"base_url": gemini.url, **({"headers": headers} if where == "client" else {})}
    config: Any = {"http_options": {"headers": headers}} if where == "call" else None
    client = genai.Client(api_key="unused", http_options=options)
    with instrument(logger), suppress():
        await side.generate(client, config=config)
        await side.send(side.chats(client).create(model=MODEL, config=config), "Hi")
    await closed(client)
    assert logger.logs == ()
    assert len(gemini.headers) == sum("x-other" in map(str.lower, sent) for sent in gemini.headers) == 2
    assert [name for sent in gemini.headers for name in sent if "maxim" in name.lower()] == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [((None,), "needs a Maxim logger, such as .*, got None"), ((FakeLogger(), 5), "skip must be a function")],
)
def test_what_can_not_be_meant_is_refused(arguments: tuple[Any, ...], error: str) -> None:
    before = code_of_all()
    with pytest.raises(TypeError, match=error):
        instrument(arguments[0], **({"skip": arguments[1]} if arguments[1:] else {}))
    assert code_of_all() == before


def test_signatures_stay_what_they_are(logger: FakeLogger) -> None:
    def shown() -> list[tuple[Any, bool]]:
        methods = [vars(owner)[name] for owner, name in METHODS]
        return [(inspect.signature(method), inspect.iscoroutinefunction(method)) for method in methods]

    before = shown()
    with instrument(logger):
        assert shown() == before


def test_it_has_the_name_that_users_of_maxim_look_for() -> None:
    assert maxim_gemini.instrument_google_genai is instrument


def test_it_loads_nothing_of_the_sdk_and_holds_for_what_is_loaded_later() -> None:
    code = """
import sys
from maxim_gemini import instrument
from maxim_gemini.testing import FakeLogger, GeminiServer, reply
logger = FakeLogger()
instrument(logger)
assert "google.genai.models" not in sys.modules, "loaded"
from google import genai
with GeminiServer() as server:
    server.always(reply.text("ok"))
    client = genai.Client(api_key="unused", http_options={"base_url": server.url})
    assert client.models.generate_content(model="m", contents="Hi").text == "ok"
    client.close()
assert logger.trace.generation.text == "ok"
logger.assert_complete()
print("done")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "done", run.stderr
