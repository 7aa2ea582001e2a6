"""What applications log to Maxim by hand: one flow for everything that a maxim logger can log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from maxim.logger import FileDataAttachment, Logger, UrlAttachment

Flow = Callable[[Logger], None]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def answer(text: str | None = "Sunny.", *calls: dict[str, Any], id: str = "response-1") -> dict[str, Any]:
    """Return a result in Maxim's form."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "tool_calls": list(calls) or None}
    return {
        "id": id,
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gemini-2.5-flash",
        "choices": [{"index": 0, "message": message, "finish_reason": "STOP", "logprobs": None}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
    }


def call(name: str = "get_weather", arguments: str = '{"city": "Paris"}', *, id: str = "call-1") -> dict[str, Any]:
    """Return a function call in Maxim's form."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def generation_config(id: str, *messages: dict[str, Any], **more: Any) -> Any:
    """Return what begins a generation."""
    return {
        "id": id,
        "provider": "google",
        "model": "gemini-2.5-flash",
        "messages": list(messages) or [{"role": "user", "content": "Weather?"}],
        **more,
    }


def one_answer(logger: Logger) -> None:
    """A trace with one generation."""
    trace = logger.trace({"id": "trace-a", "name": "Ask", "tags": {"env": "test"}, "input": "Weather?"})
    generation = trace.generation(generation_config("gen-a", name="first", model_parameters={"temperature": 0.5}))
    if hasattr(generation, "add_metric"):  # not in maxim-py 3.14.0
        generation.add_metric("time_to_first_chunk_ms", 12.5)
    generation.result(answer())
    trace.set_output("Sunny.")
    trace.end()


def tools(logger: Logger) -> None:
    """A turn of a chat in which a function is called and another one fails."""
    session = logger.session({"id": "session-a", "name": "Support"})
    trace = session.trace({"id": "trace-b", "name": "Chat turn"})
    first = trace.generation(generation_config("gen-b1"))
    first.result(answer(None, call(), call("get_news", "{}", id="call-2")))
    weather: Any = {"id": "call-1", "name": "get_weather", "description": "", "args": '{"city": "Paris"}'}
    trace.tool_call(weather).result('{"celsius": 20}')
    news: Any = {**weather, "id": "call-2", "name": "get_news", "args": "{}"}
    trace.tool_call(news).error(
        {"message": "no news", "code": "404", "type": "KeyError"}  # type: ignore[arg-type]
    )
    second = trace.generation(generation_config("gen-b2"))
    second.result(answer("20 °C"))
    trace.end()
    session.add_tag("plan", "free")
    session.feedback({"score": 5, "comment": "good"})
    session.end()


def nested(logger: Logger) -> None:
    """Spans in spans, a retrieval, a generation deep inside."""
    trace = logger.trace({"id": "trace-c"})
    span = trace.span({"id": "span-a", "name": "retrieve", "tags": {"k": "v"}})
    span.input("what?")
    retrieval = span.retrieval({"id": "retrieval-a", "name": "docs"})
    retrieval.input("weather in Paris")
    retrieval.output(["It rains.", "It shines."])
    retrieval.add_metric("recall", 0.5)
    inner = span.span({"id": "span-b", "name": "rank"})
    inner.generation(generation_config("gen-c")).result(answer())
    inner.tool_call({"id": "tool-c", "name": "sort", "description": "", "args": "[]"}).result("[]")
    inner.add_error({"message": "slow", "code": "1", "type": "Warning", "metadata": {"seconds": 3}})
    inner.end()
    span.end()
    logger.trace_end("trace-c")


def by_id(logger: Logger) -> None:
    """Everything through the logger's own methods, by id alone."""
    logger.session({"id": "session-d"})
    logger.session_add_trace("session-d", {"id": "trace-d"})
    logger.session_add_tag("session-d", "a", "b")
    logger.session_event("session-d", "event-d0", "opened", {"by": "me"})
    logger.session_add_feedback("session-d", {"score": 1, "comment": "meh"})
    logger.trace_set_input("trace-d", "in")
    logger.trace_add_tag("trace-d", "x", "y")
    logger.trace_add_metadata("trace-d", {"n": 1, "text": "plain", "list": [1, {"a": None}]})
    if hasattr(logger, "trace_add_metric"):  # not in maxim-py 3.14.0
        logger.trace_add_metric("trace-d", "score", 0.25)
    logger.trace_add_event("trace-d", "event-d1", "cached", {"hit": "yes"}, {"size": 3})
    logger.trace_add_feedback("trace-d", {"score": 4, "comment": "fine"})
    logger.trace_add_error("trace-d", {"message": "odd", "code": "2", "type": "Odd"})
    logger.trace_add_generation("trace-d", generation_config("gen-d"))
    logger.generation_set_model("gen-d", "gemini-2.5-pro")
    logger.generation_set_provider("gen-d", "google")
    if hasattr(logger, "generation_set_name"):  # not in maxim-py 3.14.0
        logger.generation_set_name("gen-d", "second")
    logger.generation_add_message("gen-d", {"role": "user", "content": "and Rome?"})
    logger.generation_set_model_parameters("gen-d", {"top_k": 3, "stop": ["a"], "mode": "fast"})
    logger.generation_add_cost("gen-d", {"input": 0.1, "output": 0.2, "total": 0.3})
    logger.generation_add_metadata("gen-d", {"response": {"ok": True}})
    logger.generation_evaluate("gen-d").with_evaluators("bias", "clarity").with_variables({"input": "x"})
    logger.generation_result("gen-d", answer())
    logger.trace_add_tool_call("trace-d", {"id": "tool-d", "name": "f", "description": "d", "args": "{}"})
    logger.tool_call_update("tool-d", {"args": '{"a": 1}'})
    logger.tool_call_result("tool-d", '"done"')
    logger.trace_add_span("trace-d", {"id": "span-d", "name": "work"})
    logger.span_add_retrieval("span-d", {"id": "retrieval-d"})
    logger.retrieval_input("retrieval-d", "q")
    logger.retrieval_output("retrieval-d", "one document")
    logger.span_event("span-d", "event-d2", "half-way")
    logger.span_end("span-d")
    logger.trace_set_output("trace-d", "out")
    logger.trace_end("trace-d")
    logger.session_end("session-d")


def attachments(logger: Logger) -> None:
    """Bytes and a URL beside a trace and a generation."""
    trace = logger.trace({"id": "trace-e"})
    trace.add_attachment(FileDataAttachment(data=PNG, id="file-1", name="plot.png", tags={"attach-to": "input"}))
    generation = trace.generation(generation_config("gen-e"))
    generation.add_attachment(UrlAttachment(url="https://example.com/a.pdf", id="file-2", mime_type="application/pdf"))
    generation.add_attachment(FileDataAttachment(data=b"no magic", id="file-3", mime_type="text/plain"))
    generation.result(answer())
    trace.end()


def failure(logger: Logger) -> None:
    """A model that answered with an error."""
    trace = logger.trace({"id": "trace-f"})
    trace.generation(generation_config("gen-f")).error(
        {"message": "Resource exhausted", "code": "429", "type": "RESOURCE_EXHAUSTED"}
    )
    trace.end()


def given_times(logger: Logger) -> None:
    """Times that the application set by itself, out of order."""
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    late = logger.trace({"id": "trace-late", "start_timestamp": noon + timedelta(hours=1)})
    early = logger.trace({"id": "trace-early", "start_timestamp": noon})
    early.end()
    early.set_end_timestamp(noon + timedelta(seconds=90))
    late.end()


def odd_texts(logger: Logger) -> None:
    """Texts that could break a line format."""
    trace = logger.trace({"id": "trace-g", "name": 'a,action=b,data={"c": "}"}'})
    trace.set_input('line one\nline two\r\n\u2028 \x00 \ud83d\ude00 }{ \\ "quoted" é 日本')
    trace.set_output("")
    trace.end()


def unanswered_call(logger: Logger) -> None:
    """A function call that the application has not answered yet."""
    trace = logger.trace({"id": "trace-h"})
    trace.generation(generation_config("gen-h")).result(answer(None, call(id="call-h")))
    trace.tool_call({"id": "call-h", "name": "get_weather", "description": "", "args": "{}"})
    trace.end()


def large(logger: Logger) -> None:
    """One log that is too large to be posted (over 900 KiB), which goes through storage."""
    trace = logger.trace({"id": "trace-i"})
    trace.generation(generation_config("gen-i", {"role": "user", "content": "x" * 1_000_000})).result(answer())
    trace.end()


def many(logger: Logger) -> None:
    """More logs than a writer keeps in memory, so that batches are sent by several workers."""
    for number in range(120):
        trace = logger.trace({"id": f"trace-m{number}"})
        trace.generation(generation_config(f"gen-m{number}")).result(answer(str(number)))
        trace.end()


COMPLETE: tuple[Flow, ...] = (
    one_answer,
    tools,
    nested,
    by_id,
    attachments,
    failure,
    given_times,
    odd_texts,
    unanswered_call,
    large,
    many,
)
