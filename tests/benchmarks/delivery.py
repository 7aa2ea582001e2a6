"""What arrives: the plain logger of maxim-py beside the delivery of a wrapped client, in one run.

    python tests/benchmarks/delivery.py              the whole table
    python tests/benchmarks/delivery.py --share 0.1 --away 5    a tenth of the calls, outages of five seconds
    python tests/benchmarks/delivery.py --only fork  rows whose name has that word

Each cell is a process of its own and a backend of its own, both real, over loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.maxim_backend import control, received

BACKEND = Path(__file__).parents[1] / "support" / "maxim_backend.py"
ANSWER = {
    "candidates": [{"content": {"parts": [{"text": "hello"}], "role": "model"}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    "modelVersion": "m",
    "responseId": "r",
}


@dataclass(frozen=True)
class Row:
    """One line of the table: what a process does, how the backend answers, and how the process ends."""

    name: str
    work: str
    workers: int
    calls: int
    delay: float = 0.0
    outage: str = ""
    end: str = ""
    reply: float = 0.002


def rows(scale: float) -> list[Row]:
    """Return the table's lines, with that share of the calls."""

    def few(calls: int) -> int:
        return max(2, int(calls * scale))

    tasks = [
        Row(f"200 tasks x {few(100)}, backend of {delay} s", "tasks", 200, few(100), delay) for delay in (0, 0.2, 0.5)
    ]
    threads = [
        Row(f"50 threads x {few(100)}, backend of {delay} s", "threads", 50, few(100), delay) for delay in (0, 0.2, 0.5)
    ]
    streams = Row(f"{few(1000)} streams of 200 chunks", "streams", 20, few(1000) // 20 or 1)
    away = [
        Row(f"50 threads x {few(40)}, {outage}", "threads", 50, few(40), outage=outage)
        for outage in ("429 for a while", "500 for a while", "away")
    ]
    ends = [
        Row(f"50 threads x {few(40)}, {end}", "threads", 50, few(40), 0.2, end=end)
        for end in ("SIGTERM", "SIGINT", "os._exit", "os._exit, journal", "fork")
    ]
    lambda_ = Row(f"200 tasks x {few(20)}, on Lambda, 0.2 s", "tasks", 200, few(20), 0.2, end="lambda")
    calm = Row(f"200 tasks x {few(40)}, answers after 2 s", "tasks", 200, few(40), 0.2, reply=2.0)
    return [*ends, lambda_, *away, *threads, calm, streams, *tasks]


def resident() -> float:
    """Return the memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def bare_client(row: Row) -> Any:
    """Return a client whose requests never leave it."""
    from google import genai
    from google.genai import types

    client = genai.Client(api_key="any")
    body = json.dumps(ANSWER)
    chunk = body.encode()

    def request(*_: Any, **__: Any) -> Any:
        time.sleep(row.reply)
        return types.HttpResponse(headers={}, body=body)

    async def async_request(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(row.reply)
        return types.HttpResponse(headers={}, body=body)

    def request_streamed(*_: Any, **__: Any) -> Any:
        for _number in range(200):
            yield types.HttpResponse(headers={}, body=chunk.decode())

    api: Any = client._api_client
    api.request, api.async_request, api.request_streamed = request, async_request, request_streamed
    return client


async def run_tasks(client: Any, row: Row) -> float:
    """Call from many tasks; return the lag of the event loop at p99, in milliseconds."""
    lags, over = list[float](), False

    async def tick() -> None:
        while not over:
            begin = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - begin - 0.005)

    async def task() -> None:
        for _ in range(row.calls):
            await client.aio.models.generate_content(model="m", contents="hi there")

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(task() for _ in range(row.workers)))
    over = True
    await ticking
    return sorted(lags)[int(len(lags) * 0.99)] * 1000


def run_threads(client: Any, row: Row) -> None:
    """Call, or read streams, from many threads."""

    def work() -> None:
        for _ in range(row.calls):
            if row.work == "streams":
                for _chunk in client.models.generate_content_stream(model="m", contents="hi"):
                    pass
            else:
                client.models.generate_content(model="m", contents="hi")

    threads = [threading.Thread(target=work) for _ in range(row.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def process(row: Row, port: int) -> None:
    """Be the process that logs."""
    from maxim import Maxim

    from maxim_gemini import MaximGeminiClient, deliver

    logging.getLogger("maxim").setLevel(logging.CRITICAL)
    logging.getLogger("maxim_gemini").setLevel(logging.CRITICAL)
    bare, report = bare_client(row), dict[str, Any]()
    logger = Maxim({"api_key": "k", "base_url": f"http://127.0.0.1:{port}"}).logger({"id": "r"})
    client: Any = MaximGeminiClient(bare, logger)
    if row.end == "os._exit, journal" and os.environ["MAXIM_GEMINI_DELIVERY"] != "off":
        deliver(logger, journal=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    memory = resident()
    print("{}", flush=True)
    if row.work == "tasks":
        report["bare"] = asyncio.run(run_tasks(bare, row))
        report["lag"] = asyncio.run(run_tasks(client, row))
    elif row.end == "fork" and os.fork() == 0:
        run_threads(client, row)
        sys.exit()
    else:
        run_threads(client, row)
    report["memory"] = resident() - memory
    print(json.dumps(report), flush=True)
    if row.end in ("SIGTERM", "SIGINT"):
        time.sleep(60)
    if row.end.startswith("os._exit"):
        time.sleep(1.5 if "journal" in row.end else 0)
        os._exit(0)
    if row.end == "fork":
        os.wait()
    begin = time.monotonic()
    logger.cleanup()
    print(json.dumps({"cleanup": time.monotonic() - begin}), flush=True)


def next_process(port: int) -> None:
    """Be the process that comes afterwards."""
    from maxim.logger import Logger

    from maxim_gemini import deliver

    logger: Any = Logger({"id": "r"}, "k", f"http://127.0.0.1:{port}")
    if os.environ["MAXIM_GEMINI_DELIVERY"] != "off":
        deliver(logger).flush(60)
    logger.cleanup()


def measure(row: Row, switch: str, away: float) -> str:
    """Run one cell; return what it says."""
    folder = tempfile.mkdtemp()
    environment = {**os.environ, "MAXIM_GEMINI_DELIVERY": switch, "MAXIM_GEMINI_SPOOL": folder, "TMPDIR": folder}
    if row.end == "lambda":
        environment["AWS_LAMBDA_FUNCTION_NAME"] = "function"
    backend = subprocess.Popen([sys.executable, str(BACKEND)], stdout=subprocess.PIPE, text=True)
    assert backend.stdout is not None
    port = int(backend.stdout.readline())
    control(port, delay=row.delay)
    me = [sys.executable, __file__, "--row", json.dumps(vars(row)), "--port", str(port)]
    running = subprocess.Popen(me, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
    outage = threading.Thread(target=have_an_outage, args=(port, row.outage, away))
    report: dict[str, float] = {}
    assert running.stdout is not None
    try:
        for line in running.stdout:
            if not line.startswith("{"):  # maxim-py greets
                continue
            report.update(json.loads(line))
            if not outage.ident:
                outage.start()
            elif row.end in ("SIGTERM", "SIGINT"):
                running.send_signal(getattr(signal, row.end))
        running.wait(200)
    finally:
        running.kill()
    outage.join()
    if row.end or row.outage:
        subprocess.run([*me, "--next"], env=environment, stderr=subprocess.DEVNULL, timeout=200, check=False)
    summary = received(port)
    backend.kill()
    backend.wait()
    return describe(row, report, summary)


def have_an_outage(port: int, outage: str, away: float) -> None:
    """Let the backend fail for a while."""
    if not outage:
        return
    status = {"429 for a while": 429, "500 for a while": 500}.get(outage, 503)
    control(port, status=status, times=10**9, headers={"retry-after": "1"} if status == 429 else {})
    time.sleep(away if outage == "away" else min(away, 10))
    control(port, times=0)


def describe(row: Row, report: dict[str, float], summary: dict[str, int]) -> str:
    """Return a cell of the table."""
    calls = row.workers * row.calls * (2 if row.end == "fork" else 1)
    ended = min(summary["began"], summary["ended"])
    words = [f"{ended:,} of {calls:,}" if ended < calls else f"all {calls:,}"]
    words += [f"{summary['twice']:,} logs twice"] if summary["twice"] else []
    words += [f"{summary['disorder']:,} out of order"] if summary["disorder"] else []
    words += [f"{summary['posts']:,} requests", f"{report.get('memory', 0):+.0f} MB"]
    words += [f"lag {report['lag']:.0f} ms, bare {report['bare']:.0f}"] if "lag" in report else []
    words += [f"cleanup {report['cleanup']:.1f} s"] if "cleanup" in report else []
    return ", ".join(words)


def main() -> None:
    """Print the table, or be one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1, help="share of the calls")
    parser.add_argument("--away", type=float, default=60, help="seconds that the backend is away")
    parser.add_argument("--only", default="", help="rows whose name has this word")
    parser.add_argument("--row", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--next", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.next:
        next_process(arguments.port)
    elif arguments.row:
        with contextlib.suppress(KeyboardInterrupt):
            process(Row(**arguments.row), arguments.port)
    else:
        print("| what | plain logger | delivery |\n|---|---|---|", flush=True)
        for row in rows(arguments.share):
            if arguments.only in row.name:
                plain, ours = measure(row, "off", arguments.away), measure(row, "on", arguments.away)
                print(f"| {row.name} | {plain} | {ours} |", flush=True)


if __name__ == "__main__":
    main()
