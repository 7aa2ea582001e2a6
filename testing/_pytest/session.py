"""The session: notes what each test does, and adds it to the test's report.

Requests to Gemini that use neither a recorder nor a mock are refused, before anything is sent.

Modules that are only needed for cassettes are imported there, because this one is loaded in every run of pytest.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from maxim_gemini.testing._http.blocking import Block, blocked
from maxim_gemini.testing._recorder import watching
from maxim_gemini.testing.exceptions import TestKitError

from .collected import Collected, note_parameters
from .options import MARKER, RECORDER_FIXTURE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from maxim_gemini.testing._json_types import JsonDict
    from maxim_gemini.testing._logs.received import Received
    from maxim_gemini.testing._recorder import EndedRecorder
    from maxim_gemini.testing._recorder.recorder import GeminiRecorder
    from maxim_gemini.testing._replies.script import Scripted
    from maxim_gemini.testing.exceptions import RequestRefused

    from .marker import Plan
    from .options import Settings
    from .terminal import WrittenReport
    from .usage import Ledger, Shared, TestRecord, Use

ATTRIBUTE: Final = "maxim_gemini"
"""The attribute of a test's report, and of a worker's output, with data for the controller of pytest-xdist."""

_NO_RECORDER: Final = """\
To record the traffic of the test once, and replay it afterwards: use the fixture maxim_gemini_recorder, or mark the \
test with @pytest.mark.maxim_gemini.
To answer with scripted replies: use the fixture gemini_mock.
To let one test send requests: @pytest.mark.maxim_gemini(block_network=False). To let all of them: \
--no-maxim-gemini-block-network, or maxim_gemini_block_network = false in the ini file."""
_LIBRARIES: Final = frozenset(
    {
        *("aiohttp", "asyncio", "concurrent", "contextlib", "functools", "google"),
        *("httpcore", "httpcore2", "httpx", "httpx2", "maxim_gemini", "requests", "respx", "tenacity", "websockets"),
    }
)


class Network:
    """The block of requests to Gemini during one run."""

    def __init__(self) -> None:
        self._block = Block(_NO_RECORDER)
        self._is_blocked = False

    @property
    def refused(self) -> list[RequestRefused]:
        """The errors of the requests that were refused so far."""
        return self._block.refused

    @contextmanager
    def blocked(self) -> Generator[None]:
        """Refuse requests in the block."""
        if self._is_blocked:
            yield
            return
        self._is_blocked = True
        try:
            with blocked(self._block):
                yield
        finally:
            self._is_blocked = False

    @contextmanager
    def allowed(self) -> Generator[None]:
        """Let requests pass in the block."""
        with self._block.lifted():
            yield


class TestState:
    """One test while it runs."""

    __test__ = False

    def __init__(self) -> None:
        self.recorders: list[GeminiRecorder] = []
        """The recorders made for the test. A recorder that the test makes itself reports misses at its end."""
        self.scripts: list[Scripted] = []
        """The mocks and servers of the test."""
        self.uses: list[Use] = []
        self.loggers: list[Received] = []
        self.settling: list[Callable[[bool], None]] = []
        """Functions that save or drop recordings, called when it is known whether the test passed."""
        self.closing = ExitStack()
        """Contexts that end with the test."""
        self.outcomes: dict[str, str] = {}
        self._durations: dict[str, float] = {}
        self.message = ""
        self._reported: set[str] = set()

    @property
    def passed(self) -> bool:
        """`True` if the test has run and passed."""
        return self.outcomes.get("call") == "passed"

    @property
    def outcome(self) -> str:
        """The result of the test: `passed`, `failed`, `skipped`, or `error` if its setup or teardown failed."""
        if self.outcomes.get("call") == "failed":
            return "failed"
        return "error" if "failed" in self.outcomes.values() else self.outcomes.get("call", "skipped")

    def log_to(self, logger: Received) -> None:
        """Show the traces of *logger* in the report."""
        if all(logger is not known for known in self.loggers):
            self.loggers.append(logger)

    def unreported(self, raised: Sequence[BaseException]) -> list[str]:
        """Return errors of requests without an answer that are neither in *raised* nor in an earlier report."""
        self._reported.update(map(str, raised))
        errors = dict.fromkeys(str(error) for recorder in self.recorders for error in recorder.errors)
        new = [error for error in errors if error not in self._reported]
        self._reported.update(new)
        return new

    def check(self) -> None:
        """Fail if a reply function failed, a request had no reply, or a reply was not used."""
        for script in self.scripts:
            try:
                script.check()
            except TestKitError as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None

    @property
    def duration(self) -> float:
        """The seconds that the test took, including its fixtures."""
        return sum(self._durations.values())

    def take(self, report: pytest.TestReport) -> None:
        """Note the result of a phase of the test; if a subtest failed, the whole phase failed."""
        phase = report.when or ""
        if self.outcomes.get(phase) != "failed":
            self.outcomes[phase] = report.outcome
        self._durations[phase] = report.duration
        if report.failed and not self.message:
            self.message = report.longreprtext

    def settle(self, keep: bool) -> None:
        """Save the test's recordings, or drop them; raise the first error when all are done."""
        with self.closing:
            waiting, self.settling = self.settling, []
            for settle in waiting:
                self.closing.callback(settle, keep)


