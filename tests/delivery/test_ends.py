"""However a process ends, what it logged arrives: at its end, or from its files by the next process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from maxim_gemini import deliver

if TYPE_CHECKING:
    from pathlib import Path

    from support.maxim_backend import Backend

BEGINNING = """
import asyncio, multiprocessing, os, signal, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
from maxim.logger import Logger
from maxim_gemini import deliver

logger = Logger({"id": "repository"}, "a key", sys.argv[1])
delivery = deliver(logger, timeout=float(sys.argv[2]), journal="journal" in sys.argv)

def log(count, name="t"):
    for number in range(count):
        logger.trace({"id": f"{name}-{number}"})
        logger.trace_end(f"{name}-{number}")

def ready():
    print("ready", flush=True)
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")


def start(backend: Backend, program: str, *arguments: str, timeout: float = 10) -> subprocess.Popen[str]:
    code = BEGINNING + textwrap.dedent(program)
    command = [sys.executable, "-c", code, backend.url, str(timeout), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(backend: Backend, program: str, *arguments: str, timeout: float = 10) -> subprocess.CompletedProcess[str]:
    process = start(backend, program, *arguments, timeout=timeout)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def interrupted(backend: Backend, program: str, number: int) -> subprocess.CompletedProcess[str]:
    process = start(backend, program)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)  # a signal between two instructions of a process that is about to sleep is handled after its sleep
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def arrived(backend: Backend) -> int:
    """Return the number of logs, none of which may have come twice."""
    assert len({*backend.lines}) == len(backend.lines)
    return len(backend.lines)


def deliver_the_rest(backend: Backend) -> None:
    """Be the next process that logs to the same repository."""
    logger = backend.logger()
    delivery = deliver(logger)
    logger.trace({"id": "next"})
    assert delivery.flush(60)
    delivery.abandon()
    logger.cleanup()


def test_the_end_of_a_program_waits_for_what_it_logged(backend: Backend) -> None:
    backend.received.delay = 0.3
    assert run(backend, "log(1000)").returncode == 0
    assert arrived(backend) == 2000


def test_an_exception_ends_a_program_after_its_logs(backend: Backend) -> None:
    assert run(backend, "log(100); raise SystemExit(3)").returncode == 3
    assert arrived(backend) == 200


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be caught")
@pytest.mark.parametrize(
    "wait", ["time.sleep(60)", "asyncio.run(asyncio.sleep(60))", "threading.Event().wait(60)", "delivery.flush(60)"]
)
def test_sigterm_ends_a_process_as_ever_after_its_logs(backend: Backend, wait: str) -> None:
    backend.received.delay = 0.3
    ended = interrupted(backend, f"log(100); ready(); {wait}; time.sleep(60)", signal.SIGTERM)
    assert ended.returncode == -signal.SIGTERM
    assert arrived(backend) == 200


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be caught")
def test_a_handler_of_the_application_is_left_alone(backend: Backend) -> None:
    program = """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        log(100); ready(); time.sleep(60)
    """
    assert interrupted(backend, program, signal.SIGTERM).returncode == 7
    assert arrived(backend) == 200


@pytest.mark.skipif(sys.platform == "win32", reason="sent to the whole group")
def test_an_interrupted_program_delivers_what_it_logged(backend: Backend) -> None:
    program = "signal.signal(signal.SIGINT, signal.default_int_handler); log(100); ready(); time.sleep(60)"
    ended = interrupted(backend, program, signal.SIGINT)
    assert "KeyboardInterrupt" in ended.stderr
    assert arrived(backend) == 200


def test_what_is_not_sent_at_the_end_is_sent_by_the_next_process(backend: Backend, spool: Path) -> None:
    backend.fail(503)
    ended = run(backend, "log(100)", timeout=0.2)
    assert ended.returncode == 0
    assert "200 logs are not sent yet" in ended.stderr
    assert arrived(backend) == 0
    backend.recover()
    deliver_the_rest(backend)
    assert arrived(backend) == 201
    assert not [*spool.rglob("*.log")]


def test_logs_of_another_key_or_repository_are_not_touched(backend: Backend, spool: Path) -> None:
    backend.fail(503)
    run(backend, "log(100)", timeout=0.2)
    backend.recover()
    logger = backend.logger("another-repository")
    delivery = deliver(logger)
    logger.trace({"id": "next"})
    assert delivery.flush(60)
    assert arrived(backend) == 1
    assert len([*spool.rglob("*.log")]) == 1
    delivery.abandon()
    logger.cleanup()


