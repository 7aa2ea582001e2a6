"""respx routers side by side: ours leave to others what is theirs, and let through what no router takes.

The only file that touches what respx does not publish: the list of routers in use, and a mocker of our own for
httpcore2, which httpx2 stands on. respx itself only knows httpcore and httpx. Its mockers are found by name, and a
second one of the same name is an error, so a registration of another plugin is taken as it is.
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
    """A router that passes on what it has no route for: to the other routers, and where these are ours, too, through.

    A router of another tool decides what becomes of a request that no router knows.
    """

    def handler(self, request: httpx.Request) -> httpx.Response:
        """Answer *request* by the first route that wants it."""
        try:
            return super().handler(request)
        except AllMockedAssertionError as error:
            raise self._passing(request) or error from None
        except TestKitError as error:
            raise error from None  # without respx's own error, which says less

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """Answer *request* by the first route that wants it."""
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
    """Return respx's mocker of that name; make httpcore2's where there is none."""
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
