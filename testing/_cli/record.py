"""`maxim-gemini cassettes record`: record flows from the server on this machine, or from the real API."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Final, cast

from maxim_gemini.testing import GeminiRecorder, GeminiServer, cassettes, reply
from maxim_gemini.testing._cassette.scrubbing import Scrubber
from maxim_gemini.testing._http.sdk import closing
from maxim_gemini.testing._replies.flows import FLOWS, Flow
from maxim_gemini.testing._replies.interaction_flows import INTERACTION_FLOWS
from maxim_gemini.testing._replies.live_flows import LIVE_FLOWS
from maxim_gemini.testing.exceptions import TestKitError

from . import console, demo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from google.genai import Client

    from maxim_gemini import MaximGeminiClient

_NOT_AT_WILL: Final = frozenset(
    {
        *("blocked", "empty", "retry", "safety", "server_error", "stream_error"),
        *("interaction_continuation", "interaction_stream_error"),
        *("live_resumption", "live_closed", "live_interruption", "interaction_live"),
    }
)
"""Flows that the real API can't be made to do."""

_SLOW: Final = frozenset({"interaction_agent", "interaction_background"})
"""Flows that take minutes on the real API, because they poll it."""

_BETWEEN_PIECES: Final = 0.03
"""Seconds between the pieces of the demo's answer, so that you see it arrive."""

_AT_ONCE: Final = 4
"""Flows that are recorded at the same time; on the real API one by one, because it limits requests per minute."""

_LOOPBACK_PORT: Final = re.compile(r"(?<=://127\.0\.0\.1):\d+")


class _Portless(Scrubber):
    """A scrubber that also removes the server's port, which differs each time."""

    def address(self, uri: str) -> str:
        """Return *uri* without secrets and port."""
        return _LOOPBACK_PORT.sub("", super().address(uri))


def flows() -> dict[str, Flow]:
    """Return all flows to record, by name: those of the table, and the demo."""
    pieces = (reply.stream(piece) + reply.wait(_BETWEEN_PIECES) for piece in demo.PIECES)
    script = (reply.function_call("get_weather", city="Kyiv"), reduce(add, pieces))

    def play(client: Client) -> list[str]:
        return list(demo.conversation(cast("MaximGeminiClient", client)))  # the demo talks to either

    return {
        **FLOWS,
        **INTERACTION_FLOWS,
        **LIVE_FLOWS,
        demo.CASSETTE: Flow(demo.CASSETTE, demo.DESCRIPTION, script, play),
    }


def record(names: Sequence[str], *, live: bool, folder: Path | None, as_json: bool) -> int:
    """Record the flows *names* into *folder* and print the state of each; return 1 if one failed."""
    known = flows()
    if unknown := [name for name in names if name not in known]:
        raise TestKitError(f"there is no flow {unknown[0]!r}; choose from {', '.join(sorted(known))}")
    chosen = [known[name] for name in names] or [*known.values()]
    if live and not (_on_vertex() or any(map(os.environ.get, ("GEMINI_API_KEY", "GOOGLE_API_KEY")))):
        raise TestKitError("--live needs a key: set GEMINI_API_KEY, or GOOGLE_GENAI_USE_VERTEXAI with your project")
    target = folder or cassettes.FOLDER

    def state(flow: Flow) -> str:
        return _recorded(flow, target / f"{flow.name}.yaml", live=live)

    with ThreadPoolExecutor(1 if live else _AT_ONCE) as pool:
        states = {
            flow.name: result
            for flow, result in zip(
                chosen, console.progress(pool.map(state, chosen), "recording", len(chosen)), strict=True
            )
        }
    if as_json:
        console.show_json(states)
    else:
        console.show_states(states, f"{target}: ")
    return 1 if any(state.startswith("failed") for state in states.values()) else 0


def _recorded(flow: Flow, path: Path, *, live: bool) -> str:
    if live and (reason := _not_live(flow)):
        return f"skipped: {reason}"
    before = path.read_bytes() if path.is_file() else None
    try:
        _record_live(flow, path) if live else _record_loopback(flow, path)
    except Exception as error:
        # Whatever fails here, the other flows go on.
        return f"failed: {type(error).__name__}: {error}"
    return "unchanged" if path.read_bytes() == before else "recorded"


def _record_loopback(flow: Flow, path: Path) -> None:
    with (
        GeminiServer(*flow.script) as server,
        _recorder(flow, path, server.url),
        closing(flow.client(server.url)) as client,
    ):
        flow.play(client)


def _record_live(flow: Flow, path: Path) -> None:
    from google.genai import Client

    key = os.environ.get("GEMINI_API_KEY") or os.environ.get("GOOGLE_API_KEY")
    client = Client(vertexai=True) if flow.backend == "vertex" else flow.client(api_key=key or "")
    # Only the recorder knows whether it is live: the environment may point to another host.
    with closing(client), _recorder(flow, path, os.environ.get("GOOGLE_GEMINI_BASE_URL")):
        flow.play(client)


def _recorder(flow: Flow, path: Path, base_url: str | None) -> GeminiRecorder:
    scrubber = _Portless.from_environment(also=((_LOOPBACK_PORT, ""),))
    return GeminiRecorder(
        path,
        record="rewrite",
        description=flow.description,
        base_url=base_url,
        cassette_options={"scrubber": scrubber},
    )


def _not_live(flow: Flow) -> str:
    if flow.name.removeprefix("vertex_") in _NOT_AT_WILL:
        return "the real API can't be made to do this"
    if flow.name.removeprefix("vertex_") in _SLOW:
        return "it takes minutes on the real API"
    if (flow.backend == "vertex") != _on_vertex():
        return "the environment is set for the other backend"
    return ""


def _on_vertex() -> bool:
    return os.environ.get("GOOGLE_GENAI_USE_VERTEXAI", "").lower() in ("1", "true")
