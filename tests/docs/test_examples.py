"""The examples run offline, and print what stands beside them."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING

import pytest
from support.checkout import ROOT
from support.leftovers import discard
from support.markdown import blocks
from support.snippets import UNSAID, for_documented_sdk, steady

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "docs" / "examples"
SCRIPTS = [path for path in sorted(EXAMPLES.glob("*.py")) if not path.name.startswith("test_")]


@for_documented_sdk
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_prints_what_stands_beside_it(
    script: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in UNSAID:
        monkeypatch.delenv(name, raising=False)
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    discard()
    assert steady(printed) == steady(script.with_suffix(".out").read_text(encoding="utf-8"))


def test_every_example_is_on_the_page() -> None:
    page = "".join(block.text for block in blocks(ROOT / "docs" / "examples.md"))
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"examples/{path.name}"' not in page] == []
