"""How long a cassette takes to open, beside vcrpy on the same traffic in the same run.

    python tests/benchmarks/cassette_load.py

Figures are seconds of processor time, the fastest of several runs, so that a busy machine matters less.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from typing import TYPE_CHECKING

from support.traffic import answer, asked
from vcr.cassette import Cassette as VcrCassette
from vcr.serializers import jsonserializer, yamlserializer

from maxim_gemini.testing.cassette import Cassette

if TYPE_CHECKING:
    from collections.abc import Callable

logging.disable()
TEN_MEGABYTES = ("All work and no play makes Jack a dull boy. <b>中文</b>\n" * 200_000)[:10_000_000]
CASES: dict[str, Callable[[Cassette], object]] = {
    "1,000 small interactions": lambda cassette: [
        cassette.record(asked(f"Say {n}"), answer(f"{n}")) for n in range(1000)
    ],
    "10 MB of text": lambda cassette: cassette.record(asked("Say much"), answer(TEN_MEGABYTES)),
    "1 MB embedding": lambda cassette: cassette.record(
        asked("Embed"), answer("", values=[n / 1_000_003 for n in range(50_000)])
    ),
}


def best(open_it: Callable[[], object], runs: int = 7) -> float:
    """Return the processor seconds of the fastest of *runs*."""
    seconds: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        open_it()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    """Print a table."""
    print(f"{'opened':26}{'bytes':>12}{'ours':>10}{'vcrpy yaml':>12}{'ratio':>8}{'vcrpy json':>12}{'+ 1st answer':>14}")
    with tempfile.TemporaryDirectory() as name:
        for title, fill in CASES.items():
            measure(Path(name), title, fill)


def measure(folder: Path, title: str, fill: Callable[[Cassette], object]) -> None:
    """Print the line of one case."""
    ours = Cassette(folder / "ours.yaml")
    fill(ours)
    ours.save()
    for suffix, serializer in (("yaml", yamlserializer), ("json", jsonserializer)):
        theirs = VcrCassette(folder / f"theirs.{suffix}", serializer=serializer)
        for request, response in ours.data:
            theirs.append(request, response)
        theirs._save()
    own = best(lambda: Cassette.load(folder / "ours.yaml"))
    first = best(lambda: Cassette.load(folder / "ours.yaml").interactions[0].response)
    by_yaml = best(lambda: VcrCassette.load(path=folder / "theirs.yaml", serializer=yamlserializer), 3)
    by_json = best(lambda: VcrCassette.load(path=folder / "theirs.json", serializer=jsonserializer), 3)
    size = (folder / "ours.yaml").stat().st_size
    print(
        f"{title:26}{size:12,}{own:9.4f}s{by_yaml:11.4f}s{by_yaml / own:7.1f}x{by_json:11.4f}s{first:13.4f}s",
        flush=True,
    )


if __name__ == "__main__":
    main()
