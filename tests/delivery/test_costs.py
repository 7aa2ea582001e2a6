"""What delivery takes from the application: no memory that grows, no network and no disk in the thread that logs."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from maxim.logger import FileDataAttachment
from support.in_memory import InMemoryGemini
from support.sides import MODEL

from maxim_gemini import MaximGeminiClient, deliver
from maxim_gemini._core import delivery as delivery_module
from maxim_gemini._core import logger as logger_module

if TYPE_CHECKING:
    from support.maxim_backend import Backend


def test_memory_does_not_grow_with_the_number_of_calls(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger_module, "REMEMBERED", 100)  # ids of traces, the one thing that is kept
    gemini, logger = InMemoryGemini(), backend.logger()
    client = MaximGeminiClient(gemini.client(), logger)

    def memory_after(calls: int) -> int:
        for _ in range(calls):
            client.models.generate_content(model=MODEL, contents="Hi")
            gemini.restart()
        assert client.delivery.flush(60)
        backend.received.posts.clear()
        backend.received.attempts.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        memory_after(100)
        once = memory_after(100)
        four_times = memory_after(300)
    finally:
        tracemalloc.stop()
        logger.cleanup()
    assert client.delivery.sent == 3_500
    assert four_times - once < 20_000  # of 300 calls, each of which logs more than 1,000 bytes


_audited: list[tuple[str, int]] | None = None


def _note(event: str, _: tuple[Any, ...]) -> None:
    if _audited is not None and event in ("socket.connect", "socket.getaddrinfo", "open", "os.mkdir", "os.rename"):
        _audited.append((event, threading.get_ident()))


sys.addaudithook(_note)  # for good: a hook can't be taken back


@pytest.mark.parametrize("on_lambda", [False, True])
async def test_an_event_loop_opens_no_connection_and_no_file(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, on_lambda: bool
) -> None:
    global _audited
    if on_lambda:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "function")
    monkeypatch.setattr(delivery_module, "LINGER", 0)
    gemini, logger = InMemoryGemini(), backend.logger()
    client = MaximGeminiClient(gemini.client(), logger)
    delivery = deliver(logger, memory_limit=1000, journal=True)
    noted: list[tuple[str, int]] = []
    _audited = noted
    try:
        for number in range(300):
            await client.aio.models.generate_content(model=MODEL, contents="Hi")
            logger.trace_add_attachment(f"t{number}", FileDataAttachment(data=b"content", name="a"))
    finally:
        _audited = None
    assert delivery.flush(60)
    logger.cleanup()
    assert {event for event, thread in noted if thread != threading.get_ident()} >= {"socket.connect", "open"}
    assert {event for event, thread in noted if thread == threading.get_ident()} == set()
