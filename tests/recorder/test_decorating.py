"""A recorder as a decorator: of functions and generators of all kinds, and of test classes."""

from __future__ import annotations

import asyncio
import functools
import inspect
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.gemini import ASK
from support.recordings import call, cassette, says

from maxim_gemini.testing import CassetteNotFound, GeminiRecorder
from maxim_gemini.testing._http.sdk import closing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator
    from pathlib import Path

UNREACHABLE: Any = {"base_url": "http://127.0.0.1:1", "timeout": 1000}


@pytest.fixture
def recorder(tmp_path: Path) -> GeminiRecorder:
    return GeminiRecorder(cassette(tmp_path / "a.yaml", *((call(), says(word)) for word in ("one", "two"))))


@pytest.fixture
def client() -> Iterator[genai.Client]:
    with closing(genai.Client(api_key="any", http_options=UNREACHABLE)) as client:
        yield client


def answer_of(client: genai.Client) -> str | None:
    return client.models.generate_content(**ASK).text


def test_a_generator_is_in_the_block_as_long_as_it_runs(recorder: GeminiRecorder, client: genai.Client) -> None:
    @recorder
    def words(prefix: str) -> Generator[str, str, str]:
        answer = yield f"{prefix} {answer_of(client)}"
        yield f"{answer} {answer_of(client)}"
        return "end"

    assert inspect.isgeneratorfunction(words)
    generator = words("first")
    assert (next(generator), generator.send("second")) == ("first one", "second two")
    with pytest.raises(StopIteration) as stopped:
        next(generator)
    assert stopped.value.value == "end"
    assert recorder.outcome.replayed == 2
    assert [*words("again")] == ["again one", "None two"]


async def test_an_async_generator_is_in_the_block_as_long_as_it_runs(
    recorder: GeminiRecorder, client: genai.Client
) -> None:
    @recorder
    async def words() -> Any:
        try:
            answer = yield answer_of(client)
            yield f"{answer} {answer_of(client)}"
        except ValueError as error:
            yield f"caught {error}"

    assert inspect.isasyncgenfunction(words)
    generator = words()
    assert [await anext(generator), await generator.asend("sent")] == ["one", "sent two"]
    assert await generator.athrow(ValueError("thrown")) == "caught thrown"
    with pytest.raises(StopAsyncIteration):
        await anext(generator)
    generator = words()
    assert await anext(generator) == "one"
    await generator.aclose()  # ends the block
    assert [word async for word in words()] == ["one", "None two"]


async def test_calls_may_overlap(recorder: GeminiRecorder, client: genai.Client) -> None:
    """Tasks, threads and a function that calls itself: each call has its own block."""

    @recorder
    async def task() -> str | None:
        await asyncio.sleep(0)
        return answer_of(client)

    @recorder
    def words(deeper: int = 0) -> Generator[str | None]:
        yield answer_of(client)
        if deeper:
            yield from words(deeper - 1)
        yield answer_of(client)

    assert await asyncio.gather(*(task() for _ in range(3))) == ["one"] * 3
    assert [*words(2)] == ["one", "one", "one", "two", "two", "two"]
    assert await asyncio.gather(*(asyncio.to_thread(lambda: [*words()]) for _ in range(4))) == [["one", "two"]] * 4
    assert [*words()] == ["one", "two"]
    assert recorder.outcome.replayed == 2


def test_a_call_whose_block_can_not_begin_leaves_the_recorder_free(tmp_path: Path) -> None:
    recorder = GeminiRecorder(tmp_path / "missing.yaml")
    with pytest.raises(CassetteNotFound):
        recorder(lambda: None)()
    cassette(tmp_path / "missing.yaml", (call(), says("one")))
    recorder(lambda: None)()
    assert recorder.outcome.unused == 1


async def test_context_managers_made_of_generators(recorder: GeminiRecorder, client: genai.Client) -> None:
    @contextmanager
    @recorder
    def block() -> Iterator[str | None]:
        yield answer_of(client)

    @asynccontextmanager
    @recorder
    async def async_block() -> AsyncIterator[str | None]:
        yield answer_of(client)

    with block() as word:
        assert (word, answer_of(client)) == ("one", "two")
    async with async_block() as word:
        assert (word, answer_of(client)) == ("one", "two")


def test_what_would_run_after_the_block_is_refused(recorder: GeminiRecorder, client: genai.Client) -> None:
    async def asks() -> None: ...

    for late in (
        lambda: client.models.generate_content_stream(**ASK),
        lambda: client.aio.models.generate_content(**ASK),
        functools.partial(lambda function: function(), asks),
    ):
        with pytest.raises(TypeError, match="would run after the recorder's block"):
            recorder(late)()


async def test_a_partial_of_a_coroutine_function(recorder: GeminiRecorder, client: genai.Client) -> None:
    async def asks(prefix: str) -> str:
        return f"{prefix} {answer_of(client)}"

    assert await recorder(functools.partial(asks, "partly"))() == "partly one"


def test_a_class_stays_a_class_and_its_tests_are_recorded(recorder: GeminiRecorder, client: genai.Client) -> None:
    class Inherited:
        def test_inherited(self) -> str | None:
            return answer_of(client)

    @recorder
    class TestIt(Inherited):
        tests = ("not callable",)

        def test_method(self) -> str | None:
            return answer_of(client)

        @staticmethod
        def test_static() -> str | None:
            return answer_of(client)

        @classmethod
        def test_class(cls) -> str | None:
            return f"{cls.__name__} {answer_of(client)}"

        def helper(self) -> bool:
            return recorder._stack is None

    assert inspect.isclass(TestIt)
    assert [TestIt().test_inherited(), TestIt().test_method(), TestIt.test_static()] == ["one"] * 3
    assert TestIt.test_class() == "TestIt one"
    assert TestIt().helper()
    with pytest.raises(Exception, match=r"(?i)connect"):
        Inherited().test_inherited()


def test_a_class_without_tests_is_refused(recorder: GeminiRecorder) -> None:
    class Service:
        def ask(self) -> None: ...

    with pytest.raises(TypeError, match="Service has no method whose name begins with 'test'"):
        recorder(Service)


def test_decorated_classes_are_collected(pytester: pytest.Pytester, tmp_path: Path) -> None:
    path = cassette(tmp_path / "a.yaml", (call(), says("one")))
    pytester.makepyfile(
        f"""
        import unittest
        from google import genai
        from maxim_gemini.testing import GeminiRecorder
        from maxim_gemini.testing._http.sdk import closing

        def said():
            with closing(genai.Client(api_key="any", http_options={UNREACHABLE!r})) as client:
                return client.models.generate_content(model="gemini-2.5-flash", contents="Hi").text

        @GeminiRecorder({str(path)!r})
        class TestPlain:
            def test_it(self):
                assert said() == "one"

        @GeminiRecorder({str(path)!r})
        class TestUnit(unittest.TestCase):
            def test_it(self):
                self.assertEqual(said(), "one")

        @GeminiRecorder({str(path)!r})
        class TestAsync(unittest.IsolatedAsyncioTestCase):
            async def test_it(self):
                self.assertEqual(said(), "one")
        """
    )
    pytester.runpytest("-p", "no:randomly", "-o", "asyncio_default_fixture_loop_scope=function").assert_outcomes(
        passed=3
    )
