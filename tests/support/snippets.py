"""Runs the Python code of a documentation page as its reader would, against a Gemini and a Maxim on this machine.

All blocks of a page share one folder and one namespace, in order. A block with tests in it is saved under its title and
given to pytest; where it uses a recorder without a recording, it runs twice: once to record from the loopback server,
once offline. Any other block is executed. Comments in front of a block tell more:

    <!-- replies: reply.text("Paris.") -->   what Gemini says, in order; afterwards, and without it, it echoes
    <!-- file -->                            only saved under its title, for later blocks to import
    <!-- compiled: needs a key -->           not run, with the reason
    <!-- raises: ValueError -->              ends with this error
    <!-- pytest: --maxim-gemini-strict -->   arguments for pytest, instead of recording and replaying
    <!-- fails: 1 -->                        so many of the tests are meant to fail
    <!-- output -->                          the block before it printed this; times and ids may differ

Blocks inside a comment are not shown: they check what a page says. For them, `received` is what Maxim got, and
`requests` what Gemini got.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gc
import io
import re
import shlex
import sys
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from google.genai import __version__ as sdk_version
from google.oauth2.credentials import Credentials

from maxim_gemini.testing import GeminiServer, fake_maxim, reply
from support.leftovers import discard
from support.markdown import blocks

if TYPE_CHECKING:
    from maxim_gemini.testing._replies.request import GeminiRequest
    from support.markdown import Block

_TESTS: Final = re.compile(r"^(async )?def test_|^class Test|^@pytest\.fixture|^ {4}def test_", re.MULTILINE)
_RECORDS: Final = re.compile(r"maxim_gemini_recorder|@pytest\.mark\.maxim_gemini\((?!.*cassette=)|mark\.maxim_gemini$")
_VOLATILE: Final = [
    (re.compile(r"^.*\[MaximSDK\].*\n", re.MULTILINE), ""),
    (re.compile(r"\d+(\.\d+)? (ms|s)\b"), "<time>"),
    (re.compile(r"= \d+\.\d+$", re.MULTILINE), "= <number>"),
    (re.compile(r"(?<=_times_ms = )\[.*\]"), "<numbers>"),
    (re.compile(r"\b[0-9a-f]{8}…"), "<id>"),
    (re.compile(r"(response_id = )\S+"), r"\1<id>"),
]
_WARNINGS: Final = "filterwarnings=error\ndefault:::(?!maxim_gemini|test_|conftest)"
"""All are errors, but for those that another library gives of itself."""
UNSAID: Final = (
    "CI",
    "MAXIM_GEMINI_RECORD",
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "PYTEST_ADDOPTS",
    "NO_COLOR",
    "FORCE_COLOR",
)


for_documented_sdk = pytest.mark.skipif(
    int(sdk_version.partition(".")[0]) < 3, reason="the documentation is written for google-genai 3"
)


def echo(request: GeminiRequest) -> reply.Reply:
    """Answer anything with something."""
    match request.action:
        case "countTokens" | "computeTokens":
            return reply.token_count(7)
        case "embedContent" | "batchEmbedContents" | "predict":
            return reply.embedding([0.1, 0.2])
        case _:
            return reply.text(f"You said: {request.text}")


class Page:
    """One page's code, run in *folder*."""

    def __init__(self, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.server = GeminiServer(strict=False)
        self.server.always(echo)
        self.printed = ""

    def run(self) -> int:
        """Run every block; return how many there were."""
        page_blocks = blocks(self.path)
        with ExitStack() as stack:
            gc.freeze()  # pytest collects garbage after each run: it need not look through all of google-genai
            stack.callback(gc.unfreeze)
            stack.enter_context(self.server)
            self.namespace |= {"received": stack.enter_context(fake_maxim()), "requests": self.server.requests}
            self._set_up()
            stack.callback(self._forget)
            stack.callback(self.namespace.clear)
            for block in page_blocks:
                self._take(block)
        return len(page_blocks)

    def _set_up(self) -> None:
        self.monkeypatch.chdir(self.folder)
        for name in UNSAID:
            self.monkeypatch.delenv(name, raising=False)
        self.monkeypatch.setenv("GEMINI_API_KEY", "a-key-of-the-reader")
        self.monkeypatch.setenv("MAXIM_API_KEY", "a-maxim-key")
        self.monkeypatch.setenv("MAXIM_LOG_REPO_ID", "a-log-repository")
        credentials = Credentials(token="any")  # type: ignore[no-untyped-call]
        self.monkeypatch.setattr("google.auth.default", lambda *_, **__: (credentials, "my-project"))
        self.monkeypatch.syspath_prepend(self.folder)
        self._connect(self.server.url)

    def _connect(self, url: str) -> None:
        self.monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", url)
        self.monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", url)

    def _take(self, block: Block) -> None:
        if "output" in block.notes:
            where = f"{block.page.name}:{block.line}: what was printed is\n{self.printed}"
            assert steady(self.printed) == steady(block.text), where
        elif block.language == "python":
            try:
                self._run(block)
            except Exception as error:
                error.add_note(f"in the snippet at {block.page}:{block.line}")
                raise

    def _run(self, block: Block) -> None:
        if block.text.startswith("--8<--"):
            return  # a file that is run where it lies
        tree = ast.increment_lineno(ast.parse(block.text), block.line - 1)
        code = compile(tree, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if "compiled" in block.notes:
            return
        self.server.reply(*_replies(block))
        if "file" in block.notes:
            self._save(block)
        elif _TESTS.search(block.text):
            self._test(block)
        elif "raises" in block.notes:
            with pytest.raises(eval(block.notes["raises"], self.namespace)):
                self._execute(code)
        else:
            self._execute(code)

    def _execute(self, code: Any) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = eval(code, self.namespace)
            if isinstance(result, Coroutine):
                asyncio.run(result)
        self.printed = printed.getvalue()

    def _save(self, block: Block) -> Path:
        file = self.folder / (block.title or f"test_line_{block.line}.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        return file

    def _test(self, block: Block) -> None:
        file = self._save(block)
        if file.name == "conftest.py":
            return
        if "pytest" in block.notes:
            self._pytest(block, file, *shlex.split(block.notes["pytest"]))
            return
        if _RECORDS.search(block.text):
            self._pytest(block, file, "--maxim-gemini-record=once")
            self._connect("http://127.0.0.1:9")
        self._pytest(block, file)
        self._connect(self.server.url)

    def _pytest(self, block: Block, file: Path, *arguments: str) -> None:
        """Run pytest in this process: pytester would import all of google-genai's HTTP anew for each run."""
        tally = _Tally()
        options = [
            "-q",
            "--rootdir=.",
            "--import-mode=importlib",
            "--capture=sys",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
        ]
        options += ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", "-o", _WARNINGS]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            pytest.main([*options, *arguments, str(file)], plugins=[tally])
        self.printed = printed.getvalue()
        self._forget()
        expected = int(block.notes.get("fails", 0))
        assert tally.failed == expected, self.printed
        assert tally.passed + tally.failed, self.printed

    def _forget(self) -> None:
        """Let no other page import this page's modules, or be told of what this page left open."""
        for name, module in sys.modules.copy().items():
            if Path(getattr(module, "__file__", None) or "/").is_relative_to(self.folder):
                del sys.modules[name]
        discard()


class _Tally:
    """Counts tests by how they went."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count *report*; what fails in a fixture fails the test."""
        self.failed += report.failed
        self.passed += report.passed and report.when == "call"


def _replies(block: Block) -> tuple[reply.Reply, ...]:
    replies = block.notes.get("replies")
    return eval(f"({replies},)", {"reply": reply}) if replies else ()


def steady(text: str) -> str:
    """Return *text* without what differs from run to run."""
    for pattern, stand_in in _VOLATILE:
        text = pattern.sub(stand_in, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
