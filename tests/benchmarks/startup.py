"""What it costs to have the package: importing the wrapper, and starting pytest with the plugin that nobody uses."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

_IMPORT = """
import time
import google.genai, google.genai.models, google.genai.chats, maxim, maxim.logger
started = time.perf_counter()
from maxim_gemini import MaximGeminiClient, MaximGeminiAsyncClient
print((time.perf_counter() - started) * 1000)
"""


def import_milliseconds(runs: int = 7) -> float:
    """Return the least time that the wrapper's import takes over google-genai and maxim-py."""
    return min(float(subprocess.check_output([sys.executable, "-c", _IMPORT])) for _ in range(runs))


def _pytest_milliseconds(folder: Path, *options: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", *options]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTEST_ADDOPTS": ""})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def plugin_milliseconds(runs: int = 9) -> float:
    """Return the median CPU time that pytest's start takes longer with the plugin installed than without, in pairs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        _pytest_milliseconds(folder)
        return median(
            _pytest_milliseconds(folder) - _pytest_milliseconds(folder, "-p", "no:maxim_gemini") for _ in range(runs)
        )
