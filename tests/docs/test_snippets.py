"""Every piece of code in the README and the documentation does what its page says. How: see `support.snippets`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.checkout import ROOT
from support.markdown import Block, blocks
from support.snippets import Page, for_documented_sdk

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks(page)]

PARSERS: dict[str, Callable[[str], Any]] = {"toml": tomllib.loads, "yaml": yaml.safe_load, "json": json.loads}
PLAIN = {"", "bash", "console", "text", "ini", "diff", "html"}


def name_of(value: Path | Block) -> str:
    if isinstance(value, Path):
        return value.relative_to(ROOT).as_posix()
    return f"{value.page.relative_to(ROOT).as_posix()}:{value.line}"


@for_documented_sdk
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.language == "python" for block in blocks(page))], ids=name_of
)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Page(page, tmp_path, monkeypatch).run()


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in PARSERS], ids=name_of)
def test_data_can_be_read(block: Block) -> None:
    assert PARSERS[block.language](block.text)


def test_every_block_is_of_a_language_that_is_checked() -> None:
    languages = {block.language for block in BLOCKS}
    assert languages <= {"python", *PARSERS, *PLAIN}


def test_what_is_only_compiled_says_why() -> None:
    assert [name_of(block) for block in BLOCKS if block.notes.get("compiled") == ""] == []
