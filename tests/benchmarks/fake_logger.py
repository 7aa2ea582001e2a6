"""What FakeLogger costs: run it with `python tests/benchmarks/fake_logger.py`.

A commit must cost no more than a real logger's, and folding must take time in proportion to what was logged.
"""

from __future__ import annotations

import gc
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from typing import TYPE_CHECKING

from support.maxim_flows import answer, generation_config

from maxim_gemini.testing import FakeLogger, maxim_api

if TYPE_CHECKING:
    from collections.abc import Callable

    from maxim.logger import Logger

SIZES = (1_000, 5_000, 10_000)


def log(logger: Logger, generations: int) -> None:
    """Log one trace with that many generations, each with a short history."""
    trace = logger.trace({"id": "t", "name": "benchmark"})
    messages = [{"role": "user", "content": "What is the weather in Paris? " * 5} for _ in range(4)]
    for number in range(generations):
        generation = trace.generation(
            generation_config(f"g-{number:05}", *messages, model_parameters={"temperature": 1})
        )
        generation.result(answer("Sunny. " * 20))
    trace.end()


def seconds(action: Callable[[], object]) -> float:
    """Return how long it takes, with the garbage collector at rest."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        action()
        return time.perf_counter() - began
    finally:
        gc.enable()


def measured(size: int) -> list[float]:
    """Return the seconds of each column for that many generations."""
    fake = FakeLogger()
    with maxim_api() as api:
        logged = [seconds(partial(log, logger, size)) for logger in (fake, api.logger())]
    looks = (lambda: fake.trace.generations, fake.problems, fake.snapshot, fake.render)
    return [*logged, *map(seconds, looks)]


def main() -> None:
    """Print the table."""
    columns = ("log (fake)", "log (real)", "fold", "check", "snapshot", "render")
    print(f"{'generations':>12}" + "".join(f"{column:>13}" for column in columns))
    for size in SIZES:
        print(f"{size:>12,}" + "".join(f"{took:>11.3f} s" for took in measured(size)))


if __name__ == "__main__":
    main()
