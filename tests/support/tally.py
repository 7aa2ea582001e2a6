"""What the property tests have done in this run: counted, and written down where `MAXIM_GEMINI_TALLY` says."""

from __future__ import annotations

import atexit
import json
import os
from collections import Counter
from pathlib import Path

COUNTS: Counter[str] = Counter()


def count(kind: str, times: int = 1) -> None:
    """Count *times* of *kind*: `programs: transparency`, `faults: torn`, `invariants: complete`."""
    COUNTS[kind] += times


def _write() -> None:
    Path(os.environ["MAXIM_GEMINI_TALLY"]).write_text(json.dumps(COUNTS, indent=2))


if "MAXIM_GEMINI_TALLY" in os.environ:
    atexit.register(_write)
