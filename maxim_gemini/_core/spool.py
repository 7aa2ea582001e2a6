"""Logs kept on disk until they are sent, in a folder of this process; if it ends, the next one sends them.

    ROOT/ACCOUNT/WRITER/lock                       locked while its process lives; who gets the lock may send the files
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
from pathlib import Path
from typing import Final

ROOT_VARIABLE: Final = "MAXIM_GEMINI_SPOOL"

_PART: Final = ".part"


def account(*parts: str) -> str:
    """Return a folder name for logs that may only be sent with the same key to the same address and repository."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def default_root() -> Path:
    """Return the folder named by `MAXIM_GEMINI_SPOOL`, or this user's folder among the temporary files."""
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir(), f"maxim-gemini-{user}")


class Kept:
    """A file that waits to be sent."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes:
        """Return its content; for a file that was never finished, the lines that are complete."""
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
        """Delete it: it was sent, or is given up."""
        self.path.unlink(missing_ok=True)


class Folder:
    """A locked folder. The system releases the lock when the process ends, however it ends."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._number = 0

    def write(self, kind: str, content: bytes, count: int) -> Kept:
        """Write a file that comes after all others."""
        self._number += 1
        path = self.path / f"{self._number:010d}-{count}.{kind}"
        # Renamed when it is complete, so that no process reads a half written file.
        part = path.with_name(path.name + _PART)
        try:
            part.write_bytes(content)
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return Kept(path)

    def files(self) -> list[Kept]:
        """Return the files in it, oldest first."""
        for torn in self.path.glob(f"*.attachment{_PART}"):  # an unfinished file of logs still has complete lines
            torn.unlink(missing_ok=True)
        return [Kept(path) for path in sorted(self.path.iterdir()) if path.name != "lock"]

    def close(self) -> None:
        """Remove the empty folder, and release its lock."""
        with contextlib.suppress(OSError):
            (self.path / "lock").unlink()
            self.path.rmdir()
        self.let_go()

    def let_go(self) -> None:
        """Close the lock's file; in a forked child this leaves the parent's lock alone."""
        with contextlib.suppress(OSError):
            os.close(self._lock)


class Spool:
    """The files of one account: a folder of this process, and those that ended processes have left."""

    def __init__(self, root: Path, account: str) -> None:
        self.path = root / account
        self._root = root
        self._own: Folder | None = None
        self._adopted: list[Folder] = []
        self._lock = threading.RLock()

    def move(self, root: Path) -> None:
        """Write below another *root* from now on."""
        with self._lock:
            self._root, self.path = root, root / self.path.name
            self._adopted, self._own = self._folders(), None

    def has_any(self) -> bool:
        """Return whether any process has left a folder."""
        return self.path.is_dir()

    def write(self, kind: str, content: bytes, count: int) -> Kept:
        """Write *content*, *count* logs, to disk."""
        with self._lock:
            if self._own is None:
                self._own = self._make_folder()
            return self._own.write(kind, content, count)

    def adopt(self) -> list[Kept]:
        """Take over the files that ended processes have left; return them, those of one process in their order."""
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
        """Remove the folders that are empty."""
        with self._lock, contextlib.suppress(OSError):
            for folder in [folder for folder in self._folders() if not folder.files()]:
                if folder is self._own:
                    self._own = None
                else:
                    self._adopted.remove(folder)
                folder.close()

    def forget(self) -> None:
        """Leave all files to the parent process, after a fork."""
        for folder in self._folders():
            folder.let_go()
        self._adopted, self._own = [], None

    def _folders(self) -> list[Folder]:
        return [*self._adopted, *([self._own] if self._own else [])]

    def _make_folder(self) -> Folder:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid"):  # another user may have made a folder of this name
            status = self._root.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                raise PermissionError(f"{self._root} must be a folder of this user; set {ROOT_VARIABLE} to another one")
        self.path.mkdir(mode=0o700, exist_ok=True)
        name = uuid.uuid4().hex
        hidden = self.path / f".{name}"
        hidden.mkdir(mode=0o700)
        lock = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        _try_lock(lock)
        return Folder(hidden.rename(self.path / name), lock)  # only now can other processes see it: it is locked


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _locked(path: Path) -> Folder | None:
    """Return the folder, locked by this process, if the process that made it has ended."""
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
