from __future__ import annotations

from support.wrapped import client, gemini, logger, loopback_server, raw, side

__all__ = ["client", "gemini", "logger", "loopback_server", "raw", "side"]
