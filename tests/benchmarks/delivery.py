"""What arrives: the plain logger of maxim-py beside the delivery of a wrapped client, in one run.

    python tests/benchmarks/delivery.py              the whole table, in about an hour
    python tests/benchmarks/delivery.py --share 0.1 --away 5    a tenth of the calls, outages of five seconds
    python tests/benchmarks/delivery.py --only fork --keep FILE     rows whose name has that word, kept in a file
    python tests/benchmarks/delivery.py --table FILE    the table of what is kept
    python tests/benchmarks/delivery.py --list       the names of all rows
    python tests/benchmarks/delivery.py --only tasks --model http    with a model that answers over HTTP

Each cell is a process of its own and a backend of its own, both real, over loopback. The model's answers come from
memory, through Google's client and its HTTP client, or over HTTP from one more process, as an application gets them:
there a bare call is dearer, by what it costs to write to a socket and to read from it. The lag of the event loop is
the median of the rounds' p99: in each round the bare client, the wrapped one and once more the bare one make as many
calls in the same process, so that bare beside bare shows what the machine does by itself. It is measured by two
clocks: what passes, and what the process with all its threads computes meanwhile, which other work of the machine
hardly changes.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import contextlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.maxim_backend import control, received

try:
    import httpx2 as http
except ImportError:
    import httpx as http  # type: ignore[no-redef]

ROUNDS = 5

BACKEND = Path(__file__).parents[1] / "support" / "maxim_backend.py"
MODEL = BACKEND.with_name("quick_model.py")
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
    model: str = "memory"


def rows(scale: float, model: str = "memory") -> list[Row]:
    """Return the table's lines, with that share of the calls."""

    def few(calls: int) -> int:
        return max(2, int(calls * scale))

    def row(what: str, workers: int, calls: int, about: str, delay: float = 0, **more: Any) -> Row:
        more["model"] = model if what == "tasks" else "memory"
        return Row(f"{workers} {what} x {few(calls)}, {about}", what, workers, few(calls), delay, **more)

    delays = (0, 0.2, 0.5)
    outages = ("429 for a while", "500 for a while", "away")
    ends = ("SIGTERM", "SIGINT", "os._exit", "os._exit with a journal", "fork")
    return [
        *(row("tasks", 200, 100, f"backend of {delay} s", delay) for delay in delays),
        row("tasks", 200, 25, "answers after 1 to 3 s, backend of 0.2 s", 0.2, reply=2.0),
        row("tasks", 200, 25, "answers after 0.5 to 1.5 s, on Lambda, backend of 0.2 s", 0.2, reply=1.0, end="Lambda"),
        *(row("threads", 50, 100, f"backend of {delay} s", delay) for delay in delays),
        row("streams", 20, 50, "200 chunks each"),
        *(row("threads", 50, 100, outage, outage=outage) for outage in outages),
        *(row("threads", 50, 100, end, 0.2, end=end) for end in ends),
        row("memory", 1, 20_000, "then as many three times", reply=0),
    ]


