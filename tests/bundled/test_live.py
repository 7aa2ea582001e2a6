"""The bundled live sessions: each plays to the same messages and the same trace."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.clients import SDK_MAJOR

from maxim_gemini.testing import GeminiRecorder, GeminiServer, cassettes
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._replies.live_flows import LIVE_FLOWS

if TYPE_CHECKING:
    from maxim_gemini.testing._replies.flows import Flow

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = bool(os.environ.get("UPDATE_SNAPSHOTS"))
HAS_LIVE_INTERACTIONS = hasattr(genai, "_interactions_websocket") or (
    Path(genai.__file__).with_name("_interactions_websocket.py").exists()
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*(experimental|Experimental).*")


def flows() -> list[Any]:
    missing = pytest.mark.skipif(not HAS_LIVE_INTERACTIONS, reason="this google-genai has no live interactions")
    return [pytest.param(name, marks=missing if name == "interaction_live" else ()) for name in LIVE_FLOWS]


def test_each_says_where_it_came_from() -> None:
    for name, flow in LIVE_FLOWS.items():
        head = Cassette.load(cassettes.path(name)).head
        assert (head.description, head.source) == (flow.description, "loopback")


@pytest.mark.parametrize("name", flows())
def test_it_plays_to_the_same_trace(name: str) -> None:
    seen = played(LIVE_FLOWS[name])
    path = SNAPSHOTS / f"{name}.json"
    if UPDATE:
        path.write_text(json.dumps(seen, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    expected = json.loads(path.read_text(encoding="utf-8"))
    assert seen["seen"] == expected["seen"]
    if SDK_MAJOR >= 3:  # older versions write the declarations of functions otherwise
        assert seen["trace"] == expected["trace"]


@pytest.mark.parametrize("name", flows())
def test_its_program_sees_the_same_on_the_server(name: str) -> None:
    flow = LIVE_FLOWS[name]
    with GeminiServer(*flow.script) as server:
        live = flow.play(flow.client(server.url))
    assert json.loads(json.dumps(live)) == json.loads((SNAPSHOTS / f"{name}.json").read_text())["seen"]


def played(flow: Flow) -> dict[str, Any]:
    """Return what the program saw, and what Maxim would have received."""
    with GeminiRecorder(cassettes.path(flow.name), strict=True) as recorder:
        client: Any = recorder.client
        seen = flow.play(client)
    recorder.logger.assert_complete()
    record: dict[str, Any] = json.loads(json.dumps({"seen": seen, "trace": recorder.logger.snapshot()}, default=str))
    return record
