"""Tools that replace functions of httpx, `threading` and google-genai come and go beside a recorder in any order.

What can't be undone, or changes a whole process, is run in one of its own.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import chats, models
from support.checkout import ROOT
from support.neighbour import ORDERS, recorded, run_in_order

if TYPE_CHECKING:
    from collections.abc import Generator

IDS = [f"{order[0]} first, {order[2]} first" for order in ORDERS]
pytestmark = pytest.mark.filterwarnings("default")  # theirs are none of our business

INSTRUMENTORS = {
    "httpx": "opentelemetry.instrumentation.httpx:HTTPXClientInstrumentor",
    "threading": "opentelemetry.instrumentation.threading:ThreadingInstrumentor",
    "google-genai": "opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor",
    "openinference": "openinference.instrumentation.google_genai:GoogleGenAIInstrumentor",
}


@pytest.fixture(autouse=True)
def sdk_as_it_was() -> Generator[None]:
    """Put back what two instrumentations of the SDK leave on it when they are undone in the order they came."""
    own = {kind: dict(vars(kind)) for kind in (models.Models, models.AsyncModels, chats.Chat, chats.AsyncChat)}
    yield
    for kind, members in own.items():
        for name, member in members.items():
            if vars(kind).get(name) is not member:
                setattr(kind, name, member)


def instrumentor(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)()
    except ImportError as error:
        pytest.skip(f"not installed here: {error}")


@pytest.mark.parametrize("order", ORDERS, ids=IDS)
@pytest.mark.parametrize("name", INSTRUMENTORS)
def test_opentelemetry(name: str, order: tuple[str, ...]) -> None:
    theirs = instrumentor(INSTRUMENTORS[name])
    run_in_order(order, theirs.instrument, theirs.uninstrument)


def test_opentelemetry_sees_what_is_replayed() -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="OpenTelemetry's SDK is not installed")
    export = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    processor = importlib.import_module("opentelemetry.sdk.trace.export").SimpleSpanProcessor(export)
    provider = sdk.TracerProvider()
    provider.add_span_processor(processor)
    theirs = instrumentor(INSTRUMENTORS["httpx"])
    import httpx

    for come in ("before", "during"):
        export.clear()
        if come == "before":
            theirs.instrument(tracer_provider=provider)
        with recorded():
            if come == "during":
                theirs.instrument(tracer_provider=provider)
            try:
                httpx.post(
                    "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
                    json={"contents": [{"parts": [{"text": "Hi"}], "role": "user"}]},
                )
            finally:
                theirs.uninstrument()
        assert [span.name for span in export.get_finished_spans()] == ["POST"], come


@pytest.mark.parametrize("order", ORDERS, ids=IDS)
def test_all_of_opentelemetry_at_once(order: tuple[str, ...]) -> None:
    theirs = [instrumentor(path) for path in INSTRUMENTORS.values()]
    run_in_order(
        order,
        lambda: [one.instrument() for one in theirs],
        lambda: [one.uninstrument() for one in theirs],
    )


@pytest.mark.parametrize("order", ORDERS, ids=IDS)
def test_logfire(order: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    logfire = pytest.importorskip("logfire", reason="logfire is not installed")
    logfire.configure(send_to_logfire=False, console=False)
    undo = [instrumentor(INSTRUMENTORS[name]).uninstrument for name in ("httpx", "google-genai")]
    run_in_order(
        order,
        lambda: (logfire.instrument_httpx(), logfire.instrument_google_genai()),
        lambda: [one() for one in undo],
    )


def run(program: str) -> None:
    """Run *program* in a process of its own."""
    path = f"{ROOT / 'tests'}"
    prelude = f"import sys; sys.path.insert(0, {path!r})\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", prelude + program], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1:] == ["done"], done.stdout + done.stderr


NEIGHBOUR = "from support.neighbour import asked_in_every_way, others_are_answered, patched, recorded\n"
EXERCISE = "asked_in_every_way(**options); others_are_answered(**options)\n"


def in_both_orders(come: str, *, options: str = "{}") -> list[str]:
    """Return programs in which they come before us, before the imports even, and during our block."""
    prelude = f"import threading, os\nfailed = []\nthreading.excepthook = failed.append\noptions = {options}\n"
    end = "others_are_answered(**options)\nassert not failed, failed\nprint('done', flush=True); os._exit(0)\n"
    before = f"{prelude}{come}{NEIGHBOUR}were = patched()\nwith recorded(): {EXERCISE}assert patched() == were\n{end}"
    during = (
        f"{prelude}{NEIGHBOUR}with recorded():\n    asked_in_every_way()\n    {come.replace(chr(10), chr(10) + '    ')}"
        f"{EXERCISE}{end}"
    )
    return [before, during]


# Not all integrations: they import what else is installed here, for ten seconds.
SENTRY = (
    "import sentry_sdk\n"
    "from sentry_sdk.integrations.google_genai import GoogleGenAIIntegration as A\n"
    "from sentry_sdk.integrations.httpx import HttpxIntegration as B\n"
    "sentry_sdk.init(dsn='https://a@127.0.0.1/1', transport=lambda event: None, auto_enabling_integrations=False, "
    "integrations=[A(), B()], traces_sample_rate=1.0)\n"
)
DDTRACE = "import ddtrace; ddtrace.patch(httpx=True, futures=True, asyncio=True, google_genai=True)\n"
GEVENT = "from gevent import monkey; monkey.patch_all()\n"


@pytest.mark.parametrize("program", in_both_orders(SENTRY), ids=["before", "during"])
def test_sentry(program: str) -> None:
    pytest.importorskip("sentry_sdk", reason="sentry-sdk is not installed")
    run(program)


@pytest.mark.parametrize("program", in_both_orders(DDTRACE), ids=["before", "during"])
def test_ddtrace(program: str) -> None:
    pytest.importorskip("ddtrace", reason="ddtrace is not installed")
    run(program)


@pytest.mark.parametrize("program", in_both_orders(GEVENT, options="{'with_asyncio': False}"), ids=["before", "during"])
def test_gevent(program: str) -> None:
    pytest.importorskip("gevent", reason="gevent is not installed")
    run(program)


def test_greenlets_are_in_the_block_of_their_starter() -> None:
    pytest.importorskip("gevent", reason="gevent is not installed")
    run(
        f"{GEVENT}import gevent, os\nfrom support.neighbour import asked_in_every_way, recorded\n"
        "with recorded():\n"
        "    jobs = [gevent.spawn(asked_in_every_way, with_asyncio=False) for _ in range(3)]\n"
        "    gevent.joinall(jobs, raise_error=True)\n"
        "print('done', flush=True); os._exit(0)\n"
    )


def test_streamlit_writes_a_replayed_stream() -> None:
    streamlit = pytest.importorskip("streamlit.testing.v1", reason="streamlit is not installed")

    def app() -> None:
        import streamlit as st
        from google import genai
        from support.gemini import ASK

        from maxim_gemini import MaximGeminiClient
        from maxim_gemini.testing import FakeLogger

        with genai.Client(api_key="any", http_options={"base_url": "http://127.0.0.1:1"}) as client:
            wrapped: Any = MaximGeminiClient(client, FakeLogger())
            chunks = wrapped.models.generate_content_stream(**ASK)
            st.session_state.text = st.write_stream(chunk.text for chunk in chunks)

    with recorded():  # the application runs in a thread that it starts
        run = streamlit.AppTest.from_function(app).run(timeout=60)
    assert not run.exception
    assert run.session_state.text == "recorded"
