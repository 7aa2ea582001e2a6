from __future__ import annotations

import os

from support.checkout import ROOT
from support.markdown import blocks

DEMO = 'python3 -m venv .venv && .venv/bin/python -m pip install --quiet ".[testing]" && .venv/bin/maxim-gemini demo'
TESTS = "python3 -m venv .venv && .venv/bin/python -m pip install --quiet tox tox-uv && .venv/bin/tox -p 2"


def test_the_readme_has_one_command_to_see_it_and_one_to_test_it() -> None:
    commands = [block.text.strip() for block in blocks(ROOT / "README.md") if block.language == "bash"]
    assert commands[:2] == [DEMO, TESTS]


def test_ci_runs_exactly_the_readmes_second_command() -> None:
    script = ROOT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").splitlines()[-1] == TESTS
    assert os.access(script, os.X_OK)


def test_contributing_says_the_same_command() -> None:
    assert TESTS in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