class Session:
    """The plugin of one run."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.current = TestState()
        self.collected = Collected()
        # Made before this plugin: conftest files are imported, and may send, before there is a session.
        self.network = network_of(config)
        self.refusals = 0
        """The number of requests that were refused before the current test."""
        self.records: list[JsonDict] = []
        self._report: WrittenReport | None = None
        self._orphaned: list[str] = []
        self._unused: list[Shared] = []
        self._closing = ExitStack()

    @cached_property
    def ledger(self) -> Ledger:
        """The answers that the tests of the run have recorded."""
        from .usage import Ledger

        ledger = Ledger(getattr(self.config, "workerinput", {}).get(ATTRIBUTE, ""))
        self._closing.callback(ledger.close)
        return ledger

    def shown(self, path: Path) -> str:
        """Return *path* for messages: relative to the root folder of the run if it is inside of it."""
        root = self.config.rootpath
        return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()

    def pytest_configure(self) -> None:
        """Begin to watch the recorders."""
        self._closing.enter_context(watching(self.ended))

    def pytest_unconfigure(self) -> None:
        """Stop watching."""
        self.current.closing.close()
        self._closing.close()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the folder of the run's notes to a worker of pytest-xdist."""
        node.workerinput[ATTRIBUTE] = str(self.ledger.folder)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None, Any, Any]:
        """Note which parameters are the test's own, and not a plugin's."""
        note_parameters(metafunc)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, Any, Any]:
        """Note the modules of which some tests are deselected."""
        before = list(items)
        result = yield
        kept = set(items)
        self.collected.partial.update(str(item.path) for item in before if item not in kept)
        return result

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which cassettes the tests of this run use."""
        self.collected.modules.update(str(item.path) for item in session.items)
        users = [
            item
            for item in session.items
            if RECORDER_FIXTURE in getattr(item, "fixturenames", ()) or item.get_closest_marker(MARKER) is not None
        ]
        if users:
            from .cassette_paths import add_users, add_users_of_other_plugins, selected_in_part
            from .marker import cassette_named_for

            self.collected.partial |= selected_in_part(self.config, self.collected.modules)
            add_users(self.collected, users, self.settings.folder, cassette_named_for)
            of_others = [item for item in session.items if item.get_closest_marker("vcr")]
            add_users_of_other_plugins(self.collected, of_others, self.settings.folder)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a test, and allow it to send to Gemini if its marker does."""
        self.current = TestState()
        self.refusals = len(self.network.refused)
        if item.get_closest_marker(MARKER) is not None:
            from .marker import sends_freely

            if (free := sends_freely(item)) is not None:
                self.current.closing.enter_context(self.network.allowed() if free else self.network.blocked())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Fail a test whose scripts failed; if it failed for another reason, add the errors of its scripts."""
        try:
            result = yield
        except BaseException as error:
            for script in self.current.scripts:
                script.explain(error)
            raise
        self.current.check()
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """Save the recordings of a test if it passed, and its fixtures ended without an error."""
        try:
            result = yield
        except BaseException:
            self.current.settle(keep=False)
            raise
        self.current.settle(keep=self.current.passed)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the test's record to its last report."""
        report = yield
        if self.settings.report:
            _escape_surrogates(report)
        state = self.current
        state.take(report)
        refused = len(self.network.refused) - self.refusals
        if report.when == "teardown" and (state.uses or state.loggers or refused):
            setattr(report, ATTRIBUTE, self._record(item, state, refused).to_wire())
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the test's record, from this process or from a worker."""
        if data := getattr(report, ATTRIBUTE, None):
            self.records.append(data)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Collect the data of a worker of pytest-xdist."""
        if output := getattr(node, "workeroutput", {}).get(ATTRIBUTE):
            self.collected.add_from_wire(output)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """In a worker, send the collected data; otherwise search for unused cassettes, and write the report."""
        if (output := getattr(self.config, "workeroutput", None)) is not None:
            output[ATTRIBUTE] = self.collected.to_wire()
            return
        if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} and not self.config.option.collectonly:
            self._check_cassettes()
        errors = (self._orphaned and self.settings.strict) or any(shared.is_strict for shared in self._unused)
        if self.settings.report:
            from .terminal import write_report

            self._report = write_report(self.settings.report, self.records, self.shown(self.settings.report))
            errors = errors or self._report.failed
        if errors and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_report_header(self) -> str | None:
        """Return a line with the record mode, unless it is the default."""
        mode = self.settings.forced or self.settings.usual
        if mode == "none":
            return None
        is_overruled = self.settings.mode(None) == "none"
        return f"maxim-gemini: record={mode}{', but CI is set: replaying only' if is_overruled else ''}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the numbers of replayed, recorded, live, unused and missed answers."""
        if self.records or self._orphaned or self._report:
            from .terminal import write_summary

            write_summary(
                terminalreporter,
                self.records,
                self._orphaned,
                self._unused,
                max_age=self.settings.max_age,
                report=self._report,
            )

    def ended(self, recorder: EndedRecorder, plan: Plan | None = None) -> None:
        """Add the use of *recorder* to the test's record."""
        # Recorders that a test makes in a temporary folder don't belong to the run.
        if recorder in self.current.recorders or recorder.path.resolve().is_relative_to(self.config.rootpath):
            from .usage import use_of

            self.current.uses.append(use_of(recorder, self.shown(recorder.path.resolve()), plan))

    def _record(self, item: pytest.Item, state: TestState, refused: int) -> TestRecord:
        from .cassette_paths import node_id, without_secrets
        from .usage import TestRecord, logged_traces, of_test

        return TestRecord(
            nodeid=node_id(item),
            uses=[of_test(use, passed=state.outcome == "passed") for use in state.uses],
            traces=logged_traces(state.loggers) if self.settings.report else [],
            logged=bool(state.loggers),
            refused=refused,
            outcome=state.outcome,
            duration=state.duration,
            message=without_secrets(state.message),
        )

    def _check_cassettes(self) -> None:
        root, folder, collected = self.config.rootpath, self.settings.folder, self.collected
        if not self.records and not any((Path(module).parent / folder).is_dir() for module in collected.modules):
            return
        from .usage import Coverage, TestRecord, rewritten, unused_of_shared

        records = [TestRecord.from_wire(data) for data in self.records]
        patterns = self.config.getini("python_files")
        coverage = Coverage(collected, records, root=root, folder=folder, patterns=patterns)

        def is_whole(cassette: str) -> bool:
            return coverage.is_whole(str(root / cassette))

        for cassette, (requested, use) in rewritten(records, is_whole).items():
            from maxim_gemini.testing._cassette import Cassette

            Cassette.load(root / cassette, ignore=use.ignore).prune(requested)
        self._unused = unused_of_shared(records, is_whole)
        used = {root / use.cassette for record in records for use in record.uses}
        used |= {Path(path) for user in collected.users.values() for path in (user.own, user.named) if path}
        used |= {Path(path) for path in collected.of_other_plugins}
        self._orphaned = [self.shown(path) for path in coverage.orphans(used)]


