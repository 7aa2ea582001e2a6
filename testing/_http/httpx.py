"""The edge of httpx, which google-genai 1 and 2 stand on (3 with `GOOGLE_GENAI_HTTP_CLIENT=httpx`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from . import transports

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .routing import Patch


def patches() -> Iterable[Patch]:
    """Return what is patched in httpx, nothing where it is absent."""
    try:
        library = importlib.import_module("httpx")
    except ImportError:
        return ()
    return transports.patches(library)
