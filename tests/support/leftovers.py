"""What a program left open in this process, where it would have ended with its own."""

from __future__ import annotations

import gc
import warnings


def discard() -> None:
    """Collect it without a warning, so that it fails no test that comes after."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
