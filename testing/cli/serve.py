"""`maxim-gemini serve`: the loopback server for programs in any language."""

from __future__ import annotations

import time

from maxim_gemini.testing.cli import console
from maxim_gemini.testing.exceptions import TestKitError


def run_server(*, cassette: str | None, text: str, host: str, port: int) -> None:
    """Serve until interrupted."""
    raise TestKitError(f"not yet {cassette} {text} {host} {port} {time} {console}")
