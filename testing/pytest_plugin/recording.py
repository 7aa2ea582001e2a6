"""One test's recorder: from its plan to how its end is told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from maxim_gemini.testing.exceptions import TestKitError
from maxim_gemini.testing.pytest_plugin.plan import plan_of
from maxim_gemini.testing.pytest_plugin.session import session_of
from maxim_gemini.testing.recorder import GeminiRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.genai import Client

    from maxim_gemini.testing.fake_logger import FakeLogger
    from maxim_gemini.testing.pytest_plugin.session import Session


@contextmanager
def recording(
    request: pytest.FixtureRequest, config: Mapping[str, Any], logger: FakeLogger
) -> Iterator[GeminiRecorder]:
    """Record or replay the test of *request*; what it recorded is kept only if it passed."""
    session = session_of(request.config)
    plan = plan_of(request.node, config, session)

    def client() -> Client:
        made: Client = request.getfixturevalue("gemini_client")
        return made

    recorder = GeminiRecorder(
        plan.path,
        mode=plan.mode,
        client=client,
        logger=logger,
        record_command=plan.record_command,
        everywhere=True,
        allow_missing=True,
        **plan.wishes,
    )
    session.current.add(recorder)
    with _told(session), recorder:
        yield recorder
        if not session.current.passed:
            recorder.discard()
    if recorder.outcome.recorded:
        session.written.add(plan.path)


@contextmanager
def _told(session: Session) -> Iterator[None]:
    # What went wrong is told once and without a traceback: none of its lines would be the user's. A test that did not
    # pass has its reason already.
    state = session.current
    try:
        yield
    except TestKitError as error:
        if state.passed or not state.outcomes:
            pytest.fail(str(error), pytrace=False)
