"""The times of a trace, which may be missing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def in_order(*times: datetime | None) -> bool:
    """Return whether *times* are all there, and none is earlier than the one before it."""
    known = [time for time in times if time is not None]
    return len(known) == len(times) and all(earlier <= later for earlier, later in pairwise(known))
