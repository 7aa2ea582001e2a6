"""Tracers that people run beside this one: each sees what it sees on the bare client; a call is traced here once."""

from __future__ import annotations

import importlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.clients import closed
from support.sides import MODEL, SIDES, Sync

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.filterwarnings("default")  # what the neighbours warn of is theirs to mend

WAYS = ["models", "models streamed", "chat", "chat streamed"]


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as serving:
        serving.when(lambda request: request.streams).always(reply.stream("one ", "two"))
        serving.always(reply.text("one two"))
        yield serving


@pytest.fixture
async def bare(server: GeminiServer) -> AsyncIterator[genai.Client]:
    client = genai.Client(api_key="unused", http_options={"base_url": server.url})
    yield client
    await closed(client)


@pytest.fixture(params=SIDES, ids=repr)
def side(request: pytest.FixtureRequest) -> Sync:
    """The sync client, then the async one."""
    side: Sync = request.param
    return side


async def use(side: Sync, client: Any, how: str) -> str:
    """Make one call in one of four ways; return its text."""
    if how.startswith("models"):
        answer = await (side.open(client) if how.endswith("streamed") else side.generate(client))
    else:
        chat = side.chats(client).create(model=MODEL)
        answer = await (side.open_turn(chat, "Hi") if how.endswith("streamed") else side.send(chat, "Hi"))
    got = await side.read(answer) if how.endswith("streamed") else [answer]
    return "".join(chunk.text for chunk in got)


@contextmanager
def langsmith(client: Any) -> Generator[list[Any]]:
    """It puts functions on the client's models that call the old ones."""
    package = pytest.importorskip("langsmith", reason="langsmith is not installed")
    wrappers, helpers = importlib.import_module("langsmith.wrappers"), importlib.import_module("langsmith.run_helpers")
    seen: list[Any] = []

    class Runs(package.Client):  # type: ignore[misc, name-defined]
        def create_run(self, name: str, inputs: Any, run_type: Any, **_: Any) -> None:
            seen.append((name, run_type))

        def update_run(self, run_id: Any, **more: Any) -> None:
            seen.append(more.get("error"))

    runs = Runs(api_key="unused", api_url="http://127.0.0.1:9", auto_batch_tracing=False)
    wrappers.wrap_gemini(client, tracing_extra={"client": runs})
    with helpers.tracing_context(enabled=True, client=runs):
        yield seen


@contextmanager
def opik(client: Any) -> Generator[list[Any]]:
    """It puts functions on the client's models that call the old ones."""
    pytest.importorskip("opik", reason="opik is not installed")
    genai_of_opik = importlib.import_module("opik.integrations.genai")
    seen: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPIK_TRACK_DISABLE", "true")
        genai_of_opik.track_genai(client)
        yield seen


@contextmanager
def openinference(client: Any) -> Generator[list[Any]]:
    """It patches the SDK's classes, and its streams can be iterated over, but are no iterators."""
    package = pytest.importorskip(
        "openinference.instrumentation.google_genai", reason="OpenInference's instrumentation is not installed"
    )
    trace = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    instrumentor = package.GoogleGenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    seen: list[Any] = []
    try:
        yield seen
    finally:
        instrumentor.uninstrument()
        for span in exporter.get_finished_spans():
            kept = [span.attributes.get(name) for name in ("llm.model_name", "llm.token_count.total")]
            answer = json.loads(span.attributes["output.value"])["candidates"]
            seen.append((span.name, span.status.status_code, kept, answer))


TRACERS: dict[str, Callable[[Any], AbstractContextManager[list[Any]]]] = {
    "langsmith": langsmith,
    "opik": opik,
    "openinference": openinference,
}


@pytest.mark.parametrize("tracer", TRACERS.values(), ids=TRACERS)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_tracer_sees_what_it_sees_on_the_bare_client_and_a_call_is_traced_once(
    side: Sync, server: GeminiServer, tracer: Any, how: str, when: str
) -> None:
    outcomes: list[Any] = []
    logger = FakeLogger()
    for is_wrapped in (False, True):
        bare = genai.Client(api_key="unused", http_options={"base_url": server.url})
        before = len(server.requests)
        if when == "before":
            with tracer(bare) as seen:
                text = await use(side, MaximGeminiClient(bare, logger) if is_wrapped else bare, how)
        else:
            client: Any = MaximGeminiClient(bare, logger) if is_wrapped else bare
            with tracer(client) as seen:
                text = await use(side, client, how)
        outcomes.append((text, seen, len(server.requests) - before))
        await closed(bare)
    assert outcomes[1] == outcomes[0]
    assert outcomes[1][0] == "one two"
    generation = logger.trace.generation
    assert (generation.text, generation.error, logger.trace.output) == ("one two", None, "one two")
    logger.assert_complete()


async def test_a_tracer_refuses_to_wrap_a_client_twice_as_it_does_the_bare_one(bare: genai.Client) -> None:
    """langsmith looks at the attribute that it has put there."""
    client: Any = MaximGeminiClient(bare, FakeLogger())
    with langsmith(client), pytest.raises(ValueError, match="already been wrapped"), langsmith(client):
        pass


@pytest.mark.parametrize("how", WAYS)
async def test_a_spy_of_pytest_mock_sees_the_call(side: Sync, bare: genai.Client, how: str) -> None:
    package = pytest.importorskip("pytest_mock", reason="pytest-mock is not installed")
    logger = FakeLogger()
    client: Any = MaximGeminiClient(bare, logger)
    name = "generate_content_stream" if how.endswith("streamed") else "generate_content"
    mocker = package.MockerFixture(config=None)
    try:
        spy = mocker.spy(side.models(client), name)
        assert await use(side, client, how) == "one two"
        assert [call.kwargs["model"] for call in spy.mock_calls if call.kwargs] == [MODEL]
    finally:
        mocker.stopall()
    assert logger.trace.generation.text == "one two"
    assert await use(side, client, how) == "one two"
    assert len(logger.generations) == 2
    logger.assert_complete()
