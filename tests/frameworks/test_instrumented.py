"""Frameworks that make their own client, in an instrumented process: one complete trace for one piece of work."""

from __future__ import annotations

import gc
import importlib
import sys
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from google.genai import types

from maxim_gemini import instrument, suppress, trace
from maxim_gemini.testing import FakeLogger, GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.filterwarnings("ignore")  # what frameworks warn of, and leave open, is theirs to mend

MODEL = "gemini-2.5-flash"
QUESTION = "How is the weather in Paris?"


def weather(city: str) -> str:
    """Tell the weather of a city.

    Args:
        city: The name of the city.
    """
    return f"sunny in {city}"


async def langchain(*callbacks: Any) -> str:
    """langchain-google-genai: a model with a bound tool, asked twice."""
    genai = importlib.import_module("langchain_google_genai")
    messages = importlib.import_module("langchain_core.messages")
    model = genai.ChatGoogleGenerativeAI(model=MODEL).bind_tools([weather])
    history = [messages.HumanMessage(QUESTION)]
    asked = await model.ainvoke(history, {"callbacks": list(callbacks)})
    (call,) = asked.tool_calls
    history += [asked, messages.ToolMessage(weather(**call["args"]), tool_call_id=call["id"], name=call["name"])]
    return str(model.invoke(history, {"callbacks": list(callbacks)}).text)


async def google_adk() -> str:
    """google-adk: an agent that runs a tool."""
    agents = importlib.import_module("google.adk.agents")
    runners = importlib.import_module("google.adk.runners")
    agent = agents.Agent(name="forecaster", model=MODEL, instruction="Be brief.", tools=[weather])
    runner = runners.InMemoryRunner(agent=agent, app_name="forecasts")
    session = await runner.session_service.create_session(
        app_name="forecasts", user_id="u", session_id=str(uuid.uuid4())
    )
    message = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    answer = ""
    async for event in runner.run_async(user_id="u", session_id=session.id, new_message=message):
        if event.is_final_response() and event.content:
            answer = "".join(part.text or "" for part in event.content.parts)
    return answer


async def llama_index() -> str:
    """llama-index-llms-google-genai: a model that predicts, and calls a function."""
    llms = importlib.import_module("llama_index.llms.google_genai")
    tools = importlib.import_module("llama_index.core.tools")
    base = importlib.import_module("llama_index.core.base.llms.types")
    model = llms.GoogleGenAI(model=MODEL, context_window=1000, max_tokens=100)
    tool = tools.FunctionTool.from_defaults(weather)
    asked = await model.achat_with_tools([tool], user_msg=QUESTION)
    (call,) = model.get_tool_calls_from_response(asked)
    answer = base.ChatMessage(role="tool", content=weather(**call.tool_kwargs))
    answer.additional_kwargs = {"tool_call_id": call.tool_id, "name": call.tool_name}
    history = [base.ChatMessage(role="user", content=QUESTION), asked.message, answer]
    return str((await model.achat(history)).message.content)


async def pydantic_ai() -> str:
    """pydantic-ai: an agent that runs a tool, with no client given."""
    package = importlib.import_module("pydantic_ai")
    models = importlib.import_module("pydantic_ai.models.google")
    agent = package.Agent(models.GoogleModel(MODEL), tools=[weather])
    return str((await agent.run(QUESTION)).output)


async def agno() -> str:
    """agno: an agent that runs a tool."""
    agents = importlib.import_module("agno.agent")
    models = importlib.import_module("agno.models.google")
    agent = agents.Agent(model=models.Gemini(id=MODEL), tools=[weather], telemetry=False)
    return str((await agent.arun(QUESTION)).content)


async def strands() -> str:
    """strands-agents: an agent that runs a tool."""
    package = importlib.import_module("strands")
    models = importlib.import_module("strands.models.gemini")
    agent = package.Agent(
        model=models.GeminiModel(model_id=MODEL), tools=[package.tool(weather)], callback_handler=None
    )
    return str(await agent.invoke_async(QUESTION)).strip()


