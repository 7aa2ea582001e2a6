"""What noise hides: the instructions and cache misses of a traced call, counted by valgrind, which has to be installed.

    python tests/benchmarks/instructions.py              # every case
    python tests/benchmarks/instructions.py untraced     # only that one

The counts differ by less than one in a hundred from run to run, whatever else the machine does: so they tell which of
two ways is less work where a stopwatch can't. They are no times; a miss of a cache costs as much as many instructions.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import traceback
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

import contenders
import floor

_COUNTED: Final = re.compile(r"==(\d+)== (?:I +refs|I1 +misses|D1 +misses): +([\d,]+)")
_UNDER_VALGRIND: Final = "--under-valgrind"

# So many calls that what happens once in a while, such as a flush of the logger, weighs the same in every count.
CALLS: Final = {"plain": (50, 450), "stream": (3, 13), "untraced": (10, 60), "interaction": (4, 24), "events": (1, 3)}
RUNS: Final = (
    ("plain", "bare"),
    ("plain", "straight line"),
    ("plain", "maxim_gemini"),
    ("stream", "bare"),
    ("stream", "maxim_gemini"),
    ("untraced", "bare"),
    *(("untraced", name) for name in contenders.UNTRACED),
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


def counted(cases: list[str]) -> dict[tuple[str, str], Counts]:
    """Return what one call takes: the difference between many calls and few, so that imports do not count."""
    valgrind = ("valgrind", "--tool=cachegrind", "--cache-sim=yes", f"--cachegrind-out-file={os.devnull}")
    command = [*valgrind, sys.executable, __file__, _UNDER_VALGRIND, *cases]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    of_process: dict[str, list[int]] = {}
    for process, count in _COUNTED.findall(done.stderr):
        of_process.setdefault(process, []).append(int(count.replace(",", "")))
    found = {}
    for line in done.stdout.splitlines():
        case, contender, *processes = line.split(";")
        few, many = CALLS[case]
        less, more = (of_process[process] for process in processes)
        found[case, contender] = Counts(*((more[at] - less[at]) / (many - few) for at in range(3)))
    return found


def run_all(cases: list[str]) -> None:
    """Have a process make few calls, and another one many, for each run of *cases*; print which processes those were.

    They are forks of this one, which counts what it has imported only once.
    """
    contenders.plain(contenders.bare_client())
    for case, contender in RUNS:
        if case in cases:
            print(case, contender, *(_forked(case, contender, calls) for calls in CALLS[case]), sep=";", flush=True)


def _forked(case: str, contender: str, calls: int) -> int:
    if process := os.fork():
        _, status = os.waitpid(process, 0)
        if status:
            raise RuntimeError(f"{contender} failed at {case}")
        return process
    status = 1  # this process must never go on as if it were the other one
    try:
        call(case, contender, calls)
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)  # the end of the interpreter does not count


def call(case: str, contender: str, calls: int) -> None:
    """Make *calls* calls."""
    client: Any = contenders.bare_client()
    with ExitStack() as stack:
        if contender == "straight line":
            client = floor.Straight(client)
        elif contender in contenders.UNTRACED:
            client = stack.enter_context(contenders.UNTRACED[contender](client))
        else:
            client = contenders.CONTENDERS[contender](client)
        run, _ = contenders.CASES[case]
        run(client)
        gc.collect()
        gc.freeze()
        gc.disable()
        for _ in range(calls):
            run(client)


def main(cases: list[str]) -> None:
    """Print what a call takes, beside a bare one."""
    found = counted(cases)
    for (case, contender), counts in found.items():
        ratios = [count / base for count, base in zip(counts, found[case, "bare"], strict=True)]
        print(
            f"{case:11} {contender:24} {counts.instructions / 1e6:7.2f} million instructions, {ratios[0]:.3f}x; "
            f"cache misses {ratios[1]:.2f}x of instructions, {ratios[2]:.2f}x of data"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == [_UNDER_VALGRIND]:
        run_all(sys.argv[2:])
    else:
        main(sys.argv[1:] or [*CALLS])
