"""The sound of one side of a turn, in bounded memory. Pure."""

from __future__ import annotations

from collections import deque
from itertools import groupby
from typing import Final

from .._core.values import ATTACHMENT_LIMIT, Attachment
from .._core.wav import pcm_format

USER_RATE: Final = 16_000
"""Sample rate of the user's sound if its MIME type has none, in Hz."""

MODEL_RATE: Final = 24_000
"""Sample rate of Gemini's sound if its MIME type has none, in Hz."""

_ROUNDING: Final = 1e-6

_HEAD: Final = 1024
"""Bytes that are reserved for the header of the file."""


class Sound:
    """The sound of one side: its whole length, and at most *limit* seconds of it.

    The first ones are kept or, with *newest*, the last ones: an open microphone sends silence before the user speaks.
    """

    __slots__ = ("_kept", "_limit", "_newest", "_pieces", "_rate", "_size", "seconds")

    def __init__(self, limit: float, rate: int, *, newest: bool = False) -> None:
        self.seconds = 0.0
        self._limit = limit
        self._rate = rate
        self._newest = newest
        self._pieces: deque[tuple[str, bytes, float]] = deque()
        self._kept = 0.0
        self._size = 0

    def add(self, mime_type: str, data: bytes) -> None:
        """Add the next piece."""
        pcm = pcm_format(mime_type, default_rate=self._rate)
        if pcm is None:  # compressed: its length is unknown
            second = 0
        else:
            rate, channels = pcm
            second = 2 * rate * channels
            mime_type = f"audio/pcm;rate={rate}" + (f";channels={channels}" if channels > 1 else "")
        self.seconds += len(data) / second if second else 0.0
        if not self._limit:
            return
        if not self._newest:
            data = data[: self._room(second)]
        if data:
            self._append(mime_type, data, second)
        # Lengths are floats: without a tolerance, a rounding error would cut a piece in vain.
        while self._newest and self._pieces and self._excess() > _ROUNDING:
            self._drop_from_oldest()

    def _append(self, mime_type: str, data: bytes, second: int) -> None:
        seconds = len(data) / second if second else 0.0
        self._pieces.append((mime_type, data, seconds))
        self._kept += seconds
        self._size += len(data)

    def _room(self, second: int) -> int:
        """Return how many more bytes may be kept, in whole samples."""
        room = ATTACHMENT_LIMIT - _HEAD - self._size
        if second:
            room = min(room, round((self._limit - self._kept) * second))
        # Samples have 16 bits, so half a sample must not be kept.
        return max(0, room - room % 2)

    def _excess(self) -> float:
        """Return the share of the oldest piece that is over the limit; 1 or more is all of it."""
        _, data, seconds = self._pieces[0]
        too_long = (self._kept - self._limit) / seconds if seconds else 0.0
        too_large = (self._size - (ATTACHMENT_LIMIT - _HEAD)) / len(data)
        return max(too_long, too_large)

    def _drop_from_oldest(self) -> None:
        share = self._excess()
        mime_type, data, seconds = self._pieces.popleft()
        self._kept -= seconds
        self._size -= len(data)
        cut = round(len(data) * share)
        cut += cut % 2
        if (rest := data[max(cut, 2) :]) and share < 1:
            self._pieces.appendleft((mime_type, rest, seconds * len(rest) / len(data)))
            self._kept += self._pieces[0][2]
            self._size += len(rest)

    def metadata(self, side: str) -> dict[str, float | bool]:
        """Return the length in seconds, and whether the sound is cut."""
        if not self.seconds:
            return {}
        about: dict[str, float | bool] = {f"{side}_audio_seconds": round(self.seconds, 3)}
        return about | ({f"{side}_audio_is_cut": True} if self._kept + 0.001 < self.seconds else {})

    def release(self) -> None:
        """Forget all pieces."""
        self._pieces.clear()

    def attachments(self, name: str) -> list[Attachment]:
        """Return the kept sound as attachments, one for each run of pieces with the same format."""
        runs = groupby(self._pieces, key=lambda piece: piece[0])
        return [Attachment(kind or None, data=b"".join(data for _, data, _ in run), name=name) for kind, run in runs]
