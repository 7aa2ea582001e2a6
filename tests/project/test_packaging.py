from __future__ import annotations

import ast
import re
import sys
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
from support.checkout import PACKAGES, ROOT, product_files, project

import maxim_gemini
from maxim_gemini.testing._cassette.bodies import extension

SETUPTOOLS = project()["tool"]["setuptools"]
OPTIONAL = {"pytest_asyncio"}
"""Used only where the user's own suite has it."""
INSTALLED = Path(maxim_gemini.__file__).parent


def folder_of(package: str) -> Path:
    """Return the folder that setuptools takes *package* from."""
    mapped = SETUPTOOLS["package-dir"]
    outer = max((name for name in mapped if f"{package}.".startswith(f"{name}.")), key=len, default="")
    inner = package.removeprefix(outer).lstrip(".")
    return ROOT / str(mapped.get(outer, "")) / inner.replace(".", "/")


def test_every_folder_with_code_is_a_listed_package() -> None:
    listed = {folder_of(package) for package in SETUPTOOLS["packages"]}
    assert {path.parent for path in product_files()} <= listed
    assert {folder for folder in listed if not (folder / "__init__.py").is_file()} == set()


def test_every_data_file_is_matched_by_a_pattern() -> None:
    patterns = [
        (folder_of(package), pattern) for package, found in SETUPTOOLS["package-data"].items() for pattern in found
    ]
    data = [path for path in product_files("*.*") if path.suffix not in {".py", ".pyc"}]
    unmatched = [path for path in data if not any(path.parent == f and fnmatch(path.name, p) for f, p in patterns)]
    assert data, "there is py.typed at least"
    assert unmatched == []


@pytest.mark.parametrize("kind", ["image/jpeg", "audio/l16", "video/mp4", "application/pdf", "application/x-unknown"])
def test_whatever_lies_beside_a_bundled_recording_is_matched(kind: str) -> None:
    patterns = SETUPTOOLS["package-data"]["maxim_gemini.testing.cassettes"]
    assert any(fnmatch(f"0123456789abcdef.{extension(b'any', kind)}", pattern) for pattern in patterns)


def test_every_file_of_the_checkout_is_installed() -> None:
    """On the wheel this shows that nothing was forgotten; in an editable install it shows nothing."""
    for path in [*product_files("*.*"), *(ROOT / "cassettes").glob("*.*")]:
        package, folder = next(
            (name, f) for name, f in [*PACKAGES.items(), ("cassettes", ROOT / "cassettes")] if path.is_relative_to(f)
        )
        inside = {"maxim_gemini": "", "maxim_gemini.testing": "testing", "cassettes": "testing/cassettes"}[package]
        assert (INSTALLED / inside / path.relative_to(folder)).is_file(), path


def test_the_two_links_are_there_where_the_file_system_has_links() -> None:
    for link, target in {"maxim_gemini/testing": "../testing", "testing/cassettes": "../cassettes"}.items():
        path = ROOT / link
        if not path.exists():
            continue  # A checkout without links: the build does not need them.
        assert path.is_symlink()
        assert str(path.readlink()) == target


def test_the_wrapper_needs_only_google_genai_and_maxim_py() -> None:
    needed = [text for text in metadata.requires("maxim-gemini") or () if "extra ==" not in text]
    assert sorted(text.split(">")[0] for text in needed) == ["google-genai", "maxim-py"]


def test_what_the_product_imports_it_declares() -> None:
    """pydantic's models are google-genai's public interface; the libraries of other people's are asked for by name.

    Websockets of google-genai's go over the library that it requires itself. pydantic_core is the half of pydantic that
    is not written in Python, and always comes with it.
    """
    declared = {re.split(r"[\[>=<; ]", text)[0] for text in metadata.requires("maxim-gemini") or ()}
    provided = metadata.packages_distributions()
    modules = {name for path in product_files() for name in top_level_imports(path)}
    outside = modules - sys.stdlib_module_names - {"maxim_gemini", "google", "pydantic", "pydantic_core", "websockets"}
    undeclared = {name for name in outside if not declared & {dist.lower() for dist in provided.get(name, [name])}}
    assert undeclared <= OPTIONAL


def top_level_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.partition(".")[0] for name in names}


def test_aiohttp_is_never_required_since_its_presence_changes_google_genai() -> None:
    assert not [text for text in metadata.requires("maxim-gemini") or () if text.startswith("aiohttp")]


def test_the_plugin_and_the_command_are_announced() -> None:
    points = {(point.group, point.name): point.value for point in metadata.distribution("maxim-gemini").entry_points}
    assert points["pytest11", "maxim_gemini"] == "maxim_gemini.testing.plugin"
    assert ("console_scripts", "maxim-gemini") in points


def test_the_package_is_typed() -> None:
    assert (INSTALLED / "py.typed").is_file()
