"""Work that nothing waits for: done in order, by one thread, away from the event loop that it came from."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias
from weakref import WeakSet

Job: TypeAlias = Callable[[], object]

IDLE: Final = 2.0
"""Seconds without work after which the thread ends."""


AT_EXIT: Final = 10.0
"""Seconds that the end of the process waits for what is not done."""

_all: Final[WeakSet[Background]] = WeakSet()


def _settle_all() -> None:
    for background in list(_all):
        background.settle(AT_EXIT)


class Background:
    """Jobs of one logger; the thread begins with the first, and a job never raises."""

    def __init__(self) -> None:
        self._begin()
        if not _all:
            atexit.register(_settle_all)
        _all.add(self)

    def _begin(self) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._lock = threading.RLock()  # the garbage collector may end something while this thread holds it
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    def do(self, job: Job) -> None:
        """Do *job* when those before it are done."""
        if self._process != os.getpid():  # a forked child, which has the queue and no thread; the parent does its jobs
            self._begin()
        with self._lock:
            self._jobs.put(job)
            if self._thread is None:
                self._start()

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until all jobs so far are done; return whether they are, within *timeout* seconds."""
        thread = self._thread
        if thread is None or thread is threading.current_thread() or self._process != os.getpid():
            return True
        is_done = threading.Event()
        self.do(is_done.set)
        return is_done.wait(timeout)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="maxim-gemini-background", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down, and starts no thread: this one does the jobs
            self._drain()
        else:
            self._thread = thread

    def _drain(self) -> None:
        while not self._jobs.empty():
            self._jobs.get()()

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE)
            except Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._thread = None
                        return
            else:
                job()
                del job  # and what it holds, while this thread waits for the next
