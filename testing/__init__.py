"""Record Gemini traffic once, replay it offline, and check what Maxim would have received."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import reply as reply
    from . import strategies as strategies
    from ._logs.fake_logger import FakeLogger as FakeLogger
    from ._logs.fake_logger import fake_maxim as fake_maxim
    from ._logs.maxim_api import maxim_api as maxim_api
    from ._recorder.recorder import GeminiRecorder as GeminiRecorder
    from ._replies.mock import gemini_mock as gemini_mock
    from ._replies.server import GeminiServer as GeminiServer

_EXPORTS: dict[str, str] = {
    "FakeLogger": "_logs.fake_logger",
    "fake_maxim": "_logs.fake_logger",
    "maxim_api": "_logs.maxim_api",
    "GeminiRecorder": "_recorder.recorder",
    "GeminiServer": "_replies.server",
    "gemini_mock": "_replies.mock",
    "reply": "reply",
    "strategies": "strategies",
}
"""Each public name and the module that has it, or that it is; imported when it is first asked for."""

__all__ = sorted(_EXPORTS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_EXPORTS[name]}", __name__)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "maxim_gemini":
            raise
        install = 'pip install "maxim-gemini[testing]"'
        missing = f"maxim_gemini.testing.{name} needs {error.name.partition('.')[0]}, which is not installed: {install}"
        raise ModuleNotFoundError(missing, name=error.name) from None
    return module if _EXPORTS[name] == name else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
