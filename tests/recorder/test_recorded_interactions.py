"""Interactions through the recorder: recorded from the loopback server, and replayed without it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.clients import SYNC_LIBRARIES, client_over
from support.interactions import both_sides, error_class, interactions_of, needs_interactions, shown

from maxim_gemini.testing import GeminiServer, reply
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._clock import monotonic
from maxim_gemini.testing._http.exchange import COMPLETE
from maxim_gemini.testing._recorder.recorder import GeminiRecorder
from maxim_gemini.testing.exceptions import CassetteMiss

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maxim_gemini.testing.reply import Reply

MODEL = "gemini-3.8-flash"
pytestmark = needs_interactions


class Scenario(NamedTuple):
    """What a server says, and the program that asks it; it returns what it saw."""

    script: tuple[Reply, ...]
    play: Callable[[Any], Any]


def _background(interactions: Any) -> Any:
    name = interactions.create(agent="deep-research", input="whales", background=True).id
    return [shown(interactions.get(id=name)) for _ in range(4)]


def _resumed(interactions: Any) -> Any:
    name = interactions.create(model=MODEL, input="hi").id
    whole = events(interactions.get(id=name, stream=True))
    event_id = next(event["event_id"] for event in whole if "event_id" in event)
    return [whole, events(interactions.get(id=name, stream=True, last_event_id=event_id))]


def _cancelled(interactions: Any) -> Any:
    name = interactions.create(model=MODEL, input="hi", background=True).id
    statuses = [interactions.get(id=name).status, interactions.cancel(id=name).status, interactions.get(id=name).status]
    interactions.delete(id=name)
    return [statuses, error_of(lambda: interactions.get(id=name))]


def _chain(interactions: Any) -> Any:
    tool: Any = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
    asked = interactions.create(model=MODEL, input="The weather?", tools=[tool])
    call = next(step for step in asked.steps if step.type == "function_call")
    result: Any = {"type": "function_result", "call_id": call.id, "name": "weather", "result": {"user_id": 1}}
    answer = interactions.create(model=MODEL, input=[result], tools=[tool], previous_interaction_id=asked.id)
    return [shown(asked), shown(answer)]


SCENARIOS = {
    "plain": Scenario((reply.text("Paris."),), lambda i: shown(i.create(model=MODEL, input="hi"))),
    "stream": Scenario(
        (reply.keep_alive(2) + reply.thought("Hm.") + reply.stream("Pa", "ris."),),
        lambda i: events(i.create(model=MODEL, input="hi", stream=True)),
    ),
    "background": Scenario((reply.text("A report.") + reply.interaction(polls=2),), _background),
    "resumed": Scenario((reply.text("Paris."),), _resumed),
    "cancelled": Scenario((reply.text("A report.") + reply.interaction(polls=9),), _cancelled),
    "chain": Scenario((reply.function_call("weather", city="Paris"), reply.text("It is sunny.")), _chain),
    "continued": Scenario(
        (reply.text("The quick ") + reply.interaction(continuation_token="next"), reply.text("brown fox.")),
        lambda i: shown(i.create(model=MODEL, input="hi")),
    ),
    "continued stream": Scenario(
        (reply.text("The quick ") + reply.interaction(continuation_token="next"), reply.text("brown fox.")),
        lambda i: events(i.create(model=MODEL, input="hi", stream=True)),
    ),
    "error": Scenario((reply.error(400, "No."),), lambda i: error_of(lambda: i.create(model=MODEL, input="hi"))),
    "bad key": Scenario((reply.error(400),), lambda i: error_of(lambda: i.create(model=MODEL, input="hi"))),
    "error event": Scenario(
        (reply.stream("Pa") + reply.error(503),), lambda i: events(i.create(model=MODEL, input="hi", stream=True))
    ),
    "retried": Scenario((reply.error(429), reply.text("Paris.")), lambda i: shown(i.create(model=MODEL, input="hi"))),
    "server tools": Scenario(
        (reply.google_search("whales") + reply.code("print(1)") + reply.code_result("1\n") + reply.text("One."),),
        lambda i: shown(i.create(model=MODEL, input="hi", tools=[{"type": "google_search"}])),
    ),
    "picture": Scenario((reply.image(),), lambda i: shown(i.create(model=MODEL, input="Draw a pixel."))),
}

scenarios = pytest.mark.parametrize("name", SCENARIOS)


def events(stream: Any) -> list[Any]:
    return [shown(event) for event in stream]


def error_of(call: Any) -> Any:
    with pytest.raises(error_class("APIStatusError")) as caught:
        call()
    error: Any = caught.value
    return [type(error).__name__, error.status_code, error.body]


def recorded(path: Path, scenario: Scenario, *, is_async: bool = False, library: str = "httpx") -> Any:
    with (
        GeminiServer(*scenario.script) as server,
        GeminiRecorder(path, record="once", base_url=server.url),
        interactions_of(client_over(library, server.url), is_async=is_async) as interactions,
    ):
        return scenario.play(interactions)


def replayed(path: Path, scenario: Scenario, *, is_async: bool = False, library: str = "httpx", **options: Any) -> Any:
    with (
        GeminiRecorder(path, strict=True, **options),
        interactions_of(client_over(library), is_async=is_async) as interactions,
    ):
        return scenario.play(interactions)


@scenarios
@both_sides
def test_a_replay_is_what_was_recorded(tmp_path: Path, name: str, is_async: bool) -> None:
    path = tmp_path / "a.yaml"
    live = recorded(path, SCENARIOS[name], is_async=is_async)
    assert replayed(path, SCENARIOS[name], is_async=is_async) == live
    assert replayed(path, SCENARIOS[name], is_async=not is_async) == live
    for interaction in Cassette.load(path).interactions:
        assert interaction.response.ended == COMPLETE


@pytest.mark.parametrize("library", SYNC_LIBRARIES)
def test_a_stream_is_a_list_of_events_each_with_its_time(tmp_path: Path, library: str) -> None:
    path = tmp_path / "a.yaml"
    said = reply.stream("Pa") + reply.wait(0.1) + reply.stream("ris.")
    recorded(path, SCENARIOS["stream"]._replace(script=(said,)), library=library)
    text = path.read_text(encoding="utf-8")
    assert 'style: {"line_end": "lf", "json": "compact"}' in text
    assert 'data: {"index": 1, "delta": {"text": "Pa", "type": "text"}, "event_type": "step.delta"}' in text
    assert "content-encoding" not in text
    (interaction,) = Cassette.load(path).interactions
    times = [chunk.at for chunk in interaction.response.chunks]
    assert len(times) == interaction.response.body.count(b"\n\n")
    at = {text: _time_of(text, interaction.response.chunks) for text in (b'"text":"Pa"', b'"text":"ris."')}
    assert at[b'"text":"Pa"'] < at[b'"text":"ris."']
    assert at[b'"text":"ris."'] >= 0.1
    started = monotonic()
    replayed(path, SCENARIOS["stream"], pace="recorded")
    assert monotonic() - started >= 0.1


def _time_of(text: bytes, chunks: Any) -> float:
    return float(next(chunk.at for chunk in chunks if text in chunk.data))


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_cassette_of_one_version_of_the_sdk_replays_on_another(tmp_path: Path, version: str) -> None:
    """google-genai 2 asks under /v1beta/, 3 under /v1/, and older ones do not write out that they want no stream."""
    path = tmp_path / "a.yaml"
    for name in ("background", "chain", "cancelled"):
        path.unlink(missing_ok=True)
        live = recorded(path, SCENARIOS[name])
        text = path.read_text(encoding="utf-8")
        assert "/interactions/v1_" in text or name == "chain"
        for written in ("v1", "v1beta"):
            text = text.replace(f"/{written}/interactions", f"/{version}/interactions").replace("?stream=false", "")
        path.write_text(text, encoding="utf-8")
        assert replayed(path, SCENARIOS[name]) == live


def test_polls_replay_in_their_order_and_wait_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    live = recorded(path, SCENARIOS["background"])
    assert [one["status"] for one in live] == ["in_progress", "in_progress", "completed", "completed"]
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"times: \[[^]]+\]", "times: [3600]", text), encoding="utf-8")  # as a long run would have it
    recorder = GeminiRecorder(path)
    with pytest.raises(CassetteMiss, match="it was recorded 4 times, and all these answers were given"):
        _polled_five_times(recorder)
    assert recorder.outcome.replayed == 5


def _polled_five_times(recorder: GeminiRecorder) -> None:
    with recorder, interactions_of(client_over("httpx"), is_async=False) as interactions:
        name = _background(interactions)[0]["id"]
        interactions.get(id=name)


def test_a_resume_after_another_event_is_another_request(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    recorded(path, SCENARIOS["resumed"])

    def resume(interactions: Any) -> None:
        name = interactions.create(model=MODEL, input="hi").id
        interactions.get(id=name, stream=True, last_event_id="v1_another")

    with pytest.raises(CassetteMiss):
        replayed(path, SCENARIOS["resumed"]._replace(play=resume))


def test_a_retry_replays_without_its_wait(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    recorded(path, SCENARIOS["retried"])
    with (
        GeminiRecorder(path, strict=True) as recorder,
        interactions_of(client_over("httpx"), is_async=False) as interactions,
    ):
        SCENARIOS["retried"].play(interactions)
    assert len(recorder.waits) == 1


@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        ({"stream": False}, {}),
        ({"background": False}, {}),
        ({"generation_config": {"temperature": 0.0}}, {"generation_config": {"temperature": 0}}),
    ],
)
def test_what_goes_without_saying_makes_no_other_request(tmp_path: Path, sent: Any, changed: Any) -> None:
    path = tmp_path / "a.yaml"
    scenario = SCENARIOS["plain"]
    live = recorded(path, scenario._replace(play=lambda i: shown(i.create(model=MODEL, input="hi", **sent))))
    assert replayed(path, scenario._replace(play=lambda i: shown(i.create(model=MODEL, input="hi", **changed)))) == live


@pytest.mark.parametrize(
    "changed",
    [{"input": "ho"}, {"model": "gemini-2.5-flash"}, {"previous_interaction_id": "v1_x"}, {"background": True}],
)
def test_another_question_is_another_request(tmp_path: Path, changed: Any) -> None:
    path = tmp_path / "a.yaml"
    recorded(path, SCENARIOS["plain"])
    with (
        pytest.raises(CassetteMiss),
        GeminiRecorder(path),
        interactions_of(client_over("httpx"), is_async=False) as interactions,
    ):
        interactions.create(**{"model": MODEL, "input": "hi", **changed})


def test_a_result_is_compared_in_the_words_of_the_application(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    recorded(path, SCENARIOS["chain"])
    text = path.read_text(encoding="utf-8").replace("user_id", "userId")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CassetteMiss):
        replayed(path, SCENARIOS["chain"])


def test_credentials_of_an_mcp_server_are_not_in_the_cassette(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    headers = {"Authorization": "Bearer c3VwZXItc2VjcmV0LXRva2Vu", "X-Api-Key": "kZ8vQ2mWx71LtRb9"}
    server: Any = {"type": "mcp_server", "name": "library", "url": "https://mcp.example.com", "headers": headers}
    scenario = SCENARIOS["plain"]._replace(
        play=lambda i: shown(i.create(model=MODEL, input="hi", tools=[server])),
    )
    live = recorded(path, scenario)
    text = path.read_text(encoding="utf-8")
    assert not any(secret in text for secret in ("c3VwZXItc2VjcmV0LXRva2Vu", "kZ8vQ2mWx71LtRb9"))
    assert replayed(path, scenario) == live


def test_a_disconnect_on_demand_is_the_error_of_interactions(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    recorded(path, SCENARIOS["stream"])
    seen: list[Any] = []
    with GeminiRecorder(path) as recorder, interactions_of(client_over("httpx"), is_async=False) as interactions:
        recorder.disconnect_after(events=4)
        with pytest.raises(error_class("APIConnectionError")):
            seen.extend(interactions.create(model=MODEL, input="hi", stream=True))


def test_interactions_are_replayed_by_the_loopback_server_too(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    for name in ("background", "resumed"):
        path.unlink(missing_ok=True)
        live = recorded(path, SCENARIOS[name])
        with (
            GeminiServer(cassette=path) as server,
            interactions_of(client_over("httpx", server.url), is_async=False) as interactions,
        ):
            assert SCENARIOS[name].play(interactions) == live
