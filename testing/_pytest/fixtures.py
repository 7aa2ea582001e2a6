"""The fixtures. Each imports its modules when it is used.

A client is closed in the event loop that used it. The sync fixture of the recorder can't do that, so there is an async
fixture for each kind of event loop.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from maxim_gemini.testing.exceptions import CassetteDrift, TestKitError

from .options import CLIENT_FIXTURE, MARKER, RECORDER_FIXTURE
from .session import session_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping

    from google.genai import Client

    from maxim_gemini.testing._logs.fake_logger import FakeLogger
    from maxim_gemini.testing._logs.maxim_api import MaximApi
    from maxim_gemini.testing._recorder.recorder import GeminiRecorder
    from maxim_gemini.testing._replies.mock import GeminiMock
    from maxim_gemini.testing._replies.server import GeminiServer

    from .marker import Plan
    from .session import Session


_ANYIO: Final = "_maxim_gemini_anyio_clients"
_ASYNCIO: Final = "_maxim_gemini_asyncio_{}_clients"
_SCOPES: Final[tuple[Literal["function", "class", "module", "package", "session"], ...]] = (
    "function",
    "class",
    "module",
    "package",
    "session",
)


@pytest.fixture(scope="session")
def maxim_gemini_config() -> Mapping[str, Any]:
    """Default marker options as a dict. Override it in a module or conftest, with any scope."""
    return {}


@pytest.fixture
def maxim_fake_logger(request: pytest.FixtureRequest) -> FakeLogger:
    """A Maxim logger in memory, which shows what Maxim would have received."""
    with _needing("maxim_fake_logger"):
        from maxim_gemini.testing._logs.fake_logger import FakeLogger
    logger = FakeLogger()
    session_of(request.config).current.log_to(logger)
    return logger


@pytest.fixture
def maxim_gemini_recorder(
    request: pytest.FixtureRequest, maxim_gemini_config: Mapping[str, Any], maxim_fake_logger: FakeLogger
) -> Iterator[GeminiRecorder]:
    """The test's recorder: records its Gemini traffic once, and replays it afterwards."""
    with _needing(RECORDER_FIXTURE):
        from maxim_gemini.testing._recorder.recorder import GeminiRecorder
    from .marker import keywords, plan_of

    session = session_of(request.config)
    state, settings, collected = session.current, session.settings, session.collected
    plan = plan_of(request.node, maxim_gemini_config, settings=settings, collected=collected, shown=session.shown)
    writes = plan.record not in ("none", "verify")
    if writes:
        # Until the test is over, and what it recorded is saved.
        state.closing.enter_context(session.ledger.turn(plan.path))
    client = _override_of_client(request)
    try:
        recorder = GeminiRecorder(
            plan.path,
            client=client,
            logger=maxim_fake_logger,
            advice=plan.advice,
            everywhere=True,
            allow_missing=True,
            autosave=False,  # what the test recorded is kept only if it passed
            **keywords(plan, session.ledger.fresh(plan.path) if writes else {}),
        )
    except (TypeError, ValueError) as error:
        message = f"@pytest.mark.{MARKER} or the fixture maxim_gemini_config: {error}"
        raise pytest.fail.Exception(f"{type(error).__name__}: {message}", pytrace=False) from None
    state.recorders.append(recorder)
    to_close = _clients_to_close(request)
    try:
        with _reported_once(session), recorder:
            state.settling.append(partial(_settle, session, recorder, plan))
            yield recorder
    finally:
        # The recorder has closed its sync side.
        to_close += [made for name, made in vars(recorder).items() if name == "default_client"]


@pytest.fixture
def gemini_client(maxim_gemini_recorder: GeminiRecorder) -> Client:
    """The client that `maxim_gemini_recorder.client` wraps. Override it to use your own."""
    return maxim_gemini_recorder.default_client


@pytest.fixture
def gemini_mock(request: pytest.FixtureRequest) -> Iterator[GeminiMock]:
    """Scripted replies without a network, for every HTTP library. The test fails on missing or unused replies."""
    with _needing("gemini_mock"):
        from maxim_gemini.testing._replies.mock import GeminiMock
    with GeminiMock(strict=False) as mock:
        session_of(request.config).current.scripts.append(mock)
        yield mock


@pytest.fixture
def gemini_server(request: pytest.FixtureRequest) -> Iterator[GeminiServer]:
    """Scripted replies from a server on 127.0.0.1. The test fails on missing or unused replies."""
    with _needing("gemini_server"):
        from maxim_gemini.testing._replies.server import GeminiServer
    with GeminiServer(strict=False) as server:
        session_of(request.config).current.scripts.append(server)
        yield server


