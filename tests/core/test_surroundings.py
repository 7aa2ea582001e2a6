"""One trace for one piece of work: `trace()`, `span()`, `suppress()`, and maxim-py's own decorators."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import maxim.decorators
import pytest
from google import genai
from google.genai import types
from maxim.logger import FileDataAttachment
from support.script import Gemini, call, response
from support.sides import MODEL, SIDES, Sync

import maxim_gemini
from maxim_gemini import MaximGeminiClient, current_span, current_trace, span, suppress, trace
from maxim_gemini.testing import FakeLogger, IncompleteTrace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SYNC = SIDES[0]


@pytest.fixture(autouse=True)
def says_ok(gemini: Gemini) -> None:
    gemini.says(response("ok"))


async def test_calls_inside_are_one_trace(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    with trace(
        logger, name="Answer", input="asked", session_id="talk", tags={"team": "a"}, metadata={"user": "ada"}
    ) as work:
        await side.generate(client, "one")
        await side.send(side.chats(client).create(model=MODEL), "two")
        work.output = "answered"
    made = logger.trace
    assert (made.id, made.name, made.input, made.output) == (work.id, "Answer", "asked", "answered")
    assert (made.session_id, made.tags, made.metadata) == ("talk", {"team": "a"}, {"user": "ada"})
    assert [one.messages[-1]["content"] for one in made.generations] == ["one", "two"]
    logger.assert_complete()


async def test_a_span_holds_what_is_made_in_it(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    def weather(city: str) -> str:
        return f"sunny in {city}"

    gemini.forget()
    gemini.says(response("ok"), response(call("weather", city="Rome")), response("It is sunny."))
    async with trace(logger, name="Answer"):
        await side.generate(client, "outside")
        async with span("Plan", input="how?", tags={"a": "b"}, metadata={"c": "d"}) as plan:
            with span("Look up"):
                await side.generate(client, "inside", config={"tools": [weather]})
            plan.add_tag("e", "f")
    outer, inner = logger.spans
    assert (outer.name, outer.input, outer.tags, outer.metadata) == ("Plan", "how?", {"a": "b", "e": "f"}, {"c": "d"})
    assert (inner.name, inner.parent, outer.parent) == ("Look up", outer, logger.trace)
    assert [one.parent for one in logger.generations] == [logger.trace, inner, inner]
    assert logger.tool_call.parent == inner
    logger.assert_complete()


def test_a_handle_offers_what_maxims_does(logger: FakeLogger) -> None:
    with trace(logger, name="Answer") as work, span("Part") as part:
        work.add_tag("a", "b")
        work.add_metadata({"c": 1})
        work.add_metric("d", 2.5)
        work.add_feedback({"score": 5, "comment": "good"})
        work.add_event("event-1", "clicked", {"where": "here"})
        work.input = "asked"
        assert work.input == "asked"
        assert part.input is None
        work.output = "answered"
        assert work.output == "answered"
        work.add_attachment(FileDataAttachment(data=b"x", mime_type="text/plain", name="note"))
        assert current_trace() is work
        evaluation = work.evaluate()
        assert evaluation is not None
        evaluation.with_evaluators("clarity").with_variables({"output": "x"})
        part.add_event("event-2", "looked")
        part.add_error(ValueError("odd"))
        part.add_error({"message": "odder", "code": "", "type": ""})
    made = logger.trace
    assert (made.output, made.attachments[0].content) == ("answered", b"x")
    assert (made.tags, made.metadata, made.metrics, made.input) == ({"a": "b"}, {"c": 1}, {"d": 2.5}, "asked")
    assert (made.feedback[0].score, made.events[0].name, made.span.events[0].name) == (5, "clicked", "looked")
    assert [one.message for one in made.span.errors] == ["odd", "odder"]
    assert [list(one.evaluators) for one in made.evaluations] == [["clarity"], ["clarity"]]
    logger.assert_complete()


def test_an_output_that_is_set_after_the_end_is_not_lost(logger: FakeLogger) -> None:
    with trace(logger, name="Answer") as work:
        pass
    work.output = "late"
    assert logger.trace.output == "late"
    with pytest.raises(IncompleteTrace, match="output after its end"):
        logger.assert_complete()


async def test_an_exception_is_the_traces_error_and_goes_on(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    @trace(logger, name="Answer")
    @span("Part")
    async def fail() -> None:
        await side.generate(client)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await fail()
    for failed in (logger.trace, logger.trace.span):
        assert [(one.type, one.message) for one in failed.noted_errors] == [("KeyError", "'lost'")]
    logger.assert_complete()


async def test_a_cancelled_block_is_no_error(logger: FakeLogger) -> None:
    async def work() -> None:
        async with trace(logger, name="Answer"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (logger.trace.error, logger.trace.metadata) == (None, {"cancelled": True})
    logger.assert_complete()


async def test_what_the_call_names_wins(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    with trace(logger, name="Answer"), span("Part"):
        await side.generate(client, "one", trace_id="by-argument")
        headers = {"x-maxim-trace-id": "by-header"}
        await side.generate(client, "two", config={"http_options": {"headers": headers}})
        await side.send(side.chats(client).create(model=MODEL, trace_id="by-chat"), "three")
    for trace_id in ("by-argument", "by-header", "by-chat"):
        logger.trace_end(trace_id)
    assert [one.parent.id for one in logger.generations if one.parent] == ["by-argument", "by-header", "by-chat"]
    logger.assert_complete()


async def test_a_call_over_another_logger_is_none_of_it(
    side: Sync, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    theirs = FakeLogger()
    with trace(logger, name="Ours"), trace(theirs, name="Theirs"):
        await side.generate(client, "ours")
        await side.generate(MaximGeminiClient(raw, theirs), "theirs")
        await side.generate(MaximGeminiClient(raw, FakeLogger()), "of none of both")
    assert [(one.name, one.generation.messages[0]["content"]) for one in logger.traces] == [("Ours", "ours")]
    assert [(one.name, one.generation.messages[0]["content"]) for one in theirs.traces] == [("Theirs", "theirs")]


async def test_a_trace_in_a_trace_is_another_one_of_its_session(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    with trace(logger, name="Outer", session_id="talk"):
        with trace(logger, name="Inner"):
            await side.generate(client, "inner")
        await side.generate(client, "outer")
    assert {one.name: one.generation.messages[0]["content"] for one in logger.traces} == {
        "Outer": "outer",
        "Inner": "inner",
    }
    assert [one.session_id for one in logger.traces] == ["talk", "talk"]
    logger.assert_complete()


async def test_nothing_is_traced_where_it_is_suppressed(
    side: Sync, client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger
) -> None:
    chat = side.chats(client).create(model=MODEL)
    headers = {"x-maxim-trace-id": "t", "x-other": "sent"}
    config = {"http_options": {"headers": headers}}
    with suppress(), trace(logger, name="Not this one, either") as work, span("Nor this"):
        work.add_tag("a", "b")
        await side.generate(client)
        await side.generate(client, config=config)
        await side.send(chat, "Hi")
        await side.send(chat, "Hi", config)
        assert (current_trace(), current_span(), work.headers()) == (None, None, {"x-maxim-sampled": "0"})
    assert logger.logs == ()
    assert len(gemini.headers) == 4
    assert [name for sent in gemini.headers for name in sent if "maxim" in name.lower()] == []
    assert sum("x-other" in map(str.lower, sent) for sent in gemini.headers) == 2
    await side.generate(client)
    assert len(logger.traces) == 1


async def test_a_clients_labels_are_not_sent_where_it_is_suppressed(
    side: Sync, gemini: Gemini, logger: FakeLogger
) -> None:
    options: Any = {"base_url": gemini.url, "headers": {"x-maxim-trace-tags": '{"a": "b"}'}}
    bare = genai.Client(api_key="unused", http_options=options)
    client = MaximGeminiClient(bare, logger)
    with suppress():
        assert (await side.generate(client)).text == "ok"
        assert (await side.send(side.chats(client).create(model=MODEL), "Hi")).text == "ok"
    assert logger.logs == ()
    assert [name for sent in gemini.headers for name in sent if "maxim" in name.lower()] == []
    await bare.aio.aclose()
    bare.close()


# Streams


@pytest.mark.parametrize("chat", [False, True], ids=["models", "chat"])
async def test_a_stream_belongs_to_where_it_was_opened(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, chat: bool
) -> None:
    gemini.forget()
    gemini.streams(response("o"), response("k"))
    with trace(logger, name="Opened"), span("Part"):
        if chat:
            stream = await side.open_turn(side.chats(client).create(model=MODEL), "Hi")
        else:
            stream = await side.open(client)
    assert not logger.trace.ended  # its stream is still to come
    with trace(logger, name="Read"):
        await side.read(stream)
    opened, read = logger.traces
    assert (opened.ended, opened.span.generation.text, list(read.generations)) == (True, "ok", [])
    logger.assert_complete()


async def test_a_trace_ends_once_its_stream_is_closed_or_dropped(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.forget()
    gemini.streams(response("o"), response("k"))
    with trace(logger, name="Closed") as work:
        stream = await side.open(client)
        await side.next(stream)
        work.output = "first"
    work.output = "last"
    assert [one.ended for one in logger.traces] == [False]
    await side.close(stream)
    with trace(logger, name="Dropped unread"):
        stream = await side.open(client)
    assert [one.ended for one in logger.traces] == [True, False]
    del stream
    gc.collect()
    assert [one.ended for one in logger.traces] == [True, True]
    assert logger.traces[0].output == "last"
    logger.assert_complete()


# Contexts


async def test_tasks_and_to_thread_inherit_it_and_threads_do_not(client: MaximGeminiClient, logger: FakeLogger) -> None:
    def ask(contents: str) -> None:
        client.models.generate_content(model=MODEL, contents=contents)

    async def ask_async(contents: str) -> None:
        await client.aio.models.generate_content(model=MODEL, contents=contents)

    with trace(logger, name="Work"):
        await asyncio.gather(*(ask_async("task") for _ in range(3)))
        await asyncio.to_thread(ask, "to_thread")
        await asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, ask, "copied context")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(contextvars.copy_context().run, ask, "copied context").result()
            pool.submit(ask, "executor").result()
        thread = threading.Thread(target=contextvars.Context().run, args=[ask, "thread"])  # as before Python 3.14
        thread.start()
        thread.join()
    inside = [one.messages[0]["content"] for one in logger.traces.named("Work").only.generations]
    assert sorted(inside) == ["copied context", "copied context", "task", "task", "task", "to_thread"]
    outside = [one.generation.messages[0]["content"] for one in logger.traces if one.name != "Work"]
    assert outside == ["executor", "thread"]
    logger.assert_complete()


def test_headers_carry_it_into_a_thread(client: MaximGeminiClient, logger: FakeLogger) -> None:
    def ask(headers: dict[str, str]) -> None:
        with trace(logger, headers=headers):
            client.models.generate_content(model=MODEL, contents="Hi")

    with trace(logger, name="Work") as work, span("Part"), ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, [work.headers()] * 4))
    assert len(logger.trace.span.generations) == 4
    logger.assert_complete()


def test_a_copied_context_may_run_twice(client: MaximGeminiClient, logger: FakeLogger) -> None:
    def ask() -> None:
        client.models.generate_content(model=MODEL, contents="Hi")

    with trace(logger, name="Work", session_id="talk"), span("Part"):
        context = contextvars.copy_context()
        context.run(ask)
        context.run(ask)
    assert len(logger.trace.span.generations) == 2
    context.run(ask)  # a task that goes on when the work is over
    assert [(one.name, one.session_id) for one in logger.traces] == [("Work", "talk"), ("Gemini call", "talk")]
    logger.assert_complete()


def test_a_block_may_be_left_in_another_context(client: MaximGeminiClient, logger: FakeLogger) -> None:
    """So fixtures do it."""
    work = trace(logger, name="Work")
    contextvars.copy_context().run(work.__enter__)
    contextvars.copy_context().run(work.__exit__, None, None, None)
    client.models.generate_content(model=MODEL, contents="Hi")
    assert [one.name for one in logger.traces] == ["Work", "Gemini call"]
    logger.assert_complete()


def test_blocks_may_be_left_in_any_order(client: MaximGeminiClient, logger: FakeLogger) -> None:
    def ask(contents: str) -> None:
        client.models.generate_content(model=MODEL, contents=contents)

    first, second = trace(logger, name="First"), trace(logger, name="Second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    ask("second")
    second.__exit__(None, None, None)
    ask("none")
    assert [(one.name, len(one.generations)) for one in logger.traces] == [
        ("First", 0),
        ("Second", 1),
        ("Gemini call", 1),
    ]
    logger.assert_complete()


# Decorators


async def test_it_decorates_functions(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    class Service:
        @trace(logger, tags={"a": "b"})
        async def answer(self, question: str) -> str:
            handle = current_trace()
            assert handle is not None
            handle.add_tag("c", "d")
            return await self.write(question)

        @staticmethod
        @span()
        async def write(question: str) -> str:
            assert current_span() is not None
            return str((await side.generate(client, question)).text)

    assert await Service().answer("one") == "ok"
    assert await Service().answer("two") == "ok"
    assert [(one.name, one.output, one.tags) for one in logger.traces] == [("answer", "ok", {"a": "b", "c": "d"})] * 2
    assert [one.generation.parent.name for one in logger.traces if one.generation.parent] == ["write", "write"]
    logger.assert_complete()


def test_it_decorates_plain_functions(client: MaximGeminiClient, logger: FakeLogger) -> None:
    @trace(logger, name="Count")
    def count(*words: str) -> dict[str, int]:
        client.models.generate_content(model=MODEL, contents=list[Any](words))
        return {"words": len(words)}

    @suppress()
    def hidden() -> None:
        count("not", "logged")

    assert count("a", "b") == {"words": 2}
    assert count.__name__ == "count"
    hidden()
    assert logger.trace.output == '{"words": 2}'
    logger.assert_complete()


def test_a_generator_is_surrounded_while_its_body_runs(client: MaximGeminiClient, logger: FakeLogger) -> None:
    def ask(contents: str) -> None:
        client.models.generate_content(model=MODEL, contents=contents)

    @trace(logger, name="Generate")
    def generate() -> Iterator[str]:
        ask("first")
        with span("Part"):
            sent = yield "a"
            ask(f"got {sent}")
            try:
                yield "b"
            except ValueError:
                ask("caught")
        return

    generator: Any = generate()
    assert logger.logs == ()
    assert next(generator) == "a"
    ask("between")
    assert generator.send("word") == "b"
    with pytest.raises(StopIteration):
        generator.throw(ValueError())
    ask("after")
    made = logger.traces.named("Generate").only
    assert [one.messages[0]["content"] for one in made.generations] == ["first", "got word", "caught"]
    assert (len(made.span.generations), made.output) == (2, "ab")
    assert [one.generation.messages[0]["content"] for one in logger.traces.named("Gemini call")] == ["between", "after"]
    logger.assert_complete()


async def test_an_async_generator_is_surrounded_while_its_body_runs(
    client: MaximGeminiClient, logger: FakeLogger
) -> None:
    async def ask(contents: str) -> None:
        await client.aio.models.generate_content(model=MODEL, contents=contents)

    @trace(logger, name="Generate")
    async def generate() -> AsyncIterator[str]:
        with span("Part"):
            for word in ("a", "b", "c"):
                await ask(word)
                yield word

    with trace(logger, name="Reader"):
        async for word in generate():
            await ask(f"read {word}")
    closed: Any = generate()
    assert await anext(closed) == "a"
    await closed.aclose()
    assert [[one.messages[0]["content"] for one in made.generations] for made in logger.traces] == [
        ["read a", "read b", "read c"],
        ["a", "b", "c"],
        ["a"],
    ]
    assert logger.traces[1].output == "abc"
    assert logger.traces[2].metadata == {"stopped_early": True}
    logger.assert_complete()


def test_a_generator_may_be_read_anywhere(client: MaximGeminiClient, logger: FakeLogger) -> None:
    """A web framework reads each item in another thread of its pool, and in a context of its own."""

    @trace(logger, name="Generate")
    def generate() -> Iterator[str]:
        for word in ("a", "b", "c"):
            with span(word):
                client.models.generate_content(model=MODEL, contents=word)
                yield word
                client.models.generate_content(model=MODEL, contents=f"after {word}")

    with trace(logger, name="Caller"):
        generator = generate()
    read = list[str | None]()
    for _ in range(4):
        thread = threading.Thread(target=contextvars.Context().run, args=[lambda: read.append(next(generator, None))])
        thread.start()
        thread.join()
    assert read == ["a", "b", "c", None]
    made = logger.traces.named("Generate").only
    assert [(one.name, [each.messages[0]["content"] for each in one.generations]) for one in made.spans] == [
        (word, [word, f"after {word}"]) for word in "abc"
    ]
    assert logger.traces.named("Caller").only.generations == []
    logger.assert_complete()


def words() -> Iterator[str]:
    try:
        yield "a"
    except LookupError:
        yield "caught"
    yield "b"


async def async_words() -> AsyncIterator[str]:
    try:
        yield "a"
    except LookupError:
        yield "caught"
    yield "b"


async def done(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


@pytest.mark.parametrize("function", [words, async_words])
async def test_a_generator_ends_its_trace_however_it_ends(function: Callable[[], Any], logger: FakeLogger) -> None:
    decorated: Any = trace(logger, name="Words")(function)
    prefix = "a" if function is async_words else ""
    step = anext if prefix else next

    async def call(generator: Any, method: str, *args: Any) -> Any:
        return await done(getattr(generator, f"{prefix}{method}")(*args))

    closed, thrown, failed = decorated(), decorated(), decorated()
    for generator in (closed, thrown, failed):
        assert await done(step(generator)) == "a"
    await call(closed, "close")
    assert await call(thrown, "throw", LookupError()) == "caught"
    assert await done(step(thrown)) == "b"
    with pytest.raises((StopIteration, StopAsyncIteration)):
        await done(step(thrown))
    with pytest.raises(ValueError, match="no word"):
        await call(failed, "throw", ValueError("no word"))
    one, two, three = logger.traces
    assert (one.metadata, one.errors) == ({"stopped_early": True}, ())
    assert (two.output, two.errors) == ("acaughtb", ())
    assert [error.message for error in three.errors] == ["no word"]
    logger.assert_complete()


def test_it_decorates_methods_of_every_kind(logger: FakeLogger) -> None:
    class Service:
        @trace(logger)
        def plain(self) -> str:
            return type(self).__name__

        @trace(logger)
        @classmethod
        def of_class(cls) -> str:
            return cls.__name__

        @classmethod
        @trace(logger)
        def inside(cls) -> str:
            return cls.__name__

        @trace(logger)
        @staticmethod
        def static() -> str:
            return "static"

    service = Service()
    assert [service.plain(), service.of_class(), Service.inside()] == ["Service"] * 3
    assert service.static() == Service.static() == "static"
    assert [made.name for made in logger.traces] == ["plain", "of_class", "inside", "static", "static"]


def test_two_runs_of_one_generator_do_not_mix(client: MaximGeminiClient, logger: FakeLogger) -> None:
    @trace(logger)
    def generate(word: str) -> Iterator[str]:
        for _ in range(2):
            client.models.generate_content(model=MODEL, contents=word)
            yield word

    for _ in zip(generate("a"), generate("b"), strict=True):
        pass
    assert [{one.messages[0]["content"] for one in made.generations} for made in logger.traces] == [{"a"}, {"b"}]
    logger.assert_complete()


# maxim-py's own


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # maxim-py's decorators make what it deprecates
async def test_calls_join_maxims_own_decorators(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    @maxim.decorators.trace(logger=logger, name="theirs")
    async def outer() -> None:
        await side.generate(client, "in their trace")
        await inner()
        with trace(logger, name="ours in theirs"):
            await side.generate(client, "in ours")

    @maxim.decorators.span(name="their span")
    async def inner() -> None:
        await side.generate(client, "in their span")
        with span("our span"):
            await side.generate(client, "in our span")

    await outer()
    with trace(logger, name="ours"):
        await outer()
        await side.generate(client, "in ours again")
    where = [(one.messages[0]["content"], one.parent.name) for one in logger.generations if one.parent]
    once = [
        ("in their trace", "theirs"),
        ("in their span", "their span"),
        ("in our span", "our span"),
        ("in ours", "ours in theirs"),
    ]
    assert sorted(where) == sorted([*once, *once, ("in ours again", "ours")])
    assert [one.parent.name for one in logger.spans.named("our span") if one.parent] == ["their span"] * 2
    logger.assert_complete()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_their_trace_in_their_span_is_the_inner_one(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    @maxim.decorators.trace(logger=logger, name="inner")
    async def inner() -> None:
        await side.generate(client)

    @maxim.decorators.trace(logger=logger, name="outer")
    @maxim.decorators.span(name="part")
    async def outer() -> None:
        await inner()

    await outer()
    assert logger.generation.parent == logger.traces.named("inner").only


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_span_of_theirs_without_their_trace(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    @maxim.decorators.span(logger=logger, trace_id="mine", name="part")
    async def part() -> None:
        await side.generate(client)

    logger.trace({"id": "mine", "input": "x"})
    await part()
    logger.trace_end("mine")
    assert logger.trace.span.generation.text == "ok"
    logger.assert_complete()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_their_trace_of_another_logger_is_left_alone(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    theirs = FakeLogger()

    @maxim.decorators.trace(logger=theirs, name="theirs")
    async def outer() -> None:
        await side.generate(client)

    await outer()
    assert (logger.trace.name, list(theirs.generations)) == ("Gemini call", [])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_span_of_ours_after_their_trace_of_another_logger_is_in_theirs_of_this_one(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """maxim-py goes on to name the logger of the trace that is over."""

    @maxim.decorators.trace(logger=FakeLogger(), name="inner")
    async def inner() -> None:
        pass

    @maxim.decorators.trace(logger=logger, name="outer")
    async def outer() -> None:
        await inner()
        with span("our span"):
            await side.generate(client)

    await outer()
    assert (logger.trace.name, logger.trace.span.name, logger.trace.span.generation.text) == ("outer", "our span", "ok")
    logger.assert_complete()


# Bad input


async def test_a_span_without_a_trace_logs_nothing_and_warns_once(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger, caplog: pytest.LogCaptureFixture
) -> None:
    maxim_gemini.context._warned.clear()
    for _ in range(2):
        with span("Part") as part:
            part.add_tag("a", "b")
            await side.generate(client)
    assert [one.name for one in logger.traces] == ["Gemini call", "Gemini call"]
    assert list(logger.spans) == []
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING] == [
        "span() outside of a trace logs nothing: use it inside `with maxim_gemini.trace(logger):`"
    ]
    logger.assert_complete()


def test_a_trace_ends_once_however_often_it_is_ended(logger: FakeLogger) -> None:
    with trace(logger, name="Work") as work:
        work.end()
        work.end()
    work.end()
    with span("Part"):
        pass
    logger.assert_complete()


def test_a_handle_is_entered_once(logger: FakeLogger) -> None:
    with trace(logger, name="Work") as work:
        pass
    with pytest.raises(RuntimeError, match=r"TraceHandle\('Work'.* was entered before"), work:
        pass
    with suppress() as hidden, pytest.raises(RuntimeError, match=r"suppress\(\) was entered before"), hidden:
        pass
    with pytest.raises(TypeError, match="not the class Service"):

        @trace(logger)
        class Service:
            pass


@pytest.mark.parametrize(
    "headers",
    [
        {"x-maxim-trace-id": "not an id!"},
        {"x-maxim-trace-id": ""},
        {"X-Maxim-Span-Id": "lonely"},
        {"x-maxim-trace-id": 7.5, "x-maxim-session-id": "\n"},
        {1: 2},
        "text",
        7,
    ],
    ids=repr,
)
def test_malformed_headers_make_it_a_trace_of_its_own(
    client: MaximGeminiClient, logger: FakeLogger, headers: Any
) -> None:
    with trace(logger, name="Work", headers=headers):
        client.models.generate_content(model=MODEL, contents="Hi")
    assert (logger.trace.name, logger.trace.generation.text) == ("Work", "ok")
    logger.assert_complete()


def test_headers_of_a_trace_that_is_not_sampled_trace_nothing(client: MaximGeminiClient, logger: FakeLogger) -> None:
    with trace(logger, headers={"X-Maxim-Sampled": "0"}) as work:
        client.models.generate_content(model=MODEL, contents="Hi")
        assert work.headers() == {"x-maxim-sampled": "0"}
    assert logger.logs == ()
    client.models.generate_content(model=MODEL, contents="Hi")
    assert len(logger.traces) == 1


def test_without_a_logger_calls_are_traced_as_if_it_were_not_there(
    client: MaximGeminiClient, logger: FakeLogger
) -> None:
    nothing: Any = None
    with trace(nothing, name="Work") as work:
        client.models.generate_content(model=MODEL, contents="Hi")
        assert work.headers() == {}
    assert logger.trace.name == "Gemini call"
    logger.assert_complete()


def test_a_logger_that_fails_changes_nothing(client: MaximGeminiClient, logger: FakeLogger) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    failing: Any = Failing()
    with trace(failing, name="Work", input=object(), metadata={"a": "b"}) as work, span("Part"):
        work.add_tag("a", "b")
        work.output = "x"
        client.models.generate_content(model=MODEL, contents="Hi")
    assert logger.trace.generation.text == "ok"


async def test_a_function_is_answered_in_another_chat_of_the_same_trace(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """A framework may make a chat for each request."""
    gemini.forget()
    gemini.says(response(call("weather", city="Rome")), response("Sunny."))
    requested = types.Part.from_function_call(name="weather", args={"city": "Rome"})
    history = [types.UserContent("Hi"), types.ModelContent(requested)]
    result = types.Part.from_function_response(name="weather", response={"result": "sunny"})
    with trace(logger, name="Work"):
        await side.send(side.chats(client).create(model=MODEL), "Hi")
        await side.send(side.chats(client).create(model=MODEL, history=history), result)
    assert logger.trace.tool_call.result == "sunny"
    logger.assert_complete(strict=True)
