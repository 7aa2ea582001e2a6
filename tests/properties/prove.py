"""Run the properties with a big profile, and write down what was tried; run by `tox -e proof`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from google import genai

HERE = Path(__file__).parent
README = HERE / "README.md"
MUTATION = HERE / "mutation.json"

_TESTS = (
    "test_transparency.py",
    "test_interactions.py",
    "test_machine.py",
    "test_concurrency.py",
    "test_nesting.py",
)

INTRODUCTION = """\
# Properties

What must hold whatever an application does and whatever befalls it. Written by `tox -e proof`; not by hand.

A *program* is a random row of steps with a client: calls, streams read, left, closed, dropped, cancelled, thrown into;
chats; functions that run, fail, wait or leave. Each runs twice on the same scripted answers and faults, on a bare
and on a wrapped client. Two timelines come of it (what was asked, sent, seen, raised, run), and they must be equal.
Interactions have programs of their own: whole, streamed, raw, in the background, in chains and hops; and each kind of
call is cancelled at every step of the event loop.
Any nesting of traces, spans and suppression over two loggers, ours and maxim-py's: a call must be where a simple model
puts it.
What Maxim received must be complete, and equal to what the raw JSON of the answers says. Other programs run over
loggers that lack some of their methods: they must behave as the bare client, too.
"""


def main(examples: int) -> int:
    """Try *examples* programs per side; return pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder) / "tally.json"
        environment = {**os.environ, "MAXIM_GEMINI_PROOF": str(examples), "MAXIM_GEMINI_TALLY": str(tally)}
        tests = [str(HERE / name) for name in _TESTS]
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
        code = subprocess.run(command, env=environment, check=False).returncode
        counts = Counter(json.loads(tally.read_text())) if tally.exists() else Counter()
    table = _table(counts, time.monotonic() - began)
    print(table)
    if code == 0:
        README.write_text(f"{INTRODUCTION}\n{table}", encoding="utf-8")
    return code


def _table(counts: Counter[str], seconds: float) -> str:
    rows = [(kind.partition(": ")[0], kind.partition(": ")[2], number) for kind, number in sorted(counts.items())]
    lines = [f"| {what} | {which} | {number:,} |" for what, which, number in rows]
    ran = f"{datetime.now(UTC):%Y-%m-%d}, google-genai {genai.__version__}, Python {sys.version.split()[0]}"
    head = [f"{ran}, {seconds:.0f} s:", "", "| | | |", "|---|---|---:|"]
    return "\n".join([*head, *lines, *_mutants()]) + "\n"


def _mutants() -> list[str]:
    if not MUTATION.exists():
        return []
    found = json.loads(MUTATION.read_text(encoding="utf-8"))
    return [
        f"| mutants | tried ({found['date']}, `tox -e mutation`), of {found['mutants']:,} | {found['tried']:,} |",
        f"| mutants | killed | {found['killed']:,} |",
        f"| mutants | surviving, with a reason (survivors.json) | {sum(found['explained'].values()):,} |",
        f"| mutants | surviving, without one | {len(found['unexplained']):,} |",
    ]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
