"""What a slow mask costs the application: one call with a real logger, whose mask takes 20 ms for each text.

python tests/benchmarks/mask.py [calls]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from google import genai
from support.maxim_backend import Backend

from maxim_gemini import MaximGeminiClient, Privacy, deliver
from maxim_gemini.testing import GeminiMock, reply

SECONDS = 0.02


def slow(text: str, where: str) -> str:
    """Return *text* after a while."""
    time.sleep(SECONDS)
    return text


def median(privacy: Privacy, calls: int) -> float:
    """Return the median of what one call takes, in milliseconds."""
    with Backend() as backend, tempfile.TemporaryDirectory() as folder:
        logger = backend.logger()
        deliver(logger, folder=folder, timeout=60)
        client = MaximGeminiClient(genai.Client(api_key="test-key"), logger, privacy=privacy)
        took: list[float] = []
        with GeminiMock(*[reply.text("Hello")] * calls):
            for _ in range(calls):
                begin = time.perf_counter()
                client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
                took.append((time.perf_counter() - begin) * 1000)
        logger.cleanup()
    return statistics.median(took)


def main() -> None:
    """Print a line for each policy."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    median(Privacy(), 5)  # imports what is imported late
    for name, privacy in (
        ("no policy", Privacy()),
        ("no-content", Privacy(capture="no-content")),
        ("mask at once", Privacy(mask=lambda text, where: text)),
        (f"mask of {SECONDS * 1000:g} ms a text", Privacy(mask=slow)),
    ):
        print(f"{name:24} {median(privacy, calls):6.2f} ms a call")


if __name__ == "__main__":
    main()
