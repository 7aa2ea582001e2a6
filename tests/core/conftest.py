from __future__ import annotations

from support.maxim_ends import wire
from support.wrapped import client, gemini, logger, loopback_server, raw, side

__all__ = ["client", "gemini", "logger", "loopback_server", "raw", "side", "wire"]
