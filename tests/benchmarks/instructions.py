"""What noise hides: the instructions and cache misses of a traced call, counted by valgrind, which has to be installed.

    python tests/benchmarks/instructions.py

The counts differ by less than one in a hundred from run to run, whatever else the machine does: so they tell which of
two ways is less work where a stopwatch can't. They are no times; a miss of a cache costs as much as many instructions.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import contenders
import floor

_COUNTED: Final = re.compile(r"(I +refs|I1 +misses|D1 +misses): +([\d,]+)")

# So many calls that what happens once in a while, such as a flush of the logger, weighs the same in every count.
CALLS: Final = {"plain": (50, 450), "stream": (3, 13), "interaction": (4, 24), "events": (1, 3)}
RUNS: Final = (
    ("plain", "bare"),
    ("plain", "straight line"),
    ("plain", "maxim_gemini"),
    *(("plain", name) for name in contenders.UNTRACED),
    ("stream", "bare"),
    ("stream", "maxim_gemini"),
    ("interaction", "bare"),
    ("interaction", "maxim_gemini"),
    ("events", "bare"),
    ("events", "maxim_gemini"),
)


class Counts(NamedTuple):
    """What one call takes."""

    instructions: float
    instruction_misses: float
    data_misses: float


def counted(run: tuple[str, str]) -> Counts:
    """Return what one call takes: the difference between many calls and few, so that imports do not count."""
    few, many = CALLS[run[0]]
    less, more = (_counts_of_a_process(*run, str(calls)) for calls in (few, many))
    return Counts(*((more[at] - less[at]) / (many - few) for at in range(3)))


def _counts_of_a_process(*arguments: str) -> list[int]:
    valgrind = ("valgrind", "--tool=cachegrind", "--cache-sim=yes", f"--cachegrind-out-file={os.devnull}")
    command = [*valgrind, sys.executable, __file__, *arguments]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return [int(count.replace(",", "")) for _, count in _COUNTED.findall(done.stderr)]


def call(case: str, contender: str, calls: int) -> None:
    """Make *calls* calls, and nothing after them."""
    client: Any = contenders.bare_client()
    client = (
        floor.Straight(client)
        if contender == "straight line"
        else (contenders.CONTENDERS | contenders.UNTRACED)[contender](client)
    )
    run, _ = contenders.CASES[case]
    run(client)
    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(calls):
        run(client)
    os._exit(0)  # the end of the interpreter does not count


def main() -> None:
    """Print what a call takes, beside a bare one."""
    _counts_of_a_process("plain", "bare", "1")  # which compiles
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(RUNS, pool.map(counted, RUNS), strict=True))
    for (case, contender), counts in found.items():
        ratios = [count / base for count, base in zip(counts, found[case, "bare"], strict=True)]
        print(
            f"{case:7} {contender:14} {counts.instructions / 1e6:7.2f} million instructions, {ratios[0]:.3f}x; "
            f"cache misses {ratios[1]:.2f}x of instructions, {ratios[2]:.2f}x of data"
        )


if __name__ == "__main__":
    if sys.argv[1:]:
        call(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main()
