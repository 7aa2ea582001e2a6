"""What a failed test says of its requests: which had no answer, once, and where in the user's code they were sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from maxim_gemini.testing.exceptions import TestKitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .session import Session

_LIBRARIES: Final = frozenset(
    {
        *("aiohttp", "asyncio", "concurrent", "contextlib", "functools", "google"),
        *("httpcore", "httpcore2", "httpx", "httpx2", "maxim_gemini", "requests", "respx", "tenacity", "websockets"),
    }
)


class Telling:
    """The plugin that looks at each phase of a test before its report is made.

    Only then is known what happened: the errors of unittest's classes go past the hooks that run a test.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
        """Fail a test that asked for what is in no cassette, even where the application swallowed the error."""
        error = call.excinfo.value if call.excinfo else None
        if call.when == "setup" and error is None:
            return  # the test is to run: what its fixtures swallowed is told with it
        if untold := self._session.current.untold(told_by=list(_chain(error))):
            if error is None:
                call.excinfo = _failed(f"{'The test passed, but ' if call.when == 'call' else ''}{_swallowed(untold)}")
            else:
                error.add_note(_swallowed(untold))
        if not item.config.getoption("fulltrace"):
            for told in _chain(error):
                if isinstance(told, TestKitError):
                    _end_in_the_users_code(told)


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
    # What google-genai and its HTTP library did with the request is 20 frames of no interest: the text says it all.
    last = step = error.__traceback__
    while step is not None:
        if str(step.tb_frame.f_globals.get("__name__")).partition(".")[0] not in _LIBRARIES:
            last = step
        step = step.tb_next
    if last is not None:
        last.tb_next = None
