"""Imports point one way."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pytest
from support.checkout import ROOT, product_files

if TYPE_CHECKING:
    from pathlib import Path

WRAPPER = [path for path in product_files() if path.is_relative_to(ROOT / "maxim_gemini")]
PURE = [
    "maxim_gemini/_core/secrets.py",
    "maxim_gemini/_core/values.py",
    "maxim_gemini/_generate_content/parameters.py",
    "maxim_gemini/_generate_content/parts.py",
    "maxim_gemini/_generate_content/pieces.py",
    "maxim_gemini/_interactions/request.py",
    "maxim_gemini/_interactions/result.py",
    "maxim_gemini/_interactions/steps.py",
    "testing/_http/wire.py",
    "testing/_logs/views.py",
]
HTTP = {"httpx", "httpx2", "aiohttp", "requests", "respx"}


def imported(path: Path, *, when_run: bool = False) -> set[str]:
    """Return the modules that *path* imports; with *when_run*, without those that only type checkers see."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(n) for block in ast.walk(tree) if when_run and _for_types(block) for n in ast.walk(block)}
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and id(n) not in skipped]
    return {name for node in found for name in _names(node)}


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _names(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    return {"." * node.level + (node.module or "")}


@pytest.mark.parametrize("path", WRAPPER, ids=lambda path: path.name)
def test_the_wrapper_never_imports_the_test_kit(path: Path) -> None:
    assert not [name for name in imported(path) if "testing" in name]


SURFACES = {path.name for path in (ROOT / "maxim_gemini").glob("_*/") if path.name not in ("_core", "__pycache__")}


@pytest.mark.parametrize("room", ["_core", *sorted(SURFACES)])
def test_a_surface_imports_the_core_and_no_other_surface_and_the_core_imports_none(room: str) -> None:
    """So a surface can be added, read and taken away by itself."""
    for path in (ROOT / "maxim_gemini" / room).glob("*.py"):
        rooms = {part for name in imported(path) for part in name.split(".")}
        assert rooms & (SURFACES - {room}) == set(), path


@pytest.mark.parametrize("name", ["trace", "generation", "tool_calls", "headers", "proxy", "streams", "values"])
def test_the_core_knows_nothing_of_the_sdk(name: str) -> None:
    assert [module for module in imported(ROOT / f"maxim_gemini/_core/{name}.py") if "google" in module] == []


@pytest.mark.parametrize("name", PURE)
def test_pure_rooms_import_no_logger_and_no_http(name: str) -> None:
    roots = {module.partition(".")[0] for module in imported(ROOT / name, when_run=True)}
    assert roots & {"maxim", *HTTP} == set()


def test_importing_the_wrapper_loads_nothing_of_the_test_kit() -> None:
    code = "import maxim_gemini.client, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "maxim_gemini.client" in loaded
    assert not [name for name in loaded if name.startswith(("maxim_gemini.testing", "vcr", "pytest"))]


@pytest.mark.parametrize("room", ["_logs", "_replies", "_report"])
def test_the_modules_of_a_room_import_in_one_direction(room: str) -> None:
    """Imports inside functions, and those for type checkers only, count too."""
    folder = ROOT / "testing" / room
    below = {
        path.stem: {name[1:] for name in imported(path) if re.fullmatch(r"\.\w+", name)} for path in folder.glob("*.py")
    }
    graph = {module: imports & below.keys() for module, imports in below.items() if module != "__init__"}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules
