"""What a program left open in this process, where it would have ended with its own."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path


def discard() -> None:
    """Collect it without a warning, so that it fails no test that comes after."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def open_files() -> list[str]:
    """Return the numbers of this process's open files; nothing where the system does not list them."""
    folder = Path("/proc/self/fd")
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
