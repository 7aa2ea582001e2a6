"""A suite records its Gemini traffic, and replays it: what is on disk, and what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail
from support.recordings import with_missing_file

if TYPE_CHECKING:
    from pathlib import Path

    from support.loopback import Loopback

CHAT = """
def test_hi(ask):
    assert ask("Hi") == "You said: Hi"
"""


def recorded(suite: pytest.Pytester, module: str = "test_recorded") -> list[str]:
    return sorted(path.name for path in (suite.path / "cassettes" / module).glob("*.yaml"))


def test_what_was_recorded_once_is_replayed_without_a_network(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=CHAT)
    result = record(suite)
    result.assert_outcomes(passed=1)
    assert "maxim-gemini: record=once" in result.stdout.str()
    assert tail(result).splitlines() == [
        "0 replayed, 1 recorded, 1 live, 0 unused, 0 missed (1 cassette)",
        "recorded  cassettes/test_chat/test_hi.yaml: 1 answer",
    ]
    assert len(gemini.requests) == 1

    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    assert tail(result) == "1 replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)"
    assert len(gemini.requests) == 1


def test_a_test_without_a_recording_fails_and_says_how_to_make_one(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_chat=CHAT)
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*To record it: pytest --maxim-gemini-record=once test_chat.py::test_hi"])
    assert tail(result).splitlines() == [
        "0 replayed, 0 recorded, 0 live, 0 unused, 1 missed (1 cassette)",
        "missed    cassettes/test_chat/test_hi.yaml: no answer to 1 request of test_chat.py::test_hi",
        "To record what is missing: pytest --maxim-gemini-record=once test_chat.py::test_hi",
    ]
    assert not (suite.path / "cassettes").exists()


def test_a_miss_is_shown_where_the_users_code_sent_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_chat=CHAT)
    lines = suite.runpytest_inprocess().stdout.lines
    start = next(number for number, line in enumerate(lines) if "_ test_hi _" in line)
    end = next(
        number for number, line in enumerate(lines) if line.startswith("conftest.py:") and "CassetteMiss" in line
    )
    shown = "\n".join(lines[start:end])
    assert "return client.models.generate_content(" in shown
    assert "site-packages" not in shown
    assert "site-packages" in suite.runpytest_inprocess("--full-trace").stdout.str()


def test_a_miss_fails_the_test_even_where_the_application_swallows_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_swallowed(ask):
            try:
                ask("Hi")
            except Exception:
                pass
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "The test passed, but 1 request had no answer in the cassette; the error did not reach the test.",
            "*:generateContent *",
        ]
    )


def test_a_test_that_failed_because_of_a_swallowed_miss_says_so(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_swallowed(ask):
            try:
                answer = ask("Hi")
            except Exception:
                answer = "sorry"
            assert answer == "You said: Hi"
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*AssertionError*", "*1 request had no answer in the cassette*"])


def test_a_miss_of_a_fixture_that_ends_is_reported_once(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture
        def farewell(ask):
            yield
            ask("Bye")

        def test_hi(farewell): ...
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=1)
    assert result.stdout.str().count("To record it:") == 1
    assert "site-packages" not in result.stdout.str()


def test_a_swallowed_miss_of_a_fixture_that_ends_is_reported(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import contextlib
        import pytest

        @pytest.fixture
        def farewell(ask):
            yield
            with contextlib.suppress(Exception):
                ask("Bye")

        def test_hi(farewell): ...
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=1)
    assert result.stdout.str().count("To record it:") == 1
    result.stdout.fnmatch_lines(
        ["1 request had no answer in the cassette; the error did not reach the test.", "*:generateContent *"]
    )


def test_a_miss_in_a_fixture_is_shown_where_the_users_code_sent_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture
        def greeting(ask):
            return ask("Hi")

        def test_hi(greeting): ...
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    assert result.stdout.str().count("To record it:") == 1
    assert "site-packages" not in result.stdout.str()


def test_errors_that_are_in_each_others_context_are_no_trap(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_circle():
            first, second = ValueError("first"), ValueError("second")
            first.__context__, second.__context__ = second, first
            raise first
        """
    )
    suite.runpytest_inprocess().assert_outcomes(failed=1)