@pytest.fixture
def maxim_api(request: pytest.FixtureRequest) -> Iterator[MaximApi]:
    """A mock of Maxim's ingestion API. Real loggers post to it, and it shows what it received."""
    with _needing("maxim_api"):
        from maxim_gemini.testing._logs.maxim_api import MaximApi
    with MaximApi() as api:
        session_of(request.config).current.log_to(api)
        yield api


@pytest.fixture(autouse=True, name="_maxim_gemini_marked")
def maxim_gemini_marked(request: pytest.FixtureRequest) -> None:
    # Autouse: it runs after the fixtures of wider scopes and before those of the test, whose traffic it catches.
    if request.node.get_closest_marker(MARKER) is None:
        return
    from .marker import wants_recorder

    if wants_recorder(request.node):
        request.getfixturevalue(RECORDER_FIXTURE)


def declare_fixtures(config: pytest.Config) -> None:
    """Declare a fixture for each kind of event loop that the installed plugins provide."""
    module = ModuleType(f"{__name__}.declared")
    if config.pluginmanager.hasplugin("anyio"):
        setattr(module, _ANYIO, pytest.fixture(_closing()))
    if config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio

        for scope in _SCOPES:
            setattr(module, _ASYNCIO.format(scope), pytest_asyncio.fixture(_closing(), loop_scope=scope))
    config.pluginmanager.register(module, "maxim-gemini-closing")


def _settle(session: Session, recorder: GeminiRecorder, plan: Plan, keep: bool) -> None:
    # When the test is over, the errors of its fixtures included.
    try:
        if not keep:
            recorder.discard()
        recorder.save()
        if recorder.outcome.recorded and plan.record in ("once", "all", "rewrite"):
            session.ledger.note(plan.path, recorder.cassette.requested())
    except TestKitError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    finally:
        session.ended(recorder, plan)


@contextmanager
def _reported_once(session: Session) -> Generator[None]:
    # Errors are reported once and without a traceback: none of its lines would be the user's. A test that did not pass
    # has its reason already, unless the live answers have changed, which may be the reason behind it.
    state = session.current
    try:
        yield
    except TestKitError as error:
        if any(error in recorder.errors for recorder in state.recorders):
            return  # reported with the phase of the test in which it happened
        if state.passed or not state.outcomes or isinstance(error, CassetteDrift):
            raise pytest.fail.Exception(str(error), pytrace=False) from None


def _override_of_client(request: pytest.FixtureRequest) -> Client | Callable[[], Client] | None:
    # pytest has no public way to find out whether a fixture is overridden. It matters: the default client is made only
    # where it is used, while one's own has to exist before the test, to outlive the other fixtures and to be async.
    manager: Any = request.config.pluginmanager.get_plugin("funcmanage")
    definition: pytest.FixtureDef[Client] = manager.getfixturedefs(CLIENT_FIXTURE, request.node)[-1]
    if definition.func.__module__ == __name__:
        return None
    client = partial(request.getfixturevalue, CLIENT_FIXTURE)
    # An override made from the default one needs this recorder first.
    return client if {CLIENT_FIXTURE, RECORDER_FIXTURE} & {*definition.argnames} else client()


def _clients_to_close(request: pytest.FixtureRequest) -> list[Client]:
    """Return a list whose clients are closed after the test, in its event loop if it has one."""
    marker = request.node.get_closest_marker("asyncio")
    if "anyio_backend" in request.fixturenames:
        name = _ANYIO
    elif marker is not None and request.config.pluginmanager.hasplugin("asyncio"):
        scope = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope")
        with suppress(ValueError):  # pytest-asyncio has this setting since 0.26
            scope = scope or request.config.getini("asyncio_default_test_loop_scope")
        name = _ASYNCIO.format(scope or "function")
    else:
        return []
    clients: list[Client] = request.getfixturevalue(name)
    return clients


def _closing() -> Callable[[], AsyncIterator[list[Client]]]:
    # A new function each time: the decorators change it.
    async def closing() -> AsyncIterator[list[Client]]:
        clients: list[Client] = []
        yield clients
        from maxim_gemini.testing._http import sdk

        for client in clients:
            await sdk.aclose(client)

    return closing


@contextmanager
def _needing(fixture: str) -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("maxim_gemini"):
            raise
        raise pytest.fail.Exception(
            f'The fixture {fixture} needs {error.name}, which is not installed: pip install "maxim-gemini[testing]"',
            pytrace=False,
        ) from None
