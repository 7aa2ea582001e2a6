"""The bundled recordings: where they come from, and that each plays everywhere to the same trace."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import types
from support.blocking import Blocking
from support.clients import EDGE_IDS, EDGES, SDK_MAJOR, closed
from support.interactions import VERSION

from maxim_gemini.testing import GeminiRecorder, cassettes, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cli.record import flows
from maxim_gemini.testing._http.sdk import ReplayedCredentials, options_without_tls
from maxim_gemini.testing._replies.interaction_flows import INTERACTION_FLOWS
from maxim_gemini.testing._replies.interaction_writing import write_interaction
from maxim_gemini.testing._replies.live_flows import LIVE_FLOWS
from maxim_gemini.testing._replies.render import write
from maxim_gemini.testing._replies.request import GeminiRequest
from maxim_gemini.testing.exceptions import CassetteNotFound

if TYPE_CHECKING:
    from maxim_gemini.testing._replies.flows import Flow

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = bool(os.environ.get("UPDATE_SNAPSHOTS"))
FLOWS = {name: flow for name, flow in flows().items() if name not in LIVE_FLOWS}
_OTHERWISE = {"response_id", "parameters", "parameters_json_schema", "response_json_schema"}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:google")


def test_the_vocabulary_can_say_each_answer_again() -> None:
    """What real servers said is told apart, where their recordings are at hand."""
    again = []
    for name in FLOWS:
        for interaction in Cassette.load(cassettes.path(name)).interactions:
            asked, answer = interaction.request, interaction.response
            request = GeminiRequest.of(asked.method, asked.uri, asked.headers.items(), asked.body)
            if request.generates or request.interaction_call:
                parsed = reply.parse(answer.body, status=answer.status, backend=request.backend)
                written = write(parsed, request) if request.generates else write_interaction(parsed, request)
                assert (name, written.status, written.body) == (name, answer.status, answer.body)
                again.append(name)
    assert len(again) > len(FLOWS) > 50


def test_there_is_one_for_every_flow_and_no_other() -> None:
    assert cassettes.names() == sorted(flows())


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_it_says_where_it_came_from(name: str) -> None:
    cassette = Cassette.load(cassettes.path(name))
    head = cassette.head
    assert head.description == FLOWS[name].description
    assert re.fullmatch(r"google-genai \d+\.\d+\.\d+", head.sdk)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", head.recorded_at)
    hosts = {interaction.request.host for interaction in cassette.interactions}
    if head.source == "loopback":
        assert hosts == {"127.0.0.1"}
    else:
        assert head.source == "live"
        assert all(host and host.endswith("googleapis.com") for host in hosts)


@pytest.mark.parametrize(("library", "is_async"), EDGES, ids=EDGE_IDS)
@pytest.mark.parametrize("name", sorted(FLOWS))
def test_it_plays_to_the_same_trace(name: str, library: str, is_async: bool) -> None:
    if reason := _cannot(FLOWS[name]):
        pytest.skip(reason)
    seen = played(FLOWS[name], library, is_async=is_async)
    path = SNAPSHOTS / f"{name}.json"
    if UPDATE:
        path.write_text(json.dumps(seen, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert _readable(seen) == _readable(json.loads(path.read_text(encoding="utf-8")))


def _cannot(flow: Flow) -> str:
    """Return why this version of google-genai can't run *flow* as it was recorded."""
    kind = flow.name.removeprefix("vertex_")
    if flow.name in INTERACTION_FLOWS and VERSION < (2, 34):
        return "this google-genai has interactions of another form, or none"
    if kind == "retry" and not hasattr(types, "HttpRetryOptions"):
        return "this google-genai does not retry"
    if kind == "stream_error" and SDK_MAJOR == 1:
        return "google-genai before 1.34 can't read an error in mid-stream"
    if kind == "function_call_stream" and SDK_MAJOR == 1:
        return "google-genai 1 does not send the text before a streamed function call back"
    if flow.name == "vertex_embeddings" and SDK_MAJOR < 3:
        return "google-genai before 3 asks Vertex for embeddings by another method"
    return ""


def _readable(value: Any) -> Any:
    """Leave out what google-genai 1 says otherwise: it reads no response ids, and writes schemas as Gemini's own."""
    if SDK_MAJOR > 1 or not isinstance(value, dict | list):
        return value
    if isinstance(value, list):
        return [_readable(item) for item in value]
    readable = {key: _readable(item) for key, item in value.items() if key not in _OTHERWISE}
    return {key: item for key, item in readable.items() if not (key == "id" and "choices" in readable)}


def played(flow: Flow, library: str, *, is_async: bool) -> dict[str, Any]:
    """Return what the program saw, and what Maxim would have received."""
    client = client_for(flow, library)
    # A runner's tasks see the context variables of where it was entered: the recorder first.
    with GeminiRecorder(cassettes.path(flow.name), client=client, strict=True) as recorder, asyncio.Runner() as runner:
        wrapped: Any = Blocking(recorder.client.aio, runner) if is_async else recorder.client
        seen = flow.play(wrapped)
        runner.run(closed(client))
    recorder.logger.assert_complete()
    record: dict[str, Any] = json.loads(json.dumps({"seen": seen, "trace": recorder.logger.snapshot()}, default=str))
    return record


def client_for(flow: Flow, library: str) -> genai.Client:
    options = options_without_tls()
    if library != "aiohttp":
        transports = importlib.import_module(library)
        options["client_args"]["transport"] = transports.HTTPTransport(verify=False)
        options["async_client_args"]["transport"] = transports.AsyncHTTPTransport(verify=False)
    if flow.attempts > 1:
        options["retry_options"] = types.HttpRetryOptions(attempts=flow.attempts, initial_delay=0.01)
    if flow.backend == "gemini":
        return genai.Client(api_key="any-key", http_options=types.HttpOptions(**options))
    credentials: Any = ReplayedCredentials()
    return genai.Client(
        vertexai=True,
        project="my-project",
        location="us-central1",
        credentials=credentials,
        http_options=types.HttpOptions(**options),
    )


def test_a_name_that_is_not_there_is_one_error_with_the_nearest_names() -> None:
    with pytest.raises(CassetteNotFound, match=r"no bundled cassette is called 'chat_steam': did you mean chat_stream"):
        cassettes.path("chat_steam")
    with pytest.raises(CassetteNotFound, match="`maxim-gemini cassettes list` shows"):
        cassettes.path("zzz")
