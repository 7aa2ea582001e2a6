from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.interaction_calls import calls, served
from support.maxim_ends import wire
from support.wrapped import client, gemini, logger, loopback_server, raw, side

from maxim_gemini import uninstrument

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["calls", "client", "gemini", "logger", "loopback_server", "raw", "served", "side", "wire"]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    uninstrument()
