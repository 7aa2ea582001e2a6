"""A module as another process would have it: what it does when it is imported is done again."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


def loaded_anew(module: ModuleType) -> Any:
    """Return a second *module*, which nobody else sees."""
    spec = importlib.util.spec_from_file_location(module.__name__, module.__file__)
    assert spec
    assert spec.loader
    second = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(second)
    return second