def test_an_answer_that_cannot_be_read_fails_the_test_even_where_the_application_swallows_it(
    suite: pytest.Pytester, gemini: Loopback
) -> None:
    suite.makepyfile(test_chat=CHAT)
    record(suite)
    file = suite.path / "cassettes/test_chat/test_hi.yaml"
    file.write_text(with_missing_file(file.read_text()))
    suite.runpytest_inprocess().stdout.no_fnmatch_line("*site-packages*")
    suite.makepyfile(
        test_chat="""
        import contextlib

        def test_hi(ask):
            with contextlib.suppress(Exception):
                ask("Hi")
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_hi.yaml: the file * beside it is missing*"])


def test_a_recording_of_a_test_that_failed_is_not_kept(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=CHAT)
    record(suite)
    file = suite.path / "cassettes/test_chat/test_hi.yaml"
    before = file.read_bytes()
    suite.makepyfile(test_chat=CHAT.replace('"Hi"', '"Bye"'))
    result = record(suite, mode="rewrite")
    result.assert_outcomes(failed=1)
    assert file.read_bytes() == before
    assert tail(result).splitlines() == [
        "0 replayed, 0 recorded, 1 live, 0 unused, 0 missed (1 cassette)",
        "not saved cassettes/test_chat/test_hi.yaml: test_chat.py::test_hi did not pass; the file was not changed",
    ]


@pytest.mark.parametrize("how", ["assert False", "pytest.skip('later')", "pytest.xfail('known')"])
def test_only_a_test_that_passed_leaves_a_file(suite: pytest.Pytester, gemini: Loopback, how: str) -> None:
    suite.makepyfile(f"import pytest\ndef test_first(ask):\n    ask('Hi')\n    {how}")
    record(suite)
    assert len(gemini.requests) == 1
    assert recorded(suite, "test_only_a_test_that_passed_leaves_a_file") == []


def test_a_test_whose_teardown_of_a_later_fixture_failed_is_still_kept_whole(
    suite: pytest.Pytester, gemini: Loopback
) -> None:
    suite.makepyfile(
        test_chat="""
        import pytest

        @pytest.fixture
        def app(ask):
            yield ask
            ask("Bye")

        def test_hi(app):
            app("Hi")
        """
    )
    record(suite).assert_outcomes(passed=1)
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    assert tail(result).startswith("2 replayed")
    assert len(gemini.requests) == 2


def test_every_test_has_its_own_file(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_recorded="""
        import pytest
        import unittest

        class TestTools:
            class TestInner:
                @pytest.mark.parametrize("city", ["Berlin", "a/b", pytest.param("c", id="x" * 300)])
                def test_weather(self, ask, city):
                    ask(city)
        """
    )
    record(suite).assert_outcomes(passed=3)
    names = recorded(suite)
    assert names[0] == "TestTools.TestInner.test_weather[Berlin].yaml"
    assert names[1] == "TestTools.TestInner.test_weather[a-b].yaml"
    assert names[2].startswith("TestTools.TestInner.test_weather[xxx")
    assert len(names[2]) < 130
    suite.runpytest_inprocess().assert_outcomes(passed=3)


def test_two_tests_of_one_file_name_are_refused(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_recorded="""
        import pytest

        @pytest.mark.parametrize("city", ["a/b", "a:b", "c"])
        def test_weather(ask, city):
            ask(city)
        """
    )
    result = record(suite)
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "Two tests would share the cassette cassettes/test_recorded/test_weather[[]a-b].yaml:",
            "  test_recorded.py::test_weather[[]a/b]",
            "  test_recorded.py::test_weather[[]a:b]",
            "Rename one of them, or its parameter with pytest.param(..., id=*",
        ]
    )
    assert recorded(suite) == ["test_weather[c].yaml"]


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside"])
def test_a_name_that_leaves_the_folder_is_refused(suite: pytest.Pytester, gemini: Loopback, name: str) -> None:
    suite.makepyfile(
        f"""
        import pytest

        @pytest.mark.maxim_gemini({name!r}, record="all")
        def test_hi(ask):
            ask("Hi")
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"ValueError: @pytest.mark.maxim_gemini: '{name}' is not a cassette name: write a name, *"]
    )
    assert not gemini.requests


