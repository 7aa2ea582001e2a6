"""Values as readable text, and attachments, which are not text."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

JsonDict: TypeAlias = dict[str, Any]
"""A JSON object."""

_DEFAULT_LIMIT: Final = 5 * 1024 * 1024


def _limit_in(environment: Mapping[str, str]) -> int:
    """Return the limit set in *environment*; if that is no number of bytes, warn and return the default."""
    name = "MAXIM_GEMINI_ATTACHMENT_LIMIT"
    value = environment.get(name, "").strip()
    if re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if value:
        logging.getLogger("maxim_gemini").warning(
            "%s=%.100r is ignored, and %d is used: expected a number of bytes, such as %s=%d",
            *(name, value, _DEFAULT_LIMIT, name, _DEFAULT_LIMIT),
        )
    return _DEFAULT_LIMIT


# In bytes. Larger inline data are not uploaded to Maxim; the text gets their size and hash.
ATTACHMENT_LIMIT: Final = _limit_in(os.environ)


class Attachment(NamedTuple):
    """A file beside the text: its bytes, or its URI."""

    mime_type: str | None
    data: bytes | None = None
    uri: str | None = None
    name: str | None = None


def described(attachment: Attachment) -> str:
    """Return a short description of *attachment* for the text."""
    if attachment.data is None:
        return f"[{attachment.mime_type or 'file'}, {attachment.uri}]"
    if len(attachment.data) > ATTACHMENT_LIMIT:
        return marker(attachment.data, attachment.mime_type)
    return f"[{attachment.mime_type or 'data'}, {size_of(attachment.data)}]"


def mapping(value: object) -> JsonDict | None:
    """Return *value* if it is a dict."""
    return cast("JsonDict", value) if isinstance(value, dict) else None


def as_json(value: object) -> str:
    """Return *value* as JSON; values that JSON does not have become text."""
    return _ENCODER.encode(value)


def as_text(value: Any) -> str:
    """Return a string unchanged, and any other value as JSON."""
    return value if isinstance(value, str) else as_json(value)


def arguments_text(args: object) -> str:
    """Return the arguments of a function call as JSON."""
    try:
        return as_json(args or {})
    except Exception:  # nested too deep
        return as_json(unwritten(args))


def readable(value: object) -> str:
    """Return `as_text(value)`, or a placeholder if that fails."""
    try:
        return as_text(value)
    except Exception:
        return unwritten(value)


def unwritten(value: object) -> str:
    """Return a placeholder for a value that can't be converted to text."""
    return f"[{type(value).__name__} that could not be written]"


def words_of(error: BaseException) -> str:
    """Return the message of *error*; the name of its class if it has none, or `str()` fails."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def _as_plain(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json", exclude_none=True)
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    if isinstance(value, (set, frozenset)):
        return list(cast("set[object]", value))
    return str(value)


# One for all calls: `json.dumps` would make one each time.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=_as_plain)


def size_of(data: bytes) -> str:
    """Return the size of *data* in a readable unit, such as `12 bytes`, `3.4 KB`, `5.6 MB`."""
    if len(data) < 1000:
        return f"{len(data)} bytes"
    return f"{len(data) / 1e3:.1f} KB" if len(data) < 1e6 else f"{len(data) / 1e6:.1f} MB"


def marker(data: bytes, mime_type: str | None) -> str:
    """Return a placeholder, with size and hash, for bytes that are not uploaded."""
    return f"[{mime_type or 'data'}, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"
