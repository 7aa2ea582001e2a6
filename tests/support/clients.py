"""google-genai clients over each HTTP library that is installed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, Literal

from google import genai

Library = Literal["httpx2", "httpx", "aiohttp"]

SDK_MAJOR = int(genai.__version__.partition(".")[0])


def _sdk_supports(library: str) -> bool:
    api_client = importlib.import_module("google.genai._api_client")
    return bool(api_client.has_aiohttp) if library == "aiohttp" else SDK_MAJOR >= 3 or library == "httpx"


LIBRARIES: tuple[str, ...] = tuple(
    name for name in ("httpx2", "httpx", "aiohttp") if importlib.util.find_spec(name) and _sdk_supports(name)
)
"""What google-genai can stand on here."""

SYNC_LIBRARIES = tuple(name for name in LIBRARIES if name != "aiohttp")


def client_over(library: str, base_url: str | None = None, **options: Any) -> genai.Client:
    """Return a client for the Developer API that uses *library*, sync (aiohttp has no sync side) and async."""
    http_options: dict[str, Any] = {"base_url": base_url, **options} if base_url else options
    if library != "aiohttp":
        transports = importlib.import_module(library)
        http_options |= {
            "client_args": {"transport": transports.HTTPTransport()},
            "async_client_args": {"transport": transports.AsyncHTTPTransport()},
        }
    return genai.Client(api_key="test-key", http_options=http_options)  # type: ignore[arg-type]
