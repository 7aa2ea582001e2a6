from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.interaction_calls import CALLS, Interactions, SyncCalls
from support.interactions import VERSION
from support.wrapped import client, gemini, logger, loopback_server, raw

if TYPE_CHECKING:
    from support.loopback import Loopback
    from support.script import Gemini

# google-genai 2.9 to 2.33 is recorded, but as a whole: what the other files test is hop by hop.
collect_ignore_glob = ["test_*.py"] if VERSION < (2, 9) else ["test_[!w]*.py"] if VERSION < (2, 34) else []

__all__ = ["client", "gemini", "logger", "loopback_server", "raw"]


@pytest.fixture
def served(gemini: Gemini, loopback_server: Loopback) -> Interactions:
    """Gemini's interactions on 127.0.0.1, which answer as the test tells them to."""
    script = Interactions()
    loopback_server.script = script
    return script


@pytest.fixture(params=CALLS, ids=repr)
def calls(request: pytest.FixtureRequest) -> SyncCalls:
    """The sync calls, then the async ones."""
    found: SyncCalls = request.param
    return found
