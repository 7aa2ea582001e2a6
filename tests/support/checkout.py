"""The checkout that the tests run from: its files, and which of them are product code."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = {"maxim_gemini": ROOT / "maxim_gemini", "maxim_gemini.testing": ROOT / "testing"}
"""Each top-level folder of product code, by its import name; the links between them are not followed."""


def product_files(pattern: str = "*.py") -> list[Path]:
    """Return the files of the product that match *pattern*, each once."""
    paths = [path for folder in PACKAGES.values() for path in folder.rglob(pattern)]
    return sorted(path for path in paths if not _is_linked(path) and "__pycache__" not in path.parts)


def project() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked_files() -> list[Path]:
    """Return every file of the checkout that is, or is about to be, in git; without git, every file of the sdist."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not _is_generated(path)]
    return sorted(path for name in listed if (path := ROOT / name).is_file() and not path.is_symlink())


def _is_linked(path: Path) -> bool:
    return any(parent.is_symlink() for parent in [path, *path.parents] if parent.is_relative_to(ROOT))


def _is_generated(path: Path) -> bool:
    generated = {"build", "dist", "site", "__pycache__"}
    return any(part in generated or part.startswith(".") for part in path.relative_to(ROOT).parts)
