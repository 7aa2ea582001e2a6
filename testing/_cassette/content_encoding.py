"""Decode compressed bodies in cassettes of other tools.

Pure.
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .json_text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable

MOST: Final = 2**26
"""Most bytes that the compressed bodies of one file may have when they are decoded."""
_STEP: Final = 16
"""Bytes of brotli that are decoded at a time: each may become a megabyte."""


class Room:
    """The bytes that are left for the decoded bodies of one file."""

    def __init__(self, left: int = MOST) -> None:
        self.left = left

    def take(self, data: bytes) -> bytes:
        """Return *data*.

        Raises:
            ValueError: it is more than there is room for.
        """
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"its compressed bodies are more than {MOST:,} bytes")
        return data


def decoded(data: bytes, encoding: str, room: Room) -> bytes:
    """Decode the content *encoding* of a recorded body; a body that was decoded already is returned unchanged.

    Raises:
        ValueError: it is damaged, or in an encoding for which no library is installed, or there is no *room* for it.
    """
    # The encoding that was applied last is named last.
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        decoder = _DECODERS.get(name)
        if decoder is not None and (plain := decoder(data, room.left + 1)) is not data:
            data = room.take(plain)
    return data


def _gunzip(data: bytes, most: int) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, most)
    except zlib.error as error:
        raise ValueError(f"its gzip body is damaged: {error}") from None


def _inflate(data: bytes, most: int) -> bytes:
    # Some servers leave out the header and the checksum of zlib that HTTP asks for.
    for wbits in (15, -15):
        try:
            return zlib.decompressobj(wbits).decompress(data, most)
        except zlib.error:
            continue
    return data


def _zstd(data: bytes, most: int) -> bytes:
    if not data.startswith(b"\x28\xb5\x2f\xfd"):
        return data
    library = _library("zstandard", "zstd")
    try:
        # By a stream: its other functions believe the size that the data itself claims.
        plain: bytes = library.ZstdDecompressor().stream_reader(data, read_across_frames=True).read(most)
    except library.ZstdError as error:
        raise ValueError(f"its zstd body is damaged: {error}") from None
    return plain


def _unbrotli(data: bytes, most: int) -> bytes:
    # Brotli has no signature: a recorder that decoded the body left text, which a cassette shows as text.
    if isinstance(as_text(data), str):
        return data
    library = _library("brotli", "brotli")
    decompressor = library.Decompressor()
    plain = bytearray()
    try:
        for start in range(0, len(data), _STEP):
            plain += decompressor.process(data[start : start + _STEP])
            if len(plain) >= most:
                break
    except library.error as error:
        raise ValueError(f"its brotli body is damaged: {error}") from None
    return bytes(plain)


def _library(module: str, encoding: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ValueError(f"it is compressed with {encoding}: install {module} to read it") from None


_DECODERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _zstd,
}
