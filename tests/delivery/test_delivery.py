"""What a real logger is given arrives, once and in order, whatever the backend does meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from maxim.logger import FileAttachment, FileDataAttachment, Logger, UrlAttachment
from maxim.logger.components.types import CommitLog, Entity
from maxim.logger.writer import LogWriter
from support.maxim_backend import LINE, Backend

from maxim_gemini import Delivery, MaximGeminiClient, deliver
from maxim_gemini._core import delivery as delivery_module
from maxim_gemini._core.commits import PlainLog
from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing._http.sdk import closing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUTAGES: dict[str, dict[str, Any]] = {
    "too many requests": {"status": 429},
    "too many requests, with a time": {"status": 429, "retry_after": "1"},
    "server error": {"status": 500},
    "unavailable": {"status": 503},
    "wrong key for a while": {"status": 401},
}


@pytest.fixture
def logger(backend: Backend) -> Iterator[Logger]:
    logger = backend.logger()
    yield logger
    backend.recover()
    deliver(logger).abandon()
    logger.cleanup()


def log_calls(logger: Logger, count: int, name: str = "t") -> None:
    """Log as many traces with one generation each, as the wrapper does: seven commits."""
    for number in range(count):
        trace_id, generation_id = f"{name}-{number}", f"{name}-{number}-g"
        logger.trace({"id": trace_id, "input": "question"})
        generation: Any = {
            "id": generation_id,
            "model": "m",
            "provider": "google",
            "messages": [],
            "model_parameters": {},
        }
        logger.trace_add_generation(trace_id, generation)
        logger.generation_add_metadata(generation_id, {"number": number})
        logger.generation_result(generation_id, {"id": "r", "object": "chat.completion", "created": 1, "choices": []})
        logger.trace_set_output(trace_id, "answer")
        logger.trace_end(trace_id)


def test_a_log_is_written_down_as_maxim_py_does_it(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger)
    data = {
        "text": "\N{SNOWMAN} \ud800",
        "time": datetime.now(UTC),
        "kind": Logger,
        "nothing": None,
        "bad": {1: {object}},
    }
    logs = [CommitLog(Entity.TRACE, "t", "update", dict(data)), CommitLog(Entity.TRACE, "t", "end")]
    for log in logs:
        logger.writer.commit(log)
    assert delivery.flush(60)
    assert backend.lines == [log.serialize() for log in logs]


def test_what_is_changed_after_it_was_logged_arrives_as_it_was(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger)
    data: dict[str, Any] = {"tags": {"state": "before"}}
    logger.writer.commit(CommitLog(Entity.TRACE, "t", "update", data))
    data["tags"]["state"] = "after"
    assert delivery.flush(60)
    assert "before" in backend.lines[0]


@pytest.mark.parametrize("text", ["\N{SNOWMAN} \U0001f600", "a\u2028b\u0085c\x1cd\r\ne", "half of a pair: \ud83d"])
def test_any_text_of_a_call_arrives(backend: Backend, logger: Logger, text: str) -> None:
    logger.writer.commit(PlainLog(Entity.TRACE, "t", "update", {"output": text}))
    log_calls(logger, 1)
    assert deliver(logger).flush()
    match = LINE.fullmatch(backend.lines[0])
    assert match is not None
    assert json.loads(match[4]) == {"output": text}
    assert len(backend.lines) == 8


def actions(backend: Backend, trace: str) -> list[str]:
    found = [LINE.fullmatch(line) for line in backend.lines]
    return [match[3] for match in found if match and match[2].startswith(trace)]


def test_everything_arrives_once_and_in_order(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger)
    threads = [threading.Thread(target=log_calls, args=(logger, 100, f"t{number}")) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivery.flush(60)
    assert backend.summary == {
        "logs": 14_000, "began": 2000, "ended": 2000, "twice": 0, "disorder": 0, "posts": len(backend.received.posts)
    }  # fmt: skip
    assert (delivery.queued, delivery.sent, delivery.dropped, delivery.spilled) == (0, 14_000, 0, 0)


def test_a_slow_backend_gets_larger_batches(backend: Backend, logger: Logger) -> None:
    deliver(logger)
    backend.received.delay = 0.2
    log_calls(logger, 2000)
    logger.cleanup()
    assert (backend.summary["ended"], backend.summary["disorder"]) == (2000, 0)
    assert len(backend.received.posts) < 20


@pytest.mark.parametrize("outage", OUTAGES)
def test_what_an_outage_keeps_back_arrives_afterwards(backend: Backend, logger: Logger, outage: str) -> None:
    delivery = deliver(logger)
    backend.fail(**OUTAGES[outage])
    log_calls(logger, 20, "early")
    assert not delivery.flush(0.1)
    assert delivery.queued == 140
    backend.recover()
    log_calls(logger, 20, "late")
    assert delivery.flush(60)
    assert delivery.retried > 0
    summary = backend.summary
    assert (summary["ended"], summary["twice"], summary["disorder"]) == (40, 0, 0)
    assert (delivery.queued, delivery.sent, delivery.dropped) == (0, 280, 0)


def test_a_backend_that_was_away_gets_everything(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger)
    backend.go()
    log_calls(logger, 20)
    assert not delivery.flush(0.1)
    backend.come()
    assert delivery.flush(60)
    assert (backend.summary["ended"], backend.summary["twice"]) == (20, 0)


@pytest.mark.parametrize("as_date", [False, True])
def test_the_time_that_the_backend_requests_is_kept(backend: Backend, logger: Logger, as_date: bool) -> None:
    delivery = deliver(logger)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    backend.fail(429, times=1, retry_after=later if as_date else "2")
    log_calls(logger, 1)
    assert delivery.flush(60)
    first, second = backend.received.attempts
    assert second - first >= (1.5 if as_date else 2)


def test_a_lost_answer_means_the_same_logs_again_and_none_lost(backend: Backend, logger: Logger) -> None:
    """Nothing on the wire lets the backend tell that it has them: the ids are the same."""
    delivery = deliver(logger)
    backend.received.lose_answers = 1
    log_calls(logger, 3)
    assert delivery.flush(60)
    assert backend.received.posts[0] == backend.received.posts[1]
    assert (backend.summary["began"], backend.summary["ended"], delivery.sent) == (3, 3, 21)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_log_that_is_refused_keeps_nothing_else_back(
    backend: Backend, logger: Logger, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = deliver(logger)
    backend.received.status, backend.received.poison = status, '"id": "t-5-g"'
    log_calls(logger, 10)
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        assert delivery.flush(60)
    assert (delivery.dropped, delivery.sent, delivery.queued) == (1, 69, 0)
    assert [record.name for record in caplog.records if record.name == "maxim_gemini"] == ["maxim_gemini"]
    assert str(status) in "".join(delivery.reasons)
    assert len(backend.lines) == 69
    assert actions(backend, "t-4") == ["create", "add-generation", "update", "result", "end", "update", "end"]


def test_a_log_on_which_the_backend_fails_is_found_though_it_looks_like_an_outage(
    backend: Backend, logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maxim_gemini._core.sender.FIRST_DELAY", 0.01)
    delivery = deliver(logger)
    backend.received.status, backend.received.poison = 500, '"id": "t-5-g"'
    log_calls(logger, 10)
    assert delivery.flush(60)
    assert (delivery.dropped, delivery.sent, len(backend.lines)) == (1, 69, 69)


def test_a_long_outage_is_not_taken_for_a_log_that_can_not_be_sent(
    backend: Backend, logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maxim_gemini._core.sender.FIRST_DELAY", 0.001)
    monkeypatch.setattr("maxim_gemini._core.sender.LONGEST_DELAY", 0.001)
    delivery = deliver(logger)
    backend.fail(500)
    log_calls(logger, 10)
    assert not delivery.flush(1)
    assert delivery.retried > 20
    backend.recover()
    assert delivery.flush(60)
    assert (delivery.dropped, backend.summary["ended"], backend.summary["disorder"]) == (0, 10, 0)


def test_attachments_and_large_logs_arrive(backend: Backend, logger: Logger, tmp_path: Path) -> None:
    delivery = deliver(logger)
    file = tmp_path / "file.txt"
    file.write_text("of a file")
    trace = logger.trace({"id": "t", "input": "x" * 1_000_000})
    trace.add_attachment(FileDataAttachment(data=b"\x89PNG\r\n\x1a\n rest", name="image"))
    trace.add_attachment(FileAttachment(path=str(file), name="file"))
    trace.add_attachment(UrlAttachment(url="https://example.com/x.png", name="url"))
    trace.end()
    assert delivery.flush(60)
    assert sorted(backend.received.stored.values(), key=len)[:2] == [b"of a file", b"\x89PNG\r\n\x1a\n rest"]
    assert len(backend.lines) == 5
    assert "x" * 1_000_000 in backend.lines[0]
    assert backend.received.posts[0].startswith(b"storage{")
    assert sorted(actions(backend, "t")) == ["add-attachment", "add-attachment", "add-attachment", "create", "end"]
    assert '"mimeType": "image/png"' in "".join(backend.lines)


def test_attachments_wait_for_a_storage_that_fails(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger)
    backend.fail(500, times=3)
    logger.trace({"id": "t"}).add_attachment(FileDataAttachment(data=b"content", name="a"))
    assert delivery.flush(60)
    assert [*backend.received.stored.values()] == [b"content"]
    assert actions(backend, "t") == ["create", "add-attachment"]


def test_an_attachment_that_can_not_be_read_is_lost_alone(backend: Backend, logger: Logger, tmp_path: Path) -> None:
    delivery = deliver(logger)
    trace = logger.trace({"id": "t"})
    trace.add_attachment(FileAttachment(path=str(tmp_path / "nothing"), name="a"))
    trace.end()
    assert delivery.flush(60)
    assert (delivery.dropped, delivery.sent) == (1, 2)
    assert "can't be read" in "".join(delivery.reasons)


def test_batches_stay_below_the_size_that_maxim_takes(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger)
    for number in range(40):
        logger.trace({"id": f"t{number}", "input": "x" * 500_000})
    assert delivery.flush(60)
    assert max(map(len, backend.received.posts)) <= 5 * 1024 * 1024
    assert len(backend.lines) == 40


def test_logs_beyond_the_limit_are_on_disk_and_keep_their_order(backend: Backend, logger: Logger, spool: Path) -> None:
    delivery = deliver(logger, memory_limit=20_000)
    backend.fail(503)
    for round_ in range(5):
        log_calls(logger, 20, f"r{round_}")
        delivery.flush(0.1)
    assert delivery.spilled > 0
    assert [*spool.rglob("*.log")]
    backend.recover()
    assert delivery.flush(60)
    summary = backend.summary
    assert (summary["ended"], summary["twice"], summary["disorder"], delivery.dropped) == (100, 0, 0, 0)
    delivery.close()
    assert not [*spool.rglob("*.log")]


def test_the_oldest_logs_are_dropped_if_that_is_the_policy(
    backend: Backend, logger: Logger, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = deliver(logger, memory_limit=20_000, when_full="drop_oldest")
    backend.fail(503)
    with caplog.at_level(logging.WARNING, "maxim_gemini"):
        for round_ in range(5):
            log_calls(logger, 20, f"r{round_}")
            delivery.flush(0.1)
    assert delivery.dropped > 0
    assert delivery.dropped + delivery.queued == 700
    assert sum("Logs are lost" in record.message for record in caplog.records) == 1
    backend.recover()
    assert delivery.flush(60)
    assert delivery.sent + delivery.dropped == 700
    assert actions(backend, "r4-19")[-1] == "end"
    assert not spool.exists()


def test_the_newest_logs_are_not_dropped_for_those_that_are_being_sent(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger, memory_limit=1300, when_full="drop_oldest")
    backend.received.delay = 1
    log_calls(logger, 1, "first")
    delivery.flush(0.3)  # its request is waiting for an answer
    for name in ("second", "third"):
        log_calls(logger, 1, name)
        delivery.flush(0)
        time.sleep(0.1)
    backend.received.delay = 0
    assert delivery.flush(60)
    assert actions(backend, "first-0")[-1] == "end"
    assert actions(backend, "third-0")[-1] == "end"
    assert delivery.dropped == 7
    assert delivery.sent == 14


def test_threads_wait_for_room_if_that_is_the_policy(
    backend: Backend, logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "CROWDED", 50)
    monkeypatch.setattr(delivery_module, "LINGER", 0)
    delivery = deliver(logger, memory_limit=1000, when_full="wait")
    backend.fail(503)
    thread = threading.Thread(target=log_calls, args=(logger, 100))
    thread.start()
    thread.join(0.7)
    assert thread.is_alive()
    assert delivery.queued < 700
    backend.recover()
    thread.join(60)
    assert delivery.flush(60)
    assert (delivery.sent, delivery.dropped) == (700, 0)


async def test_an_event_loop_never_waits_for_room(
    backend: Backend, logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "CROWDED", 100)
    delivery = deliver(logger, memory_limit=1000, when_full="wait")
    backend.fail(503)
    log_calls(logger, 100)
    backend.recover()
    assert await asyncio.to_thread(delivery.flush)
    assert (delivery.sent, delivery.dropped) == (700, 0)


def test_a_full_disk_costs_the_oldest_logs(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger, memory_limit=1000, disk_limit=50_000)
    backend.fail(503)
    for round_ in range(5):
        log_calls(logger, 20, f"r{round_}")
        delivery.flush(0.1)
    assert delivery.dropped > 0
    backend.recover()
    assert delivery.flush(60)
    assert delivery.sent + delivery.dropped == 700


def test_without_a_disk_the_oldest_logs_make_room(backend: Backend, logger: Logger, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    delivery = deliver(logger, memory_limit=20_000, folder=tmp_path / "file")
    backend.fail(503)
    for round_ in range(5):
        log_calls(logger, 20, f"r{round_}")
        delivery.flush(0.1)
    assert delivery.dropped > 0
    backend.recover()
    assert delivery.flush(60)
    assert delivery.sent + delivery.dropped == 700


def test_nothing_is_sent_by_the_thread_that_logs(
    backend: Backend, logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "function")
    delivery = deliver(logger)
    backend.received.delay = 0.5
    begin = time.monotonic()
    log_calls(logger, 200)
    assert time.monotonic() - begin < 6  # 1,400 commits, of which maxim-py sends after each 100: seven seconds
    logger.flush()
    assert delivery.queued == 0
    assert backend.summary["ended"] == 200


def test_what_was_logged_before_is_delivered_too(backend: Backend) -> None:
    logger = backend.logger()
    trace = logger.trace({"id": "early"})
    delivery = deliver(logger)
    trace.end()
    assert delivery.flush(60)
    assert actions(backend, "early") == ["create", "end"]
    logger.cleanup()


def test_sinks_are_delivered_too(backend: Backend, logger: Logger) -> None:
    deliver(logger)
    logger.add_sink(backend.url, "another key", "other-repository")
    log_calls(logger, 10)
    logger.cleanup()
    for sink in logger.writer.sinks:
        if isinstance(sink, LogWriter):
            sink.cleanup()
    assert backend.summary["logs"] == 140


def test_logging_goes_on_after_a_cleanup(backend: Backend, logger: Logger) -> None:
    deliver(logger)
    for round_ in range(3):
        log_calls(logger, 10, f"r{round_}")
        logger.cleanup()
        assert backend.summary["ended"] == 10 * (round_ + 1)
    assert backend.summary["disorder"] == 0


def test_a_cleanup_during_an_outage_stops_nothing(
    backend: Backend, logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "CROWDED", 50)
    deliver(logger, timeout=0.1)
    backend.fail(503)
    log_calls(logger, 1, "before")
    logger.cleanup()
    log_calls(logger, 100, "after")
    backend.recover()
    assert deliver(logger).flush()
    assert (backend.summary["ended"], backend.summary["disorder"]) == (101, 0)


def test_what_can_not_be_written_down_is_lost_alone(backend: Backend, logger: Logger) -> None:
    delivery = deliver(logger)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    logger.trace({"id": "a", "name": "first"})
    logger.writer.commit(CommitLog(Entity.TRACE, "a", "update", [deep]))  # type: ignore[arg-type]
    logger.trace({"id": "b", "name": "second"})
    assert delivery.flush(60)
    assert (delivery.sent, delivery.dropped) == (2, 1)


def test_an_unknown_policy_is_refused(logger: Logger) -> None:
    with pytest.raises(ValueError, match="when_full must be 'spill', 'wait' or 'drop_oldest', got 'often'"):
        deliver(logger, when_full="often")  # type: ignore[arg-type]


@pytest.mark.parametrize("logger", [FakeLogger(), object(), None])
def test_with_a_logger_that_sends_nothing_there_is_nothing_to_do(logger: Any) -> None:
    """An application's own call of `deliver` must not fail in its tests."""
    delivery = deliver(logger, journal=True)
    assert (delivery.flush(), delivery.close(), delivery.queued, delivery.sent) == (True, True, 0, 0)


