from __future__ import annotations

from support.interaction_calls import calls, served
from support.interactions import VERSION
from support.maxim_ends import wire
from support.wrapped import client, gemini, logger, loopback_server, raw

# google-genai 2.9 to 2.33 is recorded, but as a whole: what the other files test is hop by hop.
collect_ignore_glob = ["test_*.py"] if VERSION < (2, 9) else ["test_[!w]*.py"] if VERSION < (2, 34) else []

__all__ = ["calls", "client", "gemini", "logger", "loopback_server", "raw", "served", "wire"]
