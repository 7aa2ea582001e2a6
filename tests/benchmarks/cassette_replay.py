"""How fast generate_content replays from a cassette, beside an in-memory transport and vcrpy in the same run.

    python tests/benchmarks/cassette_replay.py

Every caller goes through the real SDK; what differs is only where the answer comes from. Figures are calls for each
second of processor time, the median of interleaved rounds.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from google import genai
from support.traffic import answer, asked
from vcr.cassette import Cassette as VcrCassette
from vcr.matchers import body, host, method, path, query
from vcr.request import Request

from maxim_gemini.testing.cassette import Cassette

try:
    import httpx2 as httpx
except ImportError:  # google-genai before 3.0
    import httpx  # type: ignore[no-redef]

if TYPE_CHECKING:
    from collections.abc import Callable

logging.disable()
SIZES = (1, 100, 1000, 10_000)
CALLS = 200
ROUNDS = 5
ANSWER = answer("Hello.").body
JSON = {"content-type": "application/json; charset=UTF-8"}


def client(respond: Callable[[Any], Any]) -> genai.Client:
    """Return a client of the real SDK whose answers *respond* gives."""
    options: Any = {"client_args": {"transport": httpx.MockTransport(respond)}}
    return genai.Client(api_key="none", http_options=options)


def bare(_: Any) -> Any:
    """Answer from memory, with nothing in between."""
    return httpx.Response(200, content=ANSWER, headers=JSON)


def from_ours(cassette: Cassette) -> Callable[[Any], Any]:
    """Answer from our cassette."""

    def respond(request: Any) -> Any:
        found = cassette.play(Request(request.method, str(request.url), request.content, dict(request.headers)))
        assert found is not None, "a miss"
        return httpx.Response(found.status, content=found.body, headers=list(found.headers))

    return respond


def from_vcrpy(cassette: VcrCassette) -> Callable[[Any], Any]:
    """Answer from vcrpy's cassette, the way its stubs do."""

    def respond(request: Any) -> Any:
        asked_for = Request(request.method, str(request.url), request.content, dict(request.headers))
        assert cassette.can_play_response_for(asked_for), "a miss"
        found = cassette.play_response(asked_for)
        return httpx.Response(found["status"]["code"], content=found["body"]["string"], headers=JSON)

    return respond


def calls_a_second(respond: Callable[[Any], Any], prompts: list[str]) -> float:
    """Return how many calls are done in a second of processor time."""
    gemini = client(respond)
    gemini.models.generate_content(model="gemini-2.5-flash", contents=prompts[0])
    start = time.process_time()
    for prompt in prompts[1:]:
        gemini.models.generate_content(model="gemini-2.5-flash", contents=prompt)
    return (len(prompts) - 1) / (time.process_time() - start)


class Rates(NamedTuple):
    """Calls in a second of processor time."""

    memory: float
    ours: float
    vcrpy: float


def main() -> None:
    """Print a table."""
    for size in SIZES:
        rates = measure(size)
        print(f"{size:12,}", *(f"{name} {rate:,.1f}/s" for name, rate in rates._asdict().items()), flush=True)


def measure(size: int) -> Rates:
    """Return the rates with a cassette of *size* interactions."""
    with tempfile.TemporaryDirectory() as name:
        return _measured(Path(name), size)


def _measured(folder: Path, size: int) -> Rates:
    step = max(1, size // CALLS)
    prompts = [f"Say {n % size}" for n in range(0, size * step if size < CALLS else size, step)][:CALLS]
    prompts = (prompts * CALLS)[: CALLS + 1]
    recording = Cassette(folder / f"{size}.yaml")
    theirs = VcrCassette(folder / f"{size}.vcr.yaml", match_on=(method, host, path, query, body))
    for prompt in [f"Say {n}" for n in range(size)] + prompts:
        recording.record(asked(prompt), answer("Hello."))
    recording.save()
    for request, response in recording.data:
        theirs.append(request, response)
    theirs.rewound = True
    rates: dict[str, list[float]] = {"bare": [], "ours": [], "theirs": []}
    for turn in range(ROUNDS):
        rates["bare"].append(calls_a_second(bare, prompts))
        rates["ours"].append(calls_a_second(from_ours(Cassette.load(recording.path)), prompts))
        if turn == 0:  # vcrpy needs minutes at the larger sizes
            theirs.rewind()
            few = prompts[: CALLS // (1 + size // 500) + 2]
            rates["theirs"].append(calls_a_second(from_vcrpy(theirs), few))
    return Rates(*map(statistics.median, rates.values()))


if __name__ == "__main__":
    main()
