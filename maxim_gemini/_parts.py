"""What one part of a content says, as text that a person can read."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.genai import types

_DEFAULT_LIMIT: Final = 5 * 1024 * 1024


def _limit_in(environment: Mapping[str, str]) -> int:
    """Return the limit that *environment* sets; the default, and a warning, where it is no number of bytes."""
    name = "MAXIM_GEMINI_ATTACHMENT_LIMIT"
    value = environment.get(name, "").strip()
    if re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if value:
        logging.getLogger("maxim_gemini").warning(
            "%s=%.100r is ignored, and %d used: expected a number of bytes, as in %s=%d",
            *(name, value, _DEFAULT_LIMIT, name, _DEFAULT_LIMIT),
        )
    return _DEFAULT_LIMIT


# Larger inline data is marked with size and hash instead of being uploaded to Maxim, in bytes.
ATTACHMENT_LIMIT: Final = _limit_in(os.environ)

# A part's fields that say something about another field, and nothing by themselves.
_REMARKS: Final = frozenset({"thought", "thought_signature", "video_metadata", "media_resolution", "part_metadata"})


class Attachment(NamedTuple):
    """Something beside the text: bytes, or a URI."""

    mime_type: str | None
    data: bytes | None = None
    uri: str | None = None
    name: str | None = None


def mapping(value: Any) -> dict[str, Any] | None:
    """Return *value* if it is a dict."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_json(value: Any) -> str:
    """Write *value* as JSON; what JSON does not know is written as text."""
    return json.dumps(value, ensure_ascii=False, default=_as_plain)


def as_text(value: Any) -> str:
    """Write *value* in Maxim's way: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else as_json(value)


def readable(value: Any) -> str:
    """Write *value* in Maxim's way, and say so where that can't be done."""
    try:
        return as_text(value)
    except Exception:
        return unwritten(value)


def unwritten(value: Any) -> str:
    """Return what stands for a value that can't be written."""
    return f"[{type(value).__name__} that could not be written]"


def words_of(error: BaseException) -> str:
    """Return what *error* says; its name where that is nothing, or where it fails to say it."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def _as_plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json", exclude_none=True)
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    if isinstance(value, (set, frozenset)):
        items: Any = value  # pyright: ignore[reportUnknownVariableType]
        return list(items)
    return str(value)


def size_of(data: bytes) -> str:
    """Return a size for people: `12 bytes`, `3.4 KB`, `5.6 MB`."""
    if len(data) < 1000:
        return f"{len(data)} bytes"
    return f"{len(data) / 1e3:.1f} KB" if len(data) < 1e6 else f"{len(data) / 1e6:.1f} MB"


def marker(data: bytes, mime_type: str | None) -> str:
    """Return what stands for bytes that are not logged themselves."""
    return f"[{mime_type or 'data'}, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"


def placeholder(part: types.Part) -> str:
    """Describe a part that is neither text nor data nor a function's: code, a server's tool, a kind not known yet."""
    if code := part.executable_code:
        return f"[code {_name(code.language)}]\n{code.code or ''}\n[/code]"
    if outcome := part.code_execution_result:
        return f"[code result {_name(outcome.outcome)}]\n{outcome.output or ''}\n[/code result]"
    said = {
        name: value for name, value in part.model_dump(mode="json", exclude_none=True).items() if name not in _REMARKS
    }
    return f"[{', '.join(f'{name} {as_json(value)}' for name, value in said.items())}]" if said else ""


def _name(member: Any) -> str:
    return str(getattr(member, "value", member) or "").removeprefix("OUTCOME_").lower()
