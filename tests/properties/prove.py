"""Run the properties with a big profile, and write down what was tried; run by `tox -e proof`.

python tests/properties/prove.py                       # 300 programs per side, all parts
python tests/properties/prove.py 1000 interactions     # other parts stay as they were tried last
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from google import genai

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
README = HERE / "README.md"
MUTATION = HERE / "mutation.json"

PROOF = HERE / "proof.json"

PARTS = {
    "calls": ("test_transparency.py", "test_machine.py", "test_concurrency.py"),
    "interactions": ("test_interactions.py",),
    "nesting": ("test_nesting.py",),
}

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


class Proof(TypedDict):
    """What was tried of one part."""

    ran: str
    """When, with what, and how long it took."""
    counts: dict[str, int]


def main(examples: int, parts: Iterable[str]) -> int:
    """Try *examples* programs per side in each of *parts*, and write all parts down; return the first bad exit code."""
    proof = json.loads(PROOF.read_text(encoding="utf-8")) if PROOF.exists() else {}
    for part in parts:
        code, proof[part] = _tried(part, examples)
        if code:
            return code
        PROOF.write_text(json.dumps(proof, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sections = [_section(part, proof[part]) for part in PARTS if part in proof]
    README.write_text("\n".join([INTRODUCTION, *sections, *_mutants()]) + "\n", encoding="utf-8")
    return 0


def _tried(part: str, examples: int) -> tuple[int, Proof]:
    """Return pytest's exit code, and what was tried."""
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder) / "tally.json"
        environment = {**os.environ, "MAXIM_GEMINI_PROOF": str(examples), "MAXIM_GEMINI_TALLY": str(tally)}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--timeout=0",  # the suite's limit for a test is for a tenth of the examples
            *(str(HERE / it) for it in PARTS[part]),
        ]
        began = time.monotonic()
        code = subprocess.run(command, env=environment, check=False).returncode
        seconds = time.monotonic() - began
        counts = json.loads(tally.read_text()) if tally.exists() else {}
    ran = f"{datetime.now(UTC):%Y-%m-%d}, google-genai {genai.__version__}, Python {sys.version.split()[0]}"
    return code, {"ran": f"{ran}, {seconds:.0f} s", "counts": counts}


def _section(part: str, proof: Proof) -> str:
    rows = [
        (kind.partition(": ")[0], kind.partition(": ")[2], number) for kind, number in sorted(proof["counts"].items())
    ]
    lines = [f"| {what} | {which} | {number:,} |" for what, which, number in rows]
    return "\n".join([f"## {part.capitalize()}", "", f"{proof['ran']}:", "", "| | | |", "|---|---|---:|", *lines, ""])


def _mutants() -> list[str]:
    if not MUTATION.exists():
        return []
    found = json.loads(MUTATION.read_text(encoding="utf-8"))
    return [
        "## Mutants",
        "",
        "| | | |",
        "|---|---|---:|",
        f"| mutants | tried ({found['date']}, `tox -e mutation`), of {found['mutants']:,} | {found['tried']:,} |",
        f"| mutants | killed | {found['killed']:,} |",
        f"| mutants | surviving, with a reason (survivors.json) | {sum(found['explained'].values()):,} |",
        f"| mutants | surviving, without one | {len(found['unexplained']):,} |",
    ]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 300, sys.argv[2:] or PARTS))
