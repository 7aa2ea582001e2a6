"""Read frames of the Live API: JSON with names in snake case or camel case, and the parts in it. Pure."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from .._core.secrets import redacted
from .._core.values import Attachment, as_json, described, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator


JsonDict: TypeAlias = dict[str, Any]

# Fields of a part that only describe another field.
_REMARKS = frozenset({"thought", "thought_signature", "video_metadata", "media_resolution", "part_metadata"})


def decoded(content: str | bytes) -> JsonDict | None:
    """Return the message in a frame; an empty one for an empty frame; `None` if it is no JSON object."""
    if not content:
        return {}
    try:
        return mapping(json.loads(content))
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _in_camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@lru_cache(maxsize=256)
def _in_snake_case(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def member(message: object, name: str) -> Any:
    """Return the member *name*, written in snake case or camel case: Gemini accepts both, and SDKs use either."""
    members = mapping(message)
    if members is None:
        return None
    return members[name] if name in members else members.get(_in_camel_case(name))


def names(message: JsonDict) -> list[str]:
    """Return the names of the members, in snake case."""
    return [_in_snake_case(name) for name in message]


def members_of(message: object, name: str) -> Iterator[JsonDict]:
    """Yield the objects in the list *name*, or the single object."""
    value: object = member(message, name)
    for item in cast("list[object]", value) if isinstance(value, list) else [value]:
        if (members := mapping(item)) is not None:
            yield members


def blob(value: object) -> tuple[str, bytes] | None:
    """Return the MIME type and the bytes of inline data."""
    data = member(value, "data")
    if not isinstance(data, str):
        return None
    try:
        return str(member(value, "mime_type") or ""), base64.b64decode(data.translate(_STANDARD))
    except ValueError:
        return str(member(value, "mime_type") or ""), data.encode()


_STANDARD = str.maketrans("-_", "+/")


def read_part(part: JsonDict) -> tuple[str, Attachment | None]:
    """Return a part as text, and its data or file as an attachment."""
    text = part.get("text")
    if isinstance(text, str):
        return text, None
    inline = member(part, "inline_data")
    if (carried := blob(inline)) is not None:
        attachment = Attachment(carried[0] or None, data=carried[1], name=member(inline, "display_name"))
        return described(attachment), attachment
    if (file := mapping(member(part, "file_data"))) is not None:
        uri = redacted(str(member(file, "file_uri") or ""))  # anybody who reads a signed URL can open the file
        attachment = Attachment(member(file, "mime_type"), uri=uri, name=member(file, "display_name"))
        return described(attachment), attachment
    return _placeholder(part), None


def _placeholder(part: JsonDict) -> str:
    if (code := mapping(member(part, "executable_code"))) is not None:
        return f"[code {str(code.get('language') or '').lower()}]\n{code.get('code') or ''}\n[/code]"
    if (ran := mapping(member(part, "code_execution_result"))) is not None:
        outcome = str(ran.get("outcome") or "").removeprefix("OUTCOME_").lower()
        return f"[code result {outcome}]\n{ran.get('output') or ''}\n[/code result]"
    fields = {name: value for name, value in part.items() if _in_snake_case(name) not in _REMARKS}
    return f"[{', '.join(f'{name} {as_json(value)}' for name, value in fields.items())}]" if fields else ""
