"""The public names with their signatures, one a line: `python tests/project/public_surface.py` writes them anew."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).with_suffix(".txt")
MODULES = ("maxim_gemini", "maxim_gemini.testing", "maxim_gemini.testing.reply", "maxim_gemini.testing.strategies")


def surface() -> str:
    """Return the names of every public module, in the order of the alphabet."""
    return "".join(f"{line}\n" for module in MODULES for line in _module(module))


def _module(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    yield f"{name}"
    for public in sorted(module.__all__):
        yield from _named(public, getattr(module, public))


def _named(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, type):
        yield f"  class {name}{_signature(value)}"
        for member in sorted(_members(value)):
            yield f"    {member}"
    elif callable(value) and hasattr(value, "__code__"):
        yield f"  {name}{_signature(value)}"
    else:
        yield f"  {name}"


def _members(cls: type) -> Iterator[str]:
    """Yield the public methods and properties that this package defines, not those of what it stands on."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("maxim_gemini"):
            continue
        for name, member in vars(base).items():
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            function = getattr(member, "__func__", member)
            yield f"{name}{_signature(function)}" if inspect.isfunction(function) else name


def _signature(value: Any) -> str:
    if isinstance(value, type) and issubclass(value, BaseException):
        return ""
    try:
        return str(inspect.signature(value)).replace("'", "")
    except (TypeError, ValueError):
        return "(...)"


if __name__ == "__main__":
    FILE.write_text(surface(), encoding="utf-8")
