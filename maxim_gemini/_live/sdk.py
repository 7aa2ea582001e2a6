"""The one place that leans on the inner workings of google-genai's Live API.

`tests/live/test_sdk.py` fails when they move.

- A session has its websocket as `_ws`, and calls no more of it than `send(text)`, `recv()` and `close()`.
- `connect` sends the headers of `_api_client`, which has them in `_http_options`.

The session that the application gets is the SDK's own, with its own websocket: two of that one's methods take note of
what passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.genai.live import AsyncLive, ConnectionClosed

from .._core.headers import has_labels, without_labels

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["AsyncLive", "headers_of", "unlabelled", "watch"]


def watch(session: Any, recording: Recording) -> None:
    """Show *recording* what goes over the websocket of *session*; what has none, a mock perhaps, stays as it is."""
    socket = getattr(session, "_ws", None)
    if socket is None:
        return
    send, receive = socket.send, socket.recv

    async def sending(message: Any, *args: Any, **kwargs: Any) -> Any:
        recording.sent(message)
        try:
            return await send(message, *args, **kwargs)
        except ConnectionClosed as error:
            _note_close(error, recording)
            raise

    async def receiving(*args: Any, **kwargs: Any) -> Any:
        try:
            frame = await receive(*args, **kwargs)
        except ConnectionClosed as error:
            _note_close(error, recording)
            raise
        recording.received(frame)
        return frame

    socket.send, socket.recv = sending, receiving


def _note_close(error: ConnectionClosed, recording: Recording) -> None:
    close = error.rcvd or error.sent
    code, reason = (close.code, close.reason) if close else (1006, "")
    recording.closed(code, reason, is_clean=code in (1000, 1001))


def headers_of(live: Any) -> Any:
    """Return the headers that the client of *live* sends with every request."""
    return getattr(getattr(getattr(live, "_api_client", None), "_http_options", None), "headers", None)


def unlabelled(live: Any) -> Any:
    """Return *live* without `x-maxim-*` headers of its client; the very same where there are none."""
    if type(live) is not AsyncLive or not has_labels(headers_of(live)):
        return live
    client: Any = live._api_client
    quiet = object.__new__(_quiet(client.__class__))
    quiet.__dict__ = client.__dict__  # not a copy: what one of them keeps, the other has
    stand_in = object.__new__(AsyncLive)
    stand_in.__dict__ = {**vars(live), "_api_client": quiet}
    return stand_in


def _quiet(kind: Any) -> Any:
    """Return an API client's class that is the same except that it does not send `x-maxim-*` headers."""

    class Quiet(kind):  # type: ignore[misc]
        @property
        def _http_options(self) -> Any:
            return without_labels({"http_options": vars(self)["_http_options"]})["http_options"]

        def __del__(self) -> None:
            """Close nothing: all that it holds is the user's."""

    return Quiet
