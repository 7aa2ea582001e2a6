"""What of a request does not matter for a replay, and what of a test's id does not for its cassette."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plugin.printed import record, tail

if TYPE_CHECKING:
    from support.loopback import Loopback

TEST = """
import itertools, os, pytest
{before}
def test_hi(maxim_gemini_recorder):
    seed = len(os.listdir("."))
    client = maxim_gemini_recorder.client
    for _ in range(2):
        client.models.generate_content(model="gemini-2.5-flash", contents="Hi", config={{"seed": seed}})
"""
MARK = "@pytest.mark.maxim_gemini(ignore=['{}'])"
FIXTURE = """
@pytest.fixture
def maxim_gemini_config():
    return {"base_url": os.environ["GEMINI_AT"], "ignore": ["generationConfig.seed"]}
"""


@pytest.mark.parametrize(
    ("before", "ini"),
    [
        (MARK.format("generationConfig.seed"), ""),
        (MARK.format("generation_config.seed"), ""),
        (MARK.format("$.generationConfig.seed"), ""),
        (FIXTURE, ""),
        ("", "maxim_gemini_ignore =\n    generationConfig.seed\n    labels"),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(
    suite: pytest.Pytester, gemini: Loopback, before: str, ini: str
) -> None:
    suite.makeini(f"[pytest]\naddopts = -p no:unraisableexception -p no:asyncio --assert=plain\n{ini}\n")
    suite.makepyfile(test_chat=TEST.format(before=before))
    record(suite).assert_outcomes(passed=1)
    suite.makefile(".txt", more="another file, another seed")
    result = suite.runpytest_inprocess("--maxim-gemini-strict")
    result.assert_outcomes(passed=1)
    assert tail(result).startswith("2 replayed, 0 recorded, 0 live, 0 unused, 0 missed")


def test_what_is_no_path_is_reported_before_the_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_chat=TEST.format(before=MARK.format("a[x]")))
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["ValueError: @pytest.mark.maxim_gemini*: 'a[[]x]' is not a JSON path*"])


@pytest.mark.parametrize("key", ["AIzaSy" + "D1e2F3g4H" * 3 + "ab12CD", "our own word of secrecy 7"])
def test_a_key_in_an_id_is_in_no_name_and_in_no_line_of_ours(
    suite: pytest.Pytester, gemini: Loopback, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", key)
    suite.makepyfile(
        test_chat="""
        import os, pytest

        @pytest.mark.parametrize("key", [os.environ["GEMINI_API_KEY"]])
        def test_hi(ask, key):
            ask("Hi")
            assert not os.environ.get("FAIL")
        """
    )
    result = record(suite, "--maxim-gemini-report=out.json")
    result.assert_outcomes(passed=1)
    assert [path.name for path in (suite.path / "cassettes/test_chat").iterdir()] == ["test_hi[REDACTED].yaml"]
    suite.runpytest_inprocess("--maxim-gemini-strict").assert_outcomes(passed=1)
    (suite.path / "cassettes/test_chat/test_hi[[]REDACTED].yaml".replace("[[]", "[")).unlink()
    result = suite.runpytest_inprocess("--maxim-gemini-report=missed.json")
    assert key not in tail(result)
    assert "To record what is missing: pytest --maxim-gemini-record=once test_chat.py::test_hi" in tail(result)
    assert [key in (suite.path / name).read_text() for name in ("out.json", "missed.json")] == [False, False]
