"""The real clock of the machine, also if a test has stopped or moved Python's clock.

freezegun replaces the functions of the module `time` in every module that has them, so a second copy of the module is
needed. time-machine changes all copies, but only the functions for the date. Neither changes the times of files.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


def _second_copy_of_time() -> Any:
    spec = find_spec("time")
    assert spec is not None
    assert spec.loader is not None
    copy = module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


monotonic: Final[Callable[[], float]] = _second_copy_of_time().monotonic
"""`time.monotonic`, which also runs when a test has stopped the clock."""


def now() -> datetime:
    """Return the time that a file would get now; Python's time if no file can be written."""
    with suppress(OSError), tempfile.TemporaryFile() as file:
        return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    return datetime.now(UTC)
