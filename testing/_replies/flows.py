"""Typical flows: Gemini's replies in each, and the program that sends the requests.

The bundled cassettes are recorded from this table, and tests play them back with the same programs:

```python
flow = FLOWS["chat_stream"]
with GeminiServer(*flow.script) as server:
    flow.play(flow.client(server.url))
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing import reply
from maxim_gemini.testing.reply import PIXEL

if TYPE_CHECKING:
    from google.genai import Client, types
    from google.genai.types import GenerateContentResponse

    from .model import Reply
    from .request import Backend

Program = Callable[["Client"], object]

MODEL: Final = "gemini-2.5-flash"
_IMAGE_MODEL: Final = "gemini-2.5-flash-image"
_EMBEDDING_MODEL: Final = "gemini-embedding-001"


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow on one backend."""

    name: str
    description: str
    script: tuple[Reply, ...] = field(repr=False)
    """The server's replies, request by request."""
    play: Program = field(repr=False)
    """Runs the flow with a client, wrapped or not; returns the program's view of it, as JSON."""
    backend: Backend = "gemini"
    attempts: int = 1
    """The number of attempts for a request."""

    def client(self, base_url: str | None = None, *, api_key: str = "any-key") -> Client:
        """Return a client for the flow's backend, at *base_url* or at Google's own."""
        from google.genai import Client, types

        options = types.HttpOptions(base_url=base_url)
        if self.attempts > 1 and hasattr(types, "HttpRetryOptions"):  # since google-genai 1.22
            options.retry_options = types.HttpRetryOptions(attempts=self.attempts, initial_delay=0.01)
        if self.backend == "gemini":
            return Client(api_key=api_key, http_options=options)
        from google.oauth2.credentials import Credentials

        token = Credentials(token="any-token")  # type: ignore[no-untyped-call]
        return Client(
            vertexai=True, project="any-project", location="us-central1", credentials=token, http_options=options
        )


def _flow(name: str, description: str, *script: Reply, attempts: int = 1) -> Callable[[Program], Program]:
    def add(play: Program) -> Program:
        flow = Flow(name, description, script, play, attempts=attempts)
        FLOWS[name] = flow
        FLOWS[f"vertex_{name}"] = replace(flow, name=f"vertex_{name}", backend="vertex")
        return play

    return add


FLOWS: Final[dict[str, Flow]] = {}
"""Every flow by name; those on Vertex begin with `vertex_`."""


@_flow("text", "One question, one answer.", reply.text("Paris."))
def _text(client: Client) -> object:
    return client.models.generate_content(model=MODEL, contents=_QUESTION).text


@_flow(
    "stream",
    "An answer that arrives in pieces.",
    reply.stream("The quick ", "brown fox jumps ", "over the lazy dog."),
)
def _stream(client: Client) -> object:
    return _texts(client.models.generate_content_stream(model=MODEL, contents="Say a pangram."))


@_flow(
    "chat",
    "A conversation of two turns; the second sends the first along.",
    reply.text("Nice to meet you, Ada."),
    reply.text("Your name is Ada."),
)
def _chat(client: Client) -> object:
    chat: Any = client.chats.create(model=MODEL)
    return [chat.send_message("Hi, I am Ada.").text, chat.send_message("What is my name?").text]


@_flow(
    "chat_stream",
    "A conversation whose answers arrive in pieces.",
    reply.stream("Nice to ", "meet you, ", "Ada."),
    reply.stream("Your name ", "is Ada."),
)
def _chat_stream(client: Client) -> object:
    chat: Any = client.chats.create(model=MODEL)
    return [_texts(chat.send_message_stream("Hi, I am Ada.")), _texts(chat.send_message_stream("What is my name?"))]


