"""Typical flows of the Interactions API; `flows.py` has those of `generate_content`.

They need google-genai 2.34 or newer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing import reply

from .flows import Flow, get_weather

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.genai import Client

    from .flows import Program
    from .model import Reply

MODEL: Final = "gemini-3.8-flash"
_IMAGE_MODEL: Final = "gemini-3.1-flash-image"
_AGENT: Final = "deep-research-preview-04-2026"
_MISSING: Final = "interaction-missing"
_POLLS: Final = 3

INTERACTION_FLOWS: Final[dict[str, Flow]] = {}
"""Every flow by name; those on Vertex begin with `vertex_`."""


def _flow(name: str, description: str, *script: Reply) -> Callable[[Program], Program]:
    def add(play: Program) -> Program:
        flow = Flow(f"interaction{name}", description, script, play)
        INTERACTION_FLOWS[flow.name] = flow
        INTERACTION_FLOWS[f"vertex_{flow.name}"] = replace(flow, name=f"vertex_{flow.name}", backend="vertex")
        return play

    return add


@_flow("", "One question, one answer, as an interaction.", reply.text("Paris."))
def _text(client: Client) -> object:
    answer = _interactions(client).create(model=MODEL, input="What is the capital of France?")
    return [answer.status, answer.output_text]


@_flow(
    "_stream",
    "An interaction whose answer arrives in pieces, after a thought.",
    reply.thought("**Remembering**\n\nA pangram has every letter.\n")
    + reply.stream("The quick ", "brown fox jumps ", "over the lazy dog."),
)
def _stream(client: Client) -> object:
    return _seen(_interactions(client).create(model=MODEL, input="Say a pangram.", stream=True))


@_flow(
    "_chain",
    "Two interactions; the second goes on from the first by its id.",
    reply.text("Nice to meet you, Ada."),
    reply.text("Your name is Ada."),
)
def _chain(client: Client) -> object:
    first = _interactions(client).create(model=MODEL, input="Hi, I am Ada.")
    second = _interactions(client).create(model=MODEL, input="What is my name?", previous_interaction_id=first.id)
    return [first.output_text, second.output_text]


@_flow(
    "_function_call",
    "A declared function is called; the program runs it and sends the result with the id of the interaction.",
    reply.function_call("get_weather", city="Paris"),
    reply.text("It is sunny in Paris."),
)
def _function_call(client: Client) -> object:
    city = {"type": "string", "description": "The name of the city."}
    tool: Any = {
        "type": "function",
        "name": "get_weather",
        "description": "Return the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": city}, "required": ["city"]},
    }
    first = _interactions(client).create(model=MODEL, input="How is the weather in Paris?", tools=[tool])
    call: Any = next(step for step in first.steps or () if step.type == "function_call")
    result: Any = {
        "type": "function_result",
        "call_id": call.id,
        "name": call.name,
        "result": get_weather(**call.arguments),
    }
    answer = _interactions(client).create(model=MODEL, input=[result], tools=[tool], previous_interaction_id=first.id)
    return [first.status, {call.name: call.arguments}, answer.output_text]


@_flow(
    "_server_tools",
    "Google searches the web, reads a page and runs code for the answer.",
    reply.google_search("inhabitants of Paris")
    + reply.url_context("https://example.com/paris")
    + reply.code("print(2102650 // 105)")
    + reply.code_result("20025\n")
    + reply.text("About 20,025 people live on each square kilometre of Paris."),
)
def _server_tools(client: Client) -> object:
    tools: Any = [{"type": "google_search"}, {"type": "url_context"}, {"type": "code_execution"}]
    answer = _interactions(client).create(model=MODEL, input="How densely is Paris inhabited?", tools=tools)
    return [[step.type for step in answer.steps or ()], answer.output_text]


@_flow(
    "_background",
    "An interaction in the background, polled until it has ended.",
    reply.text("It is about a whale.") + reply.interaction(polls=_POLLS - 1),
)
def _background(client: Client) -> object:
    return _polled(client, model=MODEL, input="What is Moby-Dick about?")


@_flow(
    "_agent",
    "An agent that researches in the background.",
    reply.google_search("kinds of whales") + reply.text("There are ninety.") + reply.interaction(polls=_POLLS - 1),
)
def _agent(client: Client) -> object:
    return _polled(client, agent=_AGENT, input="How many kinds of whales are there?")


@_flow(
    "_continuation",
    "A long answer that google-genai asks for in two requests.",
    reply.text("The quick brown fox ") + reply.interaction(continuation_token="after-the-fox"),
    reply.text("jumps over the lazy dog."),
)
def _continuation(client: Client) -> object:
    answer = _interactions(client).create(model=MODEL, input="Say a pangram.")
    return [answer.status, answer.output_text]


@_flow("_error", "A request for an interaction that does not exist.")
def _error(client: Client) -> object:
    try:
        return _interactions(client).get(id=_MISSING).status
    except Exception as error:
        return [type(error).__name__, getattr(error, "status_code", None)]


@_flow(
    "_stream_error",
    "A stream that ends in an event of an error: two pieces, then no more.",
    reply.stream("The quick ", "brown fox ") + reply.error(503),
)
def _stream_error(client: Client) -> object:
    return _seen(_interactions(client).create(model=MODEL, input="Say a pangram.", stream=True))


@_flow("_image_out", "A picture in an interaction's answer.", reply.text("Here it is. ") + reply.image())
def _image_out(client: Client) -> object:
    modalities: Any = ["text", "image"]
    answer = _interactions(client).create(model=_IMAGE_MODEL, input="Draw a pixel.", response_modalities=modalities)
    contents = [content for step in answer.steps or () for content in getattr(step, "content", None) or ()]
    return [content.mime_type if content.type == "image" else content.text for content in contents]


def _interactions(client: Client) -> Any:
    """Return `client.interactions`, which has another type in each version of google-genai."""
    return client.interactions


def _polled(client: Client, **fields: Any) -> Any:
    """Return the statuses that are seen until the end, and the text."""
    running = _interactions(client).create(background=True, **fields)
    statuses = [running.status]
    while True:
        got = _interactions(client).get(id=running.id)
        statuses.append(got.status)
        if got.status != "in_progress":
            return [statuses, got.output_text]


def _seen(stream: Any) -> list[Any]:
    """Return the texts of a stream's deltas, and the names of its other events."""
    return [_text_of(event) or event.event_type for event in stream]


def _text_of(event: object) -> str:
    delta = getattr(event, "delta", None)
    content = getattr(delta, "content", None)
    return str(getattr(delta, "text", None) or getattr(content, "text", None) or "")
