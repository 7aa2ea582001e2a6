"""For every test: `pytester`, the same examples of hypothesis on every machine, and nothing left open."""

import asyncio
import functools
import gc
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google import genai
from hypothesis import settings

pytest_plugins = ["pytester"]

# google-genai 1 has another Live API: other errors, no music, messages that can't be written out. It is not traced.
LIVE = ["live", *(f"{room}/test_live.py" for room in ("bundled", "replies"))]
LIVE += [f"recorder/test_{name}_sessions.py" for name in ("live", "odd", "real", "refused")]
LIVE += [
    "cli/test_websockets.py",
    "plugin/test_live_sharing.py",
    "replies/test_tls.py",
    "replies/test_served_sessions.py",
]
# Tests of what is the same with every google-genai, written with what 1 does not have: clients that close in async,
# names of inline files, functions whose annotations are text.
NEWER = [f"core/test_{name}.py" for name in ("privacy", "surroundings", "wav")]
NEWER += ["instrumentation", "plugin/test_instrument.py"]
collect_ignore = [*LIVE, *NEWER] if int(genai.__version__.partition(".")[0]) < 2 else []

# This thread has no event loop, and says so. Else pytest-asyncio 1.0 has the first async test make one, which nobody
# closes, and which is collected in some test or other that runs a loop of its own.
asyncio.set_event_loop(None)

# A run in CI must not fail for what the change did not do; `tox -e proof` looks for new examples.
settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("MAXIM_GEMINI_EXAMPLES", "100")),
)
settings.load_profile("repeatable")


# Every client of google-genai reads the certificates of all authorities, which is most of its making. No test talks to
# anybody who has one, so a process reads them once.
ssl.create_default_context = functools.cache(ssl.create_default_context)  # type: ignore[assignment]  # hashable in use


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Have what a test leaves open fail this test, and not one that comes by when the garbage is collected."""
    yield
    gc.collect()
    gc.freeze()  # what outlives a test is not looked through after each of the next thousands


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the lines of the programs that the test starts uncounted.

    A fork that is made while another thread begins a function for the first time waits for coverage's lock for ever.
    """
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that this thread has slept each time: what is to cost no time must not sleep."""
    times, tested = list[float](), threading.current_thread()

    def noting(sleep: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(sleep)
        def noted(seconds: float, *more: Any, **named: Any) -> Any:
            if seconds and threading.current_thread() is tested:
                times.append(seconds)
            return sleep(seconds, *more, **named)

        return noted

    for module in (time, asyncio):
        monkeypatch.setattr(module, "sleep", noting(module.sleep))
    return times
