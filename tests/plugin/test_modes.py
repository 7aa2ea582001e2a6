"""Who says how it is recorded, and what each mode does with the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail

if TYPE_CHECKING:
    from support.loopback import Loopback

HI = "def test_hi(ask):\n    assert ask('Hi') == 'You said: Hi'"
HI_BYE = "def test_hi(ask):\n    ask('Hi'), ask('Bye')"


def test_the_environment_says_the_mode_and_the_command_line_wins_over_it(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(test_chat=HI)
    monkeypatch.setenv("MAXIM_GEMINI_RECORD", "once")
    record(suite, mode="none").assert_outcomes(failed=1)
    assert not gemini.requests
    suite.runpytest_inprocess().assert_outcomes(passed=1)
    assert len(gemini.requests) == 1


def test_the_ini_file_says_the_mode_and_the_marker_wins_over_it(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_chat=f"import pytest\n{HI}\n@pytest.mark.maxim_gemini(record='none')\n{HI.replace('_hi', '_none')}"
    )
    result = suite.runpytest_inprocess("-o", "maxim_gemini_record=once")
    result.assert_outcomes(passed=1, failed=1)
    assert "maxim-gemini: record=once" in result.stdout.str()
    assert len(gemini.requests) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--maxim-gemini-record=onse"], "*--maxim-gemini-record: invalid choice: 'onse' (choose from *"),
        (
            ["-o", "maxim_gemini_record=onse"],
            "*maxim_gemini_record: unknown record mode 'onse'; choose from none, *",
        ),
        (
            ["--maxim-gemini-max-age=old"],
            "*--maxim-gemini-max-age: 'old' is not an age; write a number *",
        ),
        (["-o", "maxim_gemini_max_age=old"], "*maxim_gemini_max_age: 'old' is not an age; *"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(suite: pytest.Pytester, args: list[str], said: str) -> None:
    suite.makepyfile(test_chat=HI)
    result = suite.runpytest_inprocess(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_a_variable_that_makes_no_sense_is_refused(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAXIM_GEMINI_RECORD", "yes")
    result = suite.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: MAXIM_GEMINI_RECORD: unknown record mode 'yes'; choose from none, once, *"])


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite", "verify"])
def test_nothing_is_sent_live_in_ci(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    suite.makepyfile(test_chat=HI)
    monkeypatch.setenv("CI", "true")
    result = record(suite, mode=mode)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"ERROR: --maxim-gemini-record={mode} would send live calls, and this is a CI job (the variable CI is*",
            "  Nothing ran. Record on your machine and commit the cassettes; *add --maxim-gemini-allow-ci",
        ]
    )
    assert not gemini.requests


def test_what_the_files_say_only_replays_in_ci(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(test_chat=f"import pytest\n@pytest.mark.maxim_gemini(record='all')\n{HI}")
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest_inprocess("-o", "maxim_gemini_record=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["maxim-gemini: record=once, but CI is set: replaying only"])
    assert not gemini.requests


def test_ci_records_where_it_is_allowed(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(test_chat=HI)
    monkeypatch.setenv("CI", "true")
    record(suite, "--maxim-gemini-allow-ci").assert_outcomes(passed=1)
    assert len(gemini.requests) == 1


def test_new_episodes_adds_what_is_new(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=HI)
    record(suite)
    suite.makepyfile(test_chat=HI_BYE)
    assert tail(record(suite, mode="new_episodes")).splitlines() == [
        "1 replayed, 1 recorded, 1 live, 0 unused, 0 missed (1 cassette)",
        "recorded  cassettes/test_chat/test_hi.yaml: 1 answer",
    ]
    assert tail(suite.runpytest_inprocess()).startswith("2 replayed")


def test_once_does_not_add_to_a_recording_that_is_there(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=HI)
    record(suite)
    suite.makepyfile(test_chat=HI_BYE)
    result = record(suite)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*To record again what *test_hi.yaml holds: pytest *=rewrite test_chat.py::test_hi"])


def test_rewrite_begins_anew(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=HI_BYE)
    record(suite)
    suite.makepyfile(test_chat=HI)
    record(suite, mode="rewrite").assert_outcomes(passed=1)
    assert tail(suite.runpytest_inprocess()) == "1 replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)"


def test_verify_fails_where_the_shape_of_an_answer_has_drifted(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat="def test_hi(ask):\n    ask('Hi')")
    record(suite)
    file = suite.path / "cassettes/test_chat/test_hi.yaml"
    before = file.read_bytes()
    assert tail(record(suite, mode="verify")) == "0 replayed, 0 recorded, 1 live, 0 unused, 0 missed (1 cassette)"
    file.write_bytes(before.replace(b"promptTokenCount", b"promptTokens"))
    changed = file.read_bytes()
    assert changed != before
    result = record(suite, mode="verify")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*live answers have another shape:*", "*usageMetadata*promptTokenCount*"])
    assert file.read_bytes() == changed


def test_tests_that_share_a_recording_add_up_when_it_is_rewritten(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_chat="""
        import pytest

        @pytest.mark.maxim_gemini("shared")
        @pytest.mark.parametrize("text", ["Hi", "Bye"])
        def test_shared(ask, text):
            ask(text)
        """
    )
    for _ in range(2):
        record(suite, mode="rewrite").assert_outcomes(passed=2)
        assert tail(suite.runpytest_inprocess()).startswith("2 replayed")
    assert len(gemini.requests) == 4


def test_a_bundled_recording_is_found_by_its_name_and_never_written_to(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(test_chat=HI)
    record(suite)
    bundled = suite.mkdir("bundled") / "greeting.yaml"
    (suite.path / "cassettes/test_chat/test_hi.yaml").rename(bundled)
    monkeypatch.setattr("maxim_gemini.testing._pytest.cassette_paths._bundled", lambda: bundled.parent)
    before = bundled.read_bytes()
    suite.makepyfile(test_chat=f"import pytest\n@pytest.mark.maxim_gemini(cassette='greeting')\n{HI}")
    for mode in ("none", "once", "new_episodes", "all", "rewrite"):
        result = record(suite, mode=mode)
        result.assert_outcomes(passed=1)
        assert tail(result) == "1 replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)"
    assert bundled.read_bytes() == before
    assert len(gemini.requests) == 1


def test_the_recordings_of_this_package_are_there_for_everyone(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.maxim_gemini(cassette="chat_stream")
        def test_greeting(maxim_gemini_recorder):
            chat = maxim_gemini_recorder.client.chats.create(model="gemini-2.5-flash")
            answer = [chunk.text for chunk in chat.send_message_stream("Hi, I am Ada.")]
            assert answer == ["Nice to ", "meet you, ", "Ada."]
        """
    )
    result = suite.runpytest_inprocess("--maxim-gemini-max-age=0d")
    result.assert_outcomes(passed=1)
    assert tail(result).splitlines() == [
        "1 replayed, 0 recorded, 0 live, 1 unused, 0 missed (1 cassette)",
        "unused    chat_stream (bundled): 1 answer not used by "
        "test_the_recordings_of_this_package_are_there_for_everyone.py::test_greeting",
    ]
    assert not gemini.requests
