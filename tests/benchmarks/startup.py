"""What it costs to have the package: importing the wrapper, and starting pytest with the plugin that nobody uses."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

_IMPORT = """
import os, time
import google.genai, google.genai.models, google.genai.chats, maxim, maxim.logger
client = google.genai.Client(api_key="none")
client.models, client.aio
logger = maxim.logger.Logger({"id": "start"}, api_key="none", base_url="http://127.0.0.1:9")
started = time.process_time()
from maxim_gemini import MaximGeminiClient, MaximGeminiAsyncClient
imported = time.process_time()
MaximGeminiClient(client, logger).models
wrapped = time.process_time()
print((imported - started) * 1000, (wrapped - started) * 1000, flush=True)
os._exit(0)
"""


class Start(NamedTuple):
    """Milliseconds of CPU time."""

    imported: float
    """The wrapper is imported."""
    wrapped: float
    """The first client is wrapped, too. Its logger sends to Maxim, so the delivery of logs is imported for it."""


def start(runs: int = 15) -> Start:
    """Return the least time that the wrapper's start takes over google-genai and maxim-py.

    From compiled modules, as an application starts; the first run compiles them, whatever the environment says. The
    interpreter's garbage collector runs as in any program: it makes no full collection meanwhile.
    """
    with tempfile.TemporaryDirectory() as cache:
        compiled = os.environ | {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": cache,
            "MAXIM_GEMINI_SPOOL": cache,
        }
        command = [sys.executable, "-c", _IMPORT]
        times = [map(float, subprocess.check_output(command, env=compiled).split()) for _ in range(runs + 1)]
        return Start(*map(min, zip(*times, strict=True)))


def _pytest_milliseconds(folder: Path, *options: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder)}
    plain = os.environ | compiled | {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=plain)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def plugin_milliseconds(runs: int = 61) -> float:
    """Return the CPU time that pytest's start takes longer with the installed plugin than over `-p no:maxim_gemini`.

    Of each the least, in turns: a start takes 190 ms or, where the machine has other work, twice that, which hides
    ours. The other plugins of this environment stay out of both: they take a second, and differ by more than ours.
    """
    others = {plugin.name for plugin in entry_points(group="pytest11")}
    others.remove("maxim_gemini")
    alone = [word for name in sorted(others) for word in ("-p", f"no:{name}")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        with_it = partial(_pytest_milliseconds, folder, *alone)
        without_it = partial(with_it, "-p", "no:maxim_gemini")
        with_it()  # which compiles
        pairs = [(with_it(), without_it()) for _ in range(runs)]
        return min(loaded for loaded, _ in pairs) - min(bare for _, bare in pairs)
