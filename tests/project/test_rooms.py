"""Imports point one way."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import textwrap
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pytest
from support.checkout import ROOT, product_files

if TYPE_CHECKING:
    from collections.abc import Set
    from pathlib import Path

WRAPPER = [path for path in product_files() if path.is_relative_to(ROOT / "maxim_gemini")]
PURE = [
    "maxim_gemini/_core/secrets.py",
    "maxim_gemini/_core/values.py",
    "maxim_gemini/_core/wav.py",
    "maxim_gemini/_generate_content/parameters.py",
    "maxim_gemini/_generate_content/parts.py",
    "maxim_gemini/_generate_content/pieces.py",
    "maxim_gemini/_interactions/request.py",
    "maxim_gemini/_interactions/result.py",
    "maxim_gemini/_interactions/steps.py",
    "maxim_gemini/_live/answer.py",
    "maxim_gemini/_live/frames.py",
    "maxim_gemini/_live/request.py",
    "maxim_gemini/_live/sound.py",
    "testing/_http/wire.py",
    "testing/_logs/view.py",
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


@pytest.mark.parametrize(
    "name", ["call", "connection", "trace", "generation", "tool_calls", "headers", "proxy", "streams", "values"]
)
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


LATE = {
    *("delivery", "maxim_writer", "outbox", "process", "sender", "spool"),
    *("privacy", "private_writer", "patching", "opaque", "partial_args"),
}
"""Modules that only the delivery of logs, privacy policies, mocks and tracers, or streamed arguments need."""


def test_a_client_that_sends_nothing_and_hides_nothing_loads_no_more_than_it_needs() -> None:
    code = f"""
        import sys
        from google import genai
        from maxim_gemini import MaximGeminiClient

        def late():
            return {{name.rpartition(".")[2] for name in sys.modules if name.startswith("maxim_gemini._")}} & {LATE}

        class Silent:
            writer = None

        client = genai.Client(api_key="none")
        MaximGeminiClient(client, Silent()).models
        assert not late(), late()
        from maxim_gemini import Privacy
        MaximGeminiClient(client, Silent(), privacy=Privacy(capture="no-content"))
        assert "private_writer" in late()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


KIT = {
    "_http": set[str](),
    "_cassette": {"_http"},
    "_logs": {"_http"},
    "_report": {"_logs"},
    "_replies": {"_cassette", "_http", "reply"},
    "reply": {"_replies"},
    "strategies": {"_replies", "reply"},
    "_recorder": {"_cassette", "_http", "_logs", "_replies"},
    "_pytest": {"_cassette", "_http", "_logs", "_recorder", "_replies", "_report"},
    "plugin": {"_pytest"},
    "_cli": {"_cassette", "_http", "_pytest", "_recorder", "_replies", "_report", "reply"},
}
"""Which other rooms of the kit each room may use, besides the small modules that all may: `COMMON`."""

COMMON = {"_clock", "_json_types", "_printable", "cassettes", "exceptions"}


def import_graph() -> dict[str, set[str]]:
    """Return which of our modules each of them imports, also inside functions and for type checkers only."""
    modules = {_module_name(path): path for path in product_files()}
    return {name: _imported_modules(name, path, modules.keys()) for name, path in modules.items()}


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("maxim_gemini", *parts) if parts[0] == "testing" else parts
    return ".".join(parts).removesuffix(".__init__")


def _imported_modules(name: str, path: Path, modules: Set[str]) -> set[str]:
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            targets = {f"{source}.{alias.name}" for alias in node.names}
            imported |= {target if target in modules else source for target in targets}
    return imported & modules - {name}


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter(import_graph()).prepare()  # raises CycleError, which names the modules


def test_each_room_of_the_kit_uses_only_the_rooms_below_it() -> None:
    prefix = "maxim_gemini.testing."
    for module, imported in import_graph().items():
        room = module.removeprefix(prefix).partition(".")[0]
        if module.startswith(prefix) and room not in {*COMMON, "__main__"}:
            used = {name.removeprefix(prefix).partition(".")[0] for name in imported if name.startswith(prefix)}
            assert used - COMMON - {room} <= KIT[room], module
