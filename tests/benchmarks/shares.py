"""Whose time a traced call takes: samples of the CPU time, each counted for the library whose code was running.

    python tests/benchmarks/shares.py

The standard library counts for whoever called it, and pydantic's compiled core for pydantic.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import contenders

if TYPE_CHECKING:
    from types import FrameType

SAMPLE_SECONDS: Final = 0.001
SECONDS: Final = 20.0

LIBRARIES: Final = {
    "google": "google-genai",
    "pydantic": "pydantic",
    "tenacity": "tenacity",
    "httpx": "HTTP client",
    "httpx2": "HTTP client",
    "httpcore": "HTTP client",
    "httpcore2": "HTTP client",
    "maxim": "maxim-py",
    "maxim_gemini": "maxim_gemini",
    "contenders": "the answer from memory",
}
"""Top level modules, and what each is shown as."""


def owner(frame: FrameType | None) -> str:
    """Return whose code runs in *frame*, or has called what runs there."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__")).partition(".")[0]
        if module in LIBRARIES:
            return LIBRARIES[module]
        frame = frame.f_back
    return "others"


def sampled(seconds: float) -> Counter[str]:
    """Return how many samples of *seconds* of traced calls fell to each library."""
    client = contenders.CONTENDERS["maxim_gemini"](contenders.bare_client())
    contenders.plain(client)
    samples: Counter[str] = Counter()
    signal.signal(signal.SIGPROF, lambda _, frame: samples.update([owner(frame)]))
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        contenders.plain(client)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return samples


def main() -> None:
    """Print the shares, the largest first."""
    samples = sampled(SECONDS)
    for name, count in samples.most_common():
        print(f"{count / samples.total():6.1%}  {name}")


if __name__ == "__main__":
    main()
