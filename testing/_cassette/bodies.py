"""Bodies: from the bytes that were received to what a reviewer reads, and back to the same bytes.

    {"json": value}                     a JSON body, where writing the value again gives the same bytes
    {"json": value, "style": name}      the same, written in another style than its place's own
    {"events": [value | text, ...]}     a stream of server-sent events; a block that is not plain JSON stays text
    {"string": text | bytes}            anything else; this is vcrpy's own form
    text | bytes                        the same in a request, where vcrpy has no mapping

Pure: values, text and bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import mimetypes
import zlib
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

from maxim_gemini.testing._http.wire import dump_event, dump_json, event_data, split_events
from maxim_gemini.testing._json_types import is_list, is_object

from .layout import Attachment

Fetch = Callable[[str], bytes]
"""Return the bytes of the file of that name beside the cassette."""
Attach = Callable[[bytes, str], str]
"""Keep bytes in a file beside the cassette, under an extension, and return its name."""

ANSWER: Final = "pretty"
"""How servers write JSON."""
REQUEST: Final = "spaced"
"""How the Python SDK writes JSON."""

_STYLES: Final[dict[str, Callable[[Any], bytes]]] = {
    ANSWER: dump_json,
    REQUEST: lambda value: json.dumps(value).encode(),
    "pretty without line end": partial(dump_json, end=b""),
    "spaced utf-8": lambda value: json.dumps(value, ensure_ascii=False).encode(),
    "compact": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(),
    "compact ascii": lambda value: json.dumps(value, separators=(",", ":")).encode(),
}
_LARGE: Final = 8192
"""Bytes from which on a binary is a file of its own."""
_DEEPEST: Final = 100
_LONGEST_KEY: Final = 256
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
    """Return the form in which the body of a request is stored; `None` where there is none."""
    return None if raw is None else _json_form(raw, REQUEST) or _text(raw)


def stored_answer(raw: bytes) -> dict[str, Any]:
    """Return the form in which the body of an answer is stored."""
    return _events_form(raw) or _json_form(raw, ANSWER) or {"string": _text(raw)}


def raw(body: Any, style: str) -> bytes:
    """Return the bytes of a stored *body* whose place's own JSON style is *style*."""
    return b"".join(pieces(body, style))


def pieces(body: Any, style: str) -> list[bytes]:
    """Return the bytes of a stored *body*, one piece for each event of a stream."""
    if is_object(body):
        if "events" in body:
            return [event if isinstance(event, bytes) else _event(event) for event in body["events"]]
        if "json" in body:
            return [_STYLES[body.get("style", style)](body["json"])]
        body = body["string"]
    if isinstance(body, bytes):
        return split_events(body) if body.startswith(b"data:") else [body]
    return pieces(body.encode(), style) if body else []


def parsed(body: Any) -> Any:
    """Return the JSON value of a stored request body, or its bytes where it is not JSON; `None` where it is empty."""
    if is_object(body) and "json" in body:
        return body["json"]
    return value_of(raw(body, REQUEST))


def value_of(data: bytes) -> Any:
    """Return the JSON value that *data* is, or *data* where it is none; `None` where it is empty."""
    if not data:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data


