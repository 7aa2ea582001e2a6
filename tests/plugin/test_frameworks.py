"""Kinds of tests: marked only, unittest's classes, async ones, and those of hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail
from support.leftovers import discard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.loopback import Loopback

OWN_CLIENT = """
import os
import pytest
from google import genai

def ask(text):
    client = genai.Client(api_key="own-key", http_options={"base_url": os.environ["GEMINI_AT"]})
    return client.models.generate_content(model="gemini-2.5-flash", contents=text).text
"""


@pytest.fixture(autouse=True)
def _no_loop_left() -> Iterator[None]:
    """Collect the event loop that one runner leaves behind for the next to replace: it must fail no other test."""
    yield
    discard()


def replayed(suite: pytest.Pytester, gemini: Loopback, *args: str, tests: int = 1) -> None:
    """Record the suite, then replay it: nothing is sent the second time."""
    record(suite, *args).assert_outcomes(passed=tests)
    sent = len(gemini.requests)
    assert sent
    result = suite.runpytest_inprocess(*args)
    result.assert_outcomes(passed=tests)
    assert tail(result).startswith(f"{sent} replayed, 0 recorded, 0 live, 0 unused, 0 missed")
    assert len(gemini.requests) == sent


def test_the_marker_alone_records_the_test(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        f"""{OWN_CLIENT}
@pytest.fixture
def greeting():
    return ask("Hi")

@pytest.mark.maxim_gemini
def test_marked(greeting):
    assert greeting == "You said: Hi"

@pytest.mark.parametrize("text", [pytest.param("Bye", marks=pytest.mark.maxim_gemini)])
def test_param(text):
    assert ask(text) == "You said: Bye"
"""
    )
    replayed(suite, gemini, tests=2)


def test_a_module_is_recorded_by_its_mark(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_whole=f"""{OWN_CLIENT}
pytestmark = pytest.mark.maxim_gemini

def test_hi():
    ask("Hi")

def test_that_asks_nothing(): ...
"""
    )
    replayed(suite, gemini, tests=2)
    assert [path.name for path in (suite.path / "cassettes/test_whole").iterdir()] == ["test_hi.yaml"]


def test_what_fixtures_of_wider_scope_send_is_not_the_tests(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        f"""{OWN_CLIENT}
@pytest.fixture(scope="module")
def greeting():
    return ask("Once")

@pytest.mark.maxim_gemini
def test_first(greeting):
    ask("Hi")
"""
    )
    assert tail(record(suite)).startswith("0 replayed, 1 recorded, 1 live")
    assert len(gemini.requests) == 2


def test_classes_of_unittest(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_unit=f"""{OWN_CLIENT}
import unittest

@pytest.mark.maxim_gemini
class TestMarked(unittest.TestCase):
    def setUp(self):
        self.greeting = ask("Hi")

    def test_hi(self):
        self.assertEqual(self.greeting, "You said: Hi")

class TestFixture(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _recorder(self, maxim_gemini_recorder):
        self.recorder = maxim_gemini_recorder

    def test_bye(self):
        reply = self.recorder.client.models.generate_content(model="gemini-2.5-flash", contents="Bye")
        self.assertEqual(self.recorder.logger.trace.output, reply.text)
"""
    )
    replayed(suite, gemini, tests=2)
    names = sorted(path.name for path in (suite.path / "cassettes/test_unit").iterdir())
    assert names == ["TestFixture.test_bye.yaml", "TestMarked.test_hi.yaml"]


def test_a_failed_test_of_unittest_keeps_no_recording(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        f"""{OWN_CLIENT}
import unittest

@pytest.mark.maxim_gemini
class TestMarked(unittest.TestCase):
    def test_hi(self):
        self.assertEqual(ask("Hi"), "something else")

    def test_swallowed(self):
        try:
            ask("Bye")
        except Exception:
            pass
"""
    )
    record(suite).assert_outcomes(failed=1, passed=1)
    assert len(gemini.requests) == 2
    (suite.path / "cassettes").rename(suite.path / "gone")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    assert "site-packages" not in result.stdout.str()
    assert result.stdout.str().count("To record it:") == 2


ASYNC_TESTS = """
import asyncio
import pytest
from maxim_gemini.testing._http import sdk

used, closed = [], []

@pytest.fixture(autouse=True, scope="module")
def watched():
    aclose = sdk.aclose

    async def watched(client):
        closed.append(asyncio.get_running_loop())
        await aclose(client)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdk, "aclose", watched)
        yield

