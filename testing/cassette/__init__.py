"""Recorded Gemini traffic in files: read, matched, scrubbed, written.

cassette.py      Cassette: vcrpy's cassette with an index, streams and a head
"""

from __future__ import annotations

from maxim_gemini.testing.cassette.cassette import Cassette, Head
from maxim_gemini.testing.cassette.interaction import Interaction

__all__ = ["Cassette", "Head", "Interaction"]
