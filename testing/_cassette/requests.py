"""Read the bodies of vcrpy's requests, which may have several types."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcr.request import Request


def body_of(request: Request) -> bytes | None:
    """Return the body of *request* as bytes, whatever type the HTTP library gave it."""
    body: Any = request.body
    return body if body is None or isinstance(body, bytes) else as_bytes(body)


def as_bytes(value: Any) -> bytes:
    """Return bytes, text, a file or pieces of any of these as bytes."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, BytesIO):
        return value.getvalue()
    if isinstance(value, Iterable):
        return b"".join(bytes([item]) if isinstance(item, int) else as_bytes(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    raise TypeError(f"a body can't be a {type(value).__name__}")
