"""What the strategies generate for interactions is taken by the real SDK, plain and as streams."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from hypothesis import HealthCheck, Phase, given, settings
from support.interactions import needs_interactions, shown

from maxim_gemini.testing import GeminiMock, strategies
from maxim_gemini.testing._http.sdk import closing
from maxim_gemini.testing._replies.interaction_writing import interaction_misfit
from maxim_gemini.testing._replies.model import Disconnect, Failure, InteractionEvent, InteractionStep, KeepAlive
from maxim_gemini.testing._replies.request import GeminiRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing.reply import Reply

MODEL = "gemini-3.8-flash"
REQUEST = GeminiRequest.of("POST", "https://generativelanguage.googleapis.com/v1/interactions", (), b"{}")

BROKEN = strategies.interaction_streams(broken=True)

quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
pytestmark = [
    needs_interactions,
    # pydantic says so of values that the SDK does not know, as they are written out.
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
]


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    with closing(genai.Client(api_key="any")) as client:
        yield client


@quick
@given(answer=strategies.interactions())
def test_the_sdk_reads_every_interaction(client: genai.Client, answer: Reply) -> None:
    with GeminiMock(answer):
        interaction: Any = client.interactions.create(model=MODEL, input="hi")
        got = client.interactions.get(id=interaction.id)
    older = answer.interaction is not None and answer.interaction.schema == "outputs"
    assert older or interaction.output_text == got.output_text
    assert shown(interaction).get("status") == shown(got).get("status")


@quick
@given(answer=strategies.interaction_streams())
def test_the_sdk_reads_every_stream_to_its_end(client: genai.Client, answer: Reply) -> None:
    with GeminiMock(answer):
        events: list[Any] = list(client.interactions.create(model=MODEL, input="hi", stream=True))
    assert len(events) >= 3
    last = events[-1]
    name = (
        getattr(last, "event_type", "")
        if type(last).__name__ != "UnknownInteractionSSEEvent"
        else last.raw["event_type"]
    )
    assert name in ("interaction.completed", "interaction.complete")


@quick
@given(answer=BROKEN)
def test_broken_streams_end_in_an_error(client: genai.Client, answer: Reply) -> None:
    seen: list[Any] = []
    error: Exception | None = None
    with GeminiMock(answer):
        try:
            seen.extend(client.interactions.create(model=MODEL, input="hi", stream=True))
        except Exception as raised:
            error = raised
    if answer.failure is not None:
        assert seen[-1].event_type == "error"
    else:
        assert error is not None


@quick
@given(answer=strategies.interactions())
def test_none_is_refused(answer: Reply) -> None:
    assert interaction_misfit(answer, REQUEST) == ""


def kinds_in(answer: Reply) -> Iterator[str]:
    if answer.interaction:
        yield answer.interaction.schema
        yield from map(str, answer.interaction.fields)
        yield str(answer.interaction.fields.get("status"))
    for step in answer.steps:
        match step:
            case InteractionStep():
                yield str(step.step["type"])
                yield from (str(delta["type"]) for delta in step.deltas or ())
            case InteractionEvent():
                yield str(step.fields["event_type"])
            case KeepAlive() | Failure() | Disconnect():
                yield type(step).__name__
            case _:
                yield repr(step)


class AllSeen(Exception):
    """Ends the search."""


def test_coverage_of_steps_deltas_and_events() -> None:
    steps = {"model_output", "thought", "function_call", "google_search_call", "mcp_server_tool_result", "dance_call"}
    odd = {"step_of_tomorrow", "delta_of_tomorrow", "interaction.danced", "fieldOfTomorrow", strategies.NEW_STATUS}
    unseen = steps | odd | {"outputs", "errors", "usage", "KeepAlive", "Failure", "Disconnect"}

    for strategy in (strategies.interactions(), strategies.interaction_streams(), BROKEN):

        @settings(max_examples=500, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
        @given(strategy)
        def generate(answer: Reply) -> None:
            unseen.difference_update(kinds_in(answer))
            if not unseen:
                raise AllSeen

        with suppress(AllSeen):
            generate()
    assert not unseen
