"""`--maxim-gemini-report`: what every test logged, in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record

from maxim_gemini.testing import _report as report

if TYPE_CHECKING:
    from support.loopback import Loopback

SUITE = """
import pytest

def test_hi(ask):
    assert ask("Hi") == "You said: Hi"

def test_fails(ask):
    assert ask("Hi") == "something else"

def test_fake(maxim_fake_logger):
    maxim_fake_logger.trace({"id": "trace-1", "name": "by hand"}).end()

def test_that_has_nothing_to_do_with_it(): ...

@pytest.fixture
def broken(maxim_fake_logger):
    maxim_fake_logger.trace({"id": "trace-2", "name": "before"}).end()
    raise RuntimeError("no setup today")

def test_broken(broken): ...
"""


def test_what_tests_logged_is_written_for_programs(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=SUITE)
    result = record(suite, "--maxim-gemini-report=out/traces.json")
    result.assert_outcomes(passed=3, failed=1, errors=1)
    result.stdout.fnmatch_lines(["traces of 4 tests written to out/traces.json"])
    tests = {test.nodeid.partition("::")[2]: test for test in report.read(suite.path / "out/traces.json")}
    assert {name: test.outcome for name, test in tests.items()} == {
        "test_hi": "passed",
        "test_fails": "failed",
        "test_fake": "passed",
        "test_broken": "error",
    }
    assert [trace["output"] for trace in tests["test_hi"].traces] == ["You said: Hi"]
    assert [trace["name"] for trace in tests["test_fake"].traces] == ["by hand"]
    assert "something else" in tests["test_fails"].message
    assert "no setup today" in tests["test_broken"].message
    assert tests["test_hi"].duration > 0


def test_what_tests_logged_is_written_for_people(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=SUITE)
    record(suite, "--maxim-gemini-report=traces.html")
    html = (suite.path / "traces.html").read_text(encoding="utf-8")
    assert "<html" in html
    assert "test_chat.py::test_hi" in html
    assert "You said: Hi" in html


HIDDEN = """
from google import genai
from maxim_gemini import MaximGeminiClient, Privacy
from maxim_gemini.testing import reply

def test_it(gemini_mock, maxim_fake_logger):
    gemini_mock.reply(reply.text("an answer of " + "secr" + "ets"))
    gemini_mock.reply(reply.error(400, message="an error of " + "secr" + "ets"))
    client = MaximGeminiClient(genai.Client(api_key="any"), maxim_fake_logger, privacy=Privacy(capture="no-content"))
    client.models.generate_content(model="gemini-2.5-flash", contents="a question of " + "secr" + "ets")
    try:
        client.models.generate_content(model="gemini-2.5-flash", contents="a question of " + "secr" + "ets")
    except genai.errors.APIError:
        pass
"""


def test_a_report_holds_no_more_than_the_privacy_policy_lets_out(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_hidden=HIDDEN)
    result = suite.runpytest_subprocess("--maxim-gemini-report=traces.html")
    result.assert_outcomes(passed=1)
    text = (suite.path / "traces.html").read_text(encoding="utf-8")
    assert "[not captured]" in text
    assert "secrets" not in text
    assert "secrets" not in result.stdout.str()


FAILING = """
def test_fails(maxim_fake_logger):
    maxim_fake_logger.trace({"id": "trace-1", "name": "half \\ud83d"}).end()
    print("half \\udcff")
    assert "\\udcff" == "x", "my failure \\udcff"

def test_passes(maxim_fake_logger): ...
"""


def test_a_report_that_cannot_be_written_hides_no_failure(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_it=FAILING)
    (suite.path / "file").touch()
    result = suite.runpytest("-p", "no:cacheprovider", "--maxim-gemini-report=file/x.html")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*my failure*", "--maxim-gemini-report: *file/x.html: the report can't be written: *"])
    assert "Traceback" not in str(result.stdout) + str(result.stderr)


def test_a_passing_run_without_the_report_that_was_requested_is_no_success(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_it="def test_passes(maxim_fake_logger): ...")
    (suite.path / "file").touch()
    result = suite.runpytest("-p", "no:cacheprovider", "--maxim-gemini-report=file/x.html")
    result.assert_outcomes(passed=1)
    assert result.ret == 1


@pytest.mark.parametrize("name", ["traces", "traces.txt", "folder.html"])
def test_a_name_that_no_report_can_have_is_refused_before_any_test(suite: pytest.Pytester, name: str) -> None:
    suite.makepyfile(test_it=FAILING)
    (suite.path / "folder.html").mkdir()
    result = suite.runpytest(f"--maxim-gemini-report={name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--maxim-gemini-report: *.html*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["here", "xdist"])
def test_one_odd_test_does_not_cost_the_report(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    suite.makepyfile(test_it=FAILING)
    # The processes start faster without the plugins of this environment.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ("-p", "xdist", "-p", "maxim_gemini.testing.plugin", "-p", "no:cacheprovider")
    suite.makeini("[pytest]\n")  # what the suite's own leaves out is what prints odd tests
    result = suite.runpytest_subprocess(*plugins, "--maxim-gemini-report=x.json", *workers)
    result.assert_outcomes(failed=1, passed=1)
    tests = {test.nodeid.partition("::")[2]: test for test in report.read(suite.path / "x.json")}
    assert sorted(tests) == ["test_fails", "test_passes"]
    assert r"my failure \udcff" in tests["test_fails"].message
