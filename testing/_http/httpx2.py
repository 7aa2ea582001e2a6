"""The edge of httpx2, which google-genai 3 stands on."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from . import transports

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .routing import Patch


def patches() -> Iterable[Patch]:
    """Return what is patched in httpx2, nothing where it is absent."""
    try:
        library = importlib.import_module("httpx2")
    except ImportError:
        return ()
    return transports.patches(library)