@_flow(
    "function_call",
    "A declared function is called; the program runs it and sends the result.",
    reply.function_call("get_weather", city="Paris"),
    reply.text("It is sunny in Paris."),
)
def _function_call(client: Client) -> object:
    from google.genai import types

    question = types.Content(role="user", parts=[types.Part(text="How is the weather in Paris?")])
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[_declaration()])])
    first = client.models.generate_content(model=MODEL, contents=question, config=config)
    call: Any = _calls(first)[0]
    request: Any = first.candidates[0].content if first.candidates else None
    result = types.FunctionResponse(id=call.id, name=call.name, response={"result": get_weather(**call.args)})
    answered = types.Content(role="user", parts=[types.Part(function_response=result)])
    answer = client.models.generate_content(model=MODEL, contents=[question, request, answered], config=config)
    return [{call.name: call.args}, answer.text]


@_flow(
    "function_call_automatic",
    "A Python function is called; google-genai runs it and sends the result.",
    reply.function_call("get_weather", city="Paris"),
    reply.text("It is sunny in Paris."),
)
def _function_call_automatic(client: Client) -> object:
    from google.genai import types

    config = types.GenerateContentConfig(tools=[get_weather])
    return client.models.generate_content(model=MODEL, contents="How is the weather in Paris?", config=config).text


@_flow(
    "function_call_parallel",
    "Two calls of a function in one answer; google-genai runs both.",
    reply.function_call("get_weather", city="Paris") + reply.function_call("get_weather", city="Oslo"),
    reply.text("It is sunny in Paris and in Oslo."),
)
def _function_call_parallel(client: Client) -> object:
    from google.genai import types

    config = types.GenerateContentConfig(tools=[get_weather])
    question = "How is the weather in Paris and in Oslo?"
    return client.models.generate_content(model=MODEL, contents=question, config=config).text


@_flow(
    "function_call_chat",
    "A function is called within a turn of a chat.",
    reply.function_call("get_weather", city="Paris"),
    reply.text("It is sunny in Paris."),
    reply.text("Then I would go for a walk."),
)
def _function_call_chat(client: Client) -> object:
    from google.genai import types

    chat: Any = client.chats.create(model=MODEL, config=types.GenerateContentConfig(tools=[get_weather]))
    return [chat.send_message("How is the weather in Paris?").text, chat.send_message("What would you do?").text]


@_flow(
    "function_call_stream",
    "A function is called in a stream; google-genai runs it and streams on.",
    reply.stream("Let me see. ") + reply.function_call("get_weather", city="Paris"),
    reply.stream("It is sunny ", "in Paris."),
)
def _function_call_stream(client: Client) -> object:
    from google.genai import types

    config = types.GenerateContentConfig(tools=[get_weather])
    question = "How is the weather in Paris?"
    chunks = client.models.generate_content_stream(model=MODEL, contents=question, config=config)
    return [text for text in _texts(chunks) if text]


@_flow(
    "json_schema",
    "An answer in the shape of a schema.",
    reply.text('{\n  "name": "Paris",\n  "inhabitants": 2102650\n}'),
)
def _json_schema(client: Client) -> object:
    from google.genai import types

    schema = {
        "type": "OBJECT",
        "properties": {"name": {"type": "STRING"}, "inhabitants": {"type": "INTEGER"}},
        "required": ["name", "inhabitants"],
    }
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    return client.models.generate_content(model=MODEL, contents="Describe Paris.", config=config).parsed


@_flow("image_in", "A picture in the question.", reply.text("A single transparent pixel."))
def _image_in(client: Client) -> object:
    from google.genai import types

    picture = types.Part.from_bytes(data=PIXEL, mime_type="image/png")
    question: Any = ["What is in this picture?", picture]
    return client.models.generate_content(model=MODEL, contents=question).text


@_flow("image_out", "A picture in the answer.", reply.text("Here it is. ") + reply.image())
def _image_out(client: Client) -> object:
    from google.genai import types

    config = types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"])
    answer = client.models.generate_content(model=_IMAGE_MODEL, contents="Draw a pixel.", config=config)
    return [part.inline_data.mime_type if part.inline_data else part.text for part in _parts(answer)]


