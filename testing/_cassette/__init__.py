"""Files of recorded Gemini traffic: read, match, scrub and write them.

cassette.py      Cassette: vcrpy's cassette with an index, streams and a head
"""

from __future__ import annotations

from .cassette import Cassette, Head
from .interaction import Interaction

__all__ = ["Cassette", "Head", "Interaction"]
