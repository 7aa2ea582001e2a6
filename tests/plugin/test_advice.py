"""What a failure and the end of a run say to do: commands that work as they stand."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail

from maxim_gemini.testing._cli.app import run

if TYPE_CHECKING:
    from support.loopback import Loopback


def commands(result: pytest.RunResult, start: str) -> list[str]:
    """Return the commands that the output offers after *start*."""
    lines = [line.lstrip("E ") for line in result.stdout.lines]
    return [line.partition(": ")[2] for line in lines if line.startswith(start)]


def arguments(command: str) -> list[str]:
    program, *rest = shlex.split(command)
    assert program == "pytest"
    return rest


def test_one_command_at_the_end_mends_a_changed_prompt_everywhere(suite: pytest.Pytester, gemini: Loopback) -> None:
    tests = (
        "import pytest\nWORD = 'old'\n@pytest.mark.parametrize('city', ['a b', 'c'])\ndef test_city(ask, city):\n"
        "    assert ask(WORD + city)\n\n@pytest.mark.maxim_gemini('shared')\ndef test_shared(ask):\n    ask(WORD)\n"
    )
    suite.makepyfile(test_chat=tests, test_same="def test_same(ask):\n    ask('same')\n")
    record(suite)
    suite.makepyfile(test_chat=tests.replace("'old'", "'new'"))
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=3, passed=1)
    (command,) = commands(result, "To record all of it again")
    gemini.requests.clear()
    suite.runpytest_inprocess(*arguments(command)).assert_outcomes(passed=3)
    assert len(gemini.requests) == 3
    assert command.endswith("rewrite test_chat.py")
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    result.assert_outcomes(passed=4)
    assert result.ret == 0


def test_many_tests_are_named_by_their_files(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_chat="import pytest\n@pytest.mark.parametrize('n', range(30))\ndef test_it(ask, n):\n    ask(str(n))\n"
    )
    result = suite.runpytest_inprocess()
    assert commands(result, "To record what is missing") == ["pytest --maxim-gemini-record=once test_chat.py"]
    assert len(tail(result).splitlines()) < 15


def test_what_is_missed_is_recorded_by_the_command_of_its_failure(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat="def test_hi(ask):\n    assert ask('Hi')\n")
    for start in ("To record it", "To record again what "):
        (command,) = commands(suite.runpytest_inprocess(), start)
        suite.runpytest_inprocess(*arguments(command)).assert_outcomes(passed=1)
        result = suite.runpytest_inprocess("--maxim-gemini-strict")
        result.assert_outcomes(passed=1)
        suite.makepyfile(test_chat="def test_hi(ask):\n    assert ask('changed')\n")


def test_a_name_that_is_nowhere_says_where_it_was_looked_for_and_what_is_near(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_chat="import pytest\n@pytest.mark.maxim_gemini('chat_strem')\ndef test_hi(ask):\n    ask('Hi')\n"
    )
    result = suite.runpytest_inprocess()
    result.stdout.fnmatch_lines(
        [
            "E*There is no cassette 'chat_strem': searched cassettes/test_chat/chat_strem.yaml, "
            "cassettes/chat_strem.yaml and the bundled cassettes. Did you mean 'chat_stream' or *",
            "E*To record it: pytest --maxim-gemini-record=once test_chat.py::test_hi",
        ]
    )


def test_a_bundled_cassette_offers_nothing_that_cannot_work(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_chat="import pytest\n@pytest.mark.maxim_gemini('text')\ndef test_hi(ask):\n    ask('Hi')\n")
    result = suite.runpytest_inprocess()
    result.stdout.fnmatch_lines(
        [
            "E*The cassette 'text' comes with maxim-gemini: nothing can be recorded into it. "
            "What it holds: maxim-gemini cassettes show text",
            "E*give the test a cassette of its own*",
        ]
    )
    assert "--maxim-gemini-record" not in result.stdout.str()


def test_a_renamed_test_is_offered_its_cassette(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = (
        "class TestIt:\n    def test_old(self, ask):\n        assert ask('Hi')\n"
        "    def test_other(self, ask):\n        ask('Hi')\n"
    )
    suite.makepyfile(test_chat=test)
    record(suite)
    suite.makepyfile(test_chat=test.replace("_old", "_new"))
    result = suite.runpytest_inprocess("test_chat.py::TestIt::test_new")
    lines = [line.lstrip("E ") for line in result.stdout.lines]
    (command,) = [line for line in lines if line.startswith("maxim-gemini cassettes rename")]
    assert "test_other" not in command
    monkeypatch.setattr("sys.argv", shlex.split(command))
    monkeypatch.chdir(suite.path)
    assert run() == 0
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    result.assert_outcomes(passed=2)
    assert result.ret == 0


def test_commands_work_in_the_folder_where_pytest_was_called(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = (
        "import pytest\n@pytest.mark.parametrize('word', ['a b', \"it's\", '$HOME', 'x\\ny', 'ü', '[', 'a::b'])\n"
        "def test_word(ask, word):\n    ask('Hi')\n\n"
        "@pytest.mark.maxim_gemini('shared')\ndef test_shared(ask):\n    ask('Hi')\n"
    )
    folder = suite.path / "more tests"
    folder.mkdir()
    for start, text in (
        ("To record what is missing", tests),
        ("To record all of it again", tests.replace("'Hi'", "'Ho'")),
    ):
        (folder / "test_it's.py").write_text(text, "utf-8")
        monkeypatch.chdir(folder)
        (command,) = commands(suite.runpytest_inprocess(), start)
        suite.runpytest_inprocess(*arguments(command)).assert_outcomes(passed=8)
        assert suite.runpytest_inprocess("--maxim-gemini-strict").ret == 0
    (folder / "test_it's.py").write_text("def test_renamed(ask):\n    ask('Ho')\n", "utf-8")
    lines = [line.lstrip("E ") for line in suite.runpytest_inprocess().stdout.lines]
    monkeypatch.setattr("sys.argv", shlex.split(next(line for line in lines if line.startswith("maxim-gemini "))))
    assert run() == 0
    suite.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("mode", ["once", "new_episodes"])
def test_recording_without_a_key_says_which_and_shows_no_one_elses_code(suite: pytest.Pytester, mode: str) -> None:
    suite.makeconftest("")
    suite.makepyfile(
        test_chat="def test_hi(maxim_gemini_recorder):\n"
        "    maxim_gemini_recorder.client.models.generate_content(model='gemini-2.5-flash', contents='Hi')\n"
    )
    result = record(suite, mode=mode)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*CassetteError: Recording sends to Gemini and needs credentials: set GEMINI_API_KEY*"]
    )
    assert "site-packages" not in result.stdout.str()
    assert len(result.stdout.lines) < 40