class UnansweredRequests:
    """A plugin that fails a test whose requests had no answer, before the report of each phase is made.

    Earlier it is not known whether the test has failed: the hooks that run a test do not see errors of unittest's
    classes.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
        """Fail a test whose requests had no answer, even if the application swallowed the error."""
        error = call.excinfo.value if call.excinfo else None
        if call.when == "setup" and error is None:
            return  # the test will run: what its fixtures swallowed is reported with it
        if unreported := self._session.current.unreported(list(_chain(error))):
            if error is None:
                call.excinfo = _failed(
                    f"{'The test passed, but ' if call.when == 'call' else ''}{_swallowed(unreported)}"
                )
            else:
                error.add_note(_swallowed(unreported))
        if not item.config.getoption("fulltrace"):
            for raised in _chain(error):
                if isinstance(raised, TestKitError):
                    _end_in_the_users_code(raised)


SESSION: Final = pytest.StashKey[Session]()
_NETWORK: Final = pytest.StashKey[Network]()


def session_of(config: pytest.Config) -> Session:
    """Return the plugin of the run."""
    return config.stash[SESSION]


def network_of(config: pytest.Config) -> Network:
    """Return the network of the run, even before there is a session."""
    return config.stash.setdefault(_NETWORK, Network())


def _escape_surrogates(report: pytest.TestReport) -> None:
    """Escape lone surrogates: a single one in a report stops a whole run of pytest-xdist."""
    report.sections = [(name, _escaped(text)) for name, text in report.sections]
    text = report.longreprtext
    if text != _escaped(text):
        report.longrepr = _escaped(text)


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _failed(text: str) -> pytest.ExceptionInfo[BaseException]:
    try:
        pytest.fail(text, pytrace=False)
    except pytest.fail.Exception:
        return pytest.ExceptionInfo.from_current()


def _swallowed(errors: Sequence[str]) -> str:
    requests = "1 request" if len(errors) == 1 else f"{len(errors)} requests"
    return "\n\n".join([f"{requests} had no answer in the cassette; the error did not reach the test.", *errors])


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    # An error may be in its own context: some libraries raise one again that they have caught.
    waiting, seen = [error], set[int]()
    while waiting:
        if (error := waiting.pop()) is None or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        waiting += [error.__cause__ or error.__context__]
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions  # pyright: ignore[reportUnknownMemberType]


def _end_in_the_users_code(error: BaseException) -> None:
    # What google-genai and its HTTP library did with the request is 20 frames of no interest: the message is enough.
    last = step = error.__traceback__
    while step is not None:
        if str(step.tb_frame.f_globals.get("__name__")).partition(".")[0] not in _LIBRARIES:
            last = step
        step = step.tb_next
    if last is not None:
        last.tb_next = None