def _event(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else dump_event(value)


def _json_form(data: bytes, own: str) -> dict[str, Any] | None:
    value = _storable(data)
    if value is None:
        return None
    for style in (own, *_STYLES):
        if _written(_STYLES[style], value) == data:
            return {"json": value} if style == own else {"style": style, "json": value}
    return None


def _events_form(data: bytes) -> dict[str, Any] | None:
    if not data.startswith(b"data:"):
        return None
    events = [_event_form(block) for block in split_events(data)]
    return {"events": events} if any(is_object(event) for event in events) else None


def _event_form(block: bytes) -> Any:
    try:
        value = _storable((event_data(block) or "").encode())
    except UnicodeDecodeError:
        value = None
    same = is_object(value) and _written(dump_event, value) == block
    return value if same else _text(block)


def _storable(data: bytes) -> Any:
    """Return the JSON container that *data* is, or `None` where it is none or YAML could not hold it."""
    if data[:1] not in (b"{", b"["):
        return None
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair can't be written
    except (ValueError, RecursionError):
        return None
    return value if _fits(value, _DEEPEST) else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _fits(value: Any, depth: int) -> bool:
    if is_object(value):
        return depth > 0 and all(
            0 < len(key) <= _LONGEST_KEY and _fits(member, depth - 1) for key, member in value.items()
        )
    if is_list(value):
        return depth > 0 and all(_fits(item, depth - 1) for item in value)
    return True


def _written(write: Callable[[Any], bytes], value: Any) -> bytes | None:
    try:
        return write(value)
    except (ValueError, RecursionError):
        return None


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


# Files beside the cassette


def detached(value: Any, attach: Attach, kind: str = "") -> Any:
    """Return a stored *value* in which every large binary is an `Attachment`, kept by *attach*."""
    if is_object(value):
        members: dict[str, Any] = value
        kind = str(members.get("mimeType") or members.get("mime_type") or kind)
        return {key: detached(member, attach, kind) for key, member in members.items()}
    if is_list(value):
        return [detached(item, attach, kind) for item in value]
    if isinstance(value, bytes) and len(value) >= _LARGE:
        return Attachment(attach(value, extension(value, kind)))
    if isinstance(value, str) and len(value) >= _LARGE:
        return _detached_text(value, attach, kind)
    return value


def _detached_text(text: str, attach: Attach, kind: str) -> str | Attachment:
    for form, decode, encode in _ALPHABETS:
        try:
            data = decode(text)
        except (ValueError, binascii.Error):
            continue
        if encode(data).decode() == text:
            return Attachment(attach(data, extension(data, kind)), form)
    return text


_ALPHABETS: Final[tuple[tuple[str, Callable[[str], bytes], Callable[[bytes], bytes]], ...]] = (
    ("base64", partial(base64.b64decode, validate=True), base64.b64encode),
    ("base64url", base64.urlsafe_b64decode, base64.urlsafe_b64encode),
)


def attached(value: Any, fetch: Fetch) -> Any:
    """Return a stored *value* in which every `Attachment` is what it stands for, read by *fetch*."""
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
    """Return the hash under which a file beside the cassette is kept."""
    return hashlib.sha256(data).hexdigest()[:16]


def extension(data: bytes, kind: str = "") -> str:
    """Return the extension for *data* of the media type *kind*, without the dot."""
    kind = kind.partition(";")[0].strip().lower()
    known = _EXTENSIONS.get(kind) or next((name for mark, name in _SIGNATURES.items() if data.startswith(mark)), None)
    if known is None and data[:4] == b"RIFF":
        known = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}.get(data[8:12])
    return known or (mimetypes.guess_extension(kind) or ".bin")[1:]


# Content encodings


def decoded(data: bytes, encoding: str) -> bytes:
    """Undo the content *encoding* of a recorded body; one that a recorder had already decoded stays as it is.

    Raises:
        ValueError: it is damaged, or in an encoding for which no library is installed.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        data = _DECODERS.get(name, _same)(data)
    return data


def _same(data: bytes) -> bytes:
    return data


def _gunzip(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    inflater = zlib.decompressobj(wbits=31)
    try:
        return inflater.decompress(data) + inflater.flush()
    except zlib.error as error:
        raise ValueError(f"its gzip body is damaged: {error}") from None


def _inflate(data: bytes) -> bytes:
    for wbits in (15, -15):
        try:
            return zlib.decompress(data, wbits)
        except zlib.error:
            continue
    return data


def _zstd(data: bytes) -> bytes:
    return _by("zstandard", "it is compressed with zstd", data) if data.startswith(b"\x28\xb5\x2f\xfd") else data


def _by(module: str, problem: str, data: bytes) -> bytes:
    try:
        library = import_module(module)
    except ImportError:
        raise ValueError(f"{problem}: install {module} to read it") from None
    decompress: Callable[[bytes], bytes] = (
        library.ZstdDecompressor().decompressobj().decompress if module == "zstandard" else library.decompress
    )
    return decompress(data)


def _unbrotli(data: bytes) -> bytes:
    # Brotli has no signature: a recorder that decoded the body left text, which a cassette shows as text.
    return data if isinstance(_text(data), str) else _by("brotli", "it is compressed with brotli", data)


_DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _zstd,
}
