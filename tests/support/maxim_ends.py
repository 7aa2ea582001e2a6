"""Two ways to see what Maxim receives: `FakeLogger`, and a real logger into the mocked API. They must agree.

def test_it(maxim_end):                       # runs twice
    use(maxim_end.logger)
    assert maxim_end.received().trace.output == "hi"
"""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import pytest

from maxim_gemini.testing import FakeLogger, MaximApi

if TYPE_CHECKING:
    from collections.abc import Generator

    from maxim.logger import Logger
    from maxim.logger.components.types import CommitLog
    from maxim.logger.writer import LogWriter

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


class Given(NamedTuple):
    """What a fake logger was given in one test, and what it shows of it."""

    test: str
    repository: str
    commits: list[CommitLog]
    snapshot: dict[str, Any]


class Wire:
    """Sends what fake loggers were given with a real logger, too: both must show the same.

    A real logger begins threads and a folder, which takes longer than a test: one serves many tests.
    """

    def __init__(self) -> None:
        self.given: list[Given] = []

    @contextmanager
    def beside(self, logger: FakeLogger, test: str) -> Generator[None]:
        """Keep what *logger* is given inside."""
        commits: list[CommitLog] = []
        logger.writer.sinks.append(cast("LogWriter", SimpleNamespace(commit=commits.append)))
        yield
        snapshot = logger.snapshot()
        snapshot.pop("dropped", None)
        self.given.append(Given(test, logger.id, commits.copy(), snapshot))  # what is logged later is left out of both

    def check(self) -> None:
        """Fail where a real logger, given the same, shows anything else."""
        loggers: dict[str, Logger] = {}
        with MaximApi() as api:
            for given in self.given:
                if given.repository not in loggers:
                    loggers[given.repository] = api.logger(given.repository)
                logger = loggers[given.repository]
                for commit in given.commits:
                    logger.writer.commit(commit)
                api.flush()
                assert api.snapshot() == given.snapshot, f"sent over the wire in {given.test}"
                api.posts.clear()
                api.uploads.clear()


@pytest.fixture(scope="module")
def wire() -> Generator[Wire]:
    """For the loggers of a module's tests: at its end, a real logger must show the same as they."""
    wire = Wire()
    yield wire
    wire.check()


@pytest.fixture(params=ENDS, ids=lambda end: end.__name__)
def maxim_end(request: pytest.FixtureRequest) -> Generator[MaximEnd]:
    """Both ends, one after the other."""
    with request.param() as end:
        yield end
