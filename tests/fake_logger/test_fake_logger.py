"""A real maxim logger over memory."""

from __future__ import annotations

import logging
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from maxim.logger import FileAttachment, FileDataAttachment, Logger
from maxim.logger.components.types import CommitLog, Entity
from maxim.logger.writer import LogWriter
from support.maxim_flows import COMPLETE, answer, generation_config, one_answer

from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing._logs.fake_logger import MemoryWriter
from maxim_gemini.testing._logs.views import Session, Trace
from maxim_gemini.testing.exceptions import NotTheOnlyOne


@pytest.fixture
def logger() -> FakeLogger:
    return FakeLogger()


def test_it_is_a_maxim_logger(logger: FakeLogger) -> None:
    assert isinstance(logger, Logger)
    assert isinstance(logger.writer, LogWriter)
    assert logger.id == "fake-logger"


def test_nothing_of_the_machine_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a FakeLogger needs no thread, no connection and no file")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    logger = FakeLogger()
    for flow in COMPLETE:
        flow(logger)
    logger.flush()
    logger.cleanup()
    assert logger.traces
    assert not list(tmp_path.iterdir())


def test_raw_logs_are_the_ones_that_maxim_made(logger: FakeLogger) -> None:
    trace = logger.trace({"id": "t"})
    trace.end()
    assert [(log.entity, log.entity_id, log.action) for log in logger.logs] == [
        (Entity.TRACE, "t", "create"),
        (Entity.TRACE, "t", "end"),
    ]
    assert all(isinstance(log, CommitLog) for log in logger.logs)


def test_what_is_stated_later_is_seen_later(logger: FakeLogger) -> None:
    trace = logger.trace({"id": "t"})
    assert logger.trace.output is None
    trace.set_output("hi")
    assert logger.trace.output == "hi"


def test_a_view_stays_as_it_was(logger: FakeLogger) -> None:
    trace = logger.trace({"id": "t"})
    before = logger.traces[0]
    trace.set_output("hi")
    assert before.output is None


def test_trace_and_session_both_begin_one_and_are_the_only_one(logger: FakeLogger) -> None:
    logger.session({"id": "s"}).trace({"id": "t", "name": "Ask"})
    assert isinstance(logger.trace, Trace)
    assert isinstance(logger.session, Session)
    assert logger.trace.name == "Ask"
    assert logger.trace == logger.traces[0]
    assert logger.session == logger.sessions["s"]
    assert logger.session.trace.id == "t"


def test_the_only_one_of_none_or_several_says_what_is_there(logger: FakeLogger) -> None:
    with pytest.raises(NotTheOnlyOne, match="expected exactly one trace, found none"):
        _ = logger.trace.output
    logger.trace({"id": "a", "name": "first"})
    logger.trace({"id": "b"}).end()
    with pytest.raises(NotTheOnlyOne) as caught:
        _ = logger.trace.output
    assert str(caught.value) == ("expected exactly one trace, found 2:\n  <trace a 'first' (open)>\n  <trace b>")
    assert repr(logger.trace) == "<no only trace>"


def test_an_invalid_id_is_dropped_and_named(logger: FakeLogger, caplog: pytest.LogCaptureFixture) -> None:
    logger.trace({"id": "not valid"}).end()
    assert logger.traces == []
    assert logger.logs == ()
    assert [(commit.id, commit.action) for commit, _ in logger.dropped] == [
        ("not valid", "create"),
        ("not valid", "end"),
    ]
    assert "invalid id 'not valid': only letters, digits, - and _ are allowed" in logger.dropped[0].reason


def test_an_invalid_id_raises_where_the_real_logger_raises() -> None:
    logger = FakeLogger(raise_exceptions=True)
    with pytest.raises(ValueError, match="Invalid ID: not valid"):
        logger.trace({"id": "not valid"})
    with pytest.raises(ValueError, match="Invalid ID: not valid"):
        logger.trace_end("not valid")
    assert [dropped.commit.action for dropped in logger.dropped] == ["end"]


def test_what_cannot_be_serialised_is_left_out_as_maxim_leaves_it_out(logger: FakeLogger) -> None:
    circle: list[Any] = []
    circle.append(circle)
    trace = logger.trace({"id": "t"})
    trace._commit("update", {"input": "kept", "odd": circle})
    real = CommitLog(Entity.TRACE, "t", "update", {"input": "kept", "odd": circle}).serialize()
    commit = logger.commits[-1]
    assert commit.line == real
    assert list(commit.lost) == ["odd"]
    assert "Circular reference" in commit.lost["odd"]


class Colour(Enum):
    RED = "red"


class Thing:
    def __init__(self) -> None:
        self.size = 3

    def __repr__(self) -> str:
        return "Thing"


@pytest.mark.parametrize(
    "value",
    [
        {"a": (1, 2)},
        {1: "int key", None: 2},
        Colour.RED,
        Thing(),
        b"bytes",
        {"s": {1}},
        [Path("/x")],
        float("inf"),
        "é",
    ],
    ids=repr,
)
def test_odd_values_are_encoded_as_maxim_encodes_them(logger: FakeLogger, value: Any) -> None:
    logger.writer.commit(CommitLog(Entity.TRACE, "t", "update", {"value": value}))
    assert logger.commits[0].line == CommitLog(Entity.TRACE, "t", "update", {"value": value}).serialize()


def test_a_key_that_json_does_not_know_is_left_out(logger: FakeLogger) -> None:
    logger.writer.commit(CommitLog(Entity.TRACE, "t", "update", {"input": "kept", "odd": {(1, 2): 3}}))
    assert logger.commits[0].data == {"input": "kept"}
    assert list(logger.commits[0].lost) == ["odd"]


