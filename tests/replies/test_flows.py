"""Every flow runs over real HTTP, on both backends, and uses its script up."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.interactions import VERSION

from maxim_gemini.testing import GeminiServer
from maxim_gemini.testing._http.sdk import closing
from maxim_gemini.testing._replies.flows import FLOWS, Flow
from maxim_gemini.testing._replies.interaction_flows import INTERACTION_FLOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google import genai

SAID: dict[str, Any] = {
    "text": "Paris.",
    "stream": ["The quick ", "brown fox jumps ", "over the lazy dog."],
    "chat": ["Nice to meet you, Ada.", "Your name is Ada."],
    "chat_stream": [["Nice to ", "meet you, ", "Ada."], ["Your name ", "is Ada."]],
    "function_call": [{"get_weather": {"city": "Paris"}}, "It is sunny in Paris."],
    "function_call_automatic": "It is sunny in Paris.",
    "function_call_parallel": "It is sunny in Paris and in Oslo.",
    "function_call_chat": ["It is sunny in Paris.", "Then I would go for a walk."],
    "function_call_stream": ["Let me see. ", "It is sunny ", "in Paris."],
    "json_schema": {"name": "Paris", "inhabitants": 2102650},
    "image_in": "A single transparent pixel.",
    "image_out": ["Here it is. ", "image/png"],
    "thoughts": [
        [True, "**Counting**\n\nS-t-r-a-w-b-e-r-r-y: the third, eighth and ninth letter.\n"],
        [False, "Three."],
    ],
    "thoughts_stream": [
        [True, "**Reading**\n\nThe question is about letters.\n"],
        [True, "**Counting**\n\nS-t-r-a-w-b-e-r-r-y: three of them.\n"],
        [False, "There are "],
        [False, "three."],
    ],
    "blocked": "PROHIBITED_CONTENT",
    "safety": [[], "SAFETY"],
    "max_tokens": [["Once upon a time there"], "MAX_TOKENS"],
    "retry": "Paris.",
    "server_error": [500, "INTERNAL"],
    "stream_error": [["The quick ", "brown fox "], 503],
    "empty": [[], "STOP"],
    "candidates": [["Paris."], ["It is Paris."]],
    "cached": ["It is about a whale.", 2048],
    "embeddings": [[0.25, -0.5, 0.125], [0.5, 0.75, -0.25]],
    "token_count": 7,
    "code_execution": ["print(6 * 7)", "42\n"],
    "grounding": ["Paris is the capital of France.", ["https://example.com/paris"]],
    "interaction": ["completed", "Paris."],
    "interaction_stream": [
        *("interaction.created", "interaction.status_update"),
        *("step.start", "**Remembering**\n\nA pangram has every letter.\n", "step.stop"),
        *("step.start", "The quick ", "brown fox jumps ", "over the lazy dog.", "step.stop"),
        "interaction.completed",
    ],
    "interaction_chain": ["Nice to meet you, Ada.", "Your name is Ada."],
    "interaction_function_call": ["requires_action", {"get_weather": {"city": "Paris"}}, "It is sunny in Paris."],
    "interaction_server_tools": [
        [
            *("thought", "google_search_call", "google_search_result", "url_context_call", "url_context_result"),
            *("code_execution_call", "code_execution_result", "model_output"),
        ],
        "About 20,025 people live on each square kilometre of Paris.",
    ],
    "interaction_background": [["in_progress", "in_progress", "in_progress", "completed"], "It is about a whale."],
    "interaction_agent": [["in_progress", "in_progress", "in_progress", "completed"], "There are ninety."],
    "interaction_continuation": ["completed", "The quick brown fox jumps over the lazy dog."],
    "interaction_error": ["BadRequestError", 400],
    "interaction_stream_error": [
        *("interaction.created", "interaction.status_update"),
        *("step.start", "step.delta", "step.stop"),
        *("step.start", "The quick ", "brown fox ", "step.stop"),
        "error",
    ],
    "interaction_image_out": ["Here it is. ", "image/png"],
}
ALL = {**FLOWS, **INTERACTION_FLOWS}


@pytest.fixture(scope="module")
def server() -> Iterator[GeminiServer]:
    with GeminiServer(strict=False) as server:
        yield server


@pytest.fixture(scope="module")
def client_for(server: GeminiServer) -> Iterator[Callable[[Flow], genai.Client]]:
    """Make a client once for all flows that take one alike: making it is most of a flow's time."""
    clients: dict[tuple[str, int], genai.Client] = {}

    def client_for(flow: Flow) -> genai.Client:
        alike = (flow.backend, flow.attempts)
        if alike not in clients:
            clients[alike] = opened.enter_context(closing(flow.client(server.url)))
        return clients[alike]

    with ExitStack() as opened:
        yield client_for


@pytest.mark.parametrize("flow", ALL.values(), ids=lambda flow: flow.name)
def test_flow_runs_as_described_and_uses_its_script_up(flow: Flow, server: GeminiServer, client_for: Any) -> None:
    if flow.name in INTERACTION_FLOWS and VERSION < (2, 34):
        pytest.skip("this google-genai has interactions of another form, or none")
    server.reply(*flow.script)
    saw: Any = flow.play(client_for(flow))
    server.check()
    expected = SAID[flow.name.removeprefix("vertex_")]
    if flow.name in FLOWS and flow.name.endswith("stream_error") and saw[1] is None:
        pytest.xfail("this google-genai can't read an error in mid-stream")
    assert json.loads(json.dumps(saw)) == expected


def test_every_flow_is_there_on_both_backends() -> None:
    assert set(ALL) == {*SAID, *(f"vertex_{name}" for name in SAID)}
    assert {flow.backend for name, flow in ALL.items() if name.startswith("vertex_")} == {"vertex"}
    assert all(flow.description.endswith(".") for flow in ALL.values())
