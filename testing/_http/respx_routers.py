"""Use respx routers beside those of other tools: ours pass requests on that they have no route for.

The only file that uses private names of respx: the list of routers in use, and the base of a mocker for httpcore2, on
which httpx2 is based. respx itself only knows httpcore and httpx. Mockers are registered by name, and a second one with
the same name is an error, so a mocker that another plugin has registered is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import respx
from respx.mocks import HTTPCoreMocker, Mocker
from respx.models import AllMockedAssertionError, PassThrough

from maxim_gemini.testing.exceptions import TestKitError

if TYPE_CHECKING:
    import httpx


class Router(respx.MockRouter):
    """A router that passes requests without a route on: to other tools' routers, or to the network.

    A router of another tool decides about requests that no router has a route for.
    """

    def handler(self, request: httpx.Request) -> httpx.Response:
        """Answer *request* by the first route that matches."""
        try:
            return super().handler(request)
        except AllMockedAssertionError as error:
            raise self._passing(request) or error from None
        except TestKitError as error:
            raise error from None  # without respx's own error, which says less

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """Answer *request* by the first route that matches."""
        try:
            return await super().async_handler(request)
        except AllMockedAssertionError as error:
            raise self._passing(request) or error from None
        except TestKitError as error:
            raise error from None  # without respx's own error, which says less

    def _passing(self, request: httpx.Request) -> PassThrough | None:
        routers = self.Mocker.routers if self.Mocker else []
        is_last = routers[-1:] == [self] and all(isinstance(router, Router) for router in routers)
        return PassThrough("no router takes it", request=request, origin=self.routes[0]) if is_last else None


def register(core: str) -> type[Mocker]:
    """Return respx's mocker with that name; make the one for httpcore2 if there is none."""
    if core in Mocker.registry:
        return Mocker.registry[core]
    library = importlib.import_module(core)

    def from_sync_httpx_response(cls: object, /, httpx_response: httpx.Response, target: object, **_: Any) -> Any:
        return library.Response(
            status=httpx_response.status_code,
            headers=httpx_response.headers.raw,
            content=httpx_response.stream,
            extensions=httpx_response.extensions,
        )

    targets = [target.replace("httpcore.", f"{core}.", 1) for target in HTTPCoreMocker.targets]
    body: dict[str, Any] = {
        "name": core,
        "targets": targets,
        "from_sync_httpx_response": classmethod(from_sync_httpx_response),
    }
    return type("HTTPCore2Mocker", (HTTPCoreMocker,), body)
