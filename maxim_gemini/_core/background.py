"""Background work: jobs of an event loop that one other thread does, in order."""

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
"""Seconds for which the end of the process waits for jobs that are not done."""

_all: Final[WeakSet[Background]] = WeakSet()


def _settle_all() -> None:
    for background in list(_all):
        background.settle(AT_EXIT)


class Background:
    """The jobs of one logger. The thread starts with the first job; jobs must not raise."""

    def __init__(self) -> None:
        self._begin()
        if not _all:
            atexit.register(_settle_all)
        _all.add(self)

    def _begin(self) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._lock = threading.RLock()  # the garbage collector may add a job in this thread while it has the lock
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    def do(self, job: Job) -> None:
        """Add *job*, to be done after all earlier jobs."""
        if self._process != os.getpid():  # a forked child has the queue, but no thread: the parent does those jobs
            self._begin()
        with self._lock:
            self._jobs.put(job)
            if self._thread is None:
                self._start()

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until all jobs so far are done; return whether they were within *timeout* seconds."""
        thread = self._thread
        if thread is None or thread is threading.current_thread() or self._process != os.getpid():
            return True
        # A job behind all others, because a queue can't be joined with a timeout.
        is_done = threading.Event()
        self.do(is_done.set)
        return is_done.wait(timeout)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="maxim-gemini-background", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down and starts no thread: do the jobs here
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
                # Under the lock, because a job may have been added since: its thread must not end.
                with self._lock:
                    if self._jobs.empty():
                        self._thread = None
                        return
            else:
                job()
                del job  # so that its objects are free while this thread waits for the next job
