"""What a call takes where nothing is traced, beside a bare one.

    python tests/benchmarks/untraced.py

Both are made in one process, in short batches that take turns, so that what else the machine does counts for both; the
median of the pairs' ratios is shown. `instructions.py untraced` counts the same, in instructions.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import contenders

if TYPE_CHECKING:
    from google import genai

PAIRS = 200
CALLS = 12
WARM_UP = 4
"""Calls of a batch that do not count: other code has just run, or been put in the place of google-genai's."""


def seconds(client: Any) -> float:
    """Return the CPU time of a call, of this thread alone."""
    for _ in range(WARM_UP):
        contenders.plain(client)
    started = time.thread_time()
    for _ in range(CALLS):
        contenders.plain(client)
    return (time.thread_time() - started) / CALLS


def ratio(bare: genai.Client, contender: str, *, is_first: bool) -> float:
    """Return how many times the CPU time of a bare call one of *contender* takes, which is measured first or last."""
    before = 0.0 if is_first else seconds(bare)
    with contenders.UNTRACED[contender](bare) as client:
        theirs = seconds(client)
    return theirs / (before or seconds(bare))


def main(pairs: int) -> None:
    """Print the ratios."""
    bare = contenders.bare_client()
    for contender in contenders.UNTRACED:
        ratio(bare, contender, is_first=True)
    gc.collect()
    gc.freeze()
    gc.disable()
    for contender in contenders.UNTRACED:
        found = sorted(ratio(bare, contender, is_first=bool(number % 2)) for number in range(pairs))
        low, high = found[pairs // 4], found[3 * pairs // 4]
        print(f"{contender:24} {statistics.median(found):.3f}x (half of them between {low:.3f} and {high:.3f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else PAIRS)
