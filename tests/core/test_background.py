"""Work of a logger that nothing waits for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from maxim_gemini._core import background as module
from maxim_gemini._core.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable


def test_jobs_are_done_in_order_by_another_thread() -> None:
    background, done = Background(), list[tuple[int, int]]()
    for number in range(100):
        background.do(lambda number=number: done.append((number, threading.get_ident())))  # type: ignore[misc]
    assert background.settle()
    assert [number for number, _ in done] == list(range(100))
    assert {ident for _, ident in done} != {threading.get_ident()}


def test_settling_waits_for_a_slow_job_and_not_longer_than_it_may() -> None:
    background, free, done = Background(), threading.Event(), list[int]()
    background.do(lambda: free.wait(60))
    background.do(lambda: done.append(1))
    assert not background.settle(0.01)
    free.set()
    assert background.settle()
    assert done == [1]


def test_a_job_may_settle() -> None:
    """It would wait for itself."""
    background = Background()
    results: list[bool] = []
    background.do(lambda: results.append(background.settle()))
    background.settle()
    assert results == [True]


def test_the_thread_ends_without_work_and_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.01)
    background, done = Background(), list[int]()
    for number in range(3):
        background.do(lambda number=number: done.append(number))  # type: ignore[misc]
        background.settle()
        _wait_until(lambda: background._thread is None)
    assert done == [0, 1, 2]


def _wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_many_threads_lose_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.0)
    background, done = Background(), list[int]()

    def work() -> None:
        for number in range(200):
            background.do(lambda number=number: done.append(number))  # type: ignore[misc]

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    background.settle()
    _wait_until(lambda: len(done) == 1600)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
@pytest.mark.usefixtures("unmeasured")
def test_a_forked_child_does_its_own_jobs_and_none_of_the_parent() -> None:
    code = """
import os, sys, threading
from maxim_gemini._core.background import Background
background, free = Background(), threading.Event()
background.do(free.wait)
background.do(lambda: print("of the parent", flush=True))
child = os.fork()
if child == 0:
    background.do(lambda: print("of the child", flush=True))
    background.settle(30)
    os._exit(0)
os.waitpid(child, 0)
free.set()
background.settle(30)
"""
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["of the child", "of the parent"]


def test_the_end_of_the_process_waits_for_what_is_not_done() -> None:
    code = """
import time
from maxim_gemini._core.background import Background
background = Background()
background.do(lambda: time.sleep(0.3))
background.do(lambda: print("done", flush=True))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "done\n"
