"""What the wrapper takes from inside maxim-py; these tests fail when it moves."""

from __future__ import annotations

import queue
from types import SimpleNamespace
from typing import Any

import pytest
from maxim.logger import Logger
from maxim.logger.components.types import CommitLog, Entity
from support.anew import loaded_anew
from support.maxim_versions import since
from support.own_log import own_messages

from maxim_gemini._core import logger as core_logger
from maxim_gemini._core.logger import Ledger, Log, is_valid_id, new_id
from maxim_gemini.testing import FakeLogger, MaximApi


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
    logger.writer.commit(CommitLog(Entity.SPAN, "span", "end", {}))
    assert not ledger.knows("span")


def test_one_logger_has_one_ledger_for_every_caller() -> None:
    logger = FakeLogger()
    assert Ledger.of(logger) is Ledger.of(logger)
    assert Ledger.of(FakeLogger()) is not Ledger.of(logger)


def test_what_waits_in_a_real_writers_queue_is_known() -> None:
    with MaximApi() as api:
        logger = api.logger()
        assert isinstance(logger.writer.queue, queue.Queue)
        logger.writer.queue.put(CommitLog(Entity.TRACE, "early", "create", {}))
        assert Ledger.of(logger).knows("early")


def test_what_a_fake_logger_was_given_before_is_known() -> None:
    logger = FakeLogger()
    logger.trace({"id": "early"})
    assert Ledger.of(logger).knows("early")


def test_a_writer_with_another_kind_of_queue_is_known_from_now_on() -> None:
    writer = SimpleNamespace(sinks=[], queue=object())
    logger: Any = SimpleNamespace(writer=writer)
    ledger = Ledger.of(logger)
    assert writer.sinks == [ledger]
    assert Ledger.of(logger) is ledger


@pytest.mark.parametrize("name", ["queue", "upload_queue"])
def test_what_has_to_wait_for_a_writers_queue_is_done_before_the_next_commit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAXIM_GEMINI_DELIVERY", "off")
    with MaximApi() as api:
        logger, done = api.logger(), list[str]()
        log = Log(logger)
        log.when_free(lambda: done.append("at once"))
        with getattr(logger.writer, name).mutex:
            log.when_free(lambda: done.append("later"))
            log.when_free(lambda: done.append("after that"))
            assert done == ["at once"]
        Ledger.of(logger).commit(CommitLog(Entity.TRACE, "next", "create", {}))
        assert done == ["at once", "later", "after that"]
        assert log.knows("next")


def test_a_new_id_is_128_random_bits() -> None:
    ids = [new_id() for _ in range(200)]
    assert {len(one) for one in ids} == {32}
    assert len(set(ids)) == 200
    assert all(int(one, 16) >= 0 and is_valid_id(one) for one in ids)


def test_no_two_processes_have_the_same_ids() -> None:
    assert loaded_anew(core_logger).new_id() != loaded_anew(core_logger).new_id()


def test_a_logger_of_another_make_is_no_problem() -> None:
    class Other:
        pass

    other: Any = Other()
    assert Log(other).is_new("a")
    assert not Log(other).knows("b")


@pytest.mark.parametrize(
    "logger",
    [SimpleNamespace(), SimpleNamespace(writer=None), SimpleNamespace(writer=SimpleNamespace(queue=[])), FakeLogger()],
    ids=["no writer", "none", "a list", "fake"],
)
def test_nothing_has_to_wait_where_there_are_no_locks(logger: Any) -> None:
    done: list[str] = []
    Log(logger).when_free(lambda: done.append("at once"))
    assert done == ["at once"]


def test_a_failure_is_one_warning_of_its_kind_for_each_logger(caplog: pytest.LogCaptureFixture) -> None:
    def fail(error: Exception) -> None:
        raise error

    first, second = Log(FakeLogger()), Log(FakeLogger())
    for log, error in (
        (first, OSError("disk full")),
        (first, OSError("disk still full")),
        (first, KeyError("name")),
        (second, OSError("disk full")),
    ):
        assert log.attempt("count", fail, error) is None
    first.attempt("add", fail, OSError("disk full"))
    assert first.attempt("add", max, 1, 2) == 2
    assert own_messages(caplog) == [
        "Could not count: OSError: disk full",
        "Could not count: KeyError: 'name'",
        "Could not count: OSError: disk full",
        "Could not add: OSError: disk full",
    ]


def test_kinds_of_trouble_take_no_more_memory_however_many_there_are(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    assert all(ledger.is_first(f"read: Error{number}") for number in range(5_000))
    assert not ledger.is_first("read: Error4999")
    assert len(ledger._warned) == 1024


def test_the_ledger_forgets_the_oldest() -> None:
    ledger, ids = Ledger(), [str(number) for number in range(65_537)]
    assert all(ledger.claim(one) for one in ids)
    assert [ledger.knows(one) for one in ids] == [False] + [True] * 65_536
    assert not ledger.claim(ids[-1])


def test_all_who_log_to_one_logger_share_one_object_of_each_kind() -> None:
    logger = FakeLogger()
    shared = Log(logger).shared(dict), Log(logger).shared(list)
    assert [type(one) for one in shared] == [dict, list]
    assert Log(logger).shared(dict) is shared[0]
    assert Log(logger).shared(list) is shared[1]
    assert Log(FakeLogger()).shared(dict) is not shared[0]


@since(3, 14, 5, reason="a generation has no metrics of its own")
def test_the_end_of_a_generation_is_what_maxim_py_says_itself() -> None:
    ours, theirs = FakeLogger(), FakeLogger()
    result = {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    Log(ours).commits.end_generation("g", dict(result), {"metadata": {"a": "b"}, "metrics": {"chunks": 1}})
    theirs.generation_add_metadata("g", {"a": "b"})
    theirs.generation_add_metric("g", "chunks", 1)
    theirs.generation_result("g", dict(result))

    def logged(logger: FakeLogger) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for log in logger.logs:
            merged |= {name: value for name, value in (log.data or {}).items() if name != "endTimestamp"}
        return merged

    assert logged(ours) == logged(theirs)
    assert [log.action for log in ours.logs][-2:] == [log.action for log in theirs.logs][-2:]
    assert callable(Logger.trace_add_generation)