async def instructor() -> str:
    """instructor: an answer by a schema, over a client of its own making."""
    package = importlib.import_module("instructor")
    pydantic = importlib.import_module("pydantic")
    kind = pydantic.create_model("Weather", sky=(str, ...))
    client = package.from_provider(f"google/{MODEL}")
    answer = client.create(messages=[{"role": "user", "content": QUESTION}], response_model=kind)
    return str(answer.sky)


WITH_TOOL = [
    reply.function_call("weather", city="Paris") + reply.usage(prompt=41, candidates=7, thoughts=5),
    reply.text("It is sunny.") + reply.usage(prompt=83, candidates=3, cached=17),
]
BY_SCHEMA = [reply.function_call("Weather", sky="sunny") + reply.usage(prompt=41, candidates=7, thoughts=5)]

USAGE = [
    {"prompt_tokens": 41, "completion_tokens": 12, "total_tokens": 53, "output_token_details": {"reasoning_tokens": 5}},
    {"prompt_tokens": 83, "completion_tokens": 3, "total_tokens": 86, "input_token_details": {"cached_tokens": 17}},
]
"""The token counts of these answers in Maxim's words, without the modalities."""


class Framework(NamedTuple):
    """What a framework is asked to do, and what comes of it."""

    package: str
    work: Callable[..., Awaitable[str]]
    replies: list[Any] = WITH_TOOL
    answer: str = "It is sunny."


FRAMEWORKS = {
    "langchain": Framework("langchain_google_genai", langchain),
    "google-adk": Framework("google.adk", google_adk),
    "llama-index": Framework("llama_index.llms.google_genai", llama_index),
    "pydantic-ai": Framework("pydantic_ai", pydantic_ai),
    "agno": Framework("agno", agno),
    "strands": Framework("strands", strands),
    "instructor": Framework("instructor", instructor, BY_SCHEMA, "sunny"),
}


def framework_named(name: str) -> Framework:
    """Return a framework; skip where it is not installed."""
    framework = FRAMEWORKS[name]
    pytest.importorskip(framework.package, reason=f"{name} is installed in the environments for frameworks only")
    return framework


def without_modalities(usage: Any) -> dict[str, Any]:
    """Return token counts without those by modality, which the server counts itself."""
    kept = {name: value for name, value in usage.items() if not isinstance(value, dict)}
    details = {
        side: {name: count for name, count in counts.items() if name in ("reasoning_tokens", "cached_tokens")}
        for side, counts in usage.items()
        if side in ("input_token_details", "output_token_details")
    }
    return kept | {side: counts for side, counts in details.items() if counts}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, server: GeminiServer) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "unused")
    monkeypatch.setenv("GOOGLE_API_KEY", "unused")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_its_work_is_one_trace_and_its_answers_the_same_as_without(
    server: GeminiServer, logger: FakeLogger, framework: str
) -> None:
    _, work, replies, expected = framework_named(framework)
    server.reply(*replies)
    assert await work() == expected
    bare = len(server.requests)

    server.reply(*replies)
    with instrument(logger), trace(logger, name=framework, input=QUESTION) as handle:
        handle.output = await work()
    gc.collect()

    assert handle.output == expected
    assert len(server.requests) == 2 * bare
    assert [name for one in server.requests for name in one.headers if "maxim" in name.lower()] == []
    made = logger.trace
    asked = [one for one in server.requests[bare:] if one.generates]
    assert len(made.generations) == len(asked)
    assert [without_modalities(one.usage) for one in made.generations] == USAGE[: len(asked)]
    tool = made.tool_call
    if framework == "instructor":  # whose function is the answer's schema, and never run
        assert (tool.name, tool.arguments) == ("Weather", {"sky": "sunny"})
    else:
        assert (tool.name, tool.arguments) == ("weather", {"city": "Paris"})
        assert "sunny in Paris" in str(tool.result)
    logger.assert_complete()


