"""What it costs to have the package: importing the wrapper, and starting pytest with the plugin that nobody uses."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import quantiles

_IMPORT = """
import time
import google.genai, google.genai.models, google.genai.chats, maxim, maxim.logger
started = time.process_time()
from maxim_gemini import MaximGeminiClient, MaximGeminiAsyncClient
print((time.process_time() - started) * 1000)
"""


def import_milliseconds(runs: int = 15) -> float:
    """Return the least time that the wrapper's import takes over google-genai and maxim-py.

    From compiled modules, as an application starts; the first run compiles them, whatever the environment says.
    """
    with tempfile.TemporaryDirectory() as cache:
        compiled = os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": cache}
        command = [sys.executable, "-c", _IMPORT]
        return min(float(subprocess.check_output(command, env=compiled)) for _ in range(runs + 1))


def _pytest_milliseconds(folder: Path, *options: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    # The other plugins of this environment take a second, and differ by more from run to run than ours takes at all.
    alone = {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder)}
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=os.environ | alone | compiled)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def plugin_milliseconds(runs: int = 31) -> float:
    """Return the CPU time that pytest's start takes longer with the plugin than without, in turns.

    Of each the lower quartile: a start takes 170 ms or, where the machine has other work, twice that, which hides ours.
    """
    with_it = ("-p", "maxim_gemini.testing.plugin")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        _pytest_milliseconds(folder, *with_it)  # which compiles
        pairs = [(_pytest_milliseconds(folder, *with_it), _pytest_milliseconds(folder)) for _ in range(runs)]
        (loaded, *_), (bare, *_) = (quantiles(times, n=4) for times in zip(*pairs, strict=True))
        return loaded - bare
