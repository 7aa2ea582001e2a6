"""One test's recorder: from its plan to how its end is told."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from maxim_gemini.testing._recorder.recorder import GeminiRecorder
from maxim_gemini.testing.exceptions import CassetteDrift, TestKitError

from . import fixtures
from .closing import clients_to_close
from .options import CLIENT_FIXTURE, MARKER, RECORDER_FIXTURE
from .plan import keywords, plan_of
from .session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from google.genai import Client

    from maxim_gemini.testing._logs.fake_logger import FakeLogger

    from .plan import Plan
    from .session import Session


@contextmanager
def recording(
    request: pytest.FixtureRequest, config: Mapping[str, Any], logger: FakeLogger
) -> Generator[GeminiRecorder]:
    """Record or replay the test of *request*; what it recorded is kept only if it passed."""
    session = session_of(request.config)
    state = session.current
    plan = plan_of(request.node, config, session)
    writes = plan.record not in ("none", "verify")
    if writes:
        # Given back when the test is over, and what it recorded is saved.
        state.closing.enter_context(session.ledger.turn(plan.path))
    client = _own_client(request)
    with _wishes_understood():
        recorder = GeminiRecorder(
            plan.path,
            client=client,
            logger=logger,
            advice=plan.advice,
            everywhere=True,
            allow_missing=True,
            autosave=False,
            **keywords(plan, session.ledger.fresh(plan.path) if writes else {}),
        )
    state.recorders.append(recorder)
    to_close = clients_to_close(request)
    try:
        with _told(session), recorder:
            state.settling.append(partial(_settle, session, recorder, plan))
            yield recorder
    finally:
        # The recorder has closed its sync side.
        to_close += [made for name, made in vars(recorder).items() if name == "default_client"]


def _settle(session: Session, recorder: GeminiRecorder, plan: Plan, keep: bool) -> None:
    # When the test is over, the errors of its fixtures included.
    try:
        if not keep:
            recorder.discard()
        recorder.save()
        if recorder.outcome.recorded and plan.record in ("once", "all", "rewrite"):
            session.ledger.note(plan.path, recorder.cassette.asked())
    except TestKitError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    finally:
        session.ended(recorder, plan)


@contextmanager
def _wishes_understood() -> Generator[None]:
    try:
        yield
    except (TypeError, ValueError) as error:
        said = f"@pytest.mark.{MARKER} or the fixture maxim_gemini_config: {error}"
        raise pytest.fail.Exception(f"{type(error).__name__}: {said}", pytrace=False) from None


@contextmanager
def _told(session: Session) -> Generator[None]:
    # What went wrong is told once and without a traceback: none of its lines would be the user's. A test that did not
    # pass has its reason already, unless the live answers have changed, which may be the reason behind it.
    state = session.current
    try:
        yield
    except TestKitError as error:
        if any(error in recorder.errors for recorder in state.recorders):
            return  # told with the phase of the test in which it happened
        if state.passed or not state.outcomes or isinstance(error, CassetteDrift):
            raise pytest.fail.Exception(str(error), pytrace=False) from None


def _own_client(request: pytest.FixtureRequest) -> Client | Callable[[], Client] | None:
    # pytest has no public way to ask whether a fixture is overridden. It matters: the default client is made only where
    # it is wanted, while one's own has to be there before the test, to outlive the other fixtures and to be async.
    manager: Any = request.config.pluginmanager.get_plugin("funcmanage")
    definition: pytest.FixtureDef[Client] = manager.getfixturedefs(CLIENT_FIXTURE, request.node)[-1]
    if definition.func.__module__ == fixtures.__name__:
        return None
    client = partial(request.getfixturevalue, CLIENT_FIXTURE)
    # An override made from the default one needs this recorder first.
    return client if {CLIENT_FIXTURE, RECORDER_FIXTURE} & {*definition.argnames} else client()
