"""The fixtures besides the recorder, and one's own client in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail

if TYPE_CHECKING:
    from support.loopback import Loopback

TRACED = """
def test_hi(maxim_gemini_recorder, maxim_fake_logger):
    reply = maxim_gemini_recorder.client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
    assert maxim_fake_logger is maxim_gemini_recorder.logger
    assert maxim_fake_logger.trace.output == reply.text == "You said: Hi"
    maxim_fake_logger.assert_complete()
"""

OWN = """
import os
import pytest
from google import genai

@pytest.fixture
{kind} gemini_client({asks}):
    client = genai.Client(api_key="own-key", http_options={{"base_url": os.environ["GEMINI_AT"]}})
    yield client
    getattr(client, "close", lambda: None)()  # google-genai has it since 1.45
"""


def test_the_recorder_logs_to_the_fake_logger(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(TRACED)
    record(suite).assert_outcomes(passed=1)
    suite.runpytest_inprocess().assert_outcomes(passed=1)
    assert len(gemini.requests) == 1


@pytest.mark.parametrize(
    ("kind", "asks"), [("def", ""), ("async def", ""), ("def", "maxim_gemini_recorder"), ("def", "gemini_client")]
)
def test_ones_own_client_is_wrapped(suite: pytest.Pytester, gemini: Loopback, kind: str, asks: str) -> None:
    suite.makepyfile(OWN.format(kind=kind, asks=asks) + TRACED)
    args = ["--asyncio-mode=auto"]
    record(suite, *args).assert_outcomes(passed=1)
    assert [asked.headers["x-goog-api-key"] for asked in gemini.requests] == ["own-key"]
    suite.runpytest_inprocess(*args).assert_outcomes(passed=1)
    assert len(gemini.requests) == 1


@pytest.mark.parametrize("own", ["", OWN.format(kind="def", asks="")])
def test_a_client_outlives_the_fixtures_that_use_it(suite: pytest.Pytester, gemini: Loopback, own: str) -> None:
    suite.makepyfile(
        f"""{own}
import pytest

@pytest.fixture
def farewell(ask):
    yield
    assert ask("Bye") == "You said: Bye"

def test_hi(ask, farewell):
    assert ask("Hi") == "You said: Hi"
"""
    )
    record(suite).assert_outcomes(passed=1)
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    assert tail(result).startswith("2 replayed")


def test_the_bare_client_is_recorded_too(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        """
        def test_hi(gemini_client):
            reply = gemini_client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
            assert reply.text == "You said: Hi"
        """
    )
    record(suite).assert_outcomes(passed=1)
    suite.runpytest_inprocess().assert_outcomes(passed=1)
    assert len(gemini.requests) == 1


def test_the_config_fixture_holds_for_a_module_and_the_marker_wins(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        """
        import os
        import pytest

        @pytest.fixture(scope="module")
        def maxim_gemini_config():
            return {"base_url": os.environ["GEMINI_AT"], "pace": 2.0, "description": "of the module"}

        @pytest.mark.maxim_gemini(description="of the test")
        def test_hi(maxim_gemini_recorder):
            assert maxim_gemini_recorder.pace == 2.0
            assert maxim_gemini_recorder.description == "of the test"
        """
    )
    suite.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_slip_in_the_config_fixture_is_reported(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture
        def maxim_gemini_config():
            return {"pase": "recorded"}

        def test_hi(maxim_gemini_recorder): ...
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["TypeError: the fixture maxim_gemini_config has no 'pase'; did you mean 'pace'? It takes cassette, *"]
    )


SCRIPTED = """
from google import genai
from maxim_gemini.testing import reply

def client(gemini_server):
    return genai.Client(api_key="any", http_options={"base_url": gemini_server.url})

def ask(client, text="Hi"):
    return client.models.generate_content(model="gemini-2.5-flash", contents=text).text

def test_mock(gemini_mock):
    gemini_mock.reply(reply.text("mocked"))
    assert ask(genai.Client(api_key="any")) == "mocked"

def test_server(gemini_server):
    gemini_server.reply(reply.text("served"))
    assert ask(client(gemini_server)) == "served"

def test_mock_with_replies_left(gemini_mock):
    gemini_mock.reply(reply.text("nobody asked"))

def test_server_with_replies_left(gemini_server):
    gemini_server.reply(reply.text("nobody asked"))

def test_mock_without_a_reply(gemini_mock):
    try:
        ask(genai.Client(api_key="any"), "Anybody?")
    except Exception:
        pass

def test_mock_in_a_test_that_fails(gemini_mock):
    gemini_mock.reply(reply.text("nobody asked"))
    assert False
"""


def test_scripts_have_to_suffice_and_be_used_up(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_scripted=SCRIPTED)
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=2, failed=4)
    result.stdout.fnmatch_lines(
        [
            "*_ test_mock_with_replies_left _*",
            "*nobody asked*",
            "*_ test_server_with_replies_left _*",
            "*nobody asked*",
            "*_ test_mock_without_a_reply _*",
            "*Anybody?*",
            "*_ test_mock_in_a_test_that_fails _*",
            "E*assert False",
        ]
    )
    assert "ERROR" not in result.stdout.str()


def test_a_missing_reply_is_shown_where_the_users_code_sent_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        from google import genai

        def test_mock(gemini_mock):
            client = genai.Client(api_key="any")
            client.models.generate_content(model="gemini-2.5-flash", contents="Anybody?")
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*generate_content(model=*", "E*ScriptError: no reply is left for *Anybody?*"])
    assert "site-packages" not in result.stdout.str()
    assert "direct cause" not in result.stdout.str()


def test_maxims_api_is_there_for_a_real_logger(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_posted(maxim_api):
            logger = maxim_api.logger()
            trace = logger.trace({"id": "trace-1", "name": "hello"})
            trace.end()
            maxim_api.flush()
            assert [trace.name for trace in maxim_api.traces] == ["hello"]
        """
    )
    suite.runpytest_inprocess().assert_outcomes(passed=1)


REPLY_FUNCTIONS = """
import pytest
from google import genai
from maxim_gemini.testing._http.sdk import closing

def fails(request):
    raise KeyError("my mistake")

def ask(server):
    with closing(genai.Client(api_key="k", http_options={"base_url": server.url})) as client:
        client.models.generate_content(model="m", contents="x")

def test_swallowed(gemini_server):
    gemini_server.always(fails)
    with pytest.raises(genai.errors.ServerError):
        ask(gemini_server)

def test_not_swallowed(gemini_server):
    gemini_server.always(fails)
    ask(gemini_server)

def test_no_reply(gemini_server):
    gemini_server.always(lambda request: None)
    with pytest.raises(genai.errors.ServerError):
        ask(gemini_server)
"""


def test_a_reply_function_that_fails_fails_the_test_with_its_own_error(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_functions=REPLY_FUNCTIONS)
    result = suite.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_swallowed _*",
            '>       raise KeyError("my mistake")',
            "E       KeyError: 'my mistake'",
            "E       The reply function fails raised this for <POST *",
            "*_ test_not_swallowed _*",
            "E*ServerError: 500 INTERNAL*",
            "E*KeyError: 'my mistake'*",
            "*_ test_no_reply _*",
            "the reply function <lambda> must return a reply such as reply.text(...), got None",
        ]
    )
