"""Two ways to see what Maxim receives: `FakeLogger`, and a real logger into the mocked API. They must agree.

def test_it(maxim_end):                       # runs twice
    use(maxim_end.logger)
    assert maxim_end.received().trace.output == "hi"
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from maxim_gemini.testing import FakeLogger, MaximApi

if TYPE_CHECKING:
    from collections.abc import Generator

    from maxim.logger import Logger

    from maxim_gemini.testing._logs.received import Received


class _Look(Protocol):
    def __call__(self) -> Received: ...


class MaximEnd(NamedTuple):
    """A logger, and a way to see what Maxim has received from it so far."""

    logger: Logger
    received: _Look


@contextmanager
def in_memory() -> Generator[MaximEnd]:
    """Log to a `FakeLogger`."""
    logger = FakeLogger()
    yield MaximEnd(logger, lambda: logger)


@contextmanager
def over_the_wire() -> Generator[MaximEnd]:
    """Log with a real logger into the mocked API."""
    with MaximApi() as api:

        def received() -> Received:
            api.flush()
            return api

        yield MaximEnd(api.logger(), received)


ENDS = (in_memory, over_the_wire)


@contextmanager
def also_over_the_wire(logger: FakeLogger) -> Generator[MaximApi]:
    """Send all that *logger* hears with a real logger, too; at the end both must show the same."""
    with MaximApi() as api:
        logger.writer.sinks.append(api.logger(logger.id).writer)
        yield api
        api.flush()
        received = logger.snapshot()
        received.pop("dropped", None)
        assert api.snapshot() == received


@pytest.fixture(params=ENDS, ids=lambda end: end.__name__)
def maxim_end(request: pytest.FixtureRequest) -> Generator[MaximEnd]:
    """Both ends, one after the other."""
    with request.param() as end:
        yield end
