"""Make text safe for a terminal: without characters that move the cursor, hide or reorder text, and without keys.

A cassette, or a request to the server, may have such characters in it: they are shown, and have no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maxim_gemini._core import token_forms
from maxim_gemini._core.patterns import compiled

if TYPE_CHECKING:
    import re

REDACTED: Final = "REDACTED"
"""The replacement of a secret."""

_OBEYED: Final = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tabs and line ends
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # from right to left, and back
    "\u2028\u2029\ufeff\ud800-\udfff\U000e0000-\U000e007f]"  # line ends of Unicode, halves of characters, tags
)


def printable(text: str) -> str:
    """Return *text* with JSON escapes in place of control characters; JSON stays JSON."""
    return compiled(_OBEYED).sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{unit.hex()}" for unit in (units[:2], units[2:]) if unit)


def shown(text: str) -> str:
    """Return *text* printable, and without keys and tokens."""
    return printable(token_forms.replaced(text, REDACTED))
