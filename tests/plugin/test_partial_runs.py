"""A run of some tests says nothing of the cassettes of the others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail

if TYPE_CHECKING:
    from support.loopback import Loopback

CONFIG = """
import os, pytest

fails = os.environ.get("FAILS")

@pytest.fixture
def maxim_gemini_config(request):
    return {"base_url": os.environ["GEMINI_AT"], "cassette": "by-fixture-" + request.node.name}

"""
TESTS = CONFIG + "".join(
    f"def test_{name}(ask):\n    ask('Hi')\n    assert fails != '{name}'\n\n" for name in ("one", "two", "three")
)


@pytest.mark.parametrize(
    "args",
    [
        ["--lf"],
        ["--co"],
        ["-x"],
        ["--maxfail=1"],
        ["--sw"],
        ["-k", "two or three"],
        ["--deselect", "test_chat.py::test_one"],
        ["test_chat.py::test_two"],
        ["--pyargs", "test_chat.py::test_two"],
        ["-p", "taken_out"],
        ["--setup-only"],
    ],
    ids=" ".join,
)
def test_what_was_not_run_is_neither_orphaned_nor_unused(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    suite.makepyfile(test_chat=TESTS, taken_out="def pytest_collection_modifyitems(items):\n    del items[0]\n")
    suite.syspathinsert()
    record(suite).assert_outcomes(passed=3)
    if args[0] in ("--lf", "-x", "--maxfail=1", "--sw"):
        monkeypatch.setenv("FAILS", "two")
        suite.runpytest_inprocess().assert_outcomes(passed=2, failed=1)
    for _ in range(2):
        result = suite.runpytest_inprocess("--maxim-gemini-strict", *args)
        assert "orphaned" not in tail(result)
        assert "unused " not in tail(result).replace("0 unused", "")
        stopped = pytest.ExitCode.INTERRUPTED if args == ["--sw"] else pytest.ExitCode.TESTS_FAILED
        assert result.ret == (stopped if "FAILS" in os.environ else 0)


def test_a_test_that_did_not_pass_is_not_blamed_for_what_it_did_not_request(
    suite: pytest.Pytester, gemini: Loopback
) -> None:
    suite.makepyfile(test_chat="def test_hi(ask):\n    ask('Hi'), ask('Bye')")
    record(suite)
    for end in ("assert False", "import pytest; pytest.skip('later')"):
        suite.makepyfile(test_chat=f"def test_hi(ask):\n    ask('Hi')\n    {end}")
        assert tail(suite.runpytest_inprocess()).startswith("1 replayed, 0 recorded, 0 live, 0 unused, 0 missed")


def test_the_folder_of_a_group_of_cassettes_is_no_leftover_while_its_tests_may_not_have_run(
    suite: pytest.Pytester, gemini: Loopback
) -> None:
    suite.makepyfile(
        test_chat="import pytest\n@pytest.mark.maxim_gemini('group/hi')\ndef test_hi(ask):\n    ask('Hi')\n",
        test_other="def test_other(ask):\n    ask('Hi')\n",
    )
    record(suite)
    (suite.path / "cassettes/test_chat/group").rename(suite.path / "cassettes/group")
    for args in (["test_other.py"], []):
        result = suite.runpytest_inprocess("--maxim-gemini-strict", *args)
        assert result.ret == 0, args


def test_cassettes_of_other_recorders_are_left_alone(suite: pytest.Pytester, gemini: Loopback) -> None:
    suite.makepyfile(
        test_chat="""
        import pytest

        def test_hi(ask):
            ask("Hi")

        @pytest.mark.vcr
        def test_theirs(): ...

        @pytest.mark.vcr("first.yaml", "group/second.yaml")
        class TestTheirs:
            @pytest.mark.default_cassette("named")
            def test_named(self): ...
        """
    )
    markers = "    vcr: another plugin's\n    default_cassette: another plugin's\n"
    suite.makeini(f"[pytest]\naddopts = -p no:unraisableexception -p no:asyncio\nmarkers =\n{markers}")
    record(suite)
    folder = suite.path / "cassettes/test_chat"
    (folder / "group").mkdir()
    for name in ("test_theirs", "first", "group/second", "named"):
        (folder / f"{name}.yaml").write_bytes((folder / "test_hi.yaml").read_bytes())
    (folder / "test_old.yaml").write_text(
        "interactions:\n- request: {body: '', headers: {}, method: GET, "
        "uri: 'https://generativelanguage.googleapis.com/v1beta/models'}\n"
        "  response: {body: {string: '{}'}, headers: {}, status: {code: 200, message: OK}}\nversion: 1\n"
    )
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    result.assert_outcomes(passed=3)
    assert result.ret == 0
    assert "orphaned" not in tail(result)
