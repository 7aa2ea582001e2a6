"""How fast generate_content replays from a cassette, beside an in-memory transport and vcrpy in the same run.

    python tests/benchmarks/cassette_replay.py

Every caller goes through the real SDK; what differs is only where the answer comes from. Figures are calls for each
second of processor time. Answers from memory and from the cassette take turns in short batches, so that whatever else
the machine does slows both down; what counts is the median of the pairs' ratios.
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
from support.traffic import answer, sent_request
from vcr.cassette import Cassette as VcrCassette
from vcr.matchers import body, host, method, path, query
from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette

try:
    import httpx2 as httpx
except ImportError:  # google-genai before 3.0
    import httpx  # type: ignore[no-redef]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logging.disable()
SIZES = (1, 100, 1000, 10_000)
CALLS = 20
"""In a batch: 10 ms."""
BATCHES = 60
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
        found = cassette.play(Request(request.method, str(request.url), request.content, dict(request.headers.items())))
        assert found is not None, "a miss"
        return httpx.Response(found.status, content=found.body, headers=list(found.headers))

    return respond


def from_vcrpy(cassette: VcrCassette) -> Callable[[Any], Any]:
    """Answer from vcrpy's cassette, the way its stubs do."""

    def respond(request: Any) -> Any:
        asked_for = Request(request.method, str(request.url), request.content, dict(request.headers.items()))
        assert cassette.can_play_response_for(asked_for), "a miss"
        found = cassette.play_response(asked_for)
        return httpx.Response(found["status"]["code"], content=found["body"]["string"], headers=JSON)

    return respond


def seconds_a_call(gemini: genai.Client, prompts: Sequence[str]) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    for prompt in prompts:
        gemini.models.generate_content(model="gemini-2.5-flash", contents=prompt)
    return (time.process_time() - start) / len(prompts)


class Rates(NamedTuple):
    """Calls in a second of processor time."""

    memory: float
    ours: float
    share: float
    """Ours of those from memory, the median of the pairs."""
    vcrpys_share: float


def main() -> None:
    """Print a table."""
    for size in SIZES:
        rates = measure(size)
        print(
            f"{size:12,} memory {rates.memory:,.0f}/s ours {rates.ours:,.0f}/s, {rates.share:.3f} of that;",
            f"vcrpy {rates.vcrpys_share:.4f}",
            flush=True,
        )


def measure(size: int) -> Rates:
    """Return the rates with a cassette of *size* interactions."""
    with tempfile.TemporaryDirectory() as name:
        return _measured(Path(name), size)


def _measured(folder: Path, size: int) -> Rates:
    ours = _recorded(folder / "ours.yaml", size)
    pairs = _pairs(client(bare), client(from_ours(ours)), _prompts(size, BATCHES * CALLS))
    memory, replayed = (statistics.median(times) for times in zip(*pairs, strict=True))
    theirs = _as_vcrpy(ours, folder / "theirs.yaml")  # only now: what else fills the caches slows the pairs down
    few = _prompts(size, 200 // (1 + size // 500))  # vcrpy needs minutes at the larger sizes
    vcrpys = _pairs(client(bare), client(from_vcrpy(theirs)), few)
    return Rates(1 / memory, 1 / replayed, _share(pairs), _share(vcrpys))


def _recorded(path: Path, size: int) -> Cassette:
    """Return a recording, loaded, that gives an answer again when asked again."""
    recording = Cassette(path)
    for number in range(size):
        recording.record(sent_request(f"Say {number}"), answer("Hello."))
    recording.save()
    return Cassette.load(path, allow_playback_repeats=True)


def _as_vcrpy(recording: Cassette, file: Path) -> VcrCassette:
    """Return the same recording as vcrpy's."""
    theirs = VcrCassette(file, match_on=(method, host, path, query, body), allow_playback_repeats=True)
    for request, response in recording.data:
        theirs.append(request, response)
    theirs.rewound = True
    return theirs


def _prompts(size: int, calls: int) -> list[str]:
    """Return prompts from all over the recording."""
    return [f"Say {call * size // calls if size > calls else call % size}" for call in range(calls)]


def _pairs(memory: genai.Client, replay: genai.Client, prompts: Sequence[str]) -> list[tuple[float, float]]:
    """Return the times of a call from memory and from the cassette, in short batches that take turns to be first."""
    for gemini in (memory, replay):
        seconds_a_call(gemini, prompts[:CALLS])
    pairs: list[tuple[float, float]] = []
    for start in range(0, len(prompts), CALLS):
        batch = prompts[start : start + CALLS]
        if len(pairs) % 2:
            replayed = seconds_a_call(replay, batch)
            pairs.append((seconds_a_call(memory, batch), replayed))
        else:
            pairs.append((seconds_a_call(memory, batch), seconds_a_call(replay, batch)))
    return pairs


def _share(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the rate of a replay in calls from memory."""
    return statistics.median(from_memory / replayed for from_memory, replayed in pairs)


if __name__ == "__main__":
    main()
