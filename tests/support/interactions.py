"""The Interactions API as google-genai has it: both of its sides, driven by one program."""

from __future__ import annotations

import asyncio
import importlib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from google import genai

from support.blocking import Blocking
from support.clients import client_over, closed

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = tuple(int(number) for number in re.findall(r"\d+", genai.__version__)[:2])

needs_interactions = pytest.mark.skipif(
    VERSION < (2, 34), reason=f"google-genai {genai.__version__} has interactions of another form, or none"
)

both_sides = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def error_class(name: str) -> type[Exception]:
    """Return the SDK's class of errors of that name: interactions have a hierarchy of their own."""
    error: type[Exception] = getattr(importlib.import_module("google.genai._gaos.lib.compat_errors"), name)
    return error


@contextmanager
def interactions_at(base_url: str | None, *, is_async: bool) -> Iterator[Any]:
    """Hold a client's `interactions`, or its `aio.interactions` as if it were the sync one."""
    with interactions_of(client_over("httpx", base_url), is_async=is_async) as interactions:
        yield interactions


@contextmanager
def interactions_of(client: Any, *, is_async: bool) -> Iterator[Any]:
    """Hold a client's `interactions`, or its `aio.interactions` as if it were the sync one; close the client."""
    # A runner's tasks see the context variables of where it was entered.
    with asyncio.Runner() as runner:
        runner.get_loop()
        yield Blocking(client.aio.interactions, runner) if is_async else client.interactions
        runner.run(closed(client))


_OWN = frozenset({"continuation_ids", "initial_input_tokens"})
"""What google-genai adds to what `create` got."""


def shown(value: Any) -> Any:
    """Return an object of the SDK as JSON, without what it leaves open and what it adds itself."""
    return _without_own(value.model_dump(mode="json", exclude_none=True))


def _without_own(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_own(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _without_own(item) for name, item in value.items() if name not in _OWN}
