"""Replacements for what google-genai does besides HTTP: waiting before retries, and looking for Google credentials.

Private names of google-genai, for which there is no public way: `_api_client` with its `time` and `asyncio` (fixed
waits of uploads and of aiohttp calls), `load_auth` and `refresh_auth`, in old versions `_load_auth` and `_refresh_auth`
(tokens, which another library gets), `BaseApiClient` (which can't be made without a key), `_use_google_auth_*`
(requests with a client certificate, which another library sends), and `_gaos.utils.retries` (waits of interactions and
agents). The waits of `HttpRetryOptions` are those of tenacity, a public class; they belong to the SDK
if it retries one of the SDK's functions.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import ssl
import time
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from google.auth.credentials import Credentials

from maxim_gemini._core.patching import Patch

from .routes import check_blocks, current_route

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from google.genai import Client

_PROJECT = "replayed-project"
_TOKEN = "replayed-token"
MADE_UP_KEY = "replayed-key"
"""The API key of clients that never send anything."""


def patches(module: ModuleType) -> Iterable[Patch]:
    """Return the patches of `google.genai._api_client`."""
    client = module.BaseApiClient
    yield Patch(module, "time", _unhurried_time)
    yield Patch(module, "asyncio", _unhurried_asyncio)
    for names in (("load_auth", "_load_auth"), ("refresh_auth", "_refresh_auth")):
        name = next((name for name in names if hasattr(module, name)), names[0])
        yield Patch(module, name, _made_up_credentials if "load" in name else _made_up_token)
    yield Patch(client, "__init__", _made_up_key)
    for name in ("_use_google_auth_sync", "_use_google_auth_async"):
        if hasattr(client, name):
            yield Patch(client, name, _without_client_certificate)
    if hasattr(module, "tenacity"):
        yield Patch(module.tenacity.wait_exponential_jitter, "__call__", _unhurried_retries)


def retry_patches(module: ModuleType) -> Iterable[Patch]:
    """Return the patches of the module that google-genai loads at the first use of interactions or agents."""
    return (Patch(module, "time", _unhurried_time), Patch(module, "asyncio", _unhurried_asyncio))


def _skips_wait(seconds: float) -> bool:
    route = current_route()
    return route is not None and seconds > 0 and route.skips_wait(seconds)


def _unhurried_retries(wait: Callable[..., float]) -> Callable[..., float]:
    def seconds_to_wait(self: object, retry_state: Any) -> float:
        seconds = wait(self, retry_state)
        owner = getattr(retry_state.fn, "__module__", "")  # an application may use tenacity itself
        return 0.0 if owner == "google.genai._api_client" and _skips_wait(seconds) else seconds

    return seconds_to_wait


class _Unhurried(ModuleType):
    """A module of the standard library as google-genai sees it, with a `sleep` that the route may skip."""

    def __init__(self, module: ModuleType, sleep: Callable[..., Any]) -> None:
        super().__init__(module.__name__)
        self._module = module
        self.sleep = sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _unhurried_time(module: ModuleType) -> ModuleType:
    def sleep(seconds: float) -> None:
        if not _skips_wait(seconds):
            time.sleep(seconds)

    return _Unhurried(module, sleep)


def _unhurried_asyncio(module: ModuleType) -> ModuleType:
    async def sleep(delay: float, result: object = None) -> Any:
        return await asyncio.sleep(0 if _skips_wait(delay) else delay, result)

    return _Unhurried(module, sleep)


class ReplayedCredentials(Credentials):
    """Made-up Google credentials: a token that no server accepts."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = _TOKEN

    def refresh(self, request: object) -> None:
        """Keep the token."""


def options_without_tls() -> dict[str, Any]:
    """Return HTTP options for a client that never connects: reading certificates takes most of the time to make one."""
    return options_with_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def options_with_tls(context: ssl.SSLContext) -> dict[str, Any]:
    """Return HTTP options for a client that uses *context* for all its connections."""
    options: dict[str, Any] = {"client_args": {"verify": context}, "async_client_args": {"verify": context}}
    base = importlib.import_module("google.genai._api_client").BaseApiClient
    if hasattr(base, "_ensure_websocket_ssl_ctx"):  # before that, httpx got all options, unsorted
        options["async_client_args"]["ssl"] = context
    return options


def close(client: Any) -> None:
    """Close the sync side of *client*, also before google-genai 1.45, which has no method for it."""
    getattr(client, "close", client._api_client._httpx_client.close)()


@contextmanager
def closing(client: Client) -> Generator[Client]:
    """Close *client* at the end of the block."""
    try:
        yield client
    finally:
        close(client)


def base_url_of(client: object) -> str | None:
    """Return the base URL of *client*, which is private in google-genai; `None` if it is not one of its clients."""
    options = getattr(getattr(client, "_api_client", None), "_http_options", None)
    return getattr(options, "base_url", None)


async def aclose(client: Any) -> None:
    """Close the async side of *client*, also before google-genai 1.45, which has no method for it."""
    if hasattr(client.aio, "aclose"):
        await client.aio.aclose()
    else:
        await client._api_client._async_httpx_client.aclose()


def _without_client_certificate(uses_google_auth: Callable[[object], bool]) -> Callable[[object], bool]:
    # With a client certificate requests go over google-auth's own session, past every library that is patched.
    def uses_google_auth_live(self: object) -> bool:
        return not _hides_credentials() and uses_google_auth(self)

    return uses_google_auth_live


def _hides_credentials() -> bool:
    route = current_route()
    return route is not None and route.hides_credentials()


def is_made_up(headers: Mapping[str, str]) -> bool:
    """Return whether a request has the made-up credentials of a replay, which no server accepts."""
    return headers.get("x-goog-api-key") == MADE_UP_KEY or headers.get("authorization") == f"Bearer {_TOKEN}"


def finds_credentials() -> bool:
    """Return whether google-genai finds credentials in the environment: a key, or the setting for Vertex."""
    return any(map(os.environ.get, ("GOOGLE_API_KEY", "GEMINI_API_KEY"))) or any(
        os.environ.get(name, "").lower() in ("true", "1")
        for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE")
    )


def _made_up_key(make: Callable[..., None]) -> Callable[..., None]:
    def make_with_a_key(self: object, *args: Any, **kwargs: Any) -> None:
        given = args or kwargs.get("api_key") or kwargs.get("vertexai")
        if not given and not finds_credentials() and _hides_credentials():
            kwargs["api_key"] = MADE_UP_KEY
        make(self, *args, **kwargs)

    return make_with_a_key


def _made_up_credentials(load_auth: Callable[..., tuple[Credentials, str]]) -> Callable[..., tuple[Credentials, str]]:
    def load_or_make_up(*, project: str | None) -> tuple[Credentials, str]:
        if _hides_credentials():
            return ReplayedCredentials(), project or _PROJECT
        return load_auth(project=project)

    return load_or_make_up


def _made_up_token(refresh_auth: Callable[[Credentials], Credentials]) -> Callable[[Credentials], Credentials]:
    def refresh_or_make_up(credentials: Any) -> Any:  # google-auth is not typed: its `token` is `None`
        if _hides_credentials():
            credentials.token = _TOKEN
            return credentials
        if current_route() is None:
            check_blocks("https://aiplatform.googleapis.com", "Getting a token for")
        return refresh_auth(credentials)

    return refresh_or_make_up
