"""Run the suite in other orders: at random, on one process and on several, and every test file by itself.

    python tests/orders.py [seed ...]

A test that holds only in one order fails here and not in somebody's CI. Needs pytest-randomly; `tox -e order` has it.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEEDS = ("1", "20", "300")
IN_ORDER = ("-p", "no:randomly")
NO_TESTS = 5
"""pytest's exit status where it found no test, as in a file whose every test needs what is not installed."""


def run(*arguments: str) -> tuple[bool, str]:
    """Return whether pytest passed, and the end of what it printed."""
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    passed = ran.returncode in (0, NO_TESTS)
    lines = ran.stdout.splitlines() or [ran.stderr]
    return passed, lines[-1] if passed else "\n".join([line for line in lines if line.startswith(("FAILED", "ERROR"))])


def report(what: str, result: tuple[bool, str]) -> bool:
    passed, text = result
    print(f"{'ok  ' if passed else 'FAIL'} {what}: {text}", flush=True)
    return passed


def main(seeds: tuple[str, ...]) -> int:
    """Print a line for each order; return 1 if one of them failed."""
    results = [report(f"random order, seed {seed}", run("-n", "2", f"--randomly-seed={seed}")) for seed in seeds]
    results += [report(f"-n {count}", run(*IN_ORDER, "-n", count)) for count in ("0", "2", "4")]
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
    with ThreadPoolExecutor(2) as pool:
        alone = pool.map(lambda file: run(*IN_ORDER, "-n", "0", file), files)
        results += [report(f"alone: {file}", result) for file, result in zip(files, alone, strict=True)]
    print(f"{sum(results)} of {len(results)} passed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:]) or SEEDS))
