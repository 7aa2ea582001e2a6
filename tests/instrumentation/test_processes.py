"""A piece of work that goes on in another process is one trace: in a pool's, a queue's, a service's."""

from __future__ import annotations

import contextvars
import importlib
import logging
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from google import genai
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002  # Starlette looks at the annotation
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from support.sides import MODEL
from support.work_elsewhere import ask, ask_wrapped, commits_of, received

from maxim_gemini import MaximGeminiClient, span, suppress, trace
from maxim_gemini.testing import FakeLogger, GeminiServer, reply

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as serving:
        serving.when(lambda request: request.streams).always(reply.stream("o", "k"))
        serving.always(reply.text("ok"))
        yield serving


@pytest.fixture
def bare(server: GeminiServer) -> Iterator[genai.Client]:
    client = genai.Client(api_key="unused", http_options={"base_url": server.url})
    yield client
    client.close()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_pool_of_processes(server: GeminiServer, method: str) -> None:
    logger = FakeLogger()
    questions = ["one", "two", "three"]
    with (
        trace(logger, name="Work", session_id="talk") as work,
        span("Fan out"),
        ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool,
    ):
        jobs = [pool.submit(ask, server.url, work.headers(), question) for question in questions]
        logged = [job.result() for job in jobs]
    commits = commits_of(logger)
    whole = received(commits[:-1], *logged, commits[-1:])  # the trace ends when all have answered
    fan_out = whole.trace.spans.named("Fan out").only
    assert sorted(one.messages[0]["content"] for one in fan_out.generations) == sorted(questions)
    assert [one.parent for one in whole.spans.named("Look up")] == [fan_out] * 3
    assert [one.id for one in whole.sessions] == ["talk"]
    assert {commit[2] for one in logged for commit in one if commit[1] == whole.trace.id} == set()  # nothing twice


def test_a_job_with_a_name_is_a_span_of_the_trace(bare: genai.Client) -> None:
    logger, workers = FakeLogger(), FakeLogger()
    with trace(logger, name="Work") as work:
        headers = work.headers()
        contextvars.Context().run(ask_wrapped, bare, workers, headers, "Hi")
    commits = commits_of(logger)
    whole = received(commits[:1], commits_of(workers), commits[1:])
    assert (whole.trace.name, whole.trace.span.name, whole.trace.span.input) == ("Work", "Job", "Hi")
    assert whole.trace.span.generation.text == "ok"
    assert whole.trace.tags == {"by": "worker"}
    whole.assert_complete()


def test_a_job_of_what_is_not_traced_is_not_traced(bare: genai.Client) -> None:
    workers = FakeLogger()
    with suppress(), trace(FakeLogger(), name="Work") as work:
        headers = work.headers()
    assert contextvars.Context().run(ask_wrapped, bare, workers, headers, "Hi") == "ok"
    assert workers.logs == ()


def test_a_job_of_an_older_version_of_the_application_is_a_trace_of_its_own(bare: genai.Client) -> None:
    for headers in ({}, None, {"other": "header"}):
        workers = FakeLogger()
        ask_wrapped(bare, workers, headers, "Hi")
        assert (workers.trace.name, workers.trace.input, workers.trace.generation.text) == ("Job", "Hi", "ok")
        workers.assert_complete()


@pytest.fixture
def _logging() -> Iterator[None]:
    """Put back what a worker of Celery's sets: it raises the level of the process's logs, for the tests that follow."""
    level, handlers = logging.root.level, list(logging.root.handlers)
    yield
    logging.root.setLevel(level)
    logging.root.handlers[:] = handlers


@pytest.mark.usefixtures("_logging")
@pytest.mark.filterwarnings("default")  # what Celery warns of is its own
def test_celery(bare: genai.Client) -> None:
    celery = pytest.importorskip("celery", reason="celery is not installed")
    testing = importlib.import_module("celery.contrib.testing.worker")
    app = celery.Celery("app", broker="memory://", backend="cache+memory://")
    workers = FakeLogger()

    @app.task(bind=True)
    def answer(self: Any, question: str) -> str:
        return ask_wrapped(bare, workers, self.request.headers, question)

    logger = FakeLogger()
    with (
        testing.start_worker(app, perform_ping_check=False, pool="solo"),
        trace(logger, name="Work") as work,
        span("Queue"),
    ):
        result = answer.apply_async(args=["Hi"], headers=work.headers())
        assert result.get(timeout=60) == "ok"
    commits = commits_of(logger)
    whole = received(commits[:2], commits_of(workers), commits[2:])
    job = whole.spans.named("Job").only
    assert (job.parent, job.generation.text) == (whole.spans.named("Queue").only, "ok")
    whole.assert_complete()


@contextmanager
def serving(app: Starlette) -> Generator[str]:
    """Serve on loopback, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=contextvars.Context().run, args=[server.run])
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_a_service_that_calls_another(bare: genai.Client) -> None:
    front, back = FakeLogger(), FakeLogger()
    at_back = MaximGeminiClient(bare, back)
    at_front = MaximGeminiClient(bare, front)

    async def search(request: Request) -> Response:
        with trace(back, name="Search", headers=request.headers):
            answer = await run_in_threadpool(at_back.models.generate_content, model=MODEL, contents="found")
            return PlainTextResponse(answer.text)

    with serving(Starlette(routes=[Route("/", search)])) as url:

        async def answer(request: Request) -> Response:
            with trace(front, name="Answer", headers=request.headers) as work:
                async with httpx.AsyncClient() as http:
                    await http.get(url, headers=work.headers())
                chunks = at_front.models.generate_content_stream(model=MODEL, contents="streamed")
                return StreamingResponse(chunk.text or "" for chunk in chunks)

        with serving(Starlette(routes=[Route("/", answer)])) as front_url:
            assert httpx.get(front_url).text == "ok"
            assert httpx.get(url).text == "ok"  # without a trace: one of its own
    commits = commits_of(front)
    whole = received(commits[:1], commits_of(back), commits[1:])
    answered, alone = whole.traces
    assert (answered.name, answered.span.name, answered.span.generation.text) == ("Answer", "Search", "ok")
    assert [one.messages[0]["content"] for one in answered.generations] == ["found", "streamed"]
    assert (alone.name, alone.generation.text) == ("Search", "ok")
    whole.assert_complete()
