"""What older maxim-py can't do yet; the wrapper's own tests pass on all of them."""

from __future__ import annotations

from importlib.metadata import version

import pytest

MAXIM = tuple(map(int, version("maxim-py").split(".")[:3]))


def since(*first: int, reason: str) -> pytest.MarkDecorator:
    """Skip a test where maxim-py is older than *first*."""
    return pytest.mark.skipif(first > MAXIM, reason=f"before maxim-py {'.'.join(map(str, first))}, {reason}")
