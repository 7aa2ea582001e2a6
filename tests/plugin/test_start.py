"""What the installed plugin costs whoever does not use it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

HEAVY = (
    "asyncio",
    "google.genai",
    "maxim",
    "vcr",
    "yaml",
    "httpx",
    "httpx2",
    "aiohttp",
    "respx",
    "hypothesis",
    "uvicorn",
    "rich",
)
"""What must not be imported before a fixture is used."""

MODULES = {
    *("_core", "_core.forwarding", "_core.patching", "testing", "testing.exceptions", "testing.plugin"),
    *("testing._http", "testing._http.blocking", "testing._recorder"),
    *("testing._pytest", "testing._pytest.collected", "testing._pytest.fixtures", "testing._pytest.options"),
    "testing._pytest.session",
}
"""All that is imported of ours: the options, the hooks, the fixtures, and the block."""


def python(code: str, *args: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code), *args]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout


def test_nothing_heavy_is_imported_until_a_fixture_is_used(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        f"""
        import sys
        import pytest

        def test_that_has_nothing_to_do_with_gemini(tmp_path):
            assert [name for name in {HEAVY} if name in sys.modules] == []
            ours = {{name.partition(".")[2] for name in sys.modules if name.startswith("maxim_gemini.")}}
            assert ours == {MODULES}, ours
        """
    )
    # Other plugins of this environment import some of it.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_subprocess("-p", "maxim_gemini.testing.plugin")
    result.assert_outcomes(passed=1)
    assert "maxim-gemini:" not in result.stdout.str()
    assert "= maxim-gemini =" not in result.stdout.str()


@pytest.mark.parametrize(
    ("fixture", "missing"),
    [("maxim_gemini_recorder", "vcr"), ("gemini_mock", "respx"), ("gemini_server", "uvicorn"), ("maxim_api", "respx")],
)
def test_without_the_extra_a_fixture_says_what_to_install(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fixture: str, missing: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == missing or _stands_on(name, missing)]:
        monkeypatch.delitem(sys.modules, name)
    suite.makeconftest(
        f"""
        import importlib.abc
        import sys

        class Missing(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name.partition(".")[0] == {missing!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, Missing())

        def pytest_unconfigure():
            sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder) is not Missing]
        """
    )
    suite.makepyfile(f"def test_it({fixture}): ...\ndef test_other(): ...")
    result = suite.runpytest_inprocess("-p", "no:respx")
    result.assert_outcomes(passed=1, errors=1)
    lines = result.stdout.lines
    start = next(number for number, line in enumerate(lines) if "ERROR at setup of test_it" in line)
    assert lines[start + 1].startswith(f"The fixture {fixture} needs {missing}")
    assert lines[start + 1].endswith('which is not installed: pip install "maxim-gemini[testing]"')


def _stands_on(name: str, missing: str) -> bool:
    rooms = {
        "vcr": ("_recorder.recorder", "_cassette", "_http"),
        "respx": ("_replies.mock", "_logs.maxim_api", "_http.respx_routers"),
        "uvicorn": ("_replies.server",),
    }
    ours = [f"maxim_gemini.testing.{room}" for room in rooms[missing]]
    return name.startswith(tuple(ours))
