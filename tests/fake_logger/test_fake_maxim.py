"""`maxim.Maxim(...).logger(...)` hands out the fake, in whatever application is under test."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING

import maxim
import pytest
from maxim import Maxim

from maxim_gemini.testing import FakeLogger, fake_maxim

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(autouse=True)
def no_maxim_yet(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    monkeypatch.delenv("MAXIM_API_KEY", raising=False)
    monkeypatch.delenv("MAXIM_LOG_REPO_ID", raising=False)
    before = vars(Maxim).get("_instance")
    yield
    assert vars(Maxim).get("_instance") is before


def application() -> None:
    """Set Maxim up as its documentation says, and log something."""
    logger = maxim.Maxim({"api_key": "secret"}).logger({"id": "repository"})
    logger.trace({"id": "t", "name": "Ask"}).end()


def test_an_application_logs_to_the_fake() -> None:
    with fake_maxim() as logger:
        application()
        assert logger.trace.name == "Ask"
        logger.assert_complete()


def test_no_key_and_no_repository_are_needed() -> None:
    with fake_maxim() as logger:
        assert Maxim().logger() is logger


def test_a_logger_of_ones_own_may_be_given() -> None:
    mine = FakeLogger("mine")
    with fake_maxim(mine) as logger:
        assert logger is mine
        assert Maxim().logger({"id": "other"}) is mine


def test_a_second_maxim_is_refused_as_ever() -> None:
    with fake_maxim():
        Maxim()
        with pytest.raises(RuntimeError, match="already initialized"):
            Maxim()


def test_the_next_test_may_make_its_own() -> None:
    for _ in range(2):
        with fake_maxim() as logger:
            application()
            assert len(logger.traces) == 1


def test_a_maxim_made_before_hands_out_the_fake_inside_and_is_itself_again_afterwards() -> None:
    original = Maxim.logger
    with fake_maxim() as outer:
        made_before = Maxim()
        with fake_maxim() as inner:
            assert made_before.logger() is inner
            application()
        assert made_before.logger() is outer
        assert vars(Maxim)["_instance"] is made_before
    assert Maxim.logger is original


def test_exceptions_are_raised_where_the_application_requests_them() -> None:
    with fake_maxim():
        logger = Maxim({"raise_exceptions": True}).logger()
        with pytest.raises(ValueError, match="Invalid ID"):
            logger.trace_end("not valid")


def test_cleaning_up_takes_no_time_and_leaves_nothing_for_the_end(
    monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    left: list[object] = []
    monkeypatch.setattr(atexit, "register", left.append)
    monkeypatch.setattr(atexit, "unregister", left.remove)
    threads = threading.active_count()
    with fake_maxim():
        Maxim().cleanup()
    assert slept == []
    assert left == []
    assert threading.active_count() == threads


def test_it_ends_cleanly_when_the_test_fails() -> None:
    def failing() -> None:
        with fake_maxim():
            application()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with fake_maxim():
        application()
