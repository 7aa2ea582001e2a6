"""google-genai clients over each HTTP library that is installed."""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from google import genai
from google.genai import types

from maxim_gemini.testing._http.sdk import aclose, close, closing, options_without_tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

SDK_MAJOR = int(genai.__version__.partition(".")[0])


def _sdk_supports(library: str) -> bool:
    api_client = importlib.import_module("google.genai._api_client")
    return bool(api_client.has_aiohttp) if library == "aiohttp" else SDK_MAJOR >= 3 or library == "httpx"


LIBRARIES: tuple[str, ...] = tuple(
    name for name in ("httpx2", "httpx", "aiohttp") if importlib.util.find_spec(name) and _sdk_supports(name)
)
"""What google-genai can stand on here."""

SYNC_LIBRARIES = tuple(name for name in LIBRARIES if name != "aiohttp")

EDGES = tuple(
    (library, is_async) for library in LIBRARIES for is_async in (False, True) if is_async or library in SYNC_LIBRARIES
)
"""Every way to make a call: over which library, and whether async."""

EDGE_IDS = [f"{library}-{'async' if is_async else 'sync'}" for library, is_async in EDGES]


def client_over(library: str, base_url: str | None = None, **options: Any) -> genai.Client:
    """Return a client for the Developer API that uses *library*, sync (aiohttp has no sync side) and async."""
    http_options: dict[str, Any] = {"base_url": base_url, **options} if base_url else dict(options)
    http_options |= options_without_tls()
    if library != "aiohttp":
        transports = importlib.import_module(library)
        http_options["client_args"]["transport"] = transports.HTTPTransport(verify=False)
        http_options["async_client_args"]["transport"] = transports.AsyncHTTPTransport(verify=False)
    return genai.Client(api_key="test-key", http_options=http_options)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(library: str, base_url: str | None = None, **options: Any) -> AsyncIterator[genai.Client]:
    """Hold a client as `client_over` makes it, and close both its sides."""
    client = client_over(library, base_url, **options)
    try:
        yield client
    finally:
        await closed(client)


def asking(base_url: str | None = None, **options: Any) -> AbstractContextManager[genai.Client]:
    """Hold a client as users make it, for sync calls, and close it."""
    return closing(genai.Client(api_key="any", http_options=types.HttpOptions(base_url=base_url, **options)))


async def closed(client: genai.Client) -> None:
    """Close both sides of *client*."""
    await aclose(client)
    close(client)
