"""What FakeLogger costs: run it with `python tests/benchmarks/fake_logger.py`.

Logging must cost no more than with a real logger, and folding must take time in proportion to what was logged.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from typing import TYPE_CHECKING

from support.maxim_flows import answer, generation_config

from maxim_gemini.testing import FakeLogger, maxim_api

if TYPE_CHECKING:
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


Clock = Callable[[], float]


def seconds(action: Callable[[], object], *clocks: Clock) -> list[float]:
    """Return how long it takes by each clock, with the garbage collector at rest."""
    gc.collect()
    gc.disable()
    try:
        began = [clock() for clock in clocks]
        action()
        return [clock() - start for clock, start in zip(clocks, began, strict=True)]
    finally:
        gc.enable()


def measured(size: int) -> list[float]:
    """Return the CPU seconds of each column for that many generations."""
    fake = FakeLogger()
    with maxim_api() as api:
        loggers = (fake, api.logger())
        logged = [seconds(partial(log, logger, size), time.thread_time, time.process_time) for logger in loggers]
    looks = (lambda: fake.trace.generations, fake.problems, fake.snapshot, fake.render)
    return [*chain(*logged), *chain(*(seconds(look, time.process_time) for look in looks))]


def main() -> None:
    """Print the table; a real logger also works in threads of its own."""
    columns = ("fake: caller", "in all", "real: caller", "in all", "fold", "check", "snapshot", "render")
    print(f"{'CPU seconds for':>15}" + "".join(f"{column:>14}" for column in columns))
    for size in SIZES:
        print(f"{size:>15,}" + "".join(f"{took:>14.3f}" for took in measured(size)))


if __name__ == "__main__":
    main()
