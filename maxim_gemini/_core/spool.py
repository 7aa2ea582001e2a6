"""Logs kept on disk until they are sent: files in a folder of this process, read again by the next process if it ends.

    ROOT/ACCOUNT/WRITER/lock            locked as long as its process lives: whoever gets the lock may send the files
                       /0000000001-70.log         70 logs, a line each; files are sent in their order
                       /0000000002-1.attachment

ACCOUNT is a hash of the address, the key and the log repository: logs never reach another account or repository. The
folders are readable by their user only. Files are given their final name once they are whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT_VARIABLE: Final = "MAXIM_GEMINI_SPOOL"

_PART: Final = ".part"


def account(*parts: str) -> str:
    """Return a name for what may only be sent with the same key to the same address and repository."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def default_root() -> Path:
    """Return the folder named by the environment, else one of this user in the folder for temporary files."""
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir(), f"maxim-gemini-{user}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that waits to be sent."""

    path: Path

    def read(self) -> bytes:
        """Return the whole of it; of a file that was never finished, its whole lines."""
        content = self.path.read_bytes()
        return content if self.path.suffix != _PART else content[: content.rfind(b"\n") + 1]

    @property
    def kind(self) -> str:
        """`log` or `attachment`."""
        return self.path.name.removesuffix(_PART).rpartition(".")[2]

    @property
    def count(self) -> int:
        """The number of logs in it."""
        if self.path.suffix == _PART:
            return self.read().count(b"\n")
        return int(self.path.stem.partition("-")[2])

    def remove(self) -> None:
        """Forget it: it was sent."""
        self.path.unlink(missing_ok=True)


class Folder:
    """A locked folder; the lock ends with the process, however it ends."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._number = 0

    def write(self, kind: str, content: bytes, count: int) -> Kept:
        """Write a file behind all others."""
        self._number += 1
        path = self.path / f"{self._number:010d}-{count}.{kind}"
        part = path.with_name(path.name + _PART)
        try:
            part.write_bytes(content)
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return Kept(path)

    def files(self) -> list[Kept]:
        """Return what waits in it, oldest first."""
        for torn in self.path.glob(f"*.attachment{_PART}"):  # of logs, whole lines can be saved
            torn.unlink(missing_ok=True)
        return [Kept(path) for path in sorted(self.path.iterdir()) if path.name != "lock"]

    def close(self) -> None:
        """Remove the folder, in which nothing waits, and give up its lock."""
        with contextlib.suppress(OSError):
            (self.path / "lock").unlink()
            self.path.rmdir()
        self.let_go()

    def let_go(self) -> None:
        """Close the lock's file; in a forked child this leaves the parent's lock alone."""
        with contextlib.suppress(OSError):
            os.close(self._lock)


class Spool:
    """The files of one account: a folder of our own, and those that ended processes left."""

    def __init__(self, root: Path, account: str) -> None:
        self.path = root / account
        self._root = root
        self._own: Folder | None = None
        self._adopted: list[Folder] = []
        self._lock = threading.RLock()

    def move(self, root: Path) -> None:
        """Write to another place from now on."""
        with self._lock:
            self._root, self.path = root, root / self.path.name
            self._adopted, self._own = self._folders(), None

    def has_any(self) -> bool:
        """Return whether a process has left a folder."""
        return self.path.is_dir()

    def write(self, kind: str, content: bytes, count: int) -> Kept:
        """Keep *content*, that many logs, on disk."""
        with self._lock:
            if self._own is None:
                self._own = self._make_folder()
            return self._own.write(kind, content, count)

    def adopt(self) -> list[Kept]:
        """Return what ended processes left, each process's files in their order; they are ours from now on."""
        kept: list[Kept] = []
        with self._lock, contextlib.suppress(OSError):
            for path in sorted(self.path.iterdir(), key=_age):
                if path.name.startswith(".") or any(path == folder.path for folder in self._folders()):
                    continue
                if (folder := _locked(path)) is not None:
                    self._adopted.append(folder)
                    kept += folder.files()
        return kept

    def tidy(self) -> None:
        """Remove the folders in which nothing waits."""
        with self._lock, contextlib.suppress(OSError):
            for folder in [folder for folder in self._folders() if not folder.files()]:
                if folder is self._own:
                    self._own = None
                else:
                    self._adopted.remove(folder)
                folder.close()

    def forget(self) -> None:
        """Leave everything to the parent process, after a fork."""
        for folder in self._folders():
            folder.let_go()
        self._adopted, self._own = [], None

    def _folders(self) -> list[Folder]:
        return [*self._adopted, *([self._own] if self._own else [])]

    def _make_folder(self) -> Folder:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid"):  # all may write to the folder for temporary files: another user may have made ours
            status = self._root.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                raise PermissionError(f"{self._root} must be a folder of this user; set {ROOT_VARIABLE} to another")
        self.path.mkdir(mode=0o700, exist_ok=True)
        name = uuid.uuid4().hex
        hidden = self.path / f".{name}"
        hidden.mkdir(mode=0o700)
        lock = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        _try_lock(lock)
        return Folder(hidden.rename(self.path / name), lock)  # others see it when it is locked


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _locked(path: Path) -> Folder | None:
    """Return the folder if its process has ended, locked for us."""
    try:
        lock = os.open(path / "lock", os.O_RDWR)
    except OSError:
        return None
    if _try_lock(lock):
        return Folder(path, lock)
    os.close(lock)
    return None


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