def test_a_slip_in_the_marker_is_reported_without_a_traceback(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\n@pytest.mark.maxim_gemini(casette='chat')\ndef test_hi(): ...")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    lines = result.stdout.lines
    start = next(number for number, line in enumerate(lines) if "ERROR at setup of test_hi" in line)
    assert lines[start + 1].startswith(
        "TypeError: @pytest.mark.maxim_gemini has no 'casette'; did you mean 'cassette'?"
    )
    assert "short test summary info" in lines[start + 2]


def test_a_recording_that_is_refused_is_not_counted(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_chat="""
        KEY = "AIzaSy" + "B1234567890abcdefghijklmnopqrstuv"

        def test_hi(ask):
            ask("".join(f"\\\\u{ord(letter):04x}" for letter in KEY))  # which a scrubber leaves as it is
        """
    )
    result = record(suite)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*test_hi.yaml was not saved, because secrets are in it:", "*a Google API key in *"])
    assert tail(result).splitlines() == [
        "0 replayed, 0 recorded, 1 live, 0 unused, 0 missed (1 cassette)",
        "not saved cassettes/test_chat/test_hi.yaml: test_chat.py::test_hi did not pass; the file was not changed",
    ]


@pytest.mark.parametrize("wish", ["pace='slow'", "chunking='bytes'", "pace=[]"])
def test_a_wish_that_makes_no_sense_is_reported_before_the_test(suite: pytest.Pytester, wish: str) -> None:
    suite.makepyfile(
        f"""
        import pytest

        @pytest.mark.maxim_gemini({wish})
        def test_hi(ask): ...
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*Error: @pytest.mark.maxim_gemini or the fixture maxim_gemini_config: *{wish[:4]}*"])
    assert "Traceback" not in result.stdout.str()


def test_a_broken_recording_is_one_clear_error(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_chat=CHAT)
    folder = suite.path / "cassettes/test_chat"
    folder.mkdir(parents=True)
    (folder / "test_hi.yaml").write_text("version: 1\ninteractions:\n- request:\n<<<<<<< HEAD\n")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    lines = result.stdout.lines
    start = next(number for number, line in enumerate(lines) if "ERROR at setup of test_hi" in line)
    assert "cassettes/test_chat/test_hi.yaml" in lines[start + 1]
    assert "Traceback" not in result.stdout.str()


def test_what_was_not_requested_is_reported_and_an_error_if_strict(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat="def test_hi(ask):\n    ask('Hi'), ask('Bye')")
    record(suite)
    suite.makepyfile(test_chat="def test_hi(ask):\n    ask('Hi')")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    assert tail(result).splitlines() == [
        "1 replayed, 0 recorded, 0 live, 1 unused, 0 missed (1 cassette)",
        "unused    cassettes/test_chat/test_hi.yaml: 1 answer not used by test_chat.py::test_hi",
        "To record all of it again: pytest --maxim-gemini-record=rewrite test_chat.py::test_hi",
    ]
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_hi*", "*test_hi.yaml*no request used*"])


def test_a_test_that_fails_anyway_is_not_blamed_for_what_it_did_not_request(
    suite: pytest.Pytester, gemini: Loopback
) -> None:
    suite.makepyfile(test_chat="def test_hi(ask):\n    ask('Hi'), ask('Bye')")
    record(suite)
    suite.makepyfile(test_chat="def test_hi(ask):\n    ask('Hi')\n    assert False")
    suite.runpytest_inprocess("--maxim-gemini-strict").assert_outcomes(failed=1)


def test_old_recordings_are_reported(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=CHAT)
    record(suite)
    file: Path = suite.path / "cassettes/test_chat/test_hi.yaml"
    text = file.read_text()
    head, mark, rest = text.partition("recorded_at: ")
    assert mark, text
    file.write_text(f"{head}{mark}'2020-01-02T03:04:05+00:00'\n{rest.partition(chr(10))[2]}")
    assert "old " not in tail(suite.runpytest_inprocess())
    result = suite.runpytest_inprocess("--maxim-gemini-max-age=90d")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["old       cassettes/test_chat/test_hi.yaml: recorded 2020-01-02, * days ago"])


def test_a_recording_no_test_uses_is_reported_and_an_error_if_strict(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_chat=CHAT + CHAT.replace("test_hi", "test_bye"), test_tools=CHAT.replace("test_hi", "test_tool")
    )
    record(suite)
    cassettes = suite.path / "cassettes"
    (cassettes / "test_gone").mkdir()
    for leftover in ("test_chat/test_gone.yaml", "test_gone/test_x.yaml"):
        (cassettes / leftover).write_bytes((cassettes / "test_chat/test_hi.yaml").read_bytes())
    result = suite.runpytest_inprocess()
    assert result.ret == 0
    assert tail(result).splitlines()[1:] == [
        "orphaned  cassettes/test_chat/test_gone.yaml: no test uses it",
        "orphaned  cassettes/test_gone/test_x.yaml: no test uses it",
    ]
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    for part in (["-k", "bye"], ["test_tools.py"], ["test_chat.py::test_hi"], ["--deselect", "test_chat.py::test_hi"]):
        assert "orphaned  cassettes/test_chat/" not in tail(suite.runpytest_inprocess(*part)), part


def test_recordings_of_other_services_are_left_alone(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=CHAT)
    record(suite)
    theirs = "version: 1\ninteractions:\n- request: {method: GET, uri: 'https://example.org/', body: '', headers: {}}\n"
    (suite.path / "cassettes/test_chat/test_theirs.yaml").write_text(theirs)
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    assert result.ret == 0
    assert "orphaned" not in tail(result)
