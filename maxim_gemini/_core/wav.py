"""Convert raw sound as Gemini sends it (16-bit PCM without a header) to WAV, which can be played. Pure."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from .patterns import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .values import Attachment

MODEL_RATE: Final = 24_000
"""Sample rate of a model's sound if its MIME type has none, as on Vertex, in Hz."""

_PARAMETER: Final = r";\s*([\w-]+)\s*=\s*\"?([^\";]*)\"?"
_BYTES_A_SAMPLE: Final = 2


def pcm_format(mime_type: str | None, *, default_rate: int = MODEL_RATE) -> tuple[int, int] | None:
    """Return the sample rate in Hz, and the channels, given by a MIME type such as `audio/L16;codec=pcm;rate=24000`.

    Return `None` if it is no raw sound. Samples are little-endian, for Gemini's `audio/L16`, too, although the
    definition of that type says otherwise.
    """
    kind, separator, rest = (mime_type or "").partition(";")
    if kind.strip().lower() not in ("audio/pcm", "audio/l16"):
        return None
    parameters = {name.lower(): value.strip() for name, value in compiled(_PARAMETER).findall(separator + rest)}
    if parameters.get("codec", "pcm").lower() != "pcm":
        return None
    return _number(parameters.get("rate")) or default_rate, _number(parameters.get("channels")) or 1


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[1-9][0-9]{0,5}", text) else None


def wav(pcm: bytes, rate: int, channels: int = 1) -> bytes:
    """Return *pcm*, 16-bit little-endian samples, as a WAV file with a sample rate of *rate* Hz."""
    frame = channels * _BYTES_A_SAMPLE
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, _BYTES_A_SAMPLE * 8)
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(pcm)) + pcm
    chunks += bytes(len(pcm) % 2)  # a chunk has an even number of bytes
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def as_wav(attachment: Attachment) -> Attachment:
    """Return *attachment* with raw sound converted to WAV; any other one unchanged."""
    sound = _sound_in(attachment)
    if sound is None:
        return attachment
    return attachment._replace(mime_type="audio/wav", data=wav(attachment.data or b"", *sound))


def joined(attachments: Iterable[tuple[Attachment, str]], limit: int) -> list[tuple[Attachment, str]]:
    """Return *attachments*, each with its side; join pieces of raw sound in a row, up to *limit* bytes."""
    kept: list[tuple[Attachment, str]] = []
    pieces: list[bytes] = []  # of the sound that `kept` ends with
    for attachment, side in attachments:
        data = attachment.data or b""
        # Equal in everything but the data: same format, name and side.
        is_next = bool(pieces) and kept[-1] == (attachment._replace(data=pieces[0]), side)
        if is_next and sum(map(len, pieces)) + len(data) <= limit:
            pieces.append(data)
            continue
        _finish(kept, pieces)
        kept.append((attachment, side))
        pieces = [data] if _sound_in(attachment) else []
    _finish(kept, pieces)
    return kept


def _finish(kept: list[tuple[Attachment, str]], pieces: list[bytes]) -> None:
    if len(pieces) > 1:
        last, side = kept[-1]
        kept[-1] = last._replace(data=b"".join(pieces)), side


def _sound_in(attachment: Attachment) -> tuple[int, int] | None:
    if attachment.data is None or attachment.data[:4] == b"RIFF":
        return None
    return pcm_format(attachment.mime_type)
