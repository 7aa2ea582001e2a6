"""The messages of a websocket's client, which are compared by meaning, and media, which are compared by amount.

Pure.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._json_types import is_list, is_object

from .matching import Meaning, body_meaning, meaning, without
from .scrubbing import METHOD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

_MEDIA: Final = frozenset({"audio", "video", "media", "media_chunks", "mediaChunks"})
_SLASHES: Final = re.compile(r"/{2,}")
_SERVICE: Final = re.compile(r"\.v\d+(?:(?:alpha|beta)\d*)?(?=\.)")


def path_of(uri: str) -> Meaning:
    """Return the address of a websocket without host and API version."""
    whole = meaning(METHOD, uri, {}, None)
    # The SDK joins a base URL that ends with a slash as it is.
    return whole._replace(path=_SERVICE.sub("", _SLASHES.sub("/", whole.path)))


def value_of(message: str | bytes) -> Any:
    """Return the JSON value of *message*, or the message itself."""
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return message


def blobs_of(value: Any) -> list[dict[str, Any]]:
    """Return the pieces of sound and video of a client's message that has nothing else; otherwise none."""
    realtime = value.get("realtime_input", value.get("realtimeInput")) if is_object(value) and len(value) == 1 else None
    if not is_object(realtime) or len(realtime) != 1:
        return []
    ((name, held),) = realtime.items()
    blobs = held if is_list(held) else [held]
    is_media = name in _MEDIA and all(is_object(blob) and isinstance(blob.get("data"), str) for blob in blobs)
    return blobs if is_media else []


def kind_of(blob: Mapping[str, Any]) -> str:
    """Return the media type of *blob*, in one spelling."""
    return str(blob.get("mime_type", blob.get("mimeType", ""))).lower().replace(" ", "")


def size_of(data: str) -> int:
    """Return the size of *data* in bytes, which is base64 in either alphabet."""
    try:
        return len(base64.b64decode(data.replace("-", "+").replace("_", "/") + "=="))
    except binascii.Error:
        return len(data)


def compared(uri: Meaning, value: Any, ids: Ids, ignored: Iterable[str] = ()) -> Any:
    """Return the meaning of a client's message, with the ids that the server has given so far."""
    if isinstance(value, bytes):
        return value
    whole = uri._replace(body=ids.replaced(body_meaning(value)))
    return without(ignored, whole).body if ignored else whole.body


class Ids:
    """The ids of function calls in one client's messages: those of the server are kept, others are counted."""

    def __init__(self, known: AbstractSet[str]) -> None:
        self._known = known
        self._others: dict[str, str] = {}

    def replaced(self, value: Any, within: str = "") -> Any:
        """Return *value* with each id that is not the server's replaced by its number."""
        if is_list(value):
            return [self.replaced(item, within) for item in value]
        if not is_object(value):
            return value
        return {name: self._member(name, member, within) for name, member in value.items()}

    def _member(self, name: str, member: Any, within: str) -> Any:
        is_id = name == "callId" or (name == "id" and within in _CALLS)
        if is_id and isinstance(member, str) and member not in self._known:
            return self._others.setdefault(member, f"(call {len(self._others) + 1})")
        return member if name in ("args", "response", "result") else self.replaced(member, name)


_CALLS: Final = frozenset({"functionCall", "functionResponse", "functionResponses"})


def given_ids(value: Any) -> Iterator[str]:
    """Yield the ids of function calls in a server's message."""
    call = value.get("toolCall", value.get("tool_call")) if is_object(value) else None
    calls = call.get("functionCalls", call.get("function_calls")) if is_object(call) else None
    for one in calls if is_list(calls) else ():
        if is_object(one) and isinstance(one.get("id"), str):
            yield one["id"]
    if is_object(value) and is_object(step := value.get("step")) and isinstance(step.get("id"), str):
        yield step["id"]  # of a live interaction
