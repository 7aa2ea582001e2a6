"""`maxim-gemini serve`: a Gemini server on this machine for programs in any language."""

from __future__ import annotations

import runpy
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing import GeminiServer, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing.exceptions import TestKitError

from . import console
from .cassettes import named

if TYPE_CHECKING:
    from pathlib import Path

    from maxim_gemini.testing._json_types import JsonDict

_LOOK = 0.1
"""Seconds between two checks for new requests."""


TEXT: Final = "Hello from maxim-gemini."
"""The answer if there is no cassette, script or text."""


def run_server(
    *, cassette: str | None, script: Path | None, text: str | None, pace: str | None, host: str, port: int, tls: bool
) -> None:
    """Serve until interrupted. The first line on stdout is the address; the requests go to stderr."""
    sources = {"--cassette": cassette, "--script": script, "--text": text}
    given = [option for option, value in sources.items() if value is not None]
    if len(given) > 1:
        raise TestKitError(f"{' and '.join(given)} can't be used together: choose one source of answers")
    if pace is not None and cassette is None:
        raise TestKitError(f"--pace {pace} needs a --cassette: only a cassette has a pace")
    server = _server(cassette=cassette, script=script, text=text, pace=pace, host=host, port=port, tls=tls)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with server:
        console.plain(server.url)
        trusted = f"SSL_CERT_FILE={server.ca_file} " if tls else ""
        console.note(f"{trusted}GOOGLE_GEMINI_BASE_URL={server.url} GEMINI_API_KEY=any  (Ctrl-C stops)")
        seen = failed = 0
        try:
            while True:
                time.sleep(_LOOK)
                seen = _log(server, seen)
                failed = _log_errors(server, failed)
        except KeyboardInterrupt:
            seen = _log(server, seen)
            _log_errors(server, failed)
            console.note(f"{seen} requests answered")


def _server(
    *, cassette: str | None, script: Path | None, text: str | None, pace: Any, host: str, port: int, tls: bool
) -> GeminiServer:
    address: JsonDict = {"host": host, "port": port, "tls": tls, "strict": False}
    if cassette is not None:
        # An application that is started again sends the same requests again.
        recording = Cassette.load(named(cassette), allow_playback_repeats=True)
        return GeminiServer(cassette=recording, pace=pace or "instant", **address)
    if script is not None:
        return GeminiServer(*_replies(script), **address)
    server = GeminiServer(**address)
    server.always(reply.text(TEXT if text is None else text))
    return server


def _replies(script: Path) -> list[Any]:
    try:
        names = runpy.run_path(str(script))
    except Exception as error:
        raise TestKitError(f"{script}: {type(error).__name__}: {error}") from None
    replies = names.get("replies")
    if not isinstance(replies, list | tuple):
        raise TestKitError(f"{script}: expected a list, `replies = [reply.text(...), ...]`")
    return [*replies]  # pyright: ignore[reportUnknownVariableType]


def _log_errors(server: GeminiServer, seen: int) -> int:
    """Print the errors after the first *seen* completely: the close of a websocket only has room for a few words."""
    errors = server.errors
    for error in errors[seen:]:
        console.note(str(error))
    return len(errors)


def _log(server: GeminiServer, seen: int) -> int:
    """Print the requests after the first *seen*; return the number of all."""
    log = server.log
    count = log.count
    for request in log.since(seen):
        line = f"{request.method} {request.path}  {request.text}"
        console.note(line if len(line) < 200 else f"{line[:199]}…")
    return count
