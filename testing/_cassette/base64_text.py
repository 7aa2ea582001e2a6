"""Scrub base64 in a text: the decoded bytes are scrubbed, and encoded again in the same alphabet. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from .edits import Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LETTER: Final = "[A-Za-z0-9+/_-]"
_RUN: Final = re.compile(
    # Both kinds begin alike, so that each place of a text is tried once.
    rf"{_LETTER}{{16}}(?:{_LETTER}{{44,84}}(?:(?:(?:\\r)?\\n|\r?\n)[ \t]{{0,16}}{_LETTER}{{4,100}}={{0,2}})+"
    rf"|{_LETTER}*={{0,2}})"
)
_LINE_END: Final = re.compile(r"(?:\\r)?\\n[ \t]*|\r?\n[ \t]*")
_ALONE: Final = re.compile(rf"{_LETTER}{{256,}}={{0,2}}")
_LONG_WORD: Final = re.compile(rb"[A-Za-z0-9_.~+/:=%@-]{14}")
_SHORT_RUN: Final = 2048
"""Length up to which base64 may begin after the segments of a path."""
_SHORTEST: Final = 16
_SEGMENTS: Final = 16
"""Number of path segments after which base64 may begin."""


def is_only_base64(text: str) -> bool:
    """Return whether *text* is a single long run of base64."""
    return bool(_ALONE.fullmatch(text))


def edits(text: str, clean: Callable[[bytes], bytes]) -> Iterator[Edit]:
    """Yield edits of *text* after which its base64 decodes to the bytes that *clean* returns."""
    harmless: set[str] = set()
    for match in _RUN.finditer(text):
        run = match[0]
        # Digits alone stand for at most two ASCII characters in a row.
        if run in harmless or run.isdecimal():
            continue
        for start in _starts(run):
            code = run[start:] if run.isprintable() and "\\" not in run else _LINE_END.sub("", run[start:])
            data = _decoded(code)
            if _may_hold_secrets(data) and (cleaned := clean(data)) != data:
                alphabet = b"-_" if "-" in code or "_" in code else None
                written = base64.b64encode(cleaned, altchars=alphabet).decode()
                is_padded = code.endswith("=") or len(code) % 4 == 0
                yield Edit(match.start() + start, match.end(), written if is_padded else written.rstrip("="))
                break
        else:
            harmless.add(run)


def _starts(run: str) -> Iterator[int]:
    """Yield the positions at which base64 may begin in *run*: at its start, or after a segment of a path."""
    yield 0
    if "/" in run and len(run) <= _SHORT_RUN:
        starts = (match.end() for match in re.finditer("/", run))
        yield from [start for start in starts if len(run) - start >= _SHORTEST][:_SEGMENTS]


def _may_hold_secrets(data: bytes) -> bool:
    """Return whether *data* is text, or has a word that is long enough for a key."""
    if _LONG_WORD.search(data):
        return True
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def _decoded(code: str) -> bytes:
    """Return the decoded bytes of *code*; empty if it is no base64."""
    plain = code.rstrip("=")
    if len(plain) % 4 == 1:  # no base64 has this length: the last letter belongs to what follows
        plain = plain[:-1]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_" if "-" in code or "_" in code else None)
    except (ValueError, binascii.Error):
        return b""
