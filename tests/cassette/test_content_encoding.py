from __future__ import annotations

import gzip
import random
import sys
import zlib

import pytest

from maxim_gemini.testing._cassette.content_encoding import MOST, Room, decoded

TEXT = b'{"a": "\xc3\xa9"}'


def compressed(encoding: str, data: bytes) -> bytes:
    if encoding == "br":
        return bytes(pytest.importorskip("brotli").compress(data))
    if encoding == "zstd":
        return bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(data))
    return zlib.compress(data) if encoding == "deflate" else gzip.compress(data)


ENCODINGS = pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "zstd"])


@ENCODINGS
@pytest.mark.parametrize("size", [1, 1000, 300_000])
def test_is_undone_once(encoding: str, size: int) -> None:
    data = random.Random(1).randbytes(size) + TEXT * size
    packed = compressed(encoding, data)
    assert decoded(packed, encoding, Room()) == data
    assert decoded(TEXT, encoding, Room()) == TEXT


def test_several_are_undone_from_the_last_to_the_first() -> None:
    assert decoded(zlib.compress(gzip.compress(TEXT)), "gzip, deflate", Room()) == TEXT
    assert decoded(TEXT, "identity, unknown", Room()) == TEXT


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_damage_is_one_error(encoding: str) -> None:
    packed = compressed(encoding, random.Random(1).randbytes(500))
    with pytest.raises(ValueError, match="body is damaged"):
        decoded((b"" if encoding == "br" else packed[:5]) + b"\xff" * 400, encoding, Room())


@ENCODINGS
def test_a_bomb_takes_no_more_than_there_is_room_for(encoding: str) -> None:
    packed = compressed(encoding, bytes(MOST + 1))
    assert len(packed) < MOST / 500
    with pytest.raises(ValueError, match="more than 67,108,864 bytes"):
        decoded(packed, encoding, Room())


def test_many_small_bombs_share_the_room() -> None:
    room, packed = Room(), gzip.compress(bytes(MOST // 3))
    for _ in range(3):
        decoded(packed, "gzip", room)
    with pytest.raises(ValueError, match="more than"):
        decoded(packed, "gzip", room)


@pytest.mark.parametrize(("encoding", "module"), [("br", "brotli"), ("zstd", "zstandard")])
def test_a_library_that_is_absent_is_named(encoding: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = compressed(encoding, random.Random(1).randbytes(500))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=f"install {module} to read it"):
        decoded(packed, encoding, Room())
