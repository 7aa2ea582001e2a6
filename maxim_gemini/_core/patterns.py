"""Regular expressions compiled on first use: many are never used, and compiling them would slow down the import."""

from __future__ import annotations

import re
from functools import cache


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the compiled *pattern*."""
    return re.compile(pattern)
