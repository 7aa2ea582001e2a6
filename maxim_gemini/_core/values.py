"""Any value as text that a person can read, and what goes beside the text."""

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
"""An object of JSON, by its names."""

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


class Attachment(NamedTuple):
    """Something beside the text: bytes, or a URI."""

    mime_type: str | None
    data: bytes | None = None
    uri: str | None = None
    name: str | None = None


def described(attachment: Attachment) -> str:
    """Return what stands for *attachment* in the text."""
    if attachment.data is None:
        return f"[{attachment.mime_type or 'file'}, {attachment.uri}]"
    if len(attachment.data) > ATTACHMENT_LIMIT:
        return marker(attachment.data, attachment.mime_type)
    return f"[{attachment.mime_type or 'data'}, {size_of(attachment.data)}]"


def mapping(value: object) -> JsonDict | None:
    """Return *value* if it is a dict."""
    return cast("JsonDict", value) if isinstance(value, dict) else None


def as_json(value: object) -> str:
    """Write *value* as JSON; what JSON does not know is written as text."""
    return _ENCODER.encode(value)


def as_text(value: Any) -> str:
    """Write *value* in Maxim's way: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else as_json(value)


def arguments_text(args: object) -> str:
    """Return the arguments of a function call as JSON."""
    try:
        return as_json(args or {})
    except Exception:  # nested too deep
        return as_json(unwritten(args))


def readable(value: object) -> str:
    """Write *value* in Maxim's way, or a placeholder where that can't be done."""
    try:
        return as_text(value)
    except Exception:
        return unwritten(value)


def unwritten(value: object) -> str:
    """Return what stands for a value that can't be written."""
    return f"[{type(value).__name__} that could not be written]"


def words_of(error: BaseException) -> str:
    """Return the message of *error*; its name where it has none, or fails to give one."""
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


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=_as_plain)  # `json.dumps` would make one each time


def size_of(data: bytes) -> str:
    """Return a size for people: `12 bytes`, `3.4 KB`, `5.6 MB`."""
    if len(data) < 1000:
        return f"{len(data)} bytes"
    return f"{len(data) / 1e3:.1f} KB" if len(data) < 1e6 else f"{len(data) / 1e6:.1f} MB"


def marker(data: bytes, mime_type: str | None) -> str:
    """Return what stands for bytes that are not logged themselves."""
    return f"[{mime_type or 'data'}, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"
