"""Whole interactions: what arrives in Maxim, and what does not change for the caller."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING, Any

import pytest
from support.interaction_calls import MODEL, Interactions, SyncCalls, function_call, interaction, output
from support.interactions import error_class

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger


async def test_an_interaction_is_a_trace_with_one_generation(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("Hello", "!")))
    answer = await calls.create(client, system_instruction="Be kind.", generation_config={"temperature": 0.5})
    assert answer.output_text == "Hello!"
    trace, generation = logger.trace, logger.generation
    assert (trace.name, trace.input, trace.output) == ("Interaction", "Hi", "Hello!")
    assert generation.messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
    ]
    assert (generation.model, generation.text, generation.finish_reason) == (MODEL, "Hello!", "completed")
    assert generation.model_parameters == {"generation_config": {"temperature": 0.5}}
    assert generation.usage["prompt_tokens"] == 5
    assert generation.usage["completion_tokens"] == 7
    assert generation.usage["total_tokens"] == 12
    assert generation.metadata["interaction_id"] == "v1_1"
    logger.assert_complete()


async def test_a_chain_is_one_session(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("One")), interaction(2, output("Two")), interaction(3, output("Other")))
    await calls.create(client)
    await calls.create(client, previous_interaction_id="v1_1")
    await calls.create(client)
    first, second, other = (trace.session_id for trace in logger.traces)
    assert first == second != other
    assert [session.name for session in logger.sessions] == ["Interactions", "Interactions"]


async def test_a_chain_that_another_process_began_is_a_session_of_its_own(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(8, output("One")), interaction(9, output("Two")))
    await calls.create(client, previous_interaction_id="v1_7")
    await calls.create(client, previous_interaction_id="v1_8")
    assert len({trace.session_id for trace in logger.traces}) == 1


async def test_a_function_call_is_answered_by_the_next_interaction(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(
        interaction(1, function_call(city="Paris"), status="requires_action"), interaction(2, output("It rains."))
    )
    await calls.create(client)
    result = {"type": "function_result", "call_id": "call-1", "name": "weather", "result": {"sky": "rain"}}
    await calls.create(client, input=[result], previous_interaction_id="v1_1")
    first, second = logger.generations
    assert first.finish_reason == "tool_calls"
    assert [(call.name, call.arguments) for call in first.tool_calls] == [("weather", {"city": "Paris"})]
    (tool_call,) = logger.tool_calls
    assert (tool_call.name, tool_call.arguments, tool_call.result) == ("weather", {"city": "Paris"}, '{"sky": "rain"}')
    assert second.messages[-1]["role"] == "tool"
    assert second.messages[-1]["tool_call_id"] == "call-1"
    logger.assert_complete(strict=False)


async def test_what_google_looks_up_is_a_retrieval_and_what_it_runs_a_tool_call(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(
        interaction(
            1,
            {"type": "google_search_call", "id": "s1", "arguments": {"queries": ["tallest tower"]}},
            {"type": "google_search_result", "call_id": "s1", "result": [{"search_suggestions": "Towers"}]},
            {"type": "code_execution_call", "id": "c1", "arguments": {"code": "1/0", "language": "python"}},
            {"type": "code_execution_result", "call_id": "c1", "result": "division by zero", "is_error": True},
            output("Burj Khalifa."),
        )
    )
    await calls.create(client)
    snapshot = logger.snapshot()
    text = str(snapshot)
    assert "tallest tower" in text
    assert "Towers" in text
    (run,) = logger.tool_calls
    assert run.name == "code_execution"
    assert run.arguments == {"code": "1/0", "language": "python"}
    assert run.error is not None
    assert run.error.message == "division by zero"
    assert list(logger.generation.tool_calls) == []
    logger.assert_complete()


async def test_an_agent_is_a_span_around_its_generation(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    answer = interaction(1, output("Done.")) | {"agent": "deep-research"}
    del answer["model"]
    served.answers(answer)
    response = await calls.call(client, "create", agent="deep-research", input="Find out.")
    assert response.output_text == "Done."
    (span,) = logger.trace.spans
    assert span.name == "Agent: deep-research"
    assert [generation.model for generation in span.generations] == ["deep-research"]
    logger.assert_complete()


async def test_media_of_the_output_are_attachments(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    image = {"type": "image", "mime_type": "image/png", "data": "iVBORw0KGgo="}
    served.answers(interaction(1, {"type": "model_output", "content": [{"type": "text", "text": "Here: "}, image]}))
    await calls.create(client)
    (attachment,) = logger.generation.attachments
    assert attachment.mime_type == "image/png"
    assert logger.trace.output == "Here: [image/png, 8 bytes]"


async def test_raw_sound_of_the_output_is_an_attachment_that_plays(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    sound = {"type": "audio", "mime_type": "audio/l16", "sample_rate": 16000, "channels": 2, "data": "AQIDBA=="}
    whole = {"type": "audio", "mime_type": "audio/mp3", "data": "SUQz"}
    served.answers(interaction(1, {"type": "model_output", "content": [sound, whole]}))
    await calls.create(client)
    played, other = logger.generation.attachments
    with wave.open(io.BytesIO(played.content or b"")) as file:
        assert (file.getframerate(), file.getnchannels(), file.readframes(9)) == (16_000, 2, b"\1\2\3\4")
    assert other.content == b"ID3"


async def test_the_caller_names_trace_session_and_generation(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(*(interaction(number, output("Hello")) for number in (1, 2, 3)))
    logger.trace({"id": "mine", "name": "Mine"})
    await calls.create(client, trace_id="mine", generation_name="greet")
    await calls.create(client, session_id="user-7")
    await calls.create(client, extra_headers={"x-maxim-session-id": "user-8", "x-other": "kept"})
    assert [generation.name for generation in logger.generations][:1] == ["greet"]
    assert [trace.session_id for trace in logger.traces] == [None, "user-7", "user-8"]
    sent = [{name for name in asked.headers if name.startswith("x-")} for asked in served.requests]
    assert not any(name.startswith("x-maxim") for names in sent for name in names)
    assert "x-other" in sent[2]


async def test_headers_of_the_client_are_read_and_not_sent(
    calls: SyncCalls, served: Interactions, gemini: Any, logger: FakeLogger
) -> None:
    from google import genai
    from support.clients import closed

    from maxim_gemini import MaximGeminiClient

    options: Any = {"base_url": gemini.url, "headers": {"x-maxim-session-id": "team", "x-team": "blue"}}
    bare = genai.Client(api_key="test-key", http_options=options)
    served.answers(interaction(1, output("Hello")))
    await calls.create(MaximGeminiClient(bare, logger))
    assert logger.trace.session_id == "team"
    assert "x-maxim-session-id" not in served.requests[0].headers
    assert served.requests[0].headers["x-team"] == "blue"
    await closed(bare)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"message": "Invalid input.", "code": "invalid_request"}},
         ("400", "invalid_request")),
        (400, [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}],
         ("400", "INVALID_ARGUMENT")),
    ],
)  # fmt: skip
async def test_an_error_reaches_the_caller_and_the_generation(
    calls: SyncCalls,
    served: Interactions,
    raw: genai.Client,
    client: MaximGeminiClient,
    logger: FakeLogger,
    status: int,
    body: Any,
    error: tuple[str, str],
) -> None:
    served.answers(body, body, status=status)
    kind = error_class("BadRequestError")
    with pytest.raises(kind) as bare:
        await calls.create(raw)
    with pytest.raises(kind) as wrapped:
        await calls.create(client)
    assert str(wrapped.value) == str(bare.value)
    assert logger.generation.error is not None
    assert (logger.generation.error.code, logger.generation.error.type) == error
    logger.assert_complete()


async def test_a_failed_interaction_names_its_error(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    errors = [{"code": "internal", "message": "It broke."}]
    served.answers(interaction(1, status="failed", errors=errors))
    assert (await calls.create(client)).status == "failed"
    assert logger.generation.finish_reason == "failed"
    assert logger.generation.error is not None
    assert logger.generation.error.message == "It broke."


async def test_each_hop_of_a_continuation_is_a_generation(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(
        interaction(1, output("Once "), status="requires_continuation", continuation_token="t1"),
        interaction(2, output("upon a time.")),
    )
    answer = await calls.create(client)
    assert answer.continuation_ids == ["v1_1", "v1_2"]
    assert [generation.text for generation in logger.generations] == ["Once ", "upon a time."]
    assert logger.trace.output == "Once upon a time."
    assert [generation.usage["total_tokens"] for generation in logger.generations] == [12, 12]
    logger.assert_complete()


async def test_unknown_steps_are_readable_text(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, {"type": "telepathy", "thought_of": "blue"}, output("Blue.")))
    await calls.create(client)
    assert logger.trace.output == '[telepathy {"thought_of": "blue"}]Blue.'


async def test_a_history_shows_what_the_model_did(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("Rain.")))
    picture = {"type": "image", "mime_type": "image/png", "data": "iVBORw0KGgo="}
    empty = {"type": "video", "mime_type": "video/mp4"}
    history = [
        {"type": "user_input", "content": [{"type": "text", "text": "Look: "}, picture, empty]},
        {"type": "thought", "summary": [{"type": "text", "text": "I should look."}]},
        function_call(city="Paris"),
        {"type": "function_result", "call_id": "call-1", "name": "weather", "result": "rain"},
        {"type": "google_search_call", "id": "s1", "arguments": {"queries": ["Paris"]}},
    ]
    await calls.create(client, input=history)
    generation = logger.generation
    user, thought, call, result, search = generation.messages
    assert user["content"] == 'Look: [image/png, 8 bytes][{"type": "video", "mime_type": "video/mp4"}]'
    assert (thought["role"], thought["thoughts"]) == ("assistant", "I should look.")
    assert call["tool_calls"][0]["id"] == result["tool_call_id"] == "call-1"
    assert search["content"].startswith("[google_search_call {")
    assert "Paris" in search["content"]
    assert [one.mime_type for one in generation.attachments] == ["image/png"]


async def test_several_errors_and_odd_media_of_an_interaction_are_kept(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    errors = [{"code": "internal", "message": "It broke."}, {"code": "internal", "message": "Twice."}]
    media = [
        {"type": "image", "mime_type": "image/png", "uri": "https://example.com/a.png"},
        {"type": "image", "mime_type": "image/png", "data": "no"},
    ]
    step = {"type": "model_output", "content": media}
    served.answers(interaction(1, step, status="failed", errors=errors))
    await calls.create(client)
    generation = logger.generation
    assert generation.metadata["errors"] == errors
    linked, odd = generation.attachments
    assert linked.url == "https://example.com/a.png"
    assert odd.content == b"no"


async def test_a_raw_response_is_traced(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("Hello")), interaction(1, output("Hello")))
    bare = await calls.raw(raw)
    wrapped = await calls.raw(client)
    assert type(wrapped) is type(bare)
    parsed = [one.parse() for one in (bare, wrapped)]
    parsed = [await one if hasattr(one, "__await__") else one for one in parsed]
    assert parsed[0] == parsed[1]
    assert logger.trace.output == "Hello"
    logger.assert_complete()


@pytest.mark.parametrize("body", [b'{"id": "v1_1", "sta###', b"", b"[]", b'"text"'])
async def test_a_raw_response_that_is_no_json_object_is_an_error_of_the_generation(
    calls: SyncCalls,
    served: Interactions,
    raw: genai.Client,
    client: MaximGeminiClient,
    logger: FakeLogger,
    body: bytes,
) -> None:
    served.answers(body, body)
    bare = await calls.raw(raw)
    wrapped = await calls.raw(client)
    assert wrapped.http_response.content == bare.http_response.content == body
    error = logger.generation.error
    assert error is not None
    assert error.message.startswith("the response is no JSON object: ")
    logger.assert_complete()


async def test_other_methods_log_nothing(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("Hello")), {})
    assert (await calls.call(client, "get", "v1_1")).output_text == "Hello"
    await calls.call(client, "delete", "v1_1")
    assert list(logger.logs) == []


async def test_a_method_that_was_replaced_is_called_and_recorded(
    calls: SyncCalls, served: Interactions, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    served.answers(interaction(1, output("Hello")))
    interactions = calls.of(client)
    before, seen = interactions.create, list[Any]()

    def noting(**request: Any) -> Any:
        seen.append(request)
        return before(**request)

    interactions.create = noting
    assert (await calls.create(client)).output_text == "Hello"
    assert len(seen) == 1
    assert [trace.output for trace in logger.traces] == ["Hello"]
