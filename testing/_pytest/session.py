"""The run: what each test did is noted when it happens, and sent along with its report.

What is needed only where a cassette is used is imported there: this module is loaded in every run of pytest.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from maxim_gemini.testing._recorder import watchers as _watchers
from maxim_gemini.testing.exceptions import TestKitError

from . import parameters
from .network import Network
from .options import MARKER, RECORDER_FIXTURE
from .sharing import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from maxim_gemini.testing._logs.received import Received
    from maxim_gemini.testing._recorder.recorder import GeminiRecorder
    from maxim_gemini.testing._recorder.watchers import EndedRecorder
    from maxim_gemini.testing._replies.script import Scripted

    from .collecting import User
    from .ending import WrittenReport
    from .options import Settings
    from .plan import Plan
    from .sharing import Shared
    from .tally import TestRecord, Use

ATTRIBUTE: Final = "maxim_gemini"
"""Where a test's report, and a worker's output, carry our data: both reach the controller of pytest-xdist."""


class TestState:
    """One test while it runs."""

    __test__ = False

    def __init__(self) -> None:
        self.recorders: list[GeminiRecorder] = []
        """Those made for the test. One that it makes by itself tells it of misses when it ends."""
        self.scripts: list[Scripted] = []
        """The mocks and servers of the test."""
        self.uses: list[Use] = []
        self.loggers: list[Received] = []
        self.settling: list[Callable[[bool], None]] = []
        """What keeps, or not, what the recorders have recorded, once it is known whether the test passed."""
        self.closing = ExitStack()
        """What ends with the test."""
        self.outcomes: dict[str, str] = {}
        self._durations: dict[str, float] = {}
        self.message = ""
        self._told: set[str] = set()

    @property
    def passed(self) -> bool:
        """Whether the test has run, and passed."""
        return self.outcomes.get("call") == "passed"

    @property
    def outcome(self) -> str:
        """How the test came out: `passed`, `failed`, `skipped`, or `error` where it failed before or after itself."""
        if self.outcomes.get("call") == "failed":
            return "failed"
        return "error" if "failed" in self.outcomes.values() else self.outcomes.get("call", "skipped")

    def log_to(self, logger: Received) -> None:
        """Show what *logger* gets in the report."""
        if all(logger is not known for known in self.loggers):
            self.loggers.append(logger)

    def untold(self, *, told_by: Sequence[BaseException]) -> list[str]:
        """Return what requests got instead of an answer, but for what *told_by* says, or was told before."""
        self._told.update(map(str, told_by))
        found = dict.fromkeys(str(error) for recorder in self.recorders for error in recorder.errors)
        new = [error for error in found if error not in self._told]
        self._told.update(new)
        return new

    def check(self) -> None:
        """Fail where a reply function failed, a request had no reply, or a reply was not used."""
        for script in self.scripts:
            try:
                script.check()
            except TestKitError as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None

    @property
    def duration(self) -> float:
        """The seconds that the test took, with its fixtures."""
        return sum(self._durations.values())

    def take(self, report: pytest.TestReport) -> None:
        """Note how a phase of the test came out; a part of it (a subtest) that failed counts as the whole."""
        phase = report.when or ""
        if self.outcomes.get(phase) != "failed":
            self.outcomes[phase] = report.outcome
        self._durations[phase] = report.duration
        if report.failed and not self.message:
            self.message = report.longreprtext

    def settle(self, keep: bool) -> None:
        """Save what the test has recorded, if it is to be kept; the first error is raised when all is done."""
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
        self.clashes: dict[str, str] = {}
        """Tests that would share a cassette by accident: node id to the other one's."""
        self.modules: set[str] = set()
        """Test files with a test in this run."""
        self.partial: set[str] = set()
        """Those of which tests were left out."""
        self.users: dict[str, User] = {}
        """The tests of this run that use a recorder, by node id."""
        self.theirs: set[str] = set()
        """Cassettes of tests that another plugin records."""
        self.network = network_of(config)
        self.refusals = 0
        """Requests to Gemini that were refused before the present test."""
        self.ledger = Ledger(getattr(config, "workerinput", {}).get(ATTRIBUTE, ""))
        self.records: list[dict[str, Any]] = []
        self._report: WrittenReport | None = None
        self._orphaned: list[str] = []
        self._unused: list[Shared] = []
        self._closing = ExitStack()

    def shown(self, path: Path) -> str:
        """Return *path* as it is shown: from the root folder of the run where it is inside of it."""
        root = self.config.rootpath
        return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()

    def pytest_configure(self) -> None:
        """Begin to watch the recorders."""
        self._closing.enter_context(_watchers.watching(self.ended))
        self._closing.callback(self.ledger.close)

    def pytest_unconfigure(self) -> None:
        """Stop watching."""
        self.current.closing.close()
        self._closing.close()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist where the notes of the run are."""
        node.workerinput[ATTRIBUTE] = str(self.ledger.folder)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None, Any, Any]:
        """Note which parameters are the test's own."""
        parameters.watch(metafunc)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, Any, Any]:
        """Note the modules of which tests are left out."""
        before = list(items)
        result = yield
        kept = set(items)
        self.partial.update(str(item.path) for item in before if item not in kept)
        return result

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which cassettes the tests of this run use."""
        self.modules.update(str(item.path) for item in session.items)
        if users := [item for item in session.items if _uses_recorder(item)]:
            from . import collecting

            self.partial |= collecting.asked_for_in_part(self.config, self.modules)
            self.users |= collecting.users(users, self.settings.folder)
            self.clashes = collecting.clashes(users)
            theirs = [item for item in session.items if item.get_closest_marker("vcr")]
            self.theirs |= {user.own for user in collecting.users(theirs, self.settings.folder).values()}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a test, which may send to Gemini if it is marked so."""
        self.current = TestState()
        self.refusals = len(self.network.refused)
        if item.get_closest_marker(MARKER) is not None:
            from .marker import sends_freely

            if (free := sends_freely(item)) is not None:
                self.current.closing.enter_context(self.network.allowed() if free else self.network.blocked())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Fail a test whose scripts failed; tell a test that failed for another reason what was wrong in them."""
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
        """Keep what a test has recorded if it passed, and its fixtures ended without an error."""
        try:
            result = yield
        except BaseException:
            self.current.settle(keep=False)
            raise
        self.current.settle(keep=self.current.passed)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send along with the last report of a test what it did."""
        report = yield
        if self.settings.report:
            _escape_surrogates(report)
        state = self.current
        state.take(report)
        refused = len(self.network.refused) - self.refusals
        if report.when == "teardown" and (state.uses or state.loggers or refused):
            from .places import node_id

            setattr(report, ATTRIBUTE, self._record(node_id(item), state, refused).to_wire())
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test did, here or in a worker."""
        if data := getattr(report, ATTRIBUTE, None):
            self.records.append(data)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker of pytest-xdist has collected."""
        if output := getattr(node, "workeroutput", {}).get(ATTRIBUTE):
            from .collecting import User

            self.modules.update(output["modules"])
            self.partial.update(output["partial"])
            self.theirs.update(output["theirs"])
            self.users.update({nodeid: User(*user) for nodeid, user in output["users"].items()})

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Send what this worker has collected, or look for orphans and write the report."""
        if (output := getattr(self.config, "workeroutput", None)) is not None:
            output[ATTRIBUTE] = {
                "modules": sorted(self.modules),
                "partial": sorted(self.partial),
                "theirs": sorted(self.theirs),
                "users": {nodeid: list(user) for nodeid, user in self.users.items()},
            }
            return
        if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} and not self.config.option.collectonly:
            self._look_over_cassettes()
        errors = (self._orphaned and self.settings.strict) or any(shared.is_strict for shared in self._unused)
        if self.settings.report:
            from .ending import write_report

            self._report = write_report(self.settings.report, self.records, self.shown(self.settings.report))
            errors = errors or self._report.failed
        if errors and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_report_header(self) -> str | None:
        """Say which record mode holds, where it is not the usual one."""
        mode = self.settings.forced or self.settings.usual
        if mode == "none":
            return None
        held_back = self.settings.mode(None) == "none"
        return f"maxim-gemini: record={mode}{', but CI is set: replaying only' if held_back else ''}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was replayed, recorded, sent live, not used and missed."""
        if self.records or self._orphaned or self._report:
            from .ending import tell

            tell(
                terminalreporter,
                self.records,
                self._orphaned,
                self._unused,
                max_age=self.settings.max_age,
                report=self._report,
            )

    def ended(self, recorder: EndedRecorder, plan: Plan | None = None) -> None:
        """Count what *recorder* did."""
        # A recorder that a test made for itself in a temporary folder is nothing to tell of.
        if recorder in self.current.recorders or recorder.path.resolve().is_relative_to(self.config.rootpath):
            from .tally import use_of

            self.current.uses.append(use_of(recorder, self.shown(recorder.path.resolve()), plan))

    def _record(self, nodeid: str, state: TestState, refused: int) -> TestRecord:
        from .places import without_secrets
        from .tally import TestRecord, of_test, traces

        return TestRecord(
            nodeid=nodeid,
            uses=[of_test(use, passed=state.outcome == "passed") for use in state.uses],
            traces=traces(state.loggers) if self.settings.report else [],
            logged=bool(state.loggers),
            refused=refused,
            outcome=state.outcome,
            duration=state.duration,
            message=without_secrets(state.message),
        )

    def _look_over_cassettes(self) -> None:
        homes = {Path(module).parent / self.settings.folder for module in self.modules}
        if not self.records and not any(home.is_dir() for home in homes):
            return
        from . import sharing
        from .collecting import Coverage
        from .orphans import orphans
        from .tally import TestRecord

        root, folder = self.config.rootpath, self.settings.folder
        records = [TestRecord.from_wire(data) for data in self.records]
        patterns = self.config.getini("python_files")
        coverage = Coverage(
            self.modules, self.partial, self.users, records, root=root, folder=folder, patterns=patterns
        )

        def is_whole(cassette: str) -> bool:
            return coverage.is_whole(str(root / cassette))

        for cassette, (asked, use) in sharing.rewritten(records, is_whole).items():
            from maxim_gemini.testing._cassette import Cassette

            Cassette.load(root / cassette, ignore=use.ignore).prune(asked)
        self._unused = sharing.judged(records, is_whole)
        used = {root / use.cassette for record in records for use in record.uses}
        used |= {Path(path) for user in self.users.values() for path in (user.own, user.named) if path}
        used |= {Path(path) for path in self.theirs}
        self._orphaned = [self.shown(path) for path in orphans(self.modules, used, coverage, folder=folder)]


SESSION: Final = pytest.StashKey[Session]()
_NETWORK: Final = pytest.StashKey[Network]()


def session_of(config: pytest.Config) -> Session:
    """Return the plugin of the run."""
    return config.stash[SESSION]


def network_of(config: pytest.Config) -> Network:
    """Return the network of the run, also before there is a session."""
    return config.stash.setdefault(_NETWORK, Network())


def _uses_recorder(item: pytest.Item) -> bool:
    return RECORDER_FIXTURE in getattr(item, "fixturenames", ()) or item.get_closest_marker(MARKER) is not None


def _escape_surrogates(report: pytest.TestReport) -> None:
    """Write what UTF-8 lacks as escapes: one such test ends a whole run of pytest-xdist, and our report with it."""
    report.sections = [(name, _escaped(text)) for name, text in report.sections]
    text = report.longreprtext
    if text != _escaped(text):
        report.longrepr = _escaped(text)


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
