"""Closing a client in the event loop that used it: an async fixture can, the sync fixture of the recorder can't."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from google.genai import Client


def clients_to_close(request: pytest.FixtureRequest) -> list[Client]:
    """Return a list whose clients are closed when the test is over: in its event loop, if it has one."""
    if "anyio_backend" in request.fixturenames:
        return _clients(request, "maxim_gemini_anyio_clients", pytest.fixture)
    marker = request.node.get_closest_marker("asyncio")
    if marker is not None and request.config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio

        scope: Any = _loop_scope(marker, request.config)
        name = f"maxim_gemini_asyncio_clients_{scope}"
        return _clients(request, name, lambda function: pytest_asyncio.fixture(function, loop_scope=scope))
    return []


def _clients(request: pytest.FixtureRequest, name: str, as_fixture: Callable[[Any], Any]) -> list[Client]:
    # Declared where it is first wanted, in a plugin that holds nothing else: the runs that never get here pay nothing.
    manager = request.config.pluginmanager
    if not manager.hasplugin(name):
        module = ModuleType(name)
        setattr(module, name, as_fixture(_closing()))
        manager.register(module, name)
    clients: list[Client] = request.getfixturevalue(name)
    return clients


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
    from maxim_gemini.testing.edge import sdk

    for client in clients:
        await sdk.aclose(client)


def _loop_scope(marker: pytest.Mark, config: pytest.Config) -> str:
    said = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope")
    try:
        return str(said or config.getini("asyncio_default_test_loop_scope") or "function")
    except ValueError:  # pytest-asyncio has this setting since 0.26
        return "function"
