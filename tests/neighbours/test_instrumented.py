"""`instrument()` beside other tools that patch google-genai's methods: whoever comes and goes first."""

from __future__ import annotations

import importlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai.chats import AsyncChat, Chat
from google.genai.models import AsyncModels, Models
from support.clients import closed
from support.neighbour import ORDERS
from support.sides import MODEL, SIDES

from maxim_gemini import instrument, uninstrument
from maxim_gemini.testing import FakeLogger, GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.filterwarnings("default")  # what the neighbours warn of is theirs to mend

METHODS: list[tuple[type, str]] = [
    (owner, name) for owner in (Models, AsyncModels) for name in ("generate_content", "generate_content_stream")
]
METHODS += [(owner, name) for owner in (Chat, AsyncChat) for name in ("send_message", "send_message_stream")]


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as serving:
        serving.when(lambda request: request.streams).always(reply.stream("one ", "two"))
        serving.always(reply.text("one two"))
        yield serving


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = [(vars(owner)[name], getattr(vars(owner)[name], "__code__", None)) for owner, name in METHODS]
    yield
    uninstrument()
    assert [(vars(owner)[name], getattr(vars(owner)[name], "__code__", None)) for owner, name in METHODS] == before


def _instrumentor(module: str) -> tuple[Callable[[], object], Callable[[], object]]:
    package = pytest.importorskip(module, reason=f"{module} is not installed")
    trace = importlib.import_module("opentelemetry.sdk.trace")
    one = package.GoogleGenAIInstrumentor() if hasattr(package, "GoogleGenAIInstrumentor") else None
    one = one or package.GoogleGenAiSdkInstrumentor()
    return (lambda: one.instrument(tracer_provider=trace.TracerProvider())), one.uninstrument


def openinference() -> tuple[Callable[[], object], Callable[[], object]]:
    return _instrumentor("openinference.instrumentation.google_genai")


def opentelemetry() -> tuple[Callable[[], object], Callable[[], object]]:
    return _instrumentor("opentelemetry.instrumentation.google_genai")


def logfire() -> tuple[Callable[[], object], Callable[[], object]]:
    package = pytest.importorskip("logfire", reason="logfire is not installed")
    package.configure(send_to_logfire=False, console=False, inspect_arguments=False)
    inner = pytest.importorskip("opentelemetry.instrumentation.google_genai")
    return package.instrument_google_genai, lambda: inner.GoogleGenAiSdkInstrumentor().uninstrument()


TOOLS = {"openinference": openinference, "opentelemetry": opentelemetry, "logfire": logfire}


async def use(client: Any) -> list[str]:
    """Make every kind of call, sync and async."""
    texts: list[str] = []
    for side in SIDES:
        chat = side.chats(client).create(model=MODEL)
        texts += [(await side.generate(client)).text, (await side.send(chat, "Hi")).text]
        for stream in (await side.open(client), await side.open_turn(chat, "Hi")):
            texts.append("".join([chunk.text for chunk in await side.read(stream)]))
    return texts


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "-".join(step.replace(" ", "_") for step in order))
async def test_calls_are_traced_once_in_any_order(server: GeminiServer, tool: str, order: tuple[str, ...]) -> None:
    come, go = TOOLS[tool]()
    logger = FakeLogger()
    with ExitStack() as stack:
        stack.callback(uninstrument)
        expected = 0
        we_are_there = False
        for step in order:
            match step:
                case "they come":
                    come()
                case "they go":
                    go()
                case "we come":
                    instrument(logger)
                    we_are_there = True
                case _:
                    uninstrument()
                    we_are_there = False
            client = genai.Client(api_key="unused", http_options={"base_url": server.url})
            assert await use(client) == ["one two"] * 8
            await closed(client)
            expected += 8 * we_are_there
            assert len(logger.generations) == expected
    assert {one.text for one in logger.generations} == {"one two"}
    logger.assert_complete()


SENTRY = (
    "import sentry_sdk\n"
    "from sentry_sdk.integrations.google_genai import GoogleGenAIIntegration\n"
    "sentry_sdk.init(dsn='https://a@127.0.0.1/1', transport=lambda event: None, auto_enabling_integrations=False, "
    "integrations=[GoogleGenAIIntegration()], traces_sample_rate=1.0)\n"
)
PROGRAM = """
import asyncio
from google import genai
from neighbours.test_instrumented import use
from support.clients import closed
from maxim_gemini import instrument, uninstrument
from maxim_gemini.testing import FakeLogger, GeminiServer, reply
logger = FakeLogger()
{steps}
async def main():
    with GeminiServer() as server:
        server.when(lambda request: request.streams).always(reply.stream("one ", "two"))
        server.always(reply.text("one two"))
        client = genai.Client(api_key="unused", http_options={{"base_url": server.url}})
        assert await use(client) == ["one two"] * 8
        assert len(logger.generations) == 8, len(logger.generations)
        logger.assert_complete()
        uninstrument()
        assert await use(client) == ["one two"] * 8
        assert len(logger.generations) == 8
        await closed(client)
asyncio.run(main())
print("done")
"""


@pytest.mark.parametrize(
    "steps", [f"{SENTRY}instrument(logger)", f"instrument(logger)\n{SENTRY}"], ids=["before", "after"]
)
def test_sentry(steps: str) -> None:
    """It can't be undone, so it has a process of its own."""
    import subprocess
    import sys

    from support.checkout import ROOT

    pytest.importorskip("sentry_sdk.integrations.google_genai", reason="sentry-sdk is not installed")
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n{PROGRAM.format(steps=steps)}",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT / "tests",
    )
    assert run.stdout.strip().endswith("done"), run.stderr[-2000:]
