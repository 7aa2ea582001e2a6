"""Run every benchmark, print one table, and write it to `RESULTS.md` with machine and versions.

    tox -e bench                           # or: python tests/benchmarks/run.py ROUNDS

Figures are ratios within one run, CPU time over CPU time, so that a noisy machine tells the truth, too.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))  # which tox leaves out, so that the wheel is measured

import cassette_load
import cassette_replay
import contenders
import fake_logger
import live_replay
import startup
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ROUNDS = int(sys.argv[1]) if sys.argv[1:] else 3
PACKAGES = (
    "google-genai", "httpx2", "maxim-py", "vcrpy", "pydantic", "openinference-instrumentation-google-genai",
    "langsmith", "opentelemetry-instrumentation-google-generativeai", "cassetter",
)  # fmt: skip


class Row(NamedTuple):
    """One figure, with its goal."""

    what: str
    figure: str
    goal: str


def _microseconds(contender: str, case: str) -> float | None:
    """Return the CPU time of a call in a process of its own; `None` where the contender fails."""
    command = [sys.executable, str(HERE / "contenders.py"), contender, case]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"LANGSMITH_TRACING": "true"})
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def _against_bare(case: str) -> dict[str, tuple[float | None, float | None]]:
    """Return each contender's CPU time in microseconds and its ratio to the bare client's, medians of paired rounds."""
    times: dict[str, list[float | None]] = {name: [] for name in contenders.CONTENDERS}
    for _ in range(ROUNDS):
        for name, kept in times.items():
            kept.append(_microseconds(name, case))
    bare = [time for time in times["bare"] if time is not None]
    result: dict[str, tuple[float | None, float | None]] = {}
    for name, kept in times.items():
        pairs = [(time, base) for time, base in zip(kept, bare, strict=True) if time is not None]
        result[name] = (
            (median(time for time, _ in pairs), median(time / base for time, base in pairs)) if pairs else (None, None)
        )
    return result


def calls() -> list[Row]:
    """Measure the wrapped client, the bare one, and the peers."""
    goals = {"plain": "<= 1.15", "stream": "<= 1.05", "chat": "<= 1.15"}
    names = {"plain": "generate_content", "stream": "a stream of 200 chunks", "chat": "a turn in a chat of 50 turns"}
    rows: list[Row] = []
    for case, goal in goals.items():
        for contender, (time, ratio) in _against_bare(case).items():
            figure = "fails" if time is None or ratio is None else f"{ratio:.2f}x ({time:,.0f} us)"
            rows.append(Row(f"{names[case]}: {contender}", figure, goal if contender == "maxim_gemini" else ""))
    return rows


def starts() -> list[Row]:
    """Measure the imports."""
    start = startup.start()
    return [
        Row("import maxim_gemini, over google.genai and maxim", f"{start.imported:.1f} ms", "<= 5 ms"),
        Row("the same, and wrap the first client", f"{start.wrapped:.1f} ms", ""),
        Row("pytest's start with the plugin, not used", f"{startup.plugin_milliseconds():+.1f} ms", "<= 10 ms"),
    ]


def cassettes() -> list[Row]:
    """Measure replay and opening beside vcrpy and cassetter."""
    rows: list[Row] = []
    for size in (1, 1_000, 10_000):
        rate = cassette_replay.measure(size)
        figure = f"{rate.share:.2f}x ({rate.ours:,.0f}/s of {rate.memory:,.0f}/s; vcrpy {rate.vcrpys_share:.3f}x)"
        rows.append(Row(f"replay of {size:,} interactions, of calls answered in memory", figure, ">= 0.8"))
    goals = {"1,000 small interactions": "cassetter's", "10 MB of text": "<= 0.1 s"}
    for title, goal in goals.items():
        took = cassette_load.measure(title)
        theirs = ""
        if took.cassetter is not None and took.cassetter_with_an_answer is not None:
            theirs = f"; cassetter {took.cassetter * 1000:,.1f} and {took.cassetter_with_an_answer * 1000:,.1f} ms"
        figure = f"{took.ours * 1000:,.1f} ms, first answer read {took.with_an_answer * 1000:,.1f} ms"
        rows.append(Row(f"open {title}", f"{figure} (vcrpy {took.vcrpy * 1000:,.1f} ms{theirs})", goal))
    return rows


def sessions() -> list[Row]:
    """Measure the replay of a live session beside cassetter."""
    ours, theirs = live_replay.measure()
    beside = f" (cassetter {theirs.seconds:.2f} s, {theirs.megabytes:.1f} MB)" if theirs else ""
    figure = f"{ours.seconds:.2f} s, {ours.megabytes:.1f} MB{beside}"
    return [Row(f"replay of a live session of {live_replay.MESSAGES:,} messages", figure, "< 1 s")]


def loggers() -> list[Row]:
    """Measure FakeLogger beside a real logger."""
    caller, in_all = fake_logger.ratios(1_000)
    unsent, _ = fake_logger.ratios(30)
    return [
        Row("log 1,000 generations with FakeLogger", f"{caller:.2f}x of a real logger's caller", "<= 1"),
        Row("log 30, of which a real logger sends nothing yet", f"{unsent:.2f}x of a real logger's caller", ""),
        Row("log 1,000, and send or read them", f"{in_all:.2f}x of a real logger's", "<= 1"),
    ]


def _versions() -> str:
    installed = {dist.metadata["Name"].lower(): dist.version for dist in importlib.metadata.distributions()}
    return ", ".join(f"{name} {installed[name]}" for name in PACKAGES if name in installed)


def _machine() -> str:
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    )


def _write(rows: list[Row]) -> None:
    lines = [
        "# Results",
        "",
        f"Written by `run.py` on {datetime.now(UTC):%Y-%m-%d}, {_machine()}.",
        f"{_versions()}.",
        f"Rounds: {ROUNDS}; the load of the machine was {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| what | measured | goal |",
        "|---|---|---|",
        *(f"| {row.what} | {row.figure} | {row.goal} |" for row in rows),
        "",
    ]
    (HERE / "RESULTS.md").write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    """Print the table and write it down."""
    rows: list[Row] = []
    for part in (starts, loggers, calls, cassettes, sessions):
        rows += part()
        _write(rows)  # a run that is broken off leaves what it has
    table = Table("what", "measured", "goal", title="Benchmarks")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
