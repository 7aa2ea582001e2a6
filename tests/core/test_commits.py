"""What the wrapper says to a writer is what maxim-py's own methods say to it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from maxim.logger import Logger

from maxim_gemini._core.commits import Commits, Methods, PlainLog
from maxim_gemini._core.logger import Log
from maxim_gemini._core.maxim_writer import line_of
from maxim_gemini.testing import FakeLogger, MaximApi
from maxim_gemini.testing._logs.commits import Commit

if TYPE_CHECKING:
    from collections.abc import Callable

_TRACES: dict[str, dict[str, Any]] = {
    "a local trace": {"id": "t", "name": "Gemini call", "input": "What?"},
    "a turn": {"id": "t", "name": "Chat turn", "input": "What?", "session_id": "s", "tags": {"team": "search"}},
    "the caller's trace": {"id": "t"},
    "an empty input": {"id": "t", "name": "Gemini call", "input": ""},
}
_MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "What?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "content": "3", "tool_call_id": "c", "name": "f"},
]
_GENERATION: dict[str, Any] = {
    "id": "g",
    "provider": "google",
    "model": "gemini-2.5-flash",
    "messages": _MESSAGES,
    "model_parameters": {"temperature": "0.5", "tools": "[]"},
}
_RESULT: dict[str, Any] = {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "choices": []}


def beginning(config: dict[str, Any]) -> Callable[[Methods], None]:
    return lambda say: say.begin_trace(dict(config))


ACTIONS: dict[str, Callable[[Methods], None]] = {
    **{name: beginning(config) for name, config in _TRACES.items()},
    "a generation": lambda say: say.begin_generation("t", dict(_GENERATION)),
    "a generation with a name": lambda say: say.begin_generation("t", {**_GENERATION, "name": "n", "tags": {"a": "b"}}),
    "a generation without anything": lambda say: say.begin_generation(
        "t", {**_GENERATION, "messages": [], "model_parameters": {}}
    ),
    "a result": lambda say: say.end_generation("g", dict(_RESULT), {}),
    "a result with metadata": lambda say: say.end_generation("g", dict(_RESULT), {"metadata": {"response_id": "r"}}),
    **(
        {"a result with one metric": lambda say: say.end_generation("g", dict(_RESULT), {"metrics": {"chunks": 3}})}
        if hasattr(Logger, "generation_add_metric")  # not in maxim-py 3.14.0
        else {}
    ),
    "an error": lambda say: say.end_generation(
        "g", {**_RESULT, "error": {"message": "m", "code": "", "type": "t"}}, {}
    ),
    "the end of a trace": lambda say: say.end_trace("t", "Paris."),
}


def commits(say: Methods, logger: FakeLogger, what: Callable[[Methods], None]) -> list[Any]:
    what(say)
    return [(log.entity, log.entity_id, log.action, _without_clock(log.data or {})) for log in logger.logs]


def _without_clock(data: dict[str, Any]) -> dict[str, Any]:
    """The times differ from run to run, but not in their kind and zone."""
    return {
        key: (type(value), value.utcoffset()) if key.endswith("Timestamp") else value for key, value in data.items()
    }


@pytest.mark.parametrize("what", ACTIONS.values(), ids=ACTIONS)
def test_a_commit_is_the_one_that_maxim_pys_own_methods_give(what: Callable[[Methods], None]) -> None:
    ours, theirs = FakeLogger(), FakeLogger()
    assert commits(Commits(ours), ours, what) == commits(Methods(theirs), theirs, what)


def test_maxim_pys_own_loggers_get_commits() -> None:
    with MaximApi() as api:
        assert type(Log(api.logger()).commits) is Commits
    assert type(Log(FakeLogger()).commits) is Commits


class Redacting(FakeLogger):
    """A logger whose owner wants a say in what is logged."""

    def trace_set_output(self, trace_id: str, output: str) -> None:
        super().trace_set_output(trace_id, "[redacted]")


def test_what_somebody_put_in_place_of_a_loggers_method_is_called() -> None:
    replaced: Any = FakeLogger()
    replaced.trace_end = mock.Mock(wraps=replaced.trace_end)
    assert type(Log(replaced).commits) is type(Log(Redacting()).commits) is Methods
    Log(replaced).commits.end_trace("t", "Paris.")
    replaced.trace_end.assert_called_once_with("t")


def methods_used() -> list[str]:
    logger = mock.create_autospec(Logger, instance=True)
    for what in ACTIONS.values():
        what(Methods(logger))
    return sorted({name for name, *_ in logger.method_calls})


@pytest.mark.parametrize("name", methods_used())
def test_whichever_method_somebody_replaced_none_is_passed_by(name: str) -> None:
    replaced = type("Replaced", (FakeLogger,), {name: lambda *_: None})
    assert type(Log(replaced()).commits) is Methods


def test_a_logger_of_another_make_gets_calls_of_its_methods() -> None:
    other = mock.create_autospec(Logger, instance=True)
    assert type(Log(other).commits) is Methods
    Log(other).commits.end_generation("g", dict(_RESULT), {"metadata": {"a": "b"}, "metrics": {"chunks": 3}})
    other.generation_add_metadata.assert_called_once_with("g", {"a": "b"})
    if hasattr(Logger, "generation_add_metric"):  # not in maxim-py 3.14.0
        other.generation_add_metric.assert_called_once_with("g", "chunks", 3)
    other.generation_result.assert_called_once_with("g", _RESULT)


def test_a_result_is_reported_even_if_nothing_else_can_be() -> None:
    other = mock.create_autospec(Logger, instance=True)
    other.generation_add_metadata.side_effect = OSError("disk full")
    with pytest.raises(OSError, match="disk full"):
        Log(other).commits.end_generation("g", dict(_RESULT), {"metadata": {"a": "b"}})
    other.generation_result.assert_called_once_with("g", _RESULT)


@pytest.mark.parametrize("what", ACTIONS.values(), ids=ACTIONS)
def test_a_commit_is_written_down_as_maxim_py_writes_it(what: Callable[[Methods], None]) -> None:
    logger = FakeLogger()
    what(Commits(logger))
    for log in logger.logs:
        ours, theirs = (Commit.parse(line) for line in (line_of(log).decode(), log.serialize()))
        assert (ours.entity, ours.id, ours.action) == (theirs.entity, theirs.id, theirs.action)
        assert _with_clock(ours.data) == _with_clock(theirs.data)
        assert type(log) is PlainLog


def _with_clock(data: Any) -> dict[str, Any]:
    """A time is written with `Z` or with `+00:00`."""
    return {key: datetime.fromisoformat(value) if key.endswith("Timestamp") else value for key, value in data.items()}
