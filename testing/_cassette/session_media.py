"""Sound and pictures of a websocket session, in files beside the cassette.

PCM is one WAV file for each side and rate; everything else is a file for each piece, the same piece once. What is small
stays in the text.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._json_types import is_list, is_object

from . import bodies
from .yaml_format import Attachment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .store import Shelf

_SMALL: Final = 1024
"""Bytes up to which all media of one kind stay in the text."""
_PCM: Final = re.compile(r"audio/(?:pcm|l16)\b.*?rate=(\d+)", re.IGNORECASE)
_CHANNELS: Final = re.compile(r"channels=(\d+)", re.IGNORECASE)
_HEADER: Final = 44
"""Bytes of a WAV file before its samples."""
_ENCODE: Final[dict[str, Callable[[bytes], bytes]]] = {
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
}


class _File:
    """The content of one file."""

    def __init__(self, index: int, side: str, kind: str) -> None:
        self.index = index
        self.side = side
        self.kind = kind
        self.forms = frozenset(_ENCODE)
        """The alphabets of base64 in which all of its content can have been encoded."""
        self.data = bytearray()
        self.number = -1
        """The number of the file; -1 if the content stays in the text."""

    @property
    def form(self) -> str:
        return min(self.forms)

    @property
    def is_pcm(self) -> bool:
        return _PCM.match(self.kind) is not None

    def contents(self) -> bytes:
        return _wav_header(self.kind, len(self.data)) + self.data if self.is_pcm else bytes(self.data)


class Media:
    """The media of a session that is being recorded."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._files: dict[Any, _File] = {}
        self._all: list[_File] = []
        self._kept: list[_File] = []

    @property
    def size(self) -> int:
        """The number of bytes in files."""
        return sum(len(file.data) for file in self._kept)

    def emptied(self, value: Any, side: str, slices: list[int]) -> Any:
        """Return *value* without its media, and add their positions to *slices*: file, start, size."""
        if is_list(value):
            return [self.emptied(item, side, slices) for item in value]
        if not is_object(value):
            return value
        members: dict[str, Any] = value
        kind = str(members.get("mimeType", members.get("mime_type", "")))
        return {
            name: self._taken(member, side, kind, slices)
            if name == "data" and isinstance(member, str) and (kind or not member)
            else self.emptied(member, side, slices)
            for name, member in members.items()
        }

    def _taken(self, text: str, side: str, kind: str, slices: list[int]) -> str:
        forms, data = _decoded(text)
        if not forms:
            return text
        file = self._file_for(side, kind, forms, data)
        file.forms &= forms
        # Sound is one stream, to be listened to in one piece; of anything else, each piece is a whole.
        if file.is_pcm or not file.data:
            slices += (file.index, len(file.data), len(data))
            file.data += data
        else:
            slices += (file.index, 0, len(data))
        return ""

    def _file_for(self, side: str, kind: str, forms: frozenset[str], data: bytes) -> _File:
        # Most pieces look the same in both alphabets.
        start = (side, kind) if _PCM.match(kind) else (side, kind, data)
        keys = [start, *((*start, form) for form in sorted(forms))]
        file = next((file for key in keys if (file := self._files.get(key)) and file.forms & forms), None)
        if file is None:
            file = _File(len(self._all), side, kind)
            self._files[next(key for key in keys if key not in self._files)] = file
            self._all.append(file)
        return file

    def settle(self) -> None:
        """Decide which media become files, when all are there."""
        sizes: dict[tuple[str, str], int] = {}
        for file in self._all:
            sizes[file.side, file.kind] = sizes.get((file.side, file.kind), 0) + len(file.data)
        for file in self._all:
            if sizes[file.side, file.kind] > _SMALL:
                file.number = len(self._kept)
                self._kept.append(file)

    def place(self, frame: dict[str, Any]) -> None:
        """Write the positions of its media into *frame*, or the media themselves if they stay in the text."""
        media = frame.pop("media", None)
        if media is None:
            return
        slices = [media[at : at + 3] for at in range(0, len(media), 3)]
        side = "sent" if "sent" in frame else "received"
        placed: list[int] = []
        frame[side] = self._placed(frame[side], iter(slices), placed)
        if any(placed[2::3]):
            frame["media"] = placed

    def _placed(self, value: Any, slices: Iterator[list[int]], placed: list[int]) -> Any:
        if is_list(value):
            return [self._placed(item, slices, placed) for item in value]
        if not is_object(value):
            return value
        members: dict[str, Any] = {}
        for name, member in value.items():
            if name == "data" and member == "":
                number, start, size = next(slices)
                file = self._all[number]
                if file.number < 0 and size:
                    member = _ENCODE[file.form](bytes(file.data[start : start + size])).decode()
                else:
                    placed += (max(file.number, 0), start if size else 0, size)
            else:
                member = self._placed(member, slices, placed)
            members[name] = member
        return members

    def stored(self, attach: bodies.Attach) -> list[dict[str, Any]]:
        """Return the list of files, each written by *attach*."""
        return [_listed(file, attach) for file in self._kept]

    def reader(self) -> Reader:
        """Return a reader for the media."""
        kept: dict[str, bytes] = {}

        def attach(data: bytes, extension: str) -> str:
            name = self._shelf.name_for(data, extension)
            kept[name] = data
            return name

        return Reader(self._shelf, self.stored(attach), kept)


