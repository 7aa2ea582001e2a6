"""websockets, which the Live API, `live.music` and `interactions.connect` go over.

Patched: `connect.__await__`, through which every way of opening a connection goes (`await`, `async with`,
`async for`), whoever imported `connect` and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maxim_gemini.testing.exceptions import TestKitError

from .patching import Patch
from .routes import check_blocks, route_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import ModuleType


def patches(module: ModuleType) -> Iterable[Patch]:
    """Return what is patched in `websockets.asyncio.client`."""
    return (Patch(module.connect, "__await__", _routing),)


def _routing(connect: Callable[[Any], Generator[Any, None, Any]]) -> Callable[[Any], Generator[Any, None, Any]]:
    def connect_routed(self: Any) -> Generator[Any, None, Any]:
        given: dict[str, str] = dict(self.additional_headers or ())
        headers = {name.lower(): value for name, value in given.items()}
        try:
            if route := route_for("websockets", self.uri, headers):
                route.opens_websocket(self.uri)
            else:
                check_blocks(self.uri, "A websocket to")
        except TestKitError as error:
            error.__class__ = _shown_by_interactions(error.__class__)
            raise
        return connect(self)

    return connect_routed


def _shown_by_interactions(error: type[TestKitError]) -> type[TestKitError]:
    # `interactions.connect` replaces every error by one that says nothing, but for a `ValueError`.
    return type(error.__name__, (error, ValueError), {"__module__": error.__module__, "__doc__": error.__doc__})
