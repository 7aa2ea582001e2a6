"""Where cassettes are: files that are replaced in one step, with the large binaries beside them.

A cassette's binaries are named after it and their content, `test_chat.3f2a9c51b0d47e68.png`. They are written before
it, and those that it no longer names are removed after it, so that a process killed at any point leaves the old
recording or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.serialize import deserialize, serialize

from maxim_gemini.testing.exceptions import CassetteBroken, CassetteError, CassetteNotFound

from .bodies import digest
from .parsing import broken

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_HASH: Final = re.compile(r"\.([0-9a-f]{16})\.[A-Za-z0-9]+$")
_UNFINISHED: Final = ".unfinished"
_ABANDONED: Final = 600
"""Seconds after which nobody is still writing a file."""
_LONGEST_STEM: Final = 200
"""Bytes of a cassette's name up to which the names of its binaries, which are longer, fit any file system."""


class Shelf:
    """The files of one cassette."""

    __slots__ = ("name", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def __repr__(self) -> str:
        return f"Shelf({str(self.path)!r})"

    def read(self) -> str:
        """Return the text of the cassette.

        Raises:
            CassetteNotFound: there is no such file.
            CassetteBroken: it is not UTF-8.
            CassetteError: it can't be opened.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            raise CassetteNotFound(f"there is no cassette {self.path}") from None
        except OSError as error:
            raise CassetteError(f"the cassette {self.path} can't be read: {error.strerror}") from None
        try:
            return (data.replace(b"\r\n", b"\n") if b"\r" in data else data).removeprefix(b"\xef\xbb\xbf").decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise broken(str(self.path), line, "it is not UTF-8. Restore the file, or record again") from None

    def write(self, text: str, attachments: Mapping[str, bytes]) -> None:
        """Replace the cassette by *text* in one step, with *attachments* beside it; others that it does not name go.

        Raises:
            CassetteError: the folder or the file can't be written; the old cassette is still there.
        """
        with self._writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for name, data in attachments.items():
                _replace(self.path.parent / name, data)
            _replace(self.path, text.encode())
            for name in self.attachments():
                if json.dumps(name, ensure_ascii=False) not in text:
                    (self.path.parent / name).unlink(missing_ok=True)
            self._remove_unfinished()

    def name_for(self, data: bytes, extension: str) -> str:
        """Return the name of the file beside the cassette for *data*."""
        return f"{self._stem}.{digest(data)}.{extension}"

    def fetch(self, name: str) -> bytes:
        """Return the content of the file *name* beside the cassette.

        Raises:
            CassetteBroken: there is no such file, it was changed, or its name leads out of the folder.
        """
        hash_of = _HASH.search(name)
        if hash_of is None or Path(name).name != name or "\\" in name:
            raise CassetteBroken(f"{self.path}: {name!r} is not the name of a file beside it")
        try:
            data = (self.path.parent / name).read_bytes()
        except OSError:
            raise CassetteBroken(
                f"{self.path}: the file {name!r} beside it is missing. Restore it, or record again"
            ) from None
        if digest(data) != hash_of[1]:
            raise CassetteBroken(f"{self.path}: the file {name!r} beside it was changed. Restore it, or record again")
        return data

    def attachments(self) -> set[str]:
        """Return the names of the files beside the cassette that are its own."""
        mine = re.compile(re.escape(self._stem) + _HASH.pattern)
        with contextlib.suppress(OSError):
            return {path.name for path in self.path.parent.iterdir() if mine.fullmatch(path.name)}
        return set()

    @property
    def _stem(self) -> str:
        stem = self.path.stem
        return stem if len(stem.encode()) <= _LONGEST_STEM else f"{stem[:60]}-{digest(stem.encode())}"

    def _remove_unfinished(self) -> None:
        """Remove what a killed process left; what is younger may be another process's that is still at it."""
        for path in self.path.parent.glob(f".*{_UNFINISHED}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            place = error.filename or self.path
            raise CassetteError(f"the cassette {self.path} can't be saved: {place}: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> None:
    """Write *data* to *path* so that a reader sees the old content or the new, even after a crash."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.", suffix=_UNFINISHED)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _flush_folder(folder: Path) -> None:
    # Not every system lets a folder be opened; there the rename is still atomic, only not yet on the disk.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def inside(folder: Path, name: str) -> Path:
    """Return the path of the cassette *name* in *folder*.

    Raises:
        CassetteError: the name leads out of the folder.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise CassetteError(f"the cassette name {name!r} leads out of {folder}: use a name inside it")
    return path


class Persister:
    """vcrpy's slot for a persister: atomic files, whatever serializer writes them."""

    @classmethod
    def load_cassette(cls, cassette_path: str | os.PathLike[str], serializer: Any) -> Any:
        """Return requests and responses."""
        try:
            text = Shelf(Path(cassette_path)).read()
        except CassetteNotFound as error:
            raise CassetteNotFoundError(str(error)) from None
        return deserialize(text, serializer)

    @staticmethod
    def save_cassette(cassette_path: str | os.PathLike[str], cassette_dict: Any, serializer: Any) -> None:
        """Write requests and responses."""
        Shelf(Path(cassette_path)).write(serialize(cassette_dict, serializer), {})