def resident() -> float:
    """Return the memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def bare_client(row: Row) -> Any:
    """Return a client whose requests are answered after a while: in memory, or by a process of its own."""
    from google import genai

    body = json.dumps(ANSWER).encode()
    if row.model == "http":
        command = [sys.executable, str(MODEL), body.decode(), "application/json", str(row.reply)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(server.kill)
        assert server.stdout is not None
        return genai.Client(
            api_key="any", http_options={"base_url": f"http://127.0.0.1:{int(server.stdout.readline())}"}
        )
    events = b"".join(b"data: " + body + b"\r\n\r\n" for _ in range(200))

    def answer(request: Any) -> Any:
        if "alt=sse" in str(request.url):
            return http.Response(200, content=events, headers={"content-type": "text/event-stream"})
        return http.Response(200, content=body, headers={"content-type": "application/json"})

    def after_a_while(request: Any) -> Any:
        time.sleep(row.reply)
        return answer(request)

    async def async_after_a_while(request: Any) -> Any:
        await asyncio.sleep(row.reply * random.uniform(0.5, 1.5))  # else all tasks go on in step
        return answer(request)

    transports: Any = {
        "client_args": {"transport": http.MockTransport(after_a_while)},
        "async_client_args": {"transport": http.MockTransport(async_after_a_while)},
    }
    return genai.Client(api_key="any", http_options=transports)


def measure_lags(bare: Any, client: Any, row: Row) -> dict[str, Any]:
    """Return the lags of the event loop by both clocks, each the median of all rounds."""
    lags: dict[str, list[tuple[float, float]]] = {"bare": [], "lag": [], "bare again": []}
    few = max(2, row.calls // ROUNDS // 4)  # as many for each: the more, the larger is the largest lag
    for round_ in range(ROUNDS):
        turns = [*zip(lags, (bare, client, bare), strict=True)]
        for name, one in turns if round_ % 2 else reversed(turns):
            lags[name].append(asyncio.run(run_tasks(one, row, few)))
            time.sleep(1.5 if one is client else 0)  # what is still to be sent is no lag of the bare client's
    asyncio.run(run_tasks(client, row, row.calls - ROUNDS * few))
    return {name: [median(values) for values in zip(*pairs, strict=True)] for name, pairs in lags.items()}


def measure_memory(client: Any, row: Row) -> dict[str, float]:
    """Return the memory that the first calls took, and that all took."""
    used: dict[str, float] = {}
    before = resident()
    for name, calls in (("memory", row.calls), ("memory at the end", 3 * row.calls)):
        for _ in range(calls):
            client.models.generate_content(model="m", contents="hi")
        time.sleep(2)
        used[name] = resident() - before
    return used


async def run_tasks(client: Any, row: Row, calls: int) -> tuple[float, float]:
    """Call from many tasks; return the lag of the event loop at p99, in milliseconds by the clock and of the CPU."""
    lags, computed, over = list[float](), list[float](), False

    async def tick() -> None:
        while not over:
            begin, cpu = time.perf_counter(), time.process_time()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - begin - 0.005)
            computed.append(time.process_time() - cpu)

    async def task() -> None:
        for _ in range(calls):
            await client.aio.models.generate_content(model="m", contents="hi there")

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(task() for _ in range(row.workers)))
    over = True
    await ticking
    p99 = int(len(lags) * 0.99)
    return sorted(lags)[p99] * 1000, sorted(computed)[p99] * 1000


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
    if row.end == "os._exit with a journal" and os.environ["MAXIM_GEMINI_DELIVERY"] != "off":
        deliver(logger, journal=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    memory = resident()
    print("{}", flush=True)
    if row.work == "tasks":
        report = measure_lags(bare, client, row)
    elif row.work == "memory":
        report = measure_memory(client, row)
    elif row.end == "fork" and os.fork() == 0:
        run_threads(client, row)
        sys.exit()
    else:
        run_threads(client, row)
    report.setdefault("memory", resident() - memory)
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
    if row.end == "Lambda":
        environment["AWS_LAMBDA_FUNCTION_NAME"] = "function"
    backend = subprocess.Popen([sys.executable, str(BACKEND)], stdout=subprocess.PIPE, text=True)
    assert backend.stdout is not None
    port = int(backend.stdout.readline())
    control(port, delay=row.delay)
    me = [sys.executable, __file__, "--row", json.dumps(vars(row)), "--port", str(port)]
    errors = subprocess.DEVNULL if row.end else None  # a process that is ended has to complain
    running = subprocess.Popen(me, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True)
    outage = threading.Thread(target=have_an_outage, args=(port, row.outage, away))
    report: dict[str, Any] = {}
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


def describe(row: Row, report: dict[str, Any], summary: dict[str, int]) -> str:
    """Return a cell of the table."""
    calls = row.workers * row.calls * {"fork": 2, "memory": 4}.get(row.end or row.work, 1)
    ended = min(summary["began"], summary["ended"])
    words = [f"{ended:,} of {calls:,}" if ended < calls else f"all {calls:,}"]
    words += [f"{summary['twice']:,} logs twice"] if summary["twice"] else []
    words += [f"{summary['disorder']:,} out of order"] if summary["disorder"] else []
    words += [f"{summary['posts']:,} requests", f"{report.get('memory', 0):+.0f} MB"]
    words += [f"{report['memory at the end']:+.0f} MB at the end"] if "memory at the end" in report else []
    if "lag" in report:
        triples = zip(report["lag"], report["bare"], report["bare again"], strict=True)
        lags = [
            f"{lag:.0f} ms (bare {one:.0f} and {two:.0f}: {lag / (one + two) * 2:.2f}x)" for lag, one, two in triples
        ]
        words += [f"lag {lags[0]}", f"of CPU {lags[1]}"]
    words += [f"cleanup {report['cleanup']:.1f} s"] if "cleanup" in report else []
    return ", ".join(words)


def main() -> None:
    """Print the table, or be one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1, help="share of the calls")
    parser.add_argument("--away", type=float, default=60, help="seconds that the backend is away")
    parser.add_argument("--only", default="", help="rows whose name has this word")
    parser.add_argument("--model", choices=("memory", "http"), default="memory", help="where tasks get answers from")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--keep", type=Path, help="a file to which each row is added")
    parser.add_argument("--table", type=Path, help="print the rows of that file, the last of each name")
    parser.add_argument("--row", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--next", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.next:
        next_process(arguments.port)
    elif arguments.row:
        with contextlib.suppress(KeyboardInterrupt):
            process(Row(**arguments.row), arguments.port)
    elif arguments.list:
        print(*(row.name for row in rows(arguments.share, arguments.model)), sep="\n")
    elif arguments.table:
        kept = dict(json.loads(line) for line in arguments.table.read_text().splitlines())
        print("| what | plain logger | delivery |\n|---|---|---|", *kept.values(), sep="\n")
    else:
        print("| what | plain logger | delivery |\n|---|---|---|", flush=True)
        for row in rows(arguments.share, arguments.model):
            if arguments.only in row.name:
                plain, ours = (measure(row, switch, arguments.away) for switch in ("off", "on"))
                line = f"| {row.name} | {plain} | {ours} |"
                print(line, flush=True)
                if arguments.keep:
                    with arguments.keep.open("a") as file:
                        file.write(json.dumps([row.name, line]) + "\n")


if __name__ == "__main__":
    main()
