"""Every mutant that may survive changes a line that is still there: an entry that outlives its code excuses nothing."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SURVIVORS = json.loads((ROOT / "tests" / "properties" / "survivors.json").read_text(encoding="utf-8"))


def lines_of(where: str) -> set[str]:
    """Return the lines of the function *where*, which mutmut calls `x_function` or `xǁClassǁmethod`."""
    module, _, name = where.rpartition(".")
    source = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    node: ast.AST = ast.parse(source)
    for part in name.removeprefix("xǁ").split("ǁ") if "ǁ" in name else [name.removeprefix("x_")]:
        node = next(child for child in ast.iter_child_nodes(node) if getattr(child, "name", None) == part)
    return {line.strip() for line in (ast.get_source_segment(source, node) or "").splitlines()}


@pytest.mark.parametrize("survivor", SURVIVORS, ids=lambda survivor: survivor["where"].rpartition("ǁ")[2])
def test_a_mutant_that_may_survive_changes_a_line_that_is_there(survivor: dict[str, str]) -> None:
    changed = {line[1:].strip() for line in survivor["mutation"].splitlines() if line.startswith("-")}
    assert changed
    assert changed - lines_of(survivor["where"]) == set()
