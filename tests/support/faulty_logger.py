"""A Maxim logger in trouble: it raises, it is slow, it takes the disk for lost."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from maxim.logger.components.types import CommitLog

TROUBLES: Final = ("raises", "raises afterwards", "slow", "disk lost", "unserialisable")

_ERRORS: Final = (OSError, RuntimeError, ValueError, TypeError, KeyError)


class FaultyLogger(FakeLogger):
    """A fake logger whose writer gets into trouble on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: Counter[str] = Counter()
        self._trouble = ""
        self._in = 0
        self._times = 0
        self._commit = self.writer.commit
        self.writer.commit = self._troubled  # type: ignore[method-assign]

    def get_into(self, trouble: str, *, after: int = 0, times: int = 1) -> None:
        """Get into *trouble* for so many commits, *after* so many others."""
        self._trouble, self._in, self._times = trouble, after, times

    @property
    def is_harmed(self) -> bool:
        """Whether anything was lost."""
        return bool(self.faults.keys() - {"slow"})

    def _troubled(self, log: CommitLog) -> None:
        if not self._strikes(log):
            return self._commit(log)
        self.faults[self._trouble] += 1
        if self._trouble == "slow":
            time.sleep(0.0002)
            return self._commit(log)
        if self._trouble == "unserialisable":
            log.data = {**(log.data or {}), "metadata": {"odd": _Unwritable()}}
            return self._commit(log)
        if self._trouble == "raises afterwards":
            self._commit(log)
        raise _ERRORS[sum(self.faults.values()) % len(_ERRORS)]("in trouble")

    def _strikes(self, log: CommitLog) -> bool:
        if not self._times or (self._trouble == "disk lost" and log.action != "upload-attachment"):
            return False
        self._in -= 1
        if self._in >= 0:
            return False
        self._times -= 1
        return True


class _Unwritable:
    def __repr__(self) -> Any:
        raise ValueError("not even that")