@_flow(
    "thoughts",
    "An answer with a summary of the thoughts before it.",
    reply.thought("**Counting**\n\nS-t-r-a-w-b-e-r-r-y: the third, eighth and ninth letter.\n")
    + reply.text("Three.")
    + reply.usage(thoughts=64),
)
def _thoughts(client: Client) -> object:
    answer = client.models.generate_content(model=MODEL, contents=_RIDDLE, config=_thinking())
    return [[bool(part.thought), part.text] for part in _parts(answer)]


@_flow(
    "thoughts_stream",
    "A stream of thoughts, then of the answer.",
    reply.thought("**Reading**\n\nThe question is about letters.\n")
    + reply.thought("**Counting**\n\nS-t-r-a-w-b-e-r-r-y: three of them.\n")
    + reply.stream("There are ", "three.")
    + reply.usage(thoughts=64),
)
def _thoughts_stream(client: Client) -> object:
    chunks = client.models.generate_content_stream(model=MODEL, contents=_RIDDLE, config=_thinking())
    return [[bool(part.thought), part.text] for chunk in chunks for part in _parts(chunk)]


@_flow("blocked", "A prompt that is blocked: no candidates.", reply.blocked("PROHIBITED_CONTENT"))
def _blocked(client: Client) -> object:
    answer = client.models.generate_content(model=MODEL, contents="Say something forbidden.")
    feedback = answer.prompt_feedback
    return str(feedback.block_reason.value) if feedback and feedback.block_reason else None


@_flow("safety", "An answer that is stopped for safety.", reply.stopped("SAFETY"))
def _safety(client: Client) -> object:
    return _ended(client.models.generate_content(model=MODEL, contents="Say something dangerous."))


@_flow("max_tokens", "An answer that is cut off at its limit of tokens.", reply.max_tokens("Once upon a time there"))
def _max_tokens(client: Client) -> object:
    from google.genai import types

    config = types.GenerateContentConfig(max_output_tokens=5)
    return _ended(client.models.generate_content(model=MODEL, contents="Tell me a story.", config=config))


@_flow(
    "retry", "Too many requests, then success at the second try.", reply.error(429), reply.text("Paris."), attempts=2
)
def _retry(client: Client) -> object:
    from google.genai import errors

    try:
        return client.models.generate_content(model=MODEL, contents=_QUESTION).text
    except errors.ClientError:  # of a google-genai that does not try again itself
        return client.models.generate_content(model=MODEL, contents=_QUESTION).text


@_flow("server_error", "The server fails.", reply.error(500))
def _server_error(client: Client) -> object:
    from google.genai import errors

    try:
        return client.models.generate_content(model=MODEL, contents=_QUESTION).text
    except errors.APIError as error:
        return [error.code, error.status]


@_flow(
    "stream_error",
    "A stream that fails in the middle: two pieces, then an error.",
    reply.stream("The quick ", "brown fox ") + reply.error(503),
)
def _stream_error(client: Client) -> object:
    texts: list[str] = []
    try:
        texts.extend(map(_text_of, client.models.generate_content_stream(model=MODEL, contents="Say a pangram.")))
    except Exception as error:
        # google-genai before 1.34 can't read an error in mid-stream, and raises the JSON parser's.
        return [texts, getattr(error, "code", None)]
    return texts


@_flow("empty", "An answer without parts.", reply.empty())
def _empty(client: Client) -> object:
    return _ended(client.models.generate_content(model=MODEL, contents="Say nothing."))


@_flow("candidates", "Two candidates.", reply.candidates(reply.text("Paris."), reply.text("It is Paris.")))
def _candidates(client: Client) -> object:
    from google.genai import types

    config = types.GenerateContentConfig(candidate_count=2)
    answer = client.models.generate_content(model=MODEL, contents=_QUESTION, config=config)
    return [[part.text for part in (one.content and one.content.parts) or []] for one in answer.candidates or []]


