"""A Maxim logger in trouble: it raises, it is slow, it takes the disk for lost, it lacks what others have."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from maxim.logger import Logger

from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from collections.abc import Collection

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


METHODS: Final = (
    "generation_add_attachment",
    "generation_add_metadata",
    *(["generation_add_metric"] if hasattr(Logger, "generation_add_metric") else []),  # not in maxim-py 3.14.0
    "generation_result",
    "session",
    "session_end",
    "tool_call_error",
    "tool_call_result",
    "trace",
    "trace_add_error",
    "trace_add_generation",
    "trace_add_tag",
    "trace_add_tool_call",
    "trace_end",
    "trace_set_output",
    "writer",
)
"""What the wrapper asks of a logger."""


class CrippledLogger(FakeLogger):
    """A fake logger that raises where it is asked for what it *lacks*."""

    def __init__(self, lacks: Collection[str], error: type[Exception] = AttributeError) -> None:
        super().__init__()
        self._error = error
        self._lacks = frozenset(lacks)

    def __getattribute__(self, name: str) -> Any:
        if name in object.__getattribute__(self, "__dict__").get("_lacks", ()):
            raise self._error("not here")  # a new one each time: its traceback keeps alive whoever asked
        return super().__getattribute__(name)


class _Unwritable:
    def __repr__(self) -> Any:
        raise ValueError("not even that")
