"""The mocked Maxim API shows what of a real logger's logs arrives."""

from __future__ import annotations

import time

import pytest
from maxim.logger import FileDataAttachment
from maxim.logger.components.types import Entity

from maxim_gemini import deliver
from maxim_gemini._core.commits import PlainLog
from maxim_gemini.testing import MaximApi
from maxim_gemini.testing.exceptions import NotDelivered


@pytest.mark.parametrize("wrapped", [True, False])
def test_all_that_a_logger_was_given_is_delivered(wrapped: bool) -> None:
    with MaximApi() as api:
        logger = api.logger()
        if wrapped:
            deliver(logger)
        for number in range(300):
            trace = logger.trace({"id": f"t{number}", "input": "x" * 1000})
            trace.end()
        trace.add_attachment(FileDataAttachment(data=b"content", name="a"))
        logger.trace({"id": "large", "input": "x" * 1_000_000})
        api.assert_delivered()
        assert len(api.traces) == 301


@pytest.mark.parametrize("wrapped", [True, False])
def test_what_a_failing_backend_keeps_back_is_named(wrapped: bool) -> None:
    with MaximApi() as api:
        logger = api.logger()
        if wrapped:
            deliver(logger)
        api.fail(500)
        logger.trace({"id": "t"}).end()
        with pytest.raises(
            NotDelivered, match=r"2 of 2 logs did not arrive, 0 arrived too often(?s:.*)missing: trace t: create"
        ):
            api.assert_delivered()
        api.recover()
        api.assert_delivered()


def test_a_text_with_other_ends_of_lines_is_one_log() -> None:
    text = "a\u2028b\u0085c\x1cd"
    with MaximApi() as api:
        logger = api.logger()
        deliver(logger)
        logger.writer.commit(PlainLog(Entity.TRACE, "t", "create", {"output": text}))
        api.assert_delivered()
        assert api.trace.output == text
        api.fail(503)
        logger.writer.commit(PlainLog(Entity.TRACE, "u", "create", {"output": text}))
        api.restart()
        assert [commit.data["output"] for commit in api.spilled] == [text]


def test_a_log_that_arrives_twice_is_named() -> None:
    with MaximApi() as api:
        logger = api.logger()
        logger.trace({"id": "t"})
        api.flush()
        api.posts.append(api.posts[0])
        with pytest.raises(
            NotDelivered, match=r"0 of 1 logs did not arrive, 1 arrived too often(?s:.*)too many: trace t: create"
        ):
            api.assert_delivered()


def test_a_slow_backend_delays_no_caller() -> None:
    with MaximApi() as api:
        logger = api.logger()
        deliver(logger)
        api.slow(2)
        begin = time.monotonic()
        for number in range(500):
            logger.trace({"id": f"t{number}"})
        assert time.monotonic() - begin < 2
        api.recover()
        api.assert_delivered()
        assert len(api.posts) < 5


@pytest.mark.parametrize("failure", [429, 503, "timeout", "refused", "disconnected"])
def test_after_a_restart_the_next_logger_sends_what_was_kept(failure: int) -> None:
    with MaximApi() as api:
        logger = api.logger()
        deliver(logger)
        api.fail(failure)
        logger.trace({"id": "before"}).end()
        api.restart()
        assert [str(commit) for commit in api.spilled] == [
            "<commit 0: trace before create>",
            "<commit 1: trace before end>",
        ]
        api.recover()
        after = api.logger()
        assert deliver(after).flush()
        after.trace({"id": "after"}).end()
        api.assert_delivered()
        assert [trace.id for trace in api.traces] == ["before", "after"]
        assert api.spilled == ()


def test_a_killed_process_loses_what_waits_unless_it_keeps_a_journal() -> None:
    for journal in (False, True):
        with MaximApi() as api:
            logger = api.logger()
            delivery = deliver(logger, journal=journal)
            api.fail(503)
            logger.trace({"id": "before"}).end()
            delivery.flush(0.1)
            api.restart(killed=True)
            api.recover()
            assert deliver(api.logger()).flush()
            if journal:
                api.assert_delivered()
            else:
                with pytest.raises(NotDelivered):
                    api.assert_delivered()


def test_nothing_is_sent_after_the_end_of_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    with MaximApi() as api:
        logger = api.logger()
        delivery = deliver(logger)
        api.fail(503)
        logger.trace({"id": "t"})
    logger.trace({"id": "late"})
    assert not delivery.flush(0.1)
    assert delivery.sent == 0
