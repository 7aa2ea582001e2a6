"""What FakeLogger costs: run it with `python tests/benchmarks/fake_logger.py`.

Logging must cost no more than with a real logger, and folding must take time in proportion to what was logged.

A real logger sends what it is given from threads of its own. So FakeLogger's time is compared with that of the caller's
thread alone, and with that of all threads until everything is sent; there, the first look at FakeLogger counts, too,
for which it leaves the encoding. In the short bursts a real logger only fills its queue, and sends nothing yet.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from typing import TYPE_CHECKING, NamedTuple

from support.maxim_flows import answer, generation_config

from maxim_gemini.testing import FakeLogger, MaximApi

if TYPE_CHECKING:
    from maxim.logger import Logger

SIZES = (1_000, 5_000, 10_000)
BURSTS = (30, 1_000)


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


class Pair(NamedTuple):
    """CPU seconds of the same generations with a fake and with a real logger."""

    fake: float
    """The only thread there is."""
    folded: float
    """The first look at what was logged."""
    caller: float
    """A real logger's caller."""
    in_all: float
    """All threads until the real logger has sent everything."""


class Ratios(NamedTuple):
    """FakeLogger's CPU time as part of a real logger's, the medians of pairs."""

    caller: float
    """Of the caller's thread alone."""
    in_all: float
    """Of all threads, with everything sent on one side and read on the other."""


def ratios(size: int, rounds: int = 15) -> Ratios:
    """Return the ratios for bursts of that many generations; fake and real take turns to be first."""
    with MaximApi() as api:
        real = api.logger()
        _pair(api, real, 100, turn=0)  # what is only done the first time
        pairs = [_pair(api, real, size, turn) for turn in range(rounds)]
    return Ratios(
        median(pair.fake / pair.caller for pair in pairs),
        median((pair.fake + pair.folded) / pair.in_all for pair in pairs),
    )


def _pair(api: MaximApi, real: Logger, size: int, turn: int) -> Pair:
    def fakes() -> list[float]:
        fake = FakeLogger()
        return [
            *seconds(partial(log, fake, size), time.thread_time),
            *seconds(lambda: fake.trace.generations, time.process_time),
        ]

    def reals() -> list[float]:
        began = time.process_time()
        caller = seconds(partial(log, real, size), time.thread_time)
        api.flush()
        return [*caller, time.process_time() - began]

    first, second = (fakes, reals) if turn % 2 else (reals, fakes)
    one, other = first(), second()
    return Pair(*one, *other) if turn % 2 else Pair(*other, *one)


def looks(size: int) -> list[float]:
    """Return the CPU seconds of each way to look at that many generations."""
    fake = FakeLogger()
    log(fake, size)
    ways = (lambda: fake.trace.generations, fake.problems, fake.snapshot, fake.render)
    return [took for look in ways for took in seconds(look, time.process_time)]


def main() -> None:
    """Print both tables."""
    logging.disable()  # maxim-py says for each batch that it goes to the disk while five are on their way
    print(f"{'of a real logger':>16}{'caller':>14}{'in all':>14}")
    for size in BURSTS:
        caller, in_all = ratios(size)
        print(f"{size:>16,}{caller:>13.2f}x{in_all:>13.2f}x")
    columns = ("fold", "check", "snapshot", "render")
    print(f"{'CPU seconds for':>16}" + "".join(f"{column:>14}" for column in columns))
    for size in SIZES:
        print(f"{size:>16,}" + "".join(f"{took:>14.3f}" for took in looks(size)))


if __name__ == "__main__":
    main()
