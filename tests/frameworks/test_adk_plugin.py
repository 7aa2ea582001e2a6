"""The plugin for google-adk: whole runs of agents, with tools, sub-agents and errors, as one trace each."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import types

from maxim_gemini import instrument, trace
from maxim_gemini.testing import FakeLogger, GeminiServer, reply

pytest.importorskip("google.adk", reason="google-adk is installed in the environment `frameworks` only")

from google.adk.agents import Agent, ParallelAgent, SequentialAgent
from google.adk.agents.run_config import StreamingMode
from google.adk.runners import InMemoryRunner, RunConfig
from google.adk.tools.agent_tool import AgentTool

from maxim_gemini.adk import MaximAdkPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "gemini-2.5-flash"

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* is deprecated in favor of Workflow"),
    # Google's ADK leaves its clients open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, server: GeminiServer) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "unused")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)


def weather(city: str) -> dict[str, str]:
    """Tell the weather of a city."""
    return {"report": f"sunny in {city}"}


def failing(city: str) -> dict[str, str]:
    """Fail."""
    raise ValueError(f"no weather in {city}")


async def run(
    agent: Any, text: str, *plugins: Any, mode: StreamingMode = StreamingMode.NONE, session: str = "s"
) -> str:
    runner = InMemoryRunner(agent=agent, app_name="forecasts", plugins=list(plugins))
    await runner.session_service.create_session(app_name="forecasts", user_id="ada", session_id=session)
    message = types.Content(role="user", parts=[types.Part(text=text)])
    answer = ""
    async for event in runner.run_async(
        user_id="ada", session_id=session, new_message=message, run_config=RunConfig(streaming_mode=mode)
    ):
        if event.is_final_response() and event.content and event.content.parts:
            answer = "".join(part.text or "" for part in event.content.parts)
    return answer


def agent(name: str = "forecaster", **more: Any) -> Agent:
    return Agent(**{"name": name, "model": MODEL, "instruction": "Be brief.", **more})


async def test_a_run_with_a_tool_is_one_trace(
    server: GeminiServer, logger: FakeLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply(reply.function_call("weather", city="Paris"), reply.text("It is sunny."))
    assert await run(agent(tools=[weather]), "How is it in Paris?", MaximAdkPlugin(logger)) == "It is sunny."
    made = logger.trace
    assert (made.name, made.input, made.output, made.session_id) == (
        "forecasts",
        "How is it in Paris?",
        "It is sunny.",
        "s",
    )
    assert made.metadata["user_id"] == "ada"
    span = made.span
    assert span.name == "Agent: forecaster"
    assert [one.parent for one in [*made.generations, *made.tool_calls]] == [span] * 3
    (call,) = made.tool_calls
    assert (call.name, call.arguments, call.result) == ("weather", {"city": "Paris"}, '{"report": "sunny in Paris"}')
    first, second = made.generations
    assert [one.id for one in first.tool_calls] == [call.id]
    assert (first.messages[0]["role"], second.text, second.model) == ("system", "It is sunny.", MODEL)
    logger.assert_complete()
    assert capsys.readouterr().out == ""


async def test_usage_is_the_wires(server: GeminiServer, logger: FakeLogger) -> None:
    beside = FakeLogger()
    server.reply(reply.function_call("weather", city="Paris"), reply.text("It is sunny."))
    with instrument(beside):
        await run(agent(tools=[weather]), "How is it?", MaximAdkPlugin(logger))
    assert [one.usage for one in logger.generations] == [one.usage for one in beside.generations]
    assert [one.finish_reason for one in logger.generations] == [one.finish_reason for one in beside.generations]
    assert all(one.usage["total_tokens"] for one in logger.generations)


async def test_answers_are_the_same_without_it(server: GeminiServer, logger: FakeLogger) -> None:
    for plugins in ([], [MaximAdkPlugin(logger)]):
        server.reply(reply.function_call("weather", city="Paris"), reply.text("Sunny."))
        assert await run(agent(tools=[weather]), "How is it?", *plugins) == "Sunny."
    assert server.requests[0].body == server.requests[2].body
    assert [name for one in server.requests for name in one.headers if "maxim" in name.lower()] == []


async def test_a_streamed_run_is_one_trace(server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.stream("Hel", "lo."))
    assert await run(agent(), "Hello?", MaximAdkPlugin(logger), mode=StreamingMode.SSE) == "Hello."
    assert (logger.trace.output, logger.generation.text) == ("Hello.", "Hello.")
    logger.assert_complete()


async def test_sub_agents_are_spans(server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.text("draft"), reply.text("final"))
    both = SequentialAgent(name="writers", sub_agents=[agent("writer"), agent("editor")])
    assert await run(both, "Write.", MaximAdkPlugin(logger)) == "final"
    tree = [(one.name, one.parent.name) for one in logger.trace.spans if one.parent]
    assert tree == [
        ("Agent: writers", "forecasts"),
        ("Agent: writer", "Agent: writers"),
        ("Agent: editor", "Agent: writers"),
    ]
    assert [one.parent.name for one in logger.generations if one.parent] == ["Agent: writer", "Agent: editor"]
    logger.assert_complete()


async def test_without_it_the_requests_of_sub_agents_are_generations_of_the_trace_around(
    server: GeminiServer, logger: FakeLogger
) -> None:
    server.reply(reply.text("draft"), reply.text("final") + reply.usage(prompt=5, candidates=7))
    both = SequentialAgent(name="writers", sub_agents=[agent("writer"), agent("editor")])
    with instrument(logger), trace(logger, name="Work"):
        assert await run(both, "Write.") == "final"
    assert [one.text for one in logger.trace.generations] == ["draft", "final"]
    assert logger.trace.generations[-1].usage["total_tokens"] == 12
    logger.assert_complete()


async def test_agents_that_run_beside_each_other_do_not_mix(server: GeminiServer, logger: FakeLogger) -> None:
    server.always(lambda request: reply.text(request.system))
    agents = [agent(f"agent_{number}", instruction=f"You are {number}.") for number in range(4)]
    await run(ParallelAgent(name="all", sub_agents=agents), "Go.", MaximAdkPlugin(logger))
    for number in range(4):
        span = logger.spans.named(f"Agent: agent_{number}").only
        assert f"You are {number}." in str(span.generation.text)
    logger.assert_complete()


async def test_an_agent_as_a_tool_is_part_of_the_trace(server: GeminiServer, logger: FakeLogger) -> None:
    server.reply(reply.function_call("expert", request="the weather"), reply.text("sunny"), reply.text("It is sunny."))
    expert = AgentTool(agent=agent("expert"))
    assert await run(agent(tools=[expert]), "How is it?", MaximAdkPlugin(logger)) == "It is sunny."
    made = logger.trace
    assert [one.name for one in made.tool_calls] == ["expert"]
    assert len(made.generations) == 3
    inner = made.spans.named("Agent: expert").only
    assert inner.parent == made.spans.named("Agent: forecaster").only
    logger.assert_complete()


async def test_calls_of_a_tool_of_its_own_are_part_of_the_trace(
    server: GeminiServer, logger: FakeLogger, client: Any
) -> None:
    def look_up(topic: str) -> str:
        """Look something up."""
        return str(client.models.generate_content(model=MODEL, contents=topic).text)

    server.reply(reply.function_call("look_up", topic="rain"), reply.text("from the tool"), reply.text("Done."))
    assert await run(agent(tools=[look_up]), "Go.", MaximAdkPlugin(logger)) == "Done."
    assert [one.text for one in logger.trace.span.generations] == [None, "from the tool", "Done."]
    logger.assert_complete()


async def test_two_users_are_two_sessions(server: GeminiServer, logger: FakeLogger) -> None:
    server.always(reply.text("ok"))
    plugin = MaximAdkPlugin(logger)
    await asyncio.gather(*(run(agent(), "Hi", plugin, session=name) for name in ("one", "two", "one-more")))
    assert {one.session_id for one in logger.traces} == {"one", "two", "one-more"}
    assert [len(one.generations) for one in logger.traces] == [1, 1, 1]
    logger.assert_complete()


@pytest.mark.parametrize("tool", [failing])
async def test_a_tool_that_fails_is_an_error_on_it_and_on_the_run(
    server: GeminiServer, logger: FakeLogger, tool: Callable[..., Any]
) -> None:
    server.reply(reply.function_call("failing", city="Rome"))
    with pytest.raises(ValueError, match="no weather"):
        await run(agent(tools=[tool]), "Go.", MaximAdkPlugin(logger))
    assert logger.tool_call.error is not None
    assert logger.tool_call.error.message == "no weather in Rome"
    assert logger.trace.noted_errors[0].message == "no weather in Rome"
    logger.assert_complete()


async def test_a_model_that_fails_is_an_error(server: GeminiServer, logger: FakeLogger) -> None:
    server.always(reply.error(400, "bad"))
    with pytest.raises(genai.errors.ClientError):
        await run(agent(), "Go.", MaximAdkPlugin(logger))
    assert logger.generation.error is not None
    assert logger.generation.error.code == "400"
    assert logger.trace.noted_errors
    logger.assert_complete()


async def test_a_run_that_is_left_early_ends(server: GeminiServer, logger: FakeLogger) -> None:
    server.always(reply.stream("Hel", "lo."))
    runner = InMemoryRunner(agent=agent(), app_name="forecasts", plugins=[MaximAdkPlugin(logger)])
    await runner.session_service.create_session(app_name="forecasts", user_id="ada", session_id="s")
    message = types.Content(role="user", parts=[types.Part(text="Hi")])
    config = RunConfig(streaming_mode=StreamingMode.SSE)
    events = runner.run_async(user_id="ada", session_id="s", new_message=message, run_config=config)
    async with contextlib.aclosing(events):
        await anext(events)
    del events
    gc.collect()
    assert str(logger.generation.text).startswith("Hel")
    logger.assert_complete()


async def test_a_run_in_a_trace_is_part_of_it(server: GeminiServer, logger: FakeLogger) -> None:
    server.always(reply.text("ok"))
    with trace(logger, name="Work"):
        await run(agent(), "Hi", MaximAdkPlugin(logger))
        await run(agent(), "Hi", MaximAdkPlugin(logger))
    assert (logger.trace.name, len(logger.trace.spans), len(logger.trace.generations)) == ("Work", 2, 2)
    logger.assert_complete()


async def test_beside_the_instrumentation_it_is_recorded_once(server: GeminiServer, logger: FakeLogger) -> None:
    server.always(reply.text("ok"))
    with instrument(logger, skip=lambda call: call.made_by("google-adk")):
        await run(agent(), "Hi", MaximAdkPlugin(logger))
        client = genai.Client()
        client.models.generate_content(model=MODEL, contents="Not of an agent")
        client.close()
    assert [(one.name, len(one.generations)) for one in logger.traces] == [("forecasts", 1), ("Gemini call", 1)]
    logger.assert_complete()


@pytest.fixture(autouse=True)
def _no_client_is_left() -> Iterator[None]:
    yield
    gc.collect()