@pytest.fixture(scope={scope!r})
async def before():
    yield 1

@{mark}
async def test_plain(maxim_gemini_recorder, before):
    used.append(asyncio.get_running_loop())
    client = maxim_gemini_recorder.client
    reply = await client.aio.models.generate_content(model="gemini-2.5-flash", contents="Hi")
    assert maxim_gemini_recorder.logger.trace.output == reply.text == "You said: Hi"

@{mark}
async def test_stream(maxim_gemini_recorder, before):
    used.append(asyncio.get_running_loop())
    client = maxim_gemini_recorder.client
    stream = await client.aio.models.generate_content_stream(model="gemini-2.5-flash", contents="Hi there")
    assert [chunk.text async for chunk in stream] == ["You ", "said: ", "Hi ", "there "]
    maxim_gemini_recorder.logger.assert_complete()

def test_that_each_client_was_closed_in_its_loop():
    assert closed == used
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
@pytest.mark.parametrize("scope", ["function", "module"])
def test_tests_of_pytest_asyncio(suite: pytest.Pytester, gemini: Loopback, scope: str, mode: str) -> None:
    tests = ASYNC_TESTS.format(mark=f"pytest.mark.asyncio(loop_scope={scope!r})", scope=scope)
    if mode == "strict":
        tests = "import pytest_asyncio" + tests.replace("@pytest.fixture(scope", "@pytest_asyncio.fixture(scope")
    suite.makepyfile(tests)
    options = ("-o", f"asyncio_default_fixture_loop_scope={scope}")
    replayed(suite, gemini, f"--asyncio-mode={mode}", *options, tests=3)


@pytest.mark.parametrize("scope", ["function", "module"])
def test_tests_of_anyio(suite: pytest.Pytester, gemini: Loopback, scope: str) -> None:
    suite.makepyfile(ASYNC_TESTS.format(mark="pytest.mark.anyio", scope=scope))
    suite.makeini("[pytest]\naddopts = -p no:unraisableexception -p no:asyncio")
    with (suite.path / "conftest.py").open("a") as conftest:
        conftest.write("\n@pytest.fixture(scope='session')\ndef anyio_backend():\n    return 'asyncio'\n")
    replayed(suite, gemini, tests=3)


def test_tests_of_hypothesis_by_the_marker(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        f"""{OWN_CLIENT}
from hypothesis import given, settings, strategies as st

@pytest.mark.maxim_gemini
@given(st.sampled_from(["Hi", "Bye"]))
@settings(max_examples=4, database=None, derandomize=True, deadline=None)
def test_any(text):
    assert ask(text) == f"You said: {{text}}"
"""
    )
    replayed(suite, gemini)


@pytest.mark.parametrize("how", ["decorator", "block"])
def test_tests_of_hypothesis_with_a_recorder_of_their_own(suite: pytest.Pytester, gemini: Loopback, how: str) -> None:
    body = 'assert ask("Hi") == "You said: Hi"'
    examples = {
        "decorator": f"@given(st.integers())\n@recorder\ndef test_any(number):\n    {body}",
        "block": f"@given(st.integers())\ndef test_any(number):\n    with recorder:\n        {body}",
    }
    suite.makepyfile(
        f"""{OWN_CLIENT}
from hypothesis import given, settings, strategies as st
from maxim_gemini.testing import GeminiRecorder

recorder = GeminiRecorder("own.yaml", record=os.environ["MODE"], base_url=os.environ["GEMINI_AT"])

@settings(max_examples=5, database=None, deadline=None)
{examples[how]}
"""
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODE", "once")
        suite.runpytest_inprocess().assert_outcomes(passed=1)
        patch.setenv("MODE", "none")
        result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    assert len(gemini.requests) == 1
    assert " own.yaml" not in tail(result)
    assert " replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)" in tail(result)
