"""The only module that uses private names of google-genai's Live API.

`tests/live/test_sdk.py` fails when they change.

- A session has its websocket as `_ws`, and calls no more of it than `send(text)`, `recv()` and `close()`.
- `connect` sends the headers of `_api_client`, which has them in `_http_options`.

The application gets the SDK's own session with its own websocket. Only two methods of the websocket are replaced, to
record its frames.
"""

from __future__ import annotations

from typing import Any

from google.genai.live import AsyncLive, ConnectionClosed

from .._core.headers import has_labels, without_labels

__all__ = ["AsyncLive", "ConnectionClosed", "headers_of", "unlabelled", "websocket_of"]


def websocket_of(session: Any) -> Any:
    """Return the websocket of *session*; `None` if it has none, as a mock."""
    return getattr(session, "_ws", None)


def headers_of(live: Any) -> Any:
    """Return the headers that the client of *live* sends with every request."""
    return getattr(getattr(getattr(live, "_api_client", None), "_http_options", None), "headers", None)


def unlabelled(live: Any) -> Any:
    """Return *live*, or a copy that does not send `x-maxim-*` headers if its client has any."""
    if type(live) is not AsyncLive or not has_labels(headers_of(live)):
        return live
    client: Any = vars(live)["_api_client"]
    quiet = object.__new__(_quiet(client.__class__))
    quiet.__dict__ = client.__dict__  # shared, not copied: each must see what the other one sets
    stand_in = object.__new__(AsyncLive)
    stand_in.__dict__ = {**vars(live), "_api_client": quiet}
    return stand_in


def _quiet(kind: Any) -> Any:
    """Return a subclass of an API client's class that does not send `x-maxim-*` headers."""

    class Quiet(kind):  # type: ignore[misc]
        @property
        def _http_options(self) -> Any:
            return without_labels({"http_options": vars(self)["_http_options"]})["http_options"]

        def __del__(self) -> None:
            """Close nothing: the connections belong to the application's client."""

    return Quiet
