"""A server keeps its interactions by id: they are got, resumed, polled, cancelled, deleted, and gone on from."""

from __future__ import annotations

import base64
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.clients import client_over
from support.interactions import both_sides, error_class, interactions_at, interactions_of, needs_interactions, shown

from maxim_gemini.testing import GeminiMock, GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing.reply import Reply

MODEL = "gemini-3.8-flash"
places = pytest.mark.parametrize("place", ["server", "mock"])
pytestmark = needs_interactions


@contextmanager
def serving(place: str, *replies: Reply, is_async: bool = False) -> Iterator[Any]:
    """Hold the SDK's interactions, answered by the loopback server or by the mock in this process."""
    if place == "server":
        with GeminiServer(*replies) as server, interactions_at(server.url, is_async=is_async) as interactions:
            yield interactions
    else:
        with GeminiMock(*replies), interactions_of(client_over("httpx"), is_async=is_async) as interactions:
            yield interactions


def refused(call: Any) -> str:
    with pytest.raises(error_class("BadRequestError")) as caught:
        call()
    error: Any = caught.value
    return str(error.body["error"]["message"])


@places
@both_sides
def test_what_was_created_is_got_with_its_input(place: str, is_async: bool) -> None:
    said = reply.thought("Hm.") + reply.text("Paris.") + reply.function_call("f", a=1)
    with serving(place, said, is_async=is_async) as interactions:
        created = shown(interactions.create(model=MODEL, input="hi"))
        got = shown(interactions.get(id=created["id"]))
        with_input = shown(interactions.get(id=created["id"], include_input=True))
    asked = {"content": [{"text": "hi", "type": "text"}], "type": "user_input"}
    assert got == {**created, "steps": [asked, *created["steps"]]}
    assert with_input == {**got, "input": [asked]}


@places
@both_sides
def test_a_stream_is_kept_and_streamed_again_with_one_delta_for_each_text(place: str, is_async: bool) -> None:
    said = reply.stream("The quick brown fox ", "jumps over the lazy ", "dog.")
    with serving(place, said, is_async=is_async) as interactions:
        first = [shown(event) for event in interactions.create(model=MODEL, input="hi", stream=True)]
        again = [shown(event) for event in interactions.get(id=first[0]["interaction"]["id"], stream=True)]
        plain = interactions.get(id=first[0]["interaction"]["id"])
    texts = [event for event in again if event.get("delta", {}).get("type") == "text"]
    assert [event["delta"]["text"] for event in texts] == ["The quick brown fox jumps over the lazy dog."]
    assert [event.get("event_id") is None for event in again].count(False) == 1
    others = [event for event in again if event not in texts]
    assert others == [event for event in first if event.get("delta", {}).get("type") != "text"]
    assert plain.output_text == "The quick brown fox jumps over the lazy dog."


@places
def test_a_resumed_stream_goes_on_behind_the_event_and_says_everything_again(place: str) -> None:
    with serving(place, reply.text("Paris.")) as interactions:
        name = interactions.create(model=MODEL, input="hi").id
        whole = [shown(event) for event in interactions.get(id=name, stream=True)]
        event_id = next(event["event_id"] for event in whole if "event_id" in event)
        resumed = [shown(event) for event in interactions.get(id=name, stream=True, last_event_id=event_id)]
    assert base64.urlsafe_b64decode(event_id.removeprefix("v1_") + "==").startswith(b"1_text_")
    assert resumed[0] == {"event_type": "step.stop", "index": 1}
    assert [event["event_type"] for event in resumed[1:]] == [event["event_type"] for event in whole[2:]]
    assert [event["index"] for event in resumed[1:-1]] == [event["index"] + 2 for event in whole[2:-1]]


@places
@both_sides
def test_one_in_the_background_is_in_progress_for_as_many_polls_as_it_says(place: str, is_async: bool) -> None:
    said = reply.text("A report.") + reply.interaction(polls=2)
    with serving(place, said, is_async=is_async) as interactions:
        created = shown(interactions.create(agent="deep-research", input="hi", background=True))
        polled = [interactions.get(id=created["id"]) for _ in range(4)]
    assert created.keys() == {"id", "status", "created", "updated", "object", "agent", "output_text"} - (
        set() if "output_text" in created else {"output_text"}
    )
    assert [created["status"], *(one.status for one in polled)] == [*["in_progress"] * 3, "completed", "completed"]
    assert [one.usage is None for one in polled] == [True, True, False, False]
    assert polled[-1].output_text == "A report."


@places
@both_sides
def test_one_that_runs_is_cancelled_for_good(place: str, is_async: bool) -> None:
    said = reply.text("A report.") + reply.interaction(polls=5)
    with serving(place, said, is_async=is_async) as interactions:
        name = interactions.create(model=MODEL, input="hi", background=True).id
        statuses = [interactions.get(id=name).status, interactions.cancel(id=name).status]
        assert "is not in progress" in refused(lambda: interactions.cancel(id=name))
        statuses += [interactions.get(id=name).status for _ in range(6)]
        assert "is not in progress" in refused(lambda: interactions.cancel(id=name))
    assert statuses == ["in_progress", *["cancelled"] * 7]


