"""Several tests use one cassette, again and again; how processes share one: `test_xdist.py`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail
from plugin.suites import CHAT, held, shared

from maxim_gemini.testing._pytest.usage import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from support.loopback import Loopback

BY_FIXTURE = """
import os, pytest

@pytest.fixture(scope="module")
def maxim_gemini_config():
    return {"base_url": os.environ["GEMINI_AT"], "cassette": "by-fixture"}

def test_first(ask):
    ask("first")

def test_second(ask):
    ask("second")
"""


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite"])
def test_all_answers_are_kept_in_every_mode(suite: pytest.Pytester, gemini: Loopback, mode: str) -> None:
    suite.makepyfile(test_chat=CHAT)
    for _ in range(2):
        record(suite, mode=mode).assert_outcomes(passed=5)
        assert held(shared(suite.path)) == 5
        result = suite.runpytest_inprocess("--maxim-gemini-strict")
        result.assert_outcomes(passed=5)
        assert result.ret == 0
        assert tail(result) == "6 replayed, 0 recorded, 0 live, 0 unused, 0 missed (1 cassette)"
    assert len(gemini.requests) == (10 if mode in ("all", "rewrite") else 5)
    record(suite, mode="verify").assert_outcomes(passed=5)


def test_only_one_test_at_a_time_records_into_a_cassette(tmp_path: Path) -> None:
    entered = threading.Event()

    def take_a_turn() -> None:
        with Ledger(str(tmp_path)).turn(tmp_path / "shared.yaml"):
            entered.set()

    other = threading.Thread(target=take_a_turn)
    with Ledger(str(tmp_path)).turn(tmp_path / "shared.yaml"):
        with Ledger(str(tmp_path)).turn(tmp_path / "another.yaml"):
            other.start()
        assert not entered.wait(0.3)
    assert entered.wait(60)
    other.join()


def test_a_cassette_that_a_fixture_names_is_shared_too(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=BY_FIXTURE)
    record(suite).assert_outcomes(passed=2)
    assert suite.runpytest_inprocess("--maxim-gemini-strict").ret == 0
    assert held(suite.path / "cassettes/test_chat/by-fixture.yaml") == 2


def test_one_file_may_have_several_names(suite: pytest.Pytester, gemini: Loopback) -> None:
    test = "@pytest.mark.maxim_gemini({!r})\ndef test_{}(ask):\n    ask({!r})\n\n"
    names = ("shared", "shared.yaml", "./shared")
    suite.makepyfile(
        test_chat="import pytest\n" + "".join(test.format(name, n, str(n)) for n, name in enumerate(names)),
        test_linked="import pytest\n" + test.format("linked", "it", "linked"),
    )
    record(suite, "test_chat.py").assert_outcomes(passed=3)
    link = shared(suite.path, "test_linked").with_name("linked.yaml")
    link.parent.mkdir()
    link.symlink_to(shared(suite.path))
    for mode in ("new_episodes", "rewrite"):
        record(suite, mode=mode).assert_outcomes(passed=4)
        assert held(shared(suite.path)) == 4
        assert link.is_symlink()
        assert suite.runpytest_inprocess("--maxim-gemini-strict").ret == 0


def test_a_test_that_fails_keeps_its_old_answers(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=CHAT)
    record(suite)
    suite.makepyfile(test_chat=CHAT.replace("ask(text) ==", 'ask(text + "!") == text or text != "b" and'))
    record(suite, mode="rewrite").assert_outcomes(passed=4, failed=1)
    text = shared(suite.path).read_text()
    assert [f'"You said: {word}"' in text for word in ("a", "a!", "b", "b!")] == [True, True, True, False]


def test_dead_answers_go_when_all_tests_have_recorded_anew(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(test_chat=CHAT)
    record(suite)
    suite.makepyfile(test_chat=CHAT.replace('"c", ', ""))
    for part in (["-k", "each"], ["test_chat.py::test_two"], ["--deselect", "test_chat.py::test_two"], ["-k", "two"]):
        assert record(suite, *part, mode="rewrite").ret == 0
        assert held(shared(suite.path)) == 5, part
        assert "unused" not in tail(suite.runpytest_inprocess(*part)).replace(" 0 unused", "")
    result = suite.runpytest_inprocess()
    assert tail(result).splitlines() == [
        "5 replayed, 0 recorded, 0 live, 1 unused, 0 missed (1 cassette)",
        "unused    cassettes/test_chat/shared.yaml: 1 answer not used by any of its 4 tests",
        "To record all of it again: pytest --maxim-gemini-record=rewrite test_chat.py",
    ]
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    record(suite, mode="rewrite").assert_outcomes(passed=4)
    assert held(shared(suite.path)) == 4
    assert suite.runpytest_inprocess("--maxim-gemini-strict").ret == 0


def test_a_cassette_of_several_modules_is_judged_when_all_were_run(suite: pytest.Pytester, gemini: Loopback) -> None:
    test = "import pytest\n@pytest.mark.maxim_gemini('shared')\ndef test_it(ask):\n    ask({!r})\n"
    suite.makepyfile(test_one=test.format("one"), test_two=test.format("two"))
    record(suite, "test_one.py")
    shared(suite.path, "test_one").rename(suite.path / "cassettes/shared.yaml")
    record(suite, mode="new_episodes").assert_outcomes(passed=2)
    assert held(suite.path / "cassettes/shared.yaml") == 2
    assert suite.runpytest_inprocess("--maxim-gemini-strict", "test_two.py").ret == 0
    assert suite.runpytest_inprocess("--maxim-gemini-strict").ret == 0
    suite.makepyfile(test_two="def test_it(): ...")
    assert suite.runpytest_inprocess("--maxim-gemini-strict").ret == pytest.ExitCode.TESTS_FAILED


def test_a_repeated_test_has_one_cassette(suite: pytest.Pytester, gemini: Loopback) -> None:
    pytest.importorskip("pytest_repeat")
    suite.makepyfile(
        test_chat="""
        import pytest

        @pytest.mark.parametrize("text", ["a-b", "c"])
        def test_each(ask, text):
            assert ask(text) == f"You said: {text}"

        @pytest.mark.repeat(2)
        def test_marked(ask):
            ask("marked")
        """
    )
    for mode in ("once", "rewrite", "none"):
        record(suite, "--count=2", "--maxim-gemini-strict", mode=mode).assert_outcomes(passed=6)
        assert sorted(path.name for path in (suite.path / "cassettes/test_chat").iterdir()) == [
            "test_each[a-b].yaml",
            "test_each[c].yaml",
            "test_marked.yaml",
        ]
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    result.assert_outcomes(passed=4)
    assert result.ret == 0


def test_the_parameters_of_ones_own_fixtures_are_part_of_the_name(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_chat="""
        import pytest

        def pytest_generate_tests(metafunc):
            if "model" in metafunc.fixturenames:
                metafunc.parametrize("model", ["m1"], indirect=True)

        @pytest.fixture
        def model(request):
            return request.param

        @pytest.fixture(params=["x", "y"], autouse=True)
        def mood(request, model): ...

        def test_each(ask):
            ask("Hi")
        """
    )
    record(suite).assert_outcomes(passed=2)
    names = sorted(path.name for path in (suite.path / "cassettes/test_chat").iterdir())
    assert names in (
        ["test_each[m1-x].yaml", "test_each[m1-y].yaml"],
        ["test_each[x-m1].yaml", "test_each[y-m1].yaml"],
    )


def test_the_backends_of_anyio_share_a_cassette(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makeini("[pytest]\naddopts = -p no:unraisableexception -p no:asyncio")
    suite.makepyfile(
        test_chat="""
        import pytest

        @pytest.mark.anyio
        async def test_hi(maxim_gemini_recorder):
            client = maxim_gemini_recorder.client
            reply = await client.aio.models.generate_content(model="gemini-2.5-flash", contents="Hi")
            assert reply.text == "You said: Hi"
        """
    )
    record(suite, "-k", "asyncio").assert_outcomes(passed=1)
    assert [path.name for path in (suite.path / "cassettes/test_chat").iterdir()] == ["test_hi.yaml"]


def test_a_test_that_is_run_again_keeps_what_its_last_run_recorded(suite: pytest.Pytester, gemini: Loopback) -> None:
    pytest.importorskip("pytest_rerunfailures")
    suite.makepyfile(
        test_chat="""
        runs = []

        def test_hi(ask):
            runs.append(1)
            assert ask(f"run {len(runs)}") and len(runs) > 1
        """
    )
    record(suite, "--reruns=2").assert_outcomes(passed=1)
    text = (suite.path / "cassettes/test_chat/test_hi.yaml").read_text()
    assert ("run 1" in text, "run 2" in text) == (False, True)