@_flow(
    "cached",
    "A long text is cached once, then used in a question; its tokens are counted as cached.",
    reply.text("It is about a whale.") + reply.usage(prompt=2057, cached=2048),
)
def _cached(client: Client) -> object:
    from google.genai import types

    book = "Call me Ishmael. " * 16
    cache = client.caches.create(
        model=MODEL, config=types.CreateCachedContentConfig(contents=book, ttl="3600s", display_name="whale")
    )
    config = types.GenerateContentConfig(cached_content=cache.name)
    answer = client.models.generate_content(model=MODEL, contents="What is it about?", config=config)
    client.caches.delete(name=cache.name or "")
    return [answer.text, answer.usage_metadata.cached_content_token_count if answer.usage_metadata else None]


@_flow("embeddings", "Two texts as vectors.", reply.embedding([0.25, -0.5, 0.125], [0.5, 0.75, -0.25]))
def _embeddings(client: Client) -> object:
    texts: Any = ["a cat", "a whale"]
    answer = client.models.embed_content(model=_EMBEDDING_MODEL, contents=texts)
    return [one.values for one in answer.embeddings or []]


@_flow("token_count", "How many tokens a text is.", reply.token_count(7))
def _token_count(client: Client) -> object:
    return client.models.count_tokens(model=MODEL, contents=_QUESTION).total_tokens


@_flow(
    "code_execution",
    "The model runs code to answer.",
    reply.text("I will compute it. ")
    + reply.code("print(6 * 7)")
    + reply.code_result("42\n")
    + reply.text("It is 42."),
)
def _code_execution(client: Client) -> object:
    from google.genai import types

    config = types.GenerateContentConfig(tools=[types.Tool(code_execution=types.ToolCodeExecution())])
    answer = client.models.generate_content(model=MODEL, contents="What is 6 times 7?", config=config)
    return [answer.executable_code, answer.code_execution_result]


@_flow(
    "grounding",
    "The model searches the web, and says where it has its answer from.",
    reply.text("Paris is the capital of France.")
    + reply.grounding(
        ("https://example.com/paris", "example.com"),
        queries=["capital of France"],
        text="Paris is the capital of France.",
    ),
)
def _grounding(client: Client) -> object:
    from google.genai import types

    config = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    answer = client.models.generate_content(model=MODEL, contents=_QUESTION, config=config)
    grounding = answer.candidates[0].grounding_metadata if answer.candidates else None
    return [answer.text, [chunk.web.uri for chunk in (grounding and grounding.grounding_chunks) or [] if chunk.web]]


_QUESTION: Final = "What is the capital of France?"
_RIDDLE: Final = "How many times is the letter r in strawberry?"


def get_weather(city: str) -> str:
    """Return the weather in a city.

    Args:
        city: The name of the city.
    """
    return f"sunny in {city}"


# google-genai 1.20 can't call a function whose annotations are text, as those of this module are.
get_weather.__annotations__ = {"city": str, "return": str}


def _declaration() -> types.FunctionDeclaration:
    from google.genai import types

    city = types.Schema(type=types.Type.STRING, description="The name of the city.")
    parameters = types.Schema(type=types.Type.OBJECT, properties={"city": city}, required=["city"])
    return types.FunctionDeclaration(
        name="get_weather", description="Return the weather in a city.", parameters=parameters
    )


def _thinking() -> types.GenerateContentConfig:
    from google.genai import types

    return types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))


def _texts(chunks: Iterable[GenerateContentResponse]) -> list[str]:
    return [_text_of(chunk) for chunk in chunks]


def _text_of(answer: GenerateContentResponse) -> str:
    return "".join(part.text or "" for part in _parts(answer))


def _parts(answer: GenerateContentResponse) -> list[types.Part]:
    content = answer.candidates[0].content if answer.candidates else None
    return (content.parts if content else None) or []


def _calls(answer: GenerateContentResponse) -> list[types.FunctionCall]:
    return [part.function_call for part in _parts(answer) if part.function_call]


def _ended(answer: GenerateContentResponse) -> list[object]:
    reason = answer.candidates[0].finish_reason if answer.candidates else None
    return [[part.text for part in _parts(answer)], reason.value if reason else None]