@places
@both_sides
def test_a_deleted_one_is_unknown(place: str, is_async: bool) -> None:
    with serving(place, reply.text("a"), is_async=is_async) as interactions:
        name = interactions.create(model=MODEL, input="hi").id
        interactions.delete(id=name)
        for call in (interactions.get, interactions.delete, interactions.cancel):
            assert refused(lambda call=call: call(id=name)) == f"Invalid interaction name: interactions/{name}"


@places
def test_a_chain_goes_on_from_what_is_known_and_from_nothing_else(place: str) -> None:
    with serving(place, reply.text("a"), reply.text("b"), reply.text("c")) as interactions:
        first = interactions.create(model=MODEL, input="hi").id
        assert interactions.create(model=MODEL, input="hi", previous_interaction_id=first).output_text == "b"
        unknown = "v1_ChdxREN3YXU2V0hPX3VfdU1QcTVHZGlBaxIXcURDd2F1NldIT191X3VNUHE1R2RpQWs"
        message = refused(lambda: interactions.create(model=MODEL, input="hi", previous_interaction_id=unknown))
    assert message == f"Invalid interaction name: interactions/{unknown}"


@places
@pytest.mark.parametrize("stream", [False, True])
def test_a_continued_answer_is_one_for_the_caller(place: str, stream: bool) -> None:
    first = reply.text("The quick ") + reply.interaction(continuation_token="go-on")
    with serving(place, first, reply.text("brown fox.")) as interactions:
        if stream:
            events = list(interactions.create(model=MODEL, input="hi", stream=True))
            texts = [event.delta.text for event in events if getattr(getattr(event, "delta", None), "text", None)]
            assert "".join(texts) == "The quick brown fox."
        else:
            answer = interactions.create(model=MODEL, input="hi")
            assert (answer.status, answer.output_text) == ("completed", "The quick brown fox.")
            assert len(answer.continuation_ids) == 2


@places
def test_what_broke_in_its_stream_has_failed(place: str) -> None:
    with serving(place, reply.stream("a") + reply.error(503)) as interactions:
        events = [shown(event) for event in interactions.create(model=MODEL, input="hi", stream=True)]
        got = shown(interactions.get(id=events[0]["interaction"]["id"]))
        again = [shown(event) for event in interactions.get(id=got["id"], stream=True)]
    assert events[-1]["event_type"] == again[-1]["event_type"] == "error"
    assert (got["status"], got["errors"][0]["code"]) == ("failed", "service_unavailable")


def test_rules_come_before_what_is_kept() -> None:
    with GeminiServer(reply.text("a")) as server, interactions_at(server.url, is_async=False) as interactions:
        name = interactions.create(model=MODEL, input="hi").id
        server.when(path=f"/interactions/{name}").reply(reply.error(400, "Not now."))
        assert refused(lambda: interactions.get(id=name)) == "Not now."
        assert interactions.get(id=name).output_text == "a"


def test_requests_show_what_was_requested() -> None:
    tool: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    with GeminiServer(reply.text("a"), reply.text("b")) as server:
        with interactions_at(server.url, is_async=False) as interactions:
            interactions.create(model=MODEL, input="hi", tools=[tool], system_instruction="Be brief.")
            result: Any = {"type": "function_result", "call_id": "1", "name": "weather", "result": "sunny"}
            name = interactions.create(agent="researcher", input=[result]).id
            interactions.get(id=name)
        first, second, got = server.requests
    assert (first.interaction_call, first.model, first.agent, first.text) == ("create", MODEL, "", "hi")
    assert (first.tools, first.system, first.streams) == (["weather"], "Be brief.", False)
    assert (second.model, second.agent, second.input_steps) == ("", "researcher", [result])
    assert (got.interaction_call, got.interaction_id) == ("get", name)


def test_the_latest_are_kept_and_no_more() -> None:
    with GeminiServer(keep_requests=3) as server:
        server.always(reply.text("a"))
        names = [create(server) for _ in range(5)]
        assert [get(server, name) for name in names] == [400, 400, 200, 200, 200]
        assert len(server.script.interactions) == 3
    with GeminiServer(keep_bytes=5000) as server:
        server.always(reply.text("a" * 1500))
        names = [create(server) for _ in range(5)]
        assert [get(server, name) for name in names] == [400, 400, 400, 200, 200]


def test_many_at_once_get_their_own() -> None:
    with GeminiServer() as server:
        server.always(lambda request: reply.text(request.text))
        wrong: list[str] = []

        def ask(number: int) -> None:
            name = create(server, f"question {number}")
            body = httpx.get(f"{server.url}/v1/interactions/{name}").json()
            if body["steps"][-1]["content"][0]["text"] != f"question {number}":
                wrong.append(name)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def create(server: GeminiServer, text: str = "hi") -> str:
    answer = httpx.post(f"{server.url}/v1/interactions", json={"model": MODEL, "input": text})
    return str(answer.json()["id"])


def get(server: GeminiServer, name: str) -> int:
    return httpx.get(f"{server.url}/v1/interactions/{name}").status_code
