"""The table "From generateContent" of the documentation: both APIs, asked the same, leave the same in the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import types

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, GeminiMock, reply
from maxim_gemini.testing._http.sdk import closing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "gemini-3-flash-preview"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "Return the weather.", "parameters": CITY}


@pytest.fixture
def raw() -> Iterator[genai.Client]:
    with closing(genai.Client(api_key="any")) as client:
        yield client


def traced(raw: genai.Client, ask: Callable[[Any], object], *replies: reply.Reply) -> tuple[object, FakeLogger]:
    """Return what *ask* shows of the answer, and what was logged."""
    logger = FakeLogger()
    with GeminiMock(*replies):
        shown = ask(MaximGeminiClient(raw, logger))
    logger.assert_complete()
    return shown, logger


def content(client: Any, contents: Any, **config: Any) -> Any:
    return client.models.generate_content(model=MODEL, contents=contents, config=config or None)


def interaction(client: Any, asked: Any, **fields: Any) -> Any:
    return client.interactions.create(model=MODEL, input=asked, **fields)


def user(text: str) -> dict[str, Any]:
    return {"type": "user_input", "content": [{"type": "text", "text": text}]}


TURNS = [types.UserContent("Hi"), types.ModelContent("Hello."), types.UserContent("Again")]
STEPS = [user("Hi"), {"type": "model_output", "content": [{"type": "text", "text": "Hello."}]}, user("Again")]

SINGLE: dict[str, tuple[Callable[[Any], object], Callable[[Any], object]]] = {
    "text": (lambda c: content(c, "Hi").text, lambda c: interaction(c, "Hi").output_text),
    "turns": (lambda c: content(c, TURNS).text, lambda c: interaction(c, STEPS).output_text),
    "system instruction": (
        lambda c: content(c, "Hi", system_instruction="Be brief.").text,
        lambda c: interaction(c, "Hi", system_instruction="Be brief.").output_text,
    ),
    "stream": (
        lambda c: "".join(one.text for one in c.models.generate_content_stream(model=MODEL, contents="Hi")),
        lambda c: "".join(
            one.delta.text
            for one in interaction(c, "Hi", stream=True)
            if one.event_type == "step.delta" and one.delta.type == "text"
        ),
    ),
}


@pytest.mark.parametrize("row", SINGLE)
def test_the_same_question_and_answer(raw: genai.Client, row: str) -> None:
    answer = reply.stream("Par", "is.") + reply.usage(prompt=5, candidates=4, thoughts=3)
    (old, before), (new, after) = (traced(raw, ask, answer) for ask in SINGLE[row])
    assert old == new == "Paris."
    assert before.generation.messages == after.generation.messages
    assert before.generation.text == after.generation.text
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [before.generation.usage[name] for name in counts] == [after.generation.usage[name] for name in counts]
    assert (before.trace.name, after.trace.name) == ("Gemini call", "Interaction")


def test_settings_have_a_place_of_their_own(raw: genai.Client) -> None:
    _, before = traced(raw, lambda c: content(c, "Hi", temperature=0.5), reply.text("Paris."))
    _, after = traced(raw, lambda c: interaction(c, "Hi", generation_config={"temperature": 0.5}), reply.text("Paris."))
    assert before.generation.model_parameters == {"temperature": 0.5}
    assert after.generation.model_parameters == {"generation_config": {"temperature": 0.5}}


def test_a_chat_is_a_chain(raw: genai.Client) -> None:
    def chat(client: Any) -> object:
        session = client.chats.create(model=MODEL)
        return [session.send_message(text).text for text in ("Hi", "Again")]

    def chain(client: Any) -> object:
        first = interaction(client, "Hi")
        return [first.output_text, interaction(client, "Again", previous_interaction_id=first.id).output_text]

    for ask in (chat, chain):
        shown, logger = traced(raw, ask, reply.text("One."), reply.text("Two."))
        assert shown == ["One.", "Two."]
        assert [trace.output for trace in logger.traces] == ["One.", "Two."]
        assert len({trace.session_id for trace in logger.traces}) == 1


def test_a_function_is_called_and_answered(raw: genai.Client) -> None:
    def contents(client: Any) -> object:
        tools = [types.Tool(function_declarations=[WEATHER])]  # type: ignore[list-item]
        first = content(client, "Weather?", tools=tools)
        (call,) = first.function_calls
        result = types.Part.from_function_response(name=call.name, response={"sky": "clear"})
        assert result.function_response
        result.function_response.id = call.id
        turns = [types.UserContent("Weather?"), first.candidates[0].content, types.UserContent([result])]
        return [call.name, call.args, content(client, turns, tools=tools).text]

    def steps(client: Any) -> object:
        tools = [{"type": "function", **WEATHER}]
        first = interaction(client, "Weather?", tools=tools)
        assert first.status == "requires_action"
        (call,) = (step for step in first.steps if step.type == "function_call")
        result = {"type": "function_result", "call_id": call.id, "name": call.name, "result": {"sky": "clear"}}
        answer = interaction(client, [result], tools=tools, previous_interaction_id=first.id)
        return [call.name, call.arguments, answer.output_text]

    for ask in (contents, steps):
        called = reply.function_call("weather", city="Paris", call_id="call-1")
        shown, logger = traced(raw, ask, called, reply.text("Clear."))
        assert shown == ["weather", {"city": "Paris"}, "Clear."]
        (call,) = logger.tool_calls
        assert (call.name, call.arguments, call.result) == ("weather", {"city": "Paris"}, '{"sky": "clear"}')
        assert logger.generations[0].tool_calls[0].name == "weather"
