"""Convert bodies from the received bytes to a readable form, and back to the same bytes.

    {"json": value}                     a JSON body, where writing the value again gives the same bytes
    {"json": value, "style": name}      the same, written in another style than is usual there
    {"events": [...]}                   a stream of server-sent events: see `events`
    {"string": text | bytes}            anything else; this is vcrpy's own form
    text | bytes                        the same in a request, where vcrpy has no mapping

Pure: values, text and bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import mimetypes
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._http.wire import split_events
from maxim_gemini.testing._json_types import JsonDict, is_list, is_object

from . import events, json_text
from .json_text import ANSWER, REQUEST, as_text, value_of
from .yaml_format import Attachment

if TYPE_CHECKING:
    from pathlib import Path

Fetch = Callable[[str], bytes]
"""Returns the bytes of a file beside the cassette, by its name."""
Attach = Callable[[bytes, str], str]
"""Writes bytes to a file beside the cassette, with this extension, and returns its name."""

_LARGE: Final = 8192
"""Size in bytes from which on a binary is a separate file."""
_EXTENSIONS: Final = {
    "application/json": "json",
    "application/pdf": "pdf",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/l16": "pcm",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/plain": "txt",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF8": "gif",
    b"%PDF-": "pdf",
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"ID3": "mp3",
    b"\x1f\x8b": "gz",
    b"PK\x03\x04": "zip",
}


def stored_request(raw: bytes | None) -> Any:
    """Return the stored form of a request's body; `None` if there is none."""
    return None if raw is None else _json(raw, REQUEST) or as_text(raw)


def stored_answer(raw: bytes) -> JsonDict:
    """Return the stored form of an answer's body."""
    return events.stored(raw) or _json(raw, ANSWER) or {"string": as_text(raw)}


def _json(data: bytes, usual: str) -> JsonDict | None:
    value = json_text.storable(data)
    style = None if value is None else json_text.style_of(value, data, [usual])
    if style is None:
        return None
    return {"json": value} if style == usual else {"style": style, "json": value}


def raw(body: object, style: str) -> bytes:
    """Return the bytes of a stored *body* whose usual style of JSON is *style*."""
    return b"".join(pieces(body, style))


def pieces(body: object, style: str) -> list[bytes]:
    """Return the bytes of a stored *body*, one piece for each event of a stream.

    Raises:
        ValueError: it is no stored body.
    """
    if is_object(body):
        if "events" in body:
            return events.pieces(body)
        if "json" in body:
            return [json_text.write(body["json"], body.get("style", style))]
        body = body["string"]
    data = body.encode() if isinstance(body, str) else body or b""
    if not isinstance(data, bytes):
        raise ValueError(f"a body is text or binary, not {body!r:.60}")
    return split_events(data) if data.startswith(b"data:") else [data] if data else []


def parsed(body: object) -> Any:
    """Return the JSON value of a stored request body, or its bytes if it is not JSON; `None` if it is empty."""
    if is_object(body) and "json" in body and json_text.is_shallow(body["json"]):
        return body["json"]
    return value_of(raw(body, REQUEST))


# Files beside the cassette


def detached(value: object, attach: Attach, kind: str = "") -> Any:
    """Return a stored *value* in which each large binary is replaced by an `Attachment`, written by *attach*."""
    if is_object(value):
        members: JsonDict = value
        kind = str(members.get("mimeType") or members.get("mime_type") or kind)
        return {key: detached(member, attach, kind) for key, member in members.items()}
    if is_list(value):
        return [detached(item, attach, kind) for item in value]
    if isinstance(value, bytes) and len(value) >= _LARGE:
        return Attachment(attach(value, extension(value, kind)))
    if isinstance(value, str) and len(value) >= _LARGE:
        for form, decode, encode in _ALPHABETS:
            try:
                data = decode(value)
            except (ValueError, binascii.Error):
                continue
            if encode(data).decode() == value:
                return Attachment(attach(data, extension(data, kind)), form)
    return value


_ALPHABETS: Final[tuple[tuple[str, Callable[[str], bytes], Callable[[bytes], bytes]], ...]] = (
    ("base64", partial(base64.b64decode, validate=True), base64.b64encode),
    ("base64url", base64.urlsafe_b64decode, base64.urlsafe_b64encode),
)


def attached(value: object, fetch: Fetch) -> Any:
    """Return a stored *value* in which each `Attachment` is replaced by its content, read by *fetch*."""
    if isinstance(value, Attachment):
        return _contents(value, fetch)
    if is_object(value):
        return {key: attached(member, fetch) for key, member in value.items()}
    if is_list(value):
        return [attached(item, fetch) for item in value]
    return value


def _contents(attachment: Attachment, fetch: Fetch) -> bytes | str:
    data = fetch(attachment.name)
    return next((encode(data).decode() for form, _, encode in _ALPHABETS if form == attachment.form), data)


def digest(data: bytes) -> str:
    """Return the hash in the name of a file beside the cassette."""
    return hashlib.sha256(data).hexdigest()[:16]


def digest_of(path: Path) -> str:
    """Return the hash of a file without reading all of it into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def extension(data: bytes, kind: str = "") -> str:
    """Return the extension for *data* of the media type *kind*, without the dot."""
    kind = kind.partition(";")[0].strip().lower()
    known = _EXTENSIONS.get(kind) or next((name for mark, name in _SIGNATURES.items() if data.startswith(mark)), None)
    if known is None and data[:4] == b"RIFF":
        known = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}.get(data[8:12])
    return known or (mimetypes.guess_extension(kind) or ".bin")[1:]
