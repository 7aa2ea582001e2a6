"""Frameworks that make their own client, in an instrumented process: one complete trace for one piece of work."""

from __future__ import annotations

import gc
import importlib
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types

from maxim_gemini import instrument, trace
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


async def langchain() -> str:
    """langchain-google-genai: a model with a bound tool, asked twice."""
    genai = importlib.import_module("langchain_google_genai")
    messages = importlib.import_module("langchain_core.messages")
    model = genai.ChatGoogleGenerativeAI(model=MODEL).bind_tools([weather])
    history = [messages.HumanMessage(QUESTION)]
    asked = await model.ainvoke(history)
    (call,) = asked.tool_calls
    history += [asked, messages.ToolMessage(weather(**call["args"]), tool_call_id=call["id"], name=call["name"])]
    return str((model.invoke(history)).text)


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


WITH_TOOL = [reply.function_call("weather", city="Paris"), reply.text("It is sunny.")]

FRAMEWORKS: dict[str, tuple[Callable[[], Awaitable[str]], list[Any], str]] = {
    "langchain": (langchain, WITH_TOOL, "It is sunny."),
    "google-adk": (google_adk, WITH_TOOL, "It is sunny."),
    "llama-index": (llama_index, WITH_TOOL, "It is sunny."),
    "pydantic-ai": (pydantic_ai, WITH_TOOL, "It is sunny."),
    "agno": (agno, WITH_TOOL, "It is sunny."),
    "strands": (strands, WITH_TOOL, "It is sunny."),
    "instructor": (instructor, [reply.function_call("Weather", sky="sunny")], "sunny"),
}


PACKAGES = {
    "langchain": "langchain_google_genai",
    "google-adk": "google.adk.agents",
    "llama-index": "llama_index.llms.google_genai",
    "pydantic-ai": "pydantic_ai",
    "agno": "agno.agent",
    "strands": "strands",
    "instructor": "instructor",
}


@pytest.fixture(autouse=True)
def _installed(framework: str) -> None:
    """Skip before anything is scripted: the server complains of replies that nobody took."""
    pytest.importorskip(PACKAGES[framework], reason=f"{framework} is installed in the environment `frameworks` only")


@pytest.fixture(autouse=True)
def _environment(_installed: None, monkeypatch: pytest.MonkeyPatch, server: GeminiServer) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "unused")
    monkeypatch.setenv("GOOGLE_API_KEY", "unused")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_its_work_is_one_trace_and_its_answers_the_same_as_without(
    server: GeminiServer, logger: FakeLogger, framework: str
) -> None:
    work, replies, expected = FRAMEWORKS[framework]
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
    assert [one.usage["total_tokens"] > 0 for one in made.generations] == [True] * len(asked)
    tool = made.tool_call
    if framework == "instructor":  # whose function is the answer's schema, and never run
        assert (tool.name, tool.arguments) == ("Weather", {"sky": "sunny"})
    else:
        assert (tool.name, tool.arguments) == ("weather", {"city": "Paris"})
        assert "sunny in Paris" in str(tool.result)
    logger.assert_complete()


NAMES = {"langchain": "langchain-google-genai", "google-adk": "google-adk"}
"""How they name themselves in their requests, of those that maxim-py integrates."""


@pytest.mark.parametrize("framework", NAMES)
async def test_what_another_integration_records_can_be_skipped(
    server: GeminiServer, logger: FakeLogger, framework: str
) -> None:
    work, replies, expected = FRAMEWORKS[framework]
    server.reply(*replies)
    with instrument(logger, skip=lambda call: call.made_by(NAMES[framework])):
        assert await work() == expected
    assert logger.logs == ()