def _listed(file: _File, attach: bodies.Attach) -> dict[str, Any]:
    data = file.contents()
    extension = "wav" if file.is_pcm else bodies.extension(data, file.kind)
    form = {} if file.form == "base64" else {"form": file.form}
    return {"from": file.side, "type": file.kind, **form, "file": Attachment(attach(data, extension))}


class Reader:
    """Reads the media of a session piece by piece, without a whole file in memory."""

    def __init__(self, shelf: Shelf, listed: Iterable[Any], kept: dict[str, bytes] | None = None) -> None:
        self._shelf = shelf
        self._listed = list(listed)
        self._kept = kept  # what is just being recorded is in no file yet
        self._open: dict[int, Callable[[int, int], bytes]] = {}

    def text(self, number: int, start: int, size: int) -> str:
        """Return *size* bytes from *start* of the file with that number, in the original alphabet of base64."""
        if not size:
            return ""
        if not 0 <= number < len(self._listed):
            raise ValueError(f"a message has media in file {number}, and there are {len(self._listed)} files")
        listed = self._listed[number]
        read = self._open.get(number)
        if read is None:
            read = self._open[number] = self._opened(listed)
        data = read(start + (_HEADER if _PCM.match(str(listed.get("type", ""))) else 0), size)
        if len(data) != size:
            raise ValueError(f"the file {listed['file'].name!r} is too short")
        return _ENCODE[listed.get("form", "base64")](data).decode()

    def _opened(self, listed: Any) -> Callable[[int, int], bytes]:
        name = listed["file"].name
        if self._kept is not None:
            data = self._kept[name]
            return lambda start, size: data[start : start + size]
        return self._shelf.pieces_of(name)


def _decoded(text: str) -> tuple[frozenset[str], bytes]:
    """Return the alphabets of base64 in which encoding returns *text*, and its bytes."""
    try:
        data = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (ValueError, binascii.Error):
        return frozenset(), b""
    return frozenset(form for form, encode in _ENCODE.items() if encode(data).decode() == text), data


def _wav_header(kind: str, size: int) -> bytes:
    match, channels = _PCM.match(kind), _CHANNELS.search(kind)
    rate, count = int(match[1]) if match else 16_000, int(channels[1]) if channels else 1
    # Rate and channels are the application's words: whatever they are, they have to fit their fields.
    layout = struct.pack("<HHIIHH", 1, count % 65536, rate % 2**32, (rate * count * 2) % 2**32, (count * 2) % 65536, 16)
    return (
        b"RIFF"
        + struct.pack("<I", size + 36)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + layout
        + b"data"
        + struct.pack("<I", size)
    )
