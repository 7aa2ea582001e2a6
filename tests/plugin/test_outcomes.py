"""A recording is kept only if the whole test passed: its parts, and the ends of its fixtures, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail

if TYPE_CHECKING:
    from support.loopback import Loopback

UNITTEST = """
import unittest
import pytest

class TestParts(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _ask(self, ask):
        self.ask = ask

"""


def names(suite: pytest.Pytester) -> list[str]:
    return sorted(path.stem for path in (suite.path / "cassettes").rglob("*.yaml"))


def test_a_failed_subtest_keeps_nothing(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        UNITTEST
        + """
    def test_failed(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(self.ask(f"Hi {number}"), "You said: Hi 1")

    def test_passed(self):
        with self.subTest(number=1):
            self.ask("Hi")
"""
    )
    assert record(suite).ret == pytest.ExitCode.TESTS_FAILED
    # Before pytest 9, which has subtests, a test of unittest ends with the first one that fails.
    assert len(gemini.requests) == (4 if pytest.version_tuple >= (9,) else 3)
    assert names(suite) == ["TestParts.test_passed"]


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="the fixture subtests is pytest's since 9")
def test_a_failed_subtest_of_pytest_keeps_nothing(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("wrong", [-1, 0, 2])
        def test_parts(ask, subtests, wrong):
            for number in range(3):
                with subtests.test(number=number):
                    assert (ask(f"Hi {number}") == "wrong") is (number == wrong)

        def test_expected(ask, subtests):
            with subtests.test():
                ask("Hi")
                pytest.xfail("known")
        """
    )
    assert record(suite).ret == pytest.ExitCode.TESTS_FAILED
    assert names(suite) == ["test_expected", "test_parts[-1]"]


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="the fixture subtests is pytest's since 9")
def test_a_subtest_that_fails_inside_another_or_when_a_fixture_ends_keeps_nothing(
    suite: pytest.Pytester, gemini: Loopback
) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture
        def checked(subtests, ask):
            yield ask
            with subtests.test("end"):
                assert False

        def test_end(checked):
            checked("Hi")

        def test_inside(ask, subtests):
            with subtests.test("outer"), subtests.test("inner"):
                assert ask("Hi") == "wrong"
        """
    )
    assert record(suite).ret == pytest.ExitCode.TESTS_FAILED
    assert len(gemini.requests) == 2
    assert names(suite) == []


def test_the_folder_in_which_a_test_ends_does_not_matter(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(
        """
        import os
        import pytest

        @pytest.fixture(autouse=True)
        def elsewhere(tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)

        def test_fixture(ask):
            ask("Hi")

        def test_removed(ask):
            os.mkdir("gone")
            os.chdir("gone")
            os.rmdir("../gone")
            ask("Hi")
        """
    )
    for _ in range(2):
        record(suite, "--maxim-gemini-strict").assert_outcomes(passed=2)
        monkeypatch.chdir(suite.path)
    assert len(gemini.requests) == 2
    assert names(suite) == ["test_fixture", "test_removed"]


@pytest.mark.parametrize("scope", ["function", "module"])
@pytest.mark.parametrize("needs", ["ask", "", "tmp_path_factory"])
def test_an_error_when_a_fixture_ends_keeps_nothing(
    suite: pytest.Pytester, gemini: Loopback, scope: str, needs: str
) -> None:
    needs = "" if scope == "module" and needs == "ask" else needs
    suite.makepyfile(
        f"""
        import pytest

        @pytest.fixture(scope="{scope}")
        def broken({needs}):
            yield
            raise RuntimeError("at the end")

        def test_hi(broken, ask):
            ask("Hi")
        """
    )
    result = record(suite)
    result.assert_outcomes(passed=1, errors=1)
    assert tail(result).splitlines()[1].startswith("not saved ")
    assert names(suite) == []


@pytest.mark.parametrize("how", ["@unittest.expectedFailure", "@pytest.mark.xfail", "@pytest.mark.xfail(strict=True)"])
def test_a_failure_that_was_expected_keeps_nothing(suite: pytest.Pytester, gemini: Loopback, how: str) -> None:
    suite.makepyfile(
        f"{UNITTEST}    {how}\n    def test_hi(self):\n        self.assertEqual(self.ask('Hi'), 'wrong')\n"
    )
    record(suite).assert_outcomes(xfailed=1)
    assert len(gemini.requests) == 1
    assert names(suite) == []


def test_a_report_that_a_plugin_turns_into_a_failure_keeps_nothing(suite: pytest.Pytester, gemini: Loopback) -> None:
    with (suite.path / "conftest.py").open("a") as conftest:
        conftest.write(
            "\n@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_makereport(item, call):\n    report = yield\n"
            "    if report.when == 'call':\n        report.outcome, report.longrepr = 'failed', 'a soft assertion'\n"
            "    return report\n"
        )
    suite.makepyfile("def test_hi(ask):\n    ask('Hi')\n")
    record(suite).assert_outcomes(failed=1)
    assert names(suite) == []
