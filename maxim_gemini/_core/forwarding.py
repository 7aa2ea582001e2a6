"""The code of functions that are replaced: see `patching`. By the name of this file they are known as such."""

from __future__ import annotations

from typing import Any, Final

REPLACEMENT: Final = "maxim_gemini_replacement"
"""Stands for what is called; as a constant in the code, it is exchanged."""


def forward(*args: Any, **kwargs: Any) -> Any:
    """Call the replacement."""
    replacement: Any = "maxim_gemini_replacement"
    return replacement(*args, **kwargs)


async def forward_async(*args: Any, **kwargs: Any) -> Any:
    """Call the replacement, and await it."""
    replacement: Any = "maxim_gemini_replacement"
    return await replacement(*args, **kwargs)
