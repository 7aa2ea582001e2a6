"""Record Gemini traffic once, replay it offline, and check what Maxim would have received."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fake_logger import FakeLogger as FakeLogger
    from .fake_logger import fake_maxim as fake_maxim
    from .maxim_api import maxim_api as maxim_api
    from .recorder import GeminiRecorder as GeminiRecorder

_EXPORTS: dict[str, str] = {
    "FakeLogger": "fake_logger",
    "fake_maxim": "fake_logger",
    "maxim_api": "maxim_api",
    "GeminiRecorder": "recorder",
}
"""Each public name and the module that has it, imported when it is first asked for."""

__all__ = sorted(_EXPORTS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
