"""Names that other libraries keep to themselves are used in one file a library, and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.checkout import ROOT, product_files

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = {
    "maxim_gemini/_generate_content/sdk.py": "google-genai",
    "testing/_http/sdk.py": "google-genai",
    "maxim_gemini/_interactions/sdk.py": "google-genai",
    "maxim_gemini/_live/sdk.py": "google-genai",
    "maxim_gemini/_core/logger.py": "maxim-py",
    "testing/_logs/maxim.py": "maxim-py",
    "testing/_http/httpx.py": "httpx and httpx2",
    "testing/_http/aiohttp.py": "aiohttp",
    "testing/_http/event_loops.py": "asyncio",
    "testing/_cassette/cassette.py": "vcrpy",
    "testing/_pytest/collected.py": "pytest",
}
"""The one file of each product that may, and whose names those are."""

PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_value_"}
"""Public, by the standard library's word, though they begin with an underscore."""

ATTRIBUTE_FUNCTIONS = {"getattr", "setattr", "hasattr", "delattr", "object"}


def is_private(name: str) -> bool:
    return name.startswith("_") and name.strip("_") != "" and not name.endswith("__") and name not in PUBLIC


def defined(tree: ast.Module) -> set[str]:
    """Return the names that a module gives to things of its own."""
    names = set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
            case _:
                pass
    return names


def used(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield the line and name of each private name that is used, and whether it is one of `self`."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if is_private(name):
                yield node.lineno, name, True
            case ast.Attribute(attr=name) if is_private(name):
                yield node.lineno, name, False
            case ast.Call(func=ast.Name(id=function) | ast.Attribute(attr=function), args=arguments):
                if function in ATTRIBUTE_FUNCTIONS:
                    for argument in arguments:
                        if isinstance(argument, ast.Constant) and is_private(str(argument.value)):
                            yield node.lineno, str(argument.value), False
            case ast.ImportFrom(module=str(module), level=0, names=names) if not module.startswith("maxim_gemini"):
                for name in [*module.split("."), *(alias.name for alias in names)]:
                    if is_private(name):
                        yield node.lineno, name, False
            case ast.Import(names=names):
                for name in [part for alias in names for part in alias.name.split(".")]:
                    if is_private(name):
                        yield node.lineno, name, False
            case _:
                pass


def foreign(path: Path, tree: ast.Module, everywhere: set[str]) -> list[str]:
    """Return the uses of names that neither this file nor, for `self`, any base class of ours defines."""
    here = defined(tree)
    return [
        f"{path}:{line}: {name}"
        for line, name, of_self in used(tree)
        if name not in here and not (of_self and name in everywhere)
    ]


TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in product_files()}
EVERYWHERE = set[str]().union(*map(defined, TREES.values()))


def test_private_names_of_other_libraries_stay_in_their_file() -> None:
    checked = {name: tree for name, tree in TREES.items() if name not in ALLOWED}
    assert [use for name, tree in checked.items() for use in foreign(Path(name), tree, EVERYWHERE)] == []


@pytest.mark.parametrize("name", ALLOWED)
def test_each_file_that_may_is_there(name: str) -> None:
    assert name in TREES, f"{name} is gone: take it off the list"


@pytest.mark.parametrize(
    "code",
    [
        "client._api_client",
        "getattr(client, '_api_client')",
        "from google.genai._common import BaseModel",
        "import google.genai._api_client",
        "class A(Base):\n def f(self): return self._never_ours",
        "monkeypatch.setattr(models, '_generate_content', 1)",
    ],
)
def test_a_foreign_private_name_is_found(code: str) -> None:
    assert foreign(Path("x.py"), ast.parse(code), EVERYWHERE - {"_api_client", "_generate_content"})


@pytest.mark.parametrize(
    "code",
    ["self._mine = 1\nother._mine", "point._replace(x=1)", "x.__class__", "for _ in y: pass", "from . import _sdk"],
)
def test_a_name_of_ours_is_not(code: str) -> None:
    assert foreign(Path("x.py"), ast.parse(code), EVERYWHERE) == []
