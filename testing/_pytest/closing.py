"""Closing a client in the event loop that used it: an async fixture can, the sync fixture of the recorder can't."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from google.genai import Client

_ANYIO: Final = "_maxim_gemini_anyio_clients"
_ASYNCIO: Final = "_maxim_gemini_asyncio_{}_clients"
_SCOPES: Final[tuple[Literal["function", "class", "module", "package", "session"], ...]] = (
    "function",
    "class",
    "module",
    "package",
    "session",
)


def clients_to_close(request: pytest.FixtureRequest) -> list[Client]:
    """Return a list whose clients are closed when the test is over: in its event loop, if it has one."""
    name = _fixture_for(request)
    clients: list[Client] = request.getfixturevalue(name) if name else []
    return clients


def declare_fixtures(config: pytest.Config) -> None:
    """Declare a fixture for each kind of event loop that the installed plugins can give to a test."""
    module = ModuleType(f"{__name__}.declared")
    if config.pluginmanager.hasplugin("anyio"):
        setattr(module, _ANYIO, pytest.fixture(_closing()))
    if config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio

        for scope in _SCOPES:
            setattr(module, _ASYNCIO.format(scope), pytest_asyncio.fixture(_closing(), loop_scope=scope))
    config.pluginmanager.register(module, "maxim-gemini-closing")


def _fixture_for(request: pytest.FixtureRequest) -> str:
    if "anyio_backend" in request.fixturenames:
        return _ANYIO
    marker = request.node.get_closest_marker("asyncio")
    if marker is None or not request.config.pluginmanager.hasplugin("asyncio"):
        return ""
    return _ASYNCIO.format(_loop_scope(marker, request.config))


def _closing() -> Callable[[], AsyncIterator[list[Client]]]:
    # A new function each time: the decorators leave their marks on it.
    async def closing() -> AsyncIterator[list[Client]]:
        async with _closed_at_the_end() as clients:
            yield clients

    return closing


@asynccontextmanager
async def _closed_at_the_end() -> AsyncGenerator[list[Client]]:
    clients: list[Client] = []
    yield clients
    from maxim_gemini.testing._http import sdk

    for client in clients:
        await sdk.aclose(client)


def _loop_scope(marker: pytest.Mark, config: pytest.Config) -> str:
    said = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope")
    try:
        return str(said or config.getini("asyncio_default_test_loop_scope") or "function")
    except ValueError:  # pytest-asyncio has this setting since 0.26
        return "function"
