"""Every name of a library that the edge holds on to is where it was: a failure means that the library has moved."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
from typing import Any

import pytest
from support.clients import LIBRARIES, SDK_MAJOR

from maxim_gemini.testing._http import httpx as httpx_edge
from maxim_gemini.testing._http import sdk
from maxim_gemini.testing._http.blocking import PATCHES, THREADS


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "aiohttp"])
def test_the_transports_of_httpx_and_httpx2(library: str) -> None:
    module = importlib.import_module(library)
    assert parameters(module.HTTPTransport.handle_request) == ["self", "request"]
    assert parameters(module.AsyncHTTPTransport.handle_async_request) == ["self", "request"]
    assert [(p.owner, p.name) for p in httpx_edge.patches(module)] == [
        (module.HTTPTransport, "handle_request"),
        (module.AsyncHTTPTransport, "handle_async_request"),
        (module.Client, "send"),
        (module.AsyncClient, "send"),
    ]
    for client in (module.Client, module.AsyncClient):
        assert parameters(client.send)[:2] == ["self", "request"]
        assert isinstance(client.is_closed, property)
    for error in ("ReadTimeout", "ReadError", "RemoteProtocolError", "DecodingError"):
        assert issubclass(getattr(module, error), module.HTTPError)


@pytest.mark.parametrize("core", ["httpcore", "httpcore2"])
def test_the_pools_of_httpcore(core: str) -> None:
    module = pytest.importorskip(core)
    assert parameters(module.ConnectionPool.handle_request) == ["self", "request"]
    assert parameters(module.AsyncConnectionPool.handle_async_request) == ["self", "request"]
    assert issubclass(module.HTTPProxy, module.ConnectionPool)
    assert "handle_request" not in vars(module.HTTPProxy)
    assert module.URL("https://example.com:8443/x").host == b"example.com"


def test_the_adapter_of_requests() -> None:
    adapters = pytest.importorskip("requests.adapters")
    assert parameters(adapters.HTTPAdapter.send)[:2] == ["self", "request"]


def test_every_way_to_open_a_websocket_is_awaited() -> None:
    client = importlib.import_module("websockets.asyncio.client")
    assert {"uri", "additional_headers"} <= set(parameters(client.connect.__init__))
    assert "await self" in inspect.getsource(client.connect.__aenter__)
    assert "async with self" in inspect.getsource(client.connect.__aiter__)
    for module, name in (("live", "ws_connect"), ("live_music", "connect"), ("_interactions_websocket", "ws_connect")):
        if importlib.util.find_spec(f"google.genai.{module}"):
            assert getattr(importlib.import_module(f"google.genai.{module}"), name) is client.connect


def test_what_watches_a_websocket_sees_every_frame_and_the_end() -> None:
    from websockets.asyncio.client import ClientConnection
    from websockets.asyncio.connection import Connection
    from websockets.client import ClientProtocol

    assert "self.process_event(event)" in inspect.getsource(Connection.data_received)
    assert "self.recv_messages.put(event)" in inspect.getsource(Connection.process_event)
    assert parameters(ClientConnection.connection_lost) == ["self", "exc"]
    protocol = inspect.getsource(ClientProtocol.__mro__[1])
    assert all(f"self.{name}" in protocol for name in ("close_rcvd", "close_sent", "close_rcvd_then_sent"))


async def test_what_is_read_of_an_event_loop() -> None:
    loop: Any = asyncio.get_running_loop()
    timer = loop.call_later(60, print)
    ready = loop.call_soon(lambda: None)
    assert timer in loop._scheduled
    assert ready in loop._ready
    assert ready._callback is not None
    assert ready._cancelled is False
    timer.cancel()
    assert timer._cancelled
    assert loop._ssock.fileno() in loop._selector.get_map()
    assert asyncio.timeouts.Timeout.__name__ == "Timeout"


@pytest.mark.skipif("aiohttp" not in LIBRARIES, reason="aiohttp is not installed")
def test_the_connections_and_bodies_of_aiohttp() -> None:
    import aiohttp
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    from maxim_gemini.testing._http import aiohttp as aiohttp_edge

    assert [(p.owner, p.name) for p in aiohttp_edge.patches(aiohttp)] == [
        (aiohttp.BaseConnector, "connect"),
        (aiohttp.ClientResponse, "start"),
    ]
    assert parameters(aiohttp.BaseConnector.connect)[:2] == ["self", "req"]
    assert "connect" not in vars(aiohttp.TCPConnector)
    assert parameters(aiohttp.ClientResponse.start) == ["self", "connection"]
    assert parameters(aiohttp.StreamReader._wait) == ["self", "func_name"]
    assert parameters(Connection)[:4] == ["connector", "key", "protocol", "loop"]
    assert parameters(ResponseHandler) == ["loop"]
    readers = ("readany", "read", "readline", "readuntil", "readchunk", "readexactly")
    waiting = [name for name in readers if "_wait" in inspect.getsource(getattr(aiohttp.StreamReader, name))]
    assert {"readany", "read", "readuntil", "readchunk"} <= set(waiting)
    for error in ("SocketTimeoutError", "ClientOSError", "ClientPayloadError"):
        assert issubclass(getattr(aiohttp, error), aiohttp.ClientError)


def test_the_waits_and_credentials_of_google_genai() -> None:
    import time

    from google.genai import _api_client

    names = [patch.name for patch in sdk.patches(_api_client)]
    assert names[:2] == ["time", "asyncio"]
    assert {name.lstrip("_") for name in names[2:4]} == {"load_auth", "refresh_auth"}
    assert vars(_api_client)["time"] is time
    assert parameters(getattr(_api_client, names[2])) == ["project"]
    assert parameters(getattr(_api_client, names[3])) == ["credentials"]
    certificates = ["_use_google_auth_sync", "_use_google_auth_async"] if SDK_MAJOR >= 2 else []
    assert {"vertexai", "api_key"} <= set(parameters(_api_client.BaseApiClient.__init__))
    assert names[4:] == ["__init__", *certificates, *(["__call__"] if SDK_MAJOR >= 2 else [])]
    if SDK_MAJOR >= 2:
        assert "wait_exponential_jitter" in inspect.getsource(_api_client.retry_args)


def test_a_retry_of_google_genai_is_recognised_by_its_function() -> None:
    from google.genai import _api_client

    for name in ("_request_once", "_async_request_once"):
        if function := getattr(_api_client.BaseApiClient, name, None):
            assert function.__module__ == "google.genai._api_client"


@pytest.mark.skipif(SDK_MAJOR < 3, reason="it is another part before google-genai 3")
def test_the_late_part_of_google_genai() -> None:
    retries = importlib.import_module("google.genai._gaos.utils.retries")
    assert [(patch.owner, patch.name) for patch in sdk.retry_patches(retries)] == [
        (retries, "time"),
        (retries, "asyncio"),
    ]
    assert "time.sleep(" in inspect.getsource(retries)
    assert "asyncio.sleep(" in inspect.getsource(retries)


@pytest.mark.parametrize(("module", "patches_of"), [*PATCHES._libraries.items(), *THREADS._libraries.items()])
def test_what_is_patched_is_where_it_was(module: str, patches_of: Any) -> None:
    library = pytest.importorskip(module, reason="not part of this version, or not installed")
    patches = [*patches_of(library)]
    assert patches
    for patch in patches:
        inspect.getattr_static(patch.owner, patch.name)


def test_where_a_client_sends_to_is_known() -> None:
    from google import genai

    client = genai.Client(api_key="any", http_options={"base_url": "http://127.0.0.1:1"})
    assert sdk.base_url_of(client) == "http://127.0.0.1:1"
    sdk.close(client)
    assert sdk.base_url_of(object()) is None
