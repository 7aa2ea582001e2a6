"""One contender, one case, one process: prints the CPU time of a call in microseconds.

    python contenders.py maxim_gemini stream

A process of its own for each, because most tracers patch the SDK's classes for good. All talk to the same transport in
memory, and each keeps what it records in memory: both Maxim wrappers write to a real logger whose writer never flushes,
the instrumentations of OpenTelemetry to its in-memory exporter, LangSmith to a client whose HTTP session is a mock.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import warnings
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from google import genai

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

try:
    import httpx2 as http
except ImportError:
    import httpx as http  # type: ignore[no-redef]

MODEL = "gemini-2.5-flash"
CHUNKS = 200
TURNS = 50

# Short enough for some batches to meet no other work of the machine, long enough for two full flushes of a logger.
BATCH_SECONDS = 0.05

_USAGE = {"promptTokenCount": 4, "candidatesTokenCount": 12, "totalTokenCount": 16}


def _answer(text: str, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
    return {"candidates": [candidate], "usageMetadata": _USAGE, "modelVersion": MODEL, "responseId": "r-1"}


_PLAIN = json.dumps(_answer("Paris is the capital of France.", finishReason="STOP")).encode()
_EVENTS = [_answer(f"word {index} ") for index in range(CHUNKS - 1)] + [_answer("end.", finishReason="STOP")]
_STREAM = b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in _EVENTS)

_COUNTS = {
    "total_tokens": 16,
    "total_input_tokens": 4,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 4}],
    "total_cached_tokens": 0,
    "total_output_tokens": 8,
    "total_tool_use_tokens": 0,
    "total_thought_tokens": 4,
}


def _interaction(status: str, **more: Any) -> dict[str, Any]:
    return {"id": "v1_1", "status": status, **more, "object": "interaction", "model": MODEL}


_DONE = {
    "usage": _COUNTS,
    "created": "2026-11-27T00:00:00Z",
    "updated": "2026-11-27T00:00:01Z",
    "service_tier": "standard",
}
_STEPS = [
    {"signature": "c2lnbmF0dXJl", "type": "thought"},
    {"content": [{"text": "Paris is the capital of France.", "type": "text"}], "type": "model_output"},
]
_WHOLE = json.dumps(_interaction("completed", **_DONE, steps=_STEPS)).encode()
_STEP_EVENTS: list[dict[str, Any]] = [
    {"interaction": _interaction("in_progress"), "event_type": "interaction.created"},
    {"interaction_id": "v1_1", "status": "in_progress", "event_type": "interaction.status_update"},
    {"index": 0, "step": {"type": "model_output"}, "event_type": "step.start"},
    *(
        {"index": 0, "delta": {"text": f"word {index} ", "type": "text"}, "event_type": "step.delta"}
        for index in range(CHUNKS - 5)
    ),
    {"index": 0, "event_type": "step.stop"},
    {"interaction": _interaction("completed", **_DONE), "event_type": "interaction.completed"},
]
_STEP_STREAM = (
    b"".join(
        f"event: {event['event_type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
        for event in _STEP_EVENTS
    )
    + b"event: done\ndata: [DONE]\n\n"
)


def _reply(request: Any) -> Any:
    if request.url.path.endswith("/interactions"):
        is_stream = b'"stream":true' in request.content
        kind = "text/event-stream" if is_stream else "application/json"
        return http.Response(200, content=_STEP_STREAM if is_stream else _WHOLE, headers={"content-type": kind})
    if "alt=sse" in str(request.url):
        return http.Response(200, content=_STREAM, headers={"content-type": "text/event-stream"})
    return http.Response(200, content=_PLAIN, headers={"content-type": "application/json"})


def bare_client() -> genai.Client:
    """Return a client whose requests are answered in memory."""
    return genai.Client(api_key="none", http_options={"client_args": {"transport": http.MockTransport(_reply)}})


def plain(client: Any) -> int:
    """Make one call."""
    assert client.models.generate_content(model=MODEL, contents="What is the capital of France?").candidates
    return 1


def stream(client: Any) -> int:
    """Read one stream to its end."""
    assert sum(1 for _ in client.models.generate_content_stream(model=MODEL, contents="Count.")) == CHUNKS
    return 1


def chat(client: Any) -> int:
    """Hold one conversation."""
    session = client.chats.create(model=MODEL)
    for turn in range(TURNS):
        session.send_message(f"Question {turn}, and some more words to make it a sentence.")
    return TURNS


def interaction(client: Any) -> int:
    """Create one interaction."""
    assert client.interactions.create(model=MODEL, input="What is the capital of France?").steps
    return 1


def events(client: Any) -> int:
    """Read one stream of an interaction to its end."""
    assert sum(1 for _ in client.interactions.create(model=MODEL, input="Count.", stream=True)) == CHUNKS
    return 1


CASES: dict[str, tuple[Callable[[Any], int], int]] = {
    "plain": (plain, 30),
    "untraced": (plain, 30),
    "stream": (stream, 8),
    "chat": (chat, 2),
    "interaction": (interaction, 20),
    "events": (events, 8),
}
"""Each case, and how many batches are run of it."""


def _bare(client: genai.Client) -> Any:
    return client


def logger() -> Any:
    """Return a real logger of Maxim whose writer keeps everything in memory."""
    # Its thread would make text of the logs meanwhile, and fail to send them: `delivery.py` measures that.
    os.environ["MAXIM_GEMINI_DELIVERY"] = "off"
    from maxim.logger import Logger
    from maxim.logger.writer import LogWriter

    # No thread that flushes: what is measured is what the call itself costs.
    with mock.patch.object(LogWriter, "flush"), mock.patch("threading.Thread.start"):
        logger = Logger({"id": "bench"}, api_key="none", base_url="http://127.0.0.1:9")
    logger.writer.flush = logger.writer.queue.queue.clear  # type: ignore[method-assign]
    return logger


def _ours(client: genai.Client) -> Any:
    from maxim_gemini import MaximGeminiClient

    return MaximGeminiClient(client, logger())


def _replaced(client: genai.Client) -> Any:
    from maxim.logger.gemini import MaximGeminiClient

    return MaximGeminiClient(client, logger())


def _exporter() -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    return provider


def _openinference(client: genai.Client) -> Any:
    from openinference.instrumentation.google_genai import GoogleGenAIInstrumentor

    GoogleGenAIInstrumentor().instrument(tracer_provider=_exporter())
    return client


def _traceloop(client: genai.Client) -> Any:
    from opentelemetry.instrumentation.google_generativeai import GoogleGenerativeAiInstrumentor

    GoogleGenerativeAiInstrumentor().instrument(tracer_provider=_exporter())
    return client


def _langsmith(client: genai.Client) -> Any:
    import langsmith
    from langsmith.wrappers import wrap_gemini

    session = mock.MagicMock()
    sent = langsmith.Client(api_url="http://127.0.0.1:9", api_key="none", session=session, auto_batch_tracing=False)
    return wrap_gemini(client, tracing_extra={"client": sent})


CONTENDERS: dict[str, Callable[[genai.Client], Any]] = {
    "bare": _bare,
    "maxim_gemini": _ours,
    "maxim-py": _replaced,
    "openinference": _openinference,
    "langsmith": _langsmith,
    "traceloop": _traceloop,
}


def _in(block: Callable[[], Any], client: Any) -> Any:
    """Have each call in a block of its own."""

    def generate_content(**request: Any) -> Any:
        with block():
            return client.models.generate_content(**request)

    return SimpleNamespace(models=SimpleNamespace(generate_content=generate_content))


@contextmanager
def _suppressed(client: genai.Client) -> Iterator[Any]:
    from maxim_gemini import suppress

    with suppress():
        yield _ours(client)


@contextmanager
def _suppressed_instrumented(client: genai.Client) -> Iterator[Any]:
    from maxim_gemini import instrument, suppress

    with instrument(logger()), suppress():
        yield client


@contextmanager
def _suppressed_in_a_trace(client: genai.Client) -> Iterator[Any]:
    """Have all calls in one trace, each of them suppressed."""
    from maxim_gemini import suppress, trace

    with trace(logger(), name="Work"):
        yield _in(suppress, _ours(client))


@contextmanager
def _suppressed_traces(client: genai.Client) -> Iterator[Any]:
    """Have each call in a trace of its own, which logs nothing either."""
    from maxim_gemini import suppress, trace

    with suppress():
        yield _in(partial(trace, logger(), name="Work"), _ours(client))


@contextmanager
def _skipped(client: genai.Client) -> Iterator[Any]:
    from maxim_gemini import instrument

    with instrument(logger(), skip=lambda call: call.method == "models.generate_content"):
        yield client


@contextmanager
def _skipped_by_who_made_it(client: genai.Client) -> Iterator[Any]:
    from maxim_gemini import instrument

    with instrument(logger(), skip=lambda call: not call.made_by("google-adk")):
        yield client


@contextmanager
def _skipped_in_traces(client: genai.Client) -> Iterator[Any]:
    """Have each call in a trace of its own, which is logged: its beginning and its end."""
    from maxim_gemini import trace

    with _skipped(client):
        yield _in(partial(trace, logger(), name="Work"), client)


UNTRACED: dict[str, Callable[[genai.Client], AbstractContextManager[Any]]] = {
    "suppressed": _suppressed,
    "suppressed, instrumented": _suppressed_instrumented,
    "suppressed in trace()": _suppressed_in_a_trace,
    "trace() suppressed": _suppressed_traces,
    "skipped": _skipped,
    "skipped by made_by": _skipped_by_who_made_it,
    "skipped in trace()": _skipped_in_traces,
}
"""Clients whose calls are not traced, each for as long as a block is open."""


def measure(contender: str, case: str) -> float:
    """Return the CPU time of a call, in microseconds: the least of many short batches."""
    run, batches = CASES[case]
    client = CONTENDERS[contender](bare_client())
    run(client)
    gc.collect()
    return min(_batch(run, client) for _ in range(batches)) * 1e6


def _batch(run: Callable[[Any], int], client: Any) -> float:
    calls, started = 0, time.process_time()
    while time.process_time() - started < BATCH_SECONDS:
        calls += run(client)
    return (time.process_time() - started) / calls


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(measure(sys.argv[1], sys.argv[2]))
