"""What the test kit may replace in other libraries, as it is at the moment."""

from __future__ import annotations

import importlib
import inspect
from contextlib import suppress
from typing import Any

from maxim_gemini.testing._http.blocking import PATCHES, THREADS


def patched() -> list[tuple[str, str, Any, Any, Any]]:
    """Return for each patch of a library that can be imported: what stands there, and the code and keywords of it."""
    state: list[tuple[str, str, Any, Any, Any]] = []
    for module, patches in [*PATCHES._libraries.items(), *THREADS._libraries.items()]:
        with suppress(ImportError):
            importlib.import_module(module)
            state += map(_state, patches(importlib.import_module(module)))
    return state


def _state(patch: Any) -> tuple[str, str, Any, Any, Any]:
    value = inspect.getattr_static(patch.owner, patch.name)
    function = inspect.unwrap(value)
    return (
        f"{patch.owner.__module__}.{patch.owner.__qualname__}"
        if isinstance(patch.owner, type)
        else patch.owner.__name__,
        patch.name,
        value,
        getattr(function, "__code__", None),
        getattr(function, "__kwdefaults__", None),
    )
