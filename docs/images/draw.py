"""Draw the pictures of the README and the documentation anew: `python docs/images/draw.py`.

demo.svg is what `maxim-gemini demo` prints. report.png is the trace report of docs/examples/test_examples.py, as
Chromium shows it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

IMAGES = Path(__file__).parent
EXAMPLES = IMAGES.parent / "examples"
WIDTH = 120
TRACE = "test_examples.py::test_a_function_call_in_a_chat/1"


def draw_demo() -> None:
    """Write demo.svg."""
    command = [sys.executable, "-m", "maxim_gemini.testing", "demo"]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(printed.rstrip()))
    console.save_svg(str(IMAGES / "demo.svg"), title="maxim-gemini demo", theme=MONOKAI, unique_id="demo")


def draw_report() -> None:
    """Write report.png, where there is a Chromium."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("report.png was not drawn: no Chromium here")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "traces.html"
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLES)]
        subprocess.run([*pytest, f"--maxim-gemini-report={page}", "test_examples.py"], cwd=EXAMPLES, check=True)
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,1000"]
        shot = f"--screenshot={IMAGES / 'report.png'}"
        subprocess.run([browser, *flags, shot, f"{page.as_uri()}#{TRACE}"], check=True, capture_output=True)


if __name__ == "__main__":
    draw_demo()
    draw_report()
