"""The list beside the traces: one line for each test and trace, and the totals. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from maxim_gemini.testing._json_types import mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from maxim_gemini.testing._json_types import JsonDict

    from ._data import TestTraces

_SHOWN: Final = 120
"""Characters of a trace's input that the list shows."""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A trace in the list."""

    index: int
    link: str
    name: str
    input: str
    duration: float | None
    errors: int
    failed: bool
    """`True` if the test failed."""
    incomplete: bool
    generations: int
    tokens: int


@dataclass(frozen=True, slots=True)
class TestRow:
    """A test in the list, and its data for the page."""

    __test__ = False

    index: int
    link: str
    nodeid: str
    name: str
    module: str
    outcome: str
    failed: bool
    duration: float
    traces: Sequence[TraceRow]
    data: JsonDict


@dataclass(frozen=True, slots=True)
class Totals:
    """The numbers at the top of the page."""

    tests: int
    traces: int
    generations: int
    tokens: int
    failed: int
    """Tests."""
    incomplete: int
    """Traces."""
    incomplete_tests: int

    @classmethod
    def of(cls, tests: Sequence[TestRow]) -> Totals:
        """Return the totals of *tests*."""
        traces = [trace for test in tests for trace in test.traces]
        return cls(
            tests=len(tests),
            traces=len(traces),
            generations=sum(trace.generations for trace in traces),
            tokens=sum(trace.tokens for trace in traces),
            failed=sum(test.failed for test in tests),
            incomplete=sum(trace.incomplete for trace in traces),
            incomplete_tests=sum(any(trace.incomplete for trace in test.traces) for test in tests),
        )


def summary(tests: Iterable[TestTraces]) -> Totals:
    """Return the totals of *tests*."""
    return Totals.of(rows(tests))


def rows(tests: Iterable[TestTraces]) -> list[TestRow]:
    """Return the lines of the list; each run of a test has its own link."""
    seen: Counter[str] = Counter()
    return [_test(index, test, seen) for index, test in enumerate(tests)]


def _test(index: int, test: TestTraces, seen: Counter[str]) -> TestRow:
    seen[test.nodeid] += 1
    again = f"~{seen[test.nodeid]}" if seen[test.nodeid] > 1 else ""
    link = quote(test.nodeid, safe="/:.,-_") + again
    failed = test.outcome in ("failed", "error")
    module, _, name = test.nodeid.partition("::")
    return TestRow(
        index=index,
        link=link,
        nodeid=test.nodeid,
        name=name.replace("::", " > ") or module,
        module=module if name else "",
        outcome=test.outcome,
        failed=failed,
        duration=test.duration,
        traces=[_trace(at, trace, link, failed=failed) for at, trace in enumerate(test.traces)],
        data=test.to_json(),
    )


def _trace(index: int, trace: JsonDict, link: str, *, failed: bool) -> TraceRow:
    nodes = list(_below(trace))
    generations = [node for node in nodes if node.get("kind") == "generation"]
    errors = sum(len(node.get("errors") or ()) for node in (trace, *nodes))
    line = " ".join(str(trace.get("input") or "").split())
    return TraceRow(
        index=index,
        link=f"{link}/{index + 1}",
        name=str(trace.get("name") or "trace"),
        input=line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…",
        duration=_duration(trace),
        errors=errors,
        failed=failed,
        incomplete=bool(trace.get("problems")),
        generations=len(generations),
        tokens=sum(_tokens(node) for node in generations),
    )


def _below(node: JsonDict) -> Iterator[JsonDict]:
    for child in node.get("children") or ():
        yield child
        yield from _below(child)


def _duration(trace: JsonDict) -> float | None:
    start, end = trace.get("started_at"), trace.get("ended_at")
    return None if start is None or end is None else end - start


def _tokens(generation: JsonDict) -> int:
    total = mapping(generation.get("usage")).get("total_tokens")
    return total if isinstance(total, int) else 0


def seconds(value: float | None) -> str:
    """Return a duration in a readable unit: `4.2 ms`, `120 ms`, `1.25 s`, `2 min 5 s`."""
    if value is None:
        return ""
    if value < 0.00995:
        return f"{value * 1000:.1f} ms" if value >= 0.00005 else "0 ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    minutes, rest = divmod(round(value), 60)
    return f"{value:.2f} s" if value < 99.5 else f"{minutes} min {rest} s"
