"""What the wrapper takes from inside maxim-py; these tests fail when it moves."""

from __future__ import annotations

import queue
from typing import Any

from maxim.logger import Logger
from maxim.logger.components.types import CommitLog, Entity
from support.maxim_versions import since

from maxim_gemini import _maxim
from maxim_gemini._maxim import Ledger, Log
from maxim_gemini.testing import FakeLogger, maxim_api


def test_a_sink_hears_every_commit() -> None:
    logger = FakeLogger()
    ledger = Ledger.of(logger)
    logger.trace({"id": "heard"})
    assert ledger.knows("heard")
    logger.trace_add_tag("spoken-of", "a", "b")
    assert ledger.knows("spoken-of")
    logger.trace_add_tool_call("heard", {"id": "call", "name": "f", "description": "", "args": "{}"})
    assert ledger.knows("call")
    logger.generation_set_model("generation", "x")
    assert not ledger.knows("generation")


def test_one_logger_has_one_ledger_whoever_asks() -> None:
    logger = FakeLogger()
    assert Ledger.of(logger) is Ledger.of(logger)
    assert Ledger.of(FakeLogger()) is not Ledger.of(logger)


def test_what_waits_in_a_real_writers_queue_has_been_heard() -> None:
    with maxim_api() as api:
        logger = api.logger()
        assert isinstance(logger.writer.queue, queue.Queue)
        logger.writer.queue.put(CommitLog(Entity.TRACE, "early", "create", {}))
        assert Ledger.of(logger).knows("early")


def test_a_logger_of_another_make_is_no_problem() -> None:
    class Other:
        pass

    other: Any = Other()
    assert Log(other).is_new("a")
    assert not Log(other).knows("b")


def test_the_ledger_forgets_the_oldest(monkeypatch: Any) -> None:
    monkeypatch.setattr(_maxim, "REMEMBERED", 3)
    ledger = Ledger()
    assert [ledger.claim(one) for one in "abcd"] == [True] * 4
    assert (ledger.knows("a"), ledger.knows("d"), ledger.claim("d")) == (False, True, False)


@since(3, 14, 5, reason="a generation has no metrics of its own")
def test_the_end_of_a_generation_is_what_maxim_py_says_itself() -> None:
    ours, theirs = FakeLogger(), FakeLogger()
    result = {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    Log(ours).say.end_generation("g", dict(result), {"metadata": {"a": "b"}, "metrics": {"chunks": 1}})
    theirs.generation_add_metadata("g", {"a": "b"})
    theirs.generation_add_metric("g", "chunks", 1)
    theirs.generation_result("g", dict(result))

    def said(logger: FakeLogger) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for log in logger.logs:
            merged |= {name: value for name, value in (log.data or {}).items() if name != "endTimestamp"}
        return merged

    assert said(ours) == said(theirs)
    assert [log.action for log in ours.logs][-2:] == [log.action for log in theirs.logs][-2:]
    assert callable(Logger.trace_add_generation)
