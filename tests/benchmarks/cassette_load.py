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

from typing import TYPE_CHECKING, Any, NamedTuple

from support.traffic import answer, sent_request
from vcr.cassette import Cassette as VcrCassette
from vcr.serializers import yamlserializer

from maxim_gemini.testing._cassette import Cassette

if TYPE_CHECKING:
    from collections.abc import Callable

logging.disable()
TEN_MEGABYTES = ("All work and no play makes Jack a dull boy. <b>中文</b>\n" * 200_000)[:10_000_000]
_JSON = {"content-type": ["application/json"]}
CASES: dict[str, Callable[[Cassette], object]] = {
    "1,000 small interactions": lambda cassette: [
        cassette.record(sent_request(f"Say {n}"), answer(f"{n}")) for n in range(1000)
    ],
    "10 MB of text": lambda cassette: cassette.record(sent_request("Say much"), answer(TEN_MEGABYTES)),
    "1 MB embedding": lambda cassette: cassette.record(
        sent_request("Embed"), answer("", values=[n / 1_000_003 for n in range(50_000)])
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


class Opened(NamedTuple):
    """Seconds that it takes to open the same traffic; `None` for cassetter where it is not installed."""

    ours: float
    with_an_answer: float
    vcrpy: float
    cassetter: float | None
    cassetter_with_an_answer: float | None


def main() -> None:
    """Print a table."""
    for title in CASES:
        print(f"{title:26}", *(f"{name} {took:.4f}s" for name, took in measure(title)._asdict().items() if took))


def measure(title: str) -> Opened:
    """Return how long one case takes."""
    with tempfile.TemporaryDirectory() as name:
        return _measured(Path(name), CASES[title])


def _measured(folder: Path, fill: Callable[[Cassette], object]) -> Opened:
    ours = Cassette(folder / "ours.yaml")
    fill(ours)
    ours.save()
    theirs = VcrCassette(folder / "theirs.yaml", serializer=yamlserializer)
    for request, response in ours.data:
        theirs.append(request, response)
    theirs._save()
    return Opened(
        best(lambda: Cassette.load(folder / "ours.yaml")),
        best(lambda: Cassette.load(folder / "ours.yaml").interactions[0].response),
        best(lambda: VcrCassette.load(path=folder / "theirs.yaml", serializer=yamlserializer), 2),
        *_cassetter(folder / "cassetter.yaml", ours),
    )


def _cassetter(path: Path, ours: Cassette) -> tuple[float | None, float | None]:
    try:
        import cassetter
        from cassetter.compare import body_to_bytes
    except ImportError:
        return None, None
    written = cassetter.Cassette(path, record_mode=cassetter.RecordMode.ALL)
    data = ours.data
    for request, response in data:
        written.record("POST", request.uri, _JSON, request.body, 200, _JSON, response["body"]["string"])
    written.save()

    def opened() -> Any:
        cassette = cassetter.Cassette(path, record_mode=cassetter.RecordMode.NONE)
        cassette.load()
        return cassette

    assert len(opened()) == len(data)
    return best(opened), best(lambda: body_to_bytes(opened().interactions[0].response.body))


if __name__ == "__main__":
    main()
