"""Code whose context is older than a block of the user's own, and blocks that end in another order than they began."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.recordings import call, cassette, says

if TYPE_CHECKING:
    from pathlib import Path

PRELUDE = """
import asyncio, unittest, pytest
from google import genai
from maxim_gemini.testing import GeminiRecorder
from maxim_gemini.testing._http.sdk import aclose, closing

PATH = {path!r}
UNREACHABLE = {{"base_url": "http://127.0.0.1:1", "timeout": 1000}}

def said():
    with closing(genai.Client(api_key="any", http_options=UNREACHABLE)) as client:
        return client.models.generate_content(model="gemini-2.5-flash", contents="Hi").text

async def said_async():
    client = genai.Client(api_key="any", http_options=UNREACHABLE)
    try:
        return (await client.aio.models.generate_content(model="gemini-2.5-flash", contents="Hi")).text
    finally:
        await aclose(client)
"""

ANYIO = """
@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module")
async def application():
    await asyncio.sleep(0)
    yield

@pytest.fixture
def recorder():
    with GeminiRecorder(PATH) as recorder:
        yield recorder

@pytest.mark.anyio
async def test_it(application, recorder):
    assert await said_async() == "recorded"
"""

UNITTEST = """
@pytest.fixture
def recorder():
    with GeminiRecorder(PATH):
        yield

@pytest.mark.usefixtures("recorder")
class TestFixture(unittest.IsolatedAsyncioTestCase):
    async def test_it(self):
        assert await said_async() == "recorded"

class TestSetUp(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.enterContext(GeminiRecorder(PATH))

    async def test_it(self):
        assert await said_async() == "recorded"

class TestAsyncSetUp(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await self.enterAsyncContext(GeminiRecorder(PATH))

    async def test_it(self):
        assert await said_async() == "recorded"
"""

CROSSED = """
@pytest.fixture(scope="module", params=["recorded", "without"])
def first(request):
    if request.param == "recorded":
        with GeminiRecorder(PATH):
            yield
    else:
        yield

@pytest.fixture(scope="module")
def second():
    with GeminiRecorder(PATH, cassette_options={"allow_playback_repeats": True}):
        yield

def test_both(first, second):
    assert said() == "recorded"

def test_second(second):
    assert said() == "recorded"
"""


@pytest.mark.parametrize(
    ("program", "passed"), [(ANYIO, 1), (UNITTEST, 3), (CROSSED, 3)], ids=["anyio", "unittest", "crossed"]
)
def test_it_is_replayed(pytester: pytest.Pytester, tmp_path: Path, program: str, passed: int) -> None:
    path = cassette(tmp_path / "a.yaml", (call(), says("recorded")))
    pytester.makepyfile(PRELUDE.format(path=str(path)) + program)
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio", "-W", "ignore")
    result.assert_outcomes(passed=passed)
