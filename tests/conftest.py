"""For every test: `pytester`, the same examples of hypothesis on every machine, and nothing left open."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

# A run in CI must not fail for what the change did not do; `tox -e proof` looks for new examples.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Have what a test leaves open fail this test, and not one that comes by when the garbage is collected."""
    yield
    gc.collect()
    gc.freeze()  # what outlives a test is not looked through after each of the next thousands