def maxims_google_adk(logger: FakeLogger, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """maxim-py's integration of google-adk, which replaces functions for good and keeps a session for the process."""
    theirs = importlib.import_module("maxim.logger.google_adk.client")
    runner = importlib.import_module("google.adk.runners").Runner
    tool = importlib.import_module("google.adk.tools.agent_tool").AgentTool
    for owner, name in [(runner, "__init__"), (tool, "run_async"), (theirs, "_current_maxim_session")]:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    theirs.instrument_google_adk(logger)
    return []


def maxims_langchain(logger: FakeLogger, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """maxim-py's integration of langchain: a callback."""
    return [importlib.import_module("maxim.logger.langchain").MaximLangchainTracer(logger)]


INTEGRATIONS = {
    "langchain": (maxims_langchain, "langchain-google-genai"),
    "google-adk": (maxims_google_adk, "google-adk"),
}
"""Of maxim-py, for frameworks that name themselves in their requests, and by which name."""


@pytest.mark.parametrize("framework", INTEGRATIONS)
async def test_what_another_integration_records_can_be_skipped(
    server: GeminiServer, logger: FakeLogger, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, work, replies, expected = framework_named(framework)
    integrate, name = INTEGRATIONS[framework]
    theirs = FakeLogger()
    given = integrate(theirs, monkeypatch)
    server.reply(*replies)
    with instrument(logger, skip=lambda call: call.made_by(name)):
        assert await work(*given) == expected
    assert [one.text for one in theirs.generations][1:] == ["It is sunny."]
    assert logger.logs == ()

    server.reply(*replies)
    with instrument(logger):
        assert await work(*given) == expected
    assert (len(theirs.generations), len(logger.generations)) == (4, 2)


def maxims_agno(logger: FakeLogger, monkeypatch: pytest.MonkeyPatch) -> None:
    """maxim-py's integration of agno, which replaces functions for good."""
    agent = importlib.import_module("agno.agent").Agent
    for name, value in {"run": agent.run, "arun": agent.arun, "_maxim_patched": False}.items():
        monkeypatch.setattr(agent, name, value, raising=False)
    importlib.import_module("maxim.logger.agno").instrument_agno(logger)


def maxims_pydantic_ai(logger: FakeLogger, monkeypatch: pytest.MonkeyPatch) -> None:
    """maxim-py's integration of pydantic-ai, which replaces functions for good and keeps a session for the process."""
    theirs = importlib.import_module("maxim.logger.pydantic_ai.client")
    package = importlib.import_module("pydantic_ai")
    monkeypatch.setattr(theirs, "_session", None)
    monkeypatch.setitem(sys.modules, "pydantic_ai.models.openai", None)  # or it replaces functions of OpenAI's, too
    for owner in (package.Agent, importlib.import_module("pydantic_ai.agent").AbstractAgent):
        for name in ("run", "run_stream"):
            monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(package.Tool, "__call__", package.Tool.__call__, raising=False)
    theirs.instrument_pydantic_ai(logger)


@pytest.mark.parametrize(("framework", "integrate"), [("agno", maxims_agno), ("pydantic-ai", maxims_pydantic_ai)])
async def test_what_another_integration_records_can_be_suppressed(
    server: GeminiServer,
    logger: FakeLogger,
    framework: str,
    integrate: Callable[[FakeLogger, pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, work, replies, expected = framework_named(framework)
    theirs = FakeLogger()
    integrate(theirs, monkeypatch)
    server.reply(*replies)
    with instrument(logger), suppress():
        assert await work() == expected
    assert len(theirs.traces) == 1
    assert logger.logs == ()

    server.reply(*replies)
    with instrument(logger):
        assert await work() == expected
    assert (len(theirs.traces), len(logger.generations)) == (2, 2)