@pytest.mark.parametrize("setting", ["", "on", "off", "OFF"])
def test_a_wrapped_client_has_its_logs_delivered_by_default(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("MAXIM_GEMINI_DELIVERY", setting)
    logger = backend.logger()
    with closing(genai.Client(api_key="any")) as bare:
        client = MaximGeminiClient(bare, logger)
        logger.trace({"id": "t"})
        is_ours = setting.lower() != "off"
        assert (client.delivery.queued, client.aio.delivery.queued) == (int(is_ours), int(is_ours))
        assert (client.delivery is deliver(logger)) == is_ours
    logger.cleanup(is_sync=True)
    assert actions(backend, "t") == ["create"]


def test_settings_can_be_changed(logger: Logger) -> None:
    first = deliver(logger)
    assert deliver(logger, timeout=3) is first
    assert first.timeout == 3
    assert repr(first) == "<Delivery queued=0 sent=0 retried=0 dropped=0 spilled=0 recovered=0>"


def test_counts_can_be_read_by_name(logger: Logger, backend: Backend) -> None:
    delivery: Delivery = deliver(logger)
    log_calls(logger, 1)
    assert delivery.queued == 7
    delivery.flush()
    assert json.dumps(delivery.reasons) == "{}"
    assert (delivery.queued, delivery.sent) == (0, 7)
