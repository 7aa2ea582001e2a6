"""The run: what each test did is noted when it happens, and sent along with its report.

What is needed only where a recording is used is imported there: this module is loaded in every run of pytest.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from maxim_gemini.testing._recorder import watchers as _watchers
from maxim_gemini.testing.exceptions import TestKitError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from maxim_gemini.testing._logs.received import Received
    from maxim_gemini.testing._recorder.recorder import GeminiRecorder
    from maxim_gemini.testing._replies.script import Scripted

    from .options import Settings
    from .tally import TestRecord, Use

MARKER: Final = "maxim_gemini"
RECORDER_FIXTURE: Final = "maxim_gemini_recorder"
CLIENT_FIXTURE: Final = "gemini_client"
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
        self.outcomes: dict[str, str] = {}
        self.duration = 0.0
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

    def take(self, report: pytest.TestReport) -> None:
        """Note how a phase of the test came out."""
        self.outcomes[report.when or ""] = report.outcome
        self.duration += report.duration
        if report.failed and not self.message:
            self.message = report.longreprtext


class Session:
    """The plugin of one run."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.current = TestState()
        self.clashes: dict[str, str] = {}
        """Tests that would share a recording by accident: node id to the other one's."""
        self.collected: dict[str, set[str]] = {"modules": set(), "partial": set(), "used": set()}
        """Test files with a test in this run; those of which tests were left out; recordings that tests are to use."""
        self.written: set[Path] = set()
        """Recordings that were made in this run."""
        self.records: list[dict[str, Any]] = []
        self._orphaned: list[str] = []
        self._closing = ExitStack()

    def shown(self, path: Path) -> str:
        """Return *path* as it is shown: from the root folder of the run where it is inside of it."""
        root = self.config.rootpath
        return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()

    def pytest_configure(self) -> None:
        """Begin to watch the recorders."""
        self._closing.enter_context(_watchers.watching(self._ended))

    def pytest_unconfigure(self) -> None:
        """Stop watching."""
        self._closing.close()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note the modules of which tests were left out."""
        self.collected["partial"].update(str(item.path) for item in items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which recordings the tests of this run use."""
        self.collected["modules"].update(str(item.path) for item in session.items)
        if users := [item for item in session.items if _uses_recorder(item)]:
            from . import collecting

            self.collected["partial"] |= collecting.asked_for_in_part(self.config)
            self.collected["used"] |= collecting.expected(users, self.settings.folder)
            self.clashes = collecting.clashes(users)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Begin a test."""
        self.current = TestState()

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

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send along with the last report of a test what it did."""
        report = yield
        state = self.current
        state.take(report)
        if report.when == "teardown" and (state.uses or state.loggers):
            setattr(report, ATTRIBUTE, self._record(item.nodeid, state).to_wire())
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test did, here or in a worker."""
        if data := getattr(report, ATTRIBUTE, None):
            self.records.append(data)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker of pytest-xdist has collected."""
        for name, values in getattr(node, "workeroutput", {}).get(ATTRIBUTE, {}).items():
            self.collected[name].update(values)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Send what this worker has collected, or look for orphans and write the report."""
        if (output := getattr(self.config, "workeroutput", None)) is not None:
            output[ATTRIBUTE] = {name: sorted(values) for name, values in self.collected.items()}
            return
        if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            self._orphaned = self._look_for_orphans()
        if self._orphaned and self.settings.strict and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.settings.report:
            from .ending import write_report

            write_report(self.settings.report, self.records)

    def pytest_report_header(self) -> str | None:
        """Say which record mode holds, where it is not the usual one."""
        mode = self.settings.forced or self.settings.usual
        if mode == "none":
            return None
        held_back = self.settings.mode(None) == "none"
        return f"maxim-gemini: record={mode}{', but CI is set: replaying only' if held_back else ''}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was replayed, recorded, sent live, not used and missed."""
        if self.records or self._orphaned or self.settings.report:
            from .ending import tell

            report = self.shown(self.settings.report) if self.settings.report else ""
            tell(terminalreporter, self.records, self._orphaned, max_age=self.settings.max_age, report=report)

    def _ended(self, recorder: GeminiRecorder) -> None:
        # A recorder that a test made for itself in a temporary folder is nothing to tell of.
        if recorder in self.current.recorders or recorder.path.resolve().is_relative_to(self.config.rootpath):
            from .tally import use_of

            self.current.uses.append(use_of(recorder, self.shown(recorder.path.resolve())))

    def _record(self, nodeid: str, state: TestState) -> TestRecord:
        from .tally import TestRecord, traces

        return TestRecord(
            nodeid=nodeid,
            uses=state.uses,
            traces=traces(state.loggers) if self.settings.report else [],
            logged=bool(state.loggers),
            outcome=state.outcome,
            duration=state.duration,
            message=state.message,
        )

    def _look_for_orphans(self) -> list[str]:
        homes = {Path(module).parent for module in self.collected["modules"]}
        if not any((home / self.settings.folder).is_dir() for home in homes):
            return []
        from .orphans import orphans

        used = {self.config.rootpath / use["cassette"] for record in self.records for use in record["uses"]}
        return [self.shown(path) for path in orphans(**self.collected, seen=used, folder=self.settings.folder)]


SESSION: Final = pytest.StashKey[Session]()


def session_of(config: pytest.Config) -> Session:
    """Return the plugin of the run."""
    return config.stash[SESSION]


def _uses_recorder(item: pytest.Item) -> bool:
    return RECORDER_FIXTURE in getattr(item, "fixturenames", ()) or item.get_closest_marker(MARKER) is not None