@pytest.mark.parametrize(
    "wrap", [lambda value: value, lambda value: {"thing": Thing(), "deep": value}], ids=["plain", "odd"]
)
def test_what_changes_after_the_commit_does_not_change_what_was_logged(logger: FakeLogger, wrap: Any) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "before"}]}
    logger.writer.commit(CommitLog(Entity.TRACE, "t", "update", {"input": wrap(message)}))
    message["content"][0]["text"] = "after"  # type: ignore[index]
    assert "before" in logger.commits[0].text
    assert "after" not in logger.commits[0].text


def test_sinks_hear_every_commit_first(logger: FakeLogger) -> None:
    received: list[str] = []

    class Sink:
        def commit(self, log: CommitLog) -> None:
            received.append(f"{log.entity_id} {log.action}")

    sink: Any = Sink()
    logger.writer.sinks.append(sink)
    logger.trace({"id": "t"}).end()
    logger.trace_end("not valid")
    assert received == ["t create", "t end", "not valid end"]


def test_a_sink_that_fails_loses_the_commit_only_where_exceptions_are_raised() -> None:
    class Sink:
        def commit(self, log: CommitLog) -> None:
            raise RuntimeError("no")

    sink: Any = Sink()
    quiet, loud = FakeLogger(), FakeLogger(raise_exceptions=True)
    for logger in (quiet, loud):
        logger.writer.sinks.append(sink)
    quiet.trace({"id": "t"})
    with pytest.raises(RuntimeError):
        loud.trace({"id": "t"})
    assert (len(quiet.logs), len(loud.logs)) == (1, 0)
    assert loud.dropped[0].reason == "no"


def test_an_added_sink_keeps_in_memory_too(logger: FakeLogger) -> None:
    logger.add_sink("https://example.com", "key", "other-repository")
    one_answer(logger)
    (sink,) = logger.writer.sinks
    assert isinstance(sink, MemoryWriter)
    assert sink.config.repository_id == "other-repository"
    assert [log.action for log in sink.logs] == [log.action for log in logger.logs]


def test_a_file_is_read_as_the_real_logger_reads_it(logger: FakeLogger, tmp_path: Path) -> None:
    file = tmp_path / "plot.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n")
    trace = logger.trace({"id": "t"})
    trace.add_attachment(FileAttachment(path=str(file), id="f", name="plot.png"))
    (attachment,) = logger.trace.attachments
    assert (attachment.type, attachment.mime_type, attachment.size) == ("file", "image/png", 8)
    assert attachment.content == file.read_bytes()


def test_an_attachment_that_cannot_be_uploaded_is_dropped_and_named(logger: FakeLogger, tmp_path: Path) -> None:
    trace = logger.trace({"id": "t"})
    trace.add_attachment(FileAttachment(path=str(tmp_path / "missing.png")))
    trace.add_attachment(FileDataAttachment(data="text"))  # type: ignore[arg-type]
    assert logger.trace.attachments == ()
    reasons = [dropped.reason for dropped in logger.dropped]
    assert "No such file" in reasons[0]
    assert reasons[1] == "the attachment can't be uploaded: its data is str, not bytes"


def test_clear_forgets_everything(logger: FakeLogger) -> None:
    one_answer(logger)
    logger.trace({"id": "not valid"})
    logger.clear()
    assert (logger.logs, logger.commits, logger.dropped, list(logger.traces)) == ((), (), (), [])
    one_answer(logger)
    assert logger.trace.id == "trace-a"


def test_flush_and_cleanup_may_be_called_at_any_time(logger: FakeLogger) -> None:
    logger.flush()
    logger.cleanup(is_sync=True)
    logger.cleanup()
    one_answer(logger)
    assert logger.trace.output == "Sunny."


def test_threads_may_log_and_look_at_once(logger: FakeLogger) -> None:
    def work(number: int) -> None:
        trace = logger.trace({"id": f"t{number}"})
        trace.generation(generation_config(f"g{number}")).result(answer(str(number)))
        trace.end()
        assert logger.traces[f"t{number}"].generation.text == str(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(100)))
    logger.assert_complete()
    assert {trace.generation.text for trace in logger.traces} == set(map(str, range(100)))
    assert [commit.index for commit in logger.commits] == list(range(500))


def test_it_prints_itself(logger: FakeLogger) -> None:
    one_answer(logger)
    assert repr(logger) == "<FakeLogger fake-logger: 7 commits>"
    assert str(logger).startswith("Maxim received  1 trace, 1 generation\nTrace Ask  trace-a")


def test_maxims_own_log_lines_stay(logger: FakeLogger, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="maxim"):
        logger.trace({"id": "not valid"})
    assert "Invalid ID: not valid" in caplog.text


class _Mapping(dict[str, Any]):
    """Stands for a mapping of its own kind, which only the encoder knows how to read."""


def test_data_that_is_too_deep_or_of_a_kind_of_its_own_is_logged_as_maxim_would(logger: FakeLogger) -> None:
    deep: dict[str, Any] = {}
    deep["input"] = {"deep": deep}
    logger.writer.commit(CommitLog(Entity.TRACE, "t", "update", {"output": "kept", "odd": deep}))
    logger.writer.commit(CommitLog(Entity.TRACE, "t", "update", {"metadata": _Mapping(a=1)}))
    assert [commit.data for commit in logger.commits] == [{"output": "kept"}, {"metadata": {"a": 1}}]