def test_the_files_of_a_process_that_lives_are_not_touched(backend: Backend, spool: Path) -> None:
    backend.fail(503)
    process = start(backend, "log(100); delivery.close(0.2); ready(); time.sleep(60)")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert len([*spool.rglob("*.log")]) == 1
    logger = backend.logger()
    delivery = deliver(logger)
    logger.trace({"id": "next"})
    delivery.flush(0.5)
    assert delivery.recovered == 0
    process.kill()
    process.communicate()
    backend.recover()
    delivery.abandon()
    deliver_the_rest(backend)
    assert arrived(backend) == 201
    logger.cleanup()


def test_of_two_next_processes_one_sends(backend: Backend) -> None:
    backend.fail(503)
    for name in "ab":
        run(backend, f"log(100, '{name}')", timeout=0.2)
    backend.recover()
    backend.received.delay = 1.0  # each finds the files, before another has sent them
    processes = [start(backend, "log(1, str(os.getpid()))") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
    assert arrived(backend) == 404


def test_a_file_that_was_not_finished_gives_its_whole_lines(backend: Backend, spool: Path) -> None:
    backend.fail(503)
    run(backend, "log(100)", timeout=0.2)
    (file,) = spool.rglob("*.log")
    file.rename(file.with_name(file.name + ".part")).write_bytes(file.with_name(file.name + ".part").read_bytes()[:-10])
    backend.recover()
    deliver_the_rest(backend)
    assert arrived(backend) == 200  # the last was cut


def test_without_a_journal_a_killed_process_loses_what_waits(backend: Backend) -> None:
    run(backend, "log(100); os._exit(0)")
    deliver_the_rest(backend)
    assert arrived(backend) == 1


def test_with_a_journal_the_next_process_sends_what_a_killed_one_logged(backend: Backend) -> None:
    backend.fail(503)
    run(backend, "log(100); time.sleep(1.5); os._exit(0)", "journal")
    backend.recover()
    deliver_the_rest(backend)
    assert arrived(backend) == 201


@needs_fork
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit()"])
def test_a_fork_sends_nothing_of_its_parent_and_all_of_its_own(backend: Backend, end: str) -> None:
    program = f"""
        log(100, "parent")
        if os.fork() == 0:
            log(100, "child")
            if "_exit" in "{end}":
                delivery.flush()
            {end}
        log(100, "later")
        os.wait()
    """
    assert run(backend, program).returncode == 0
    assert arrived(backend) == 600


@needs_fork
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_deliver_at_their_end(backend: Backend, tmp_path: Path, method: str) -> None:
    program = f"""
        def work(name):
            log(100, name)

        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            children = [context.Process(target=work, args=(f"c{{n}}",)) for n in range(2)]
            log(100, "parent")
            for child in children: child.start()
            for child in children: child.join()
            log(100, "later")
    """
    file = tmp_path / "program.py"
    file.write_text(BEGINNING + textwrap.dedent(program))
    subprocess.run([sys.executable, str(file), backend.url, "10"], check=True, timeout=60)
    assert arrived(backend) == 800


@needs_fork
@pytest.mark.usefixtures("unmeasured")
def test_a_pool_that_is_terminated_delivers(backend: Backend, tmp_path: Path) -> None:
    program = """
        def work(name):
            log(10, f"c{name}")

        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pool.map(work, range(20))
    """
    file = tmp_path / "program.py"
    file.write_text(BEGINNING + textwrap.dedent(program))
    subprocess.run([sys.executable, str(file), backend.url, "10"], check=True, timeout=60)
    assert arrived(backend) == 400


def test_the_end_waits_no_longer_than_it_may(backend: Backend) -> None:
    backend.go()
    begin = time.monotonic()
    assert run(backend, "log(100)", timeout=0.5).returncode == 0
    assert time.monotonic() - begin < 30


@pytest.mark.skipif(sys.platform == "win32", reason="no bits for others")
def test_files_are_for_their_user_alone(backend: Backend, spool: Path) -> None:
    backend.fail(503)
    run(backend, "log(1)", timeout=0.2)
    assert [path.stat().st_mode & 0o077 for path in (spool, *spool.glob("*"), *spool.glob("*/*"))] == [0, 0, 0]
