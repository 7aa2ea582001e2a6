"""The machine's own clock, also where a test has stopped or moved Python's.

freezegun replaces the functions of the module `time` in every module that has them, so that a second copy of the module
is needed; time-machine changes them all, but only those that tell the date. Neither changes what the file system says.
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
"""`time.monotonic`, which goes on when a test has stopped the clock."""


def now() -> datetime:
    """Return the date and time at which a file would be written now; Python's where none can be written."""
    with suppress(OSError), tempfile.TemporaryFile() as file:
        return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    return datetime.now(UTC)
