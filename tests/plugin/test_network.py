"""A test that uses neither recorder nor mock sends nothing to Gemini, unless it is allowed to."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from plugin.printed import tail

pytestmark = pytest.mark.maxim_gemini(block_network=False)
"""The block of the run that these tests are part of."""

ASK = """
import pytest
from google import genai

def ask():
    client = genai.Client(api_key="some-key")
    return client.models.generate_content(model="gemini-2.5-flash", contents="Hi")

def refused():
    with pytest.raises(Exception, match="@pytest.mark.maxim_gemini"):
        ask()

def allowed():
    with pytest.raises(Exception) as caught:
        ask()
    assert "maxim_gemini" not in str(caught.value)
"""
TESTS = {
    "test": "def test_it():\n    {}()\n",
    "module fixture": "@pytest.fixture(scope='module')\ndef wide():\n    {}()\n\ndef test_it(wide): ...\n",
    "with a fake logger": "def test_it(maxim_fake_logger):\n    {}()\n",
    "thread": "import threading\ndef test_it():\n    with __import__('concurrent.futures').futures"
    ".ThreadPoolExecutor() as pool:\n        pool.submit({}).result()\n",
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is sent ends here: nothing is looked up, and nobody is connected to."""

    look_up = socket.getaddrinfo

    def no_address(host: str, *args: Any, **kwargs: Any) -> Any:
        if "googleapis" in str(host):
            raise OSError("no network in this test")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", no_address)


@pytest.fixture
def plain(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\naddopts = -p no:unraisableexception -p no:asyncio --assert=plain\n")
    return pytester


@pytest.mark.parametrize("where", TESTS)
def test_what_no_recorder_takes_is_refused(plain: pytest.Pytester, where: str) -> None:
    plain.makepyfile(test_it=ASK + TESTS[where].format("refused"))
    result = plain.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    assert tail(result).splitlines()[-1] == (
        "refused   1 request of test_it.py::test_it: it uses neither recorder nor mock"
    )


def test_the_error_says_what_to_do(plain: pytest.Pytester) -> None:
    plain.makepyfile(test_it=ASK + "def test_it():\n    ask()\n")
    result = plain.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*RequestRefused: A request to generativelanguage.googleapis.com was refused before anything was sent.",
            "*use the fixture maxim_gemini_recorder, or mark the test with @pytest.mark.maxim_gemini.",
            "*gemini_mock.",
            "*block_network=False*--no-maxim-gemini-block-network, or maxim_gemini_block_network = false*",
        ]
    )
    assert "site-packages" not in result.stdout.str()


def test_what_a_conftest_sends_when_it_is_read_is_refused(plain: pytest.Pytester) -> None:
    plain.makeconftest(ASK + "refused()\n")
    plain.makepyfile(test_it="def test_it(): ...\n")
    plain.runpytest_inprocess().assert_outcomes(passed=1)


def test_what_a_module_sends_when_it_is_read_is_refused(plain: pytest.Pytester) -> None:
    plain.makepyfile(test_it=ASK + "refused()\ndef test_it(): ...\n")
    plain.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("args", "ini", "sends"),
    [
        ([], "", False),
        (["--no-maxim-gemini-block-network"], "", True),
        ([], "maxim_gemini_block_network = false", True),
        (["--maxim-gemini-block-network"], "maxim_gemini_block_network = false", False),
        (["--maxim-gemini-record=once"], "", True),
        (["--maxim-gemini-record=none"], "maxim_gemini_record = once", False),
        (["--maxim-gemini-record=once"], "maxim_gemini_block_network = true", False),
        (["--maxim-gemini-record=once", "--maxim-gemini-block-network"], "", False),
    ],
)
def test_who_says_whether_it_is_refused(plain: pytest.Pytester, args: list[str], ini: str, sends: bool) -> None:
    plain.makeini(f"[pytest]\naddopts = -p no:unraisableexception -p no:asyncio --assert=plain\n{ini}\n")
    plain.makepyfile(test_it=ASK + f"def test_it():\n    {'allowed' if sends else 'refused'}()\n")
    plain.runpytest_inprocess(*args).assert_outcomes(passed=1)


def test_a_marker_lets_a_test_and_its_fixtures_send_without_a_recorder(plain: pytest.Pytester) -> None:
    plain.makepyfile(
        test_it=ASK
        + """
@pytest.fixture(scope="module")
def wide():
    allowed()

@pytest.mark.maxim_gemini(block_network=False)
def test_free(wide):
    allowed()

def test_other():
    refused()
"""
    )
    plain.runpytest_inprocess().assert_outcomes(passed=2)
    plain.makepyfile(
        test_it=ASK + "@pytest.mark.maxim_gemini(block_network=True)\ndef test_it():\n    refused()\n"
        "def test_free():\n    allowed()\n"
    )
    plain.runpytest_inprocess("--no-maxim-gemini-block-network").assert_outcomes(passed=2)


def test_recorders_mocks_and_servers_are_not_touched(plain: pytest.Pytester) -> None:
    plain.makepyfile(
        test_it="""
        from google import genai
        from maxim_gemini.testing import GeminiRecorder, reply

        def ask(client):
            return client.models.generate_content(model="gemini-2.5-flash", contents="Hi").text

        def test_recorder(tmp_path, gemini_server):
            gemini_server.reply(reply.text("recorded"))
            with GeminiRecorder(tmp_path / "one.yaml", record="once", base_url=gemini_server.url) as recorder:
                assert ask(recorder.client) == "recorded"
            with GeminiRecorder(tmp_path / "one.yaml"):
                assert ask(genai.Client(api_key="any")) == "recorded"

        def test_mock(gemini_mock):
            gemini_mock.reply(reply.text("mocked"))
            assert ask(genai.Client(api_key="any")) == "mocked"
        """
    )
    plain.runpytest_inprocess().assert_outcomes(passed=2)
