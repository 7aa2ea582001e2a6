"""The files of cassettes, which are replaced in one step, with the large binaries beside them.

A cassette's binaries are named after it and their content, `test_chat.3f2a9c51b0d47e68.png`. They are written before
it, and those that it no longer names are removed after it, so that a process killed at any point leaves the old
recording or the new one. A process that changes a cassette has its lock from reading to writing. The locks are in the
system's folder for temporary files, and not beside the cassettes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import tempfile
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final, TypeVar

from maxim_gemini.testing import _clock
from maxim_gemini.testing.exceptions import CassetteBroken, CassetteError, CassetteNotFound

from .bodies import digest, digest_of
from .yaml_format import seal, seal_of
from .yaml_reader import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from filelock import BaseFileLock

T = TypeVar("T")

_HASH: Final = re.compile(r"\.([0-9a-f]{16})\.[A-Za-z0-9]+$")
_NOT_IN_NAMES: Final = re.compile(r"[\x00-\x1f/\\\ud800-\udfff]")
_UNFINISHED: Final = ".unfinished"
_ABANDONED: Final = 600
"""Seconds after which no process can still be writing a file."""
_LONGEST_STEM: Final = 200
"""Length in bytes of a cassette's name up to which the longer names of its binaries fit any file system."""


class Shelf:
    """The files of one cassette."""

    __slots__ = ("name", "path")

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.name = str(path)

    def __repr__(self) -> str:
        return f"Shelf({str(self.path)!r})"

    def read(self) -> bytes:
        """Return the content of the cassette, with the line ends and the start that this project writes.

        Raises:
            CassetteNotFound: there is no such file.
            CassetteError: it can't be opened.
        """
        try:
            data = content_of(self.path)
        except FileNotFoundError:
            raise CassetteNotFound(f"there is no cassette {self.name}") from None
        except OSError as error:
            raise CassetteError(f"the cassette {self.name} can't be read: {error.strerror}") from None
        # One byte is searched in a tenth of the time that two take.
        return (data.replace(b"\r\n", b"\n") if b"\r" in data else data).removeprefix(b"\xef\xbb\xbf")

    def text(self) -> str:
        """Return the content as text.

        Raises:
            CassetteBroken: it is not UTF-8.
            CassetteError: as `read` raises it.
        """
        return text_of(self.read(), self.name)

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes whenever the file is replaced; empty if there is none."""
        try:
            status = self.path.stat()
        except OSError:
            return ()
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def write(self, content: bytes, attachments: Mapping[str, bytes]) -> None:
        """Replace the cassette by *content* in one step, with *attachments* beside it; others that it does not name go.

        Raises:
            CassetteError: the folder or the file can't be written, or what is in it is no Unicode; the old cassette is
                still there.
        """
        try:
            content.decode()
        except UnicodeDecodeError as error:
            near = content[max(error.start - 30, 0) : error.start].decode(errors="replace")
            problem = f"what follows {near!r} is half a surrogate pair, which no file can hold"
            raise CassetteError(f"the cassette {self.name} can't be saved: {problem}") from None
        with self._writing():
            path = self._real_path
            path.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as undo:
                for name, data in attachments.items():
                    beside = path.parent / name
                    if not beside.exists():
                        undo.callback(beside.unlink, missing_ok=True)
                    _replace(beside, data)
                _replace(path, content)
                undo.pop_all()
            for name in self.attachments():
                if _quoted(name) not in content:
                    (path.parent / name).unlink(missing_ok=True)
            now = _clock.now().timestamp()
            for unfinished in path.parent.glob(f".*{_UNFINISHED}"):  # a killed process left it
                with contextlib.suppress(OSError):
                    if now - unfinished.stat().st_mtime > _ABANDONED:  # else another may be at it still
                        unfinished.unlink()

    def rename(self, path: Path) -> None:
        """Move the cassette, and the files beside it, to *path*.

        Raises:
            CassetteNotFound: there is no cassette.
            CassetteError: there is one at *path* already, or it can't be written; the old one is still there.
        """
        content, target = self.read(), Shelf(path)
        if path.exists():
            raise CassetteError(f"there is a cassette {path} already: delete it first if it is not needed")
        sealed = seal_of(content)
        content = content[:sealed]
        attachments, old = dict[str, bytes](), self.attachments()
        for name in old:
            data = self.fetch(name)
            renamed = target.name_for(data, name.rpartition(".")[2])
            attachments[renamed] = data
            content = content.replace(_quoted(name), _quoted(renamed))
        # A name in the text is another now: without a new seal the file would count as edited.
        target.write(content if sealed is None else content + seal(content), attachments)
        for path_of in (self.path, *map(self._beside, old)):
            path_of.unlink()

    def name_for(self, data: bytes, extension: str) -> str:
        """Return the name of the file beside the cassette for *data*."""
        return f"{self._stem}.{digest(data)}.{extension}"

    def fetch(self, name: str) -> bytes:
        """Return the content of the file *name* beside the cassette.

        Raises:
            CassetteBroken: there is no such file, it was changed, or its name leads out of the folder.
        """

        def read(path: Path) -> tuple[bytes, str]:
            data = content_of(path)
            return data, digest(data)

        return self._checked(name, read)

    def pieces_of(self, name: str) -> Callable[[int, int], bytes]:
        """Return a function that reads pieces of the file *name* beside the cassette, without reading all of it.

        Raises:
            CassetteBroken: there is no such file, it was changed, or its name leads out of the folder.
        """
        path = self._checked(name, lambda path: (path, digest_of(path)))

        def piece(start: int, size: int) -> bytes:
            with path.open("rb", buffering=0) as file:
                file.seek(start)
                return file.read(size)

        return piece

    def _checked(self, name: str, read: Callable[[Path], tuple[T, str]]) -> T:
        """Return the result of *read* for the file *name*; raise `CassetteBroken` if its hash is wrong."""
        hash_of = _HASH.search(name)
        if hash_of is None or Path(name).name != name or _NOT_IN_NAMES.search(name):
            raise CassetteBroken(f"{self.name}: {name!r} is not the name of a file beside it")
        try:
            value, hash_found = read(self._beside(name))
        except OSError:
            raise CassetteBroken(
                f"{self.name}: the file {name!r} beside it is missing. Restore it, or record again"
            ) from None
        if hash_found != hash_of[1]:
            raise CassetteBroken(f"{self.name}: the file {name!r} beside it was changed. Restore it, or record again")
        return value

    def attachments(self) -> set[str]:
        """Return the names of the files beside the cassette that are its own."""
        mine = re.compile(re.escape(self._stem) + _HASH.pattern)
        with contextlib.suppress(OSError):
            return {path.name for path in self._real_path.parent.iterdir() if mine.fullmatch(path.name)}
        return set()

    @property
    def _stem(self) -> str:
        stem = self._real_path.stem
        if not _NOT_IN_NAMES.search(stem) and len(stem.encode()) <= _LONGEST_STEM:
            return stem
        return f"{_NOT_IN_NAMES.sub('_', stem[:60])}-{digest(os.fsencode(stem))}"

    @property
    def _real_path(self) -> Path:
        """The target, if the cassette is a symbolic link; the large binaries are beside the target."""
        return Path(os.path.realpath(self.path))

    def _beside(self, name: str) -> Path:
        path = self._real_path.parent / name
        # A store that keeps every file under its hash has a link for each of them in one folder.
        return path if path.exists() else self.path.parent / name

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            path = error.filename or self.path
            raise CassetteError(f"the cassette {self.name} can't be saved: {path}: {error.strerror}") from error


def _quoted(name: str) -> bytes:
    """Return *name* as it stands in a cassette."""
    return json.dumps(name, ensure_ascii=False).encode()


def content_of(path: Path) -> bytes:
    """Return the content of the file at *path*.

    Raises:
        OSError: it can't be read, or is a pipe or a device, which may never end.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return path.read_bytes()


def _replace(path: Path, data: bytes) -> None:
    """Write *data* to *path* so that a reader sees the old content or the new, even after a crash."""
    unfinished = path.with_name(f".{path.name[:50]}.{token_hex(8)}{_UNFINISHED}")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            # Before the rename: after a crash, a renamed file may otherwise be empty.
            os.fsync(file.fileno())
        if path.exists():
            unfinished.chmod(path.stat().st_mode & 0o777)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    # Not every system lets a folder be opened; there the rename is still atomic, only not yet on the disk.
    with contextlib.suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock_of(path: Path, purpose: str = "write") -> BaseFileLock:
    """Return the lock of the file *path* for one *purpose*, which all threads and processes of this user share.

    The system releases it when a process ends, however it ends.
    """
    # Imported late: replays take no lock.
    from filelock import FileLock

    folder = Path(tempfile.gettempdir()) / f"maxim-gemini-locks-{_user()}"
    folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    return FileLock(folder / f"{digest(os.fsencode(path.resolve()))}.{purpose}")


def _user() -> str:
    # Where users have no number, each has a temporary folder.
    return str(os.getuid()) if hasattr(os, "getuid") else "user"
