"""requests, which google-genai uses with a client certificate. It is not recorded, but blocks refuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maxim_gemini._core.patching import Patch

from .routes import check_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType


def patches(module: ModuleType) -> Iterable[Patch]:
    """Return the patches of `requests.adapters`."""
    return (Patch(module.HTTPAdapter, "send", _checked, below_others=True),)


def _checked(send: Callable[..., Any]) -> Callable[..., Any]:
    def checked_send(self: object, request: Any, *args: Any, **kwargs: Any) -> Any:
        check_blocks(request.url)
        return send(self, request, *args, **kwargs)

    return checked_send
