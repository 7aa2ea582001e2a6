"""How much the properties try: a little in every run, a lot where `MAXIM_GEMINI_PROOF` is set."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import HypothesisWarning
from support.in_memory import InMemoryGemini
from support.leftovers import discard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google import genai

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
_SHARED: dict[str, Any] = {"deadline": None, "suppress_health_check": _SLOW, "database": None}

# Shrinking a program takes minutes: `MAXIM_GEMINI_PROOF=40` does it.
settings.register_profile(
    "normal",
    max_examples=min(40, settings().max_examples),
    stateful_step_count=20,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    **_SHARED,
)
settings.register_profile(
    "proof",
    max_examples=int(os.environ.get("MAXIM_GEMINI_PROOF") or 1),
    stateful_step_count=40,
    derandomize=False,  # what the tests' own profile would say
    **_SHARED,
)
PROFILE = settings.get_profile("proof" if os.environ.get("MAXIM_GEMINI_PROOF") else "normal")


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> Iterator[None]:
    """Leave what was there before out of every garbage collection: the tests collect after each program."""
    discard()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def no_chance_collections() -> Iterator[None]:
    """Collect garbage after each program only: a stream that a program drops is closed when it is collected.

    At any other time that is chance, and not the same for the bare client and the wrapped one.
    """
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Keep the SDK's remarks on strange configs, many per program, out of the captured log."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is not a valid", UserWarning)  # a finish reason of tomorrow
        warnings.filterwarnings("ignore", "Generating overly large repr", HypothesisWarning)
        yield
    logging.disable(before)


@pytest.fixture
def gemini() -> InMemoryGemini:
    """A Gemini in memory."""
    return InMemoryGemini()


@pytest.fixture
def raw(gemini: InMemoryGemini) -> genai.Client:
    """A bare client of that Gemini."""
    return gemini.client()


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """An event loop for many programs; no client of an earlier test is collected in it, which would start tasks."""
    discard()
    with asyncio.Runner() as runner:
        yield runner
