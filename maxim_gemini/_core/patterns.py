"""Regular expressions that are compiled when they are first needed: many never are, and importing would take longer."""

from __future__ import annotations

import re
from functools import cache


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return *pattern*, compiled."""
    return re.compile(pattern)
