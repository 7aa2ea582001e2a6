"""What this room takes from inside maxim-py. Where a test fails, maxim-py has moved: see `testing/_logs/maxim.py`."""

from __future__ import annotations

import inspect
from typing import Any

import maxim.apis.maxim_apis
import maxim.logger.writer
from maxim import Maxim
from maxim.logger import Logger
from maxim.logger.components.types import CommitLog, Entity
from maxim.logger.writer import LogWriter
from support.maxim_versions import MAXIM

from maxim_gemini.testing import FakeLogger, MaximApi
from maxim_gemini.testing._logs.maxim import encoded
from maxim_gemini.testing._logs.tree import BIRTHS, RECORDS

_HANDLED = {*BIRTHS, *RECORDS, "create", "update", "end", "result", "error", "add-cost", "upload-attachment"}


def _own_public(value: object) -> set[str]:
    return {name for name in vars(value) if not name.startswith("_LogWriter__")}


def test_a_fake_logger_holds_what_a_real_one_holds() -> None:
    with MaximApi() as api:
        real, fake = api.logger(), FakeLogger()
        assert _own_public(fake) == _own_public(real)
        assert _own_public(real.writer) <= _own_public(fake.writer)


def test_the_private_names_are_there() -> None:
    with MaximApi() as api:
        writer: Any = api.logger().writer
        assert writer._LogWriter__flush_thread.is_alive()
        assert MAXIM < (3, 14, 20) or writer._LogWriter__in_flight == 0
        assert MAXIM >= (3, 14, 20) or writer.executor._max_workers == 1
    assert "time.sleep(" in inspect.getsource(maxim.logger.writer)
    assert "time.sleep(" in inspect.getsource(maxim.apis.maxim_apis)
    assert "httpx.Client(" in inspect.getsource(maxim.apis.maxim_apis)
    assert "httpx.put(" in inspect.getsource(maxim.apis.maxim_apis)
    assert "Maxim._instance" in inspect.getsource(Maxim.__init__)
    assert "atexit.register(self.cleanup)" in inspect.getsource(Maxim.__init__)


def test_a_writer_keeps_by_putting_into_its_two_queues() -> None:
    source = inspect.getsource(LogWriter.commit)
    assert source.count("self.queue.put(") == source.count("self.upload_queue.put(") == 1


def test_values_are_encoded_as_a_log_encodes_them() -> None:
    data = {"text": "é", "nested": {"a": [1, None, {"b": 2.5}]}, "bytes": b"x"}
    text, lost = encoded(data)
    assert f"trace{{id=t,action=update,data={text}}}" == CommitLog(Entity.TRACE, "t", "update", data).serialize()
    assert lost.keys() == (set() if MAXIM >= (3, 14, 20) else {"bytes"})
    assert encoded(None) == ("null", {})


def test_every_action_of_maxim_is_known() -> None:
    sources = [inspect.getsource(inspect.getmodule(base) or base) for base in _component_classes()]
    actions = {action for source in sources for action in _actions(source)}
    assert "add-generation" in actions
    assert actions <= _HANDLED


def _component_classes() -> list[type]:
    from maxim.logger import components
    from maxim.logger.components import base

    return [base.BaseContainer, *(value for value in vars(components).values() if isinstance(value, type))]


def _actions(source: str) -> set[str]:
    import re

    known = r'"((?:add|upload|process|remove|set|delete)-[a-z-]+|create|update|end|result|error|evaluate)",?\s*[\n{(,)]'
    commits = re.findall(r"(?:_commit_?|CommitLog)\((.*?)\)", source, re.DOTALL)
    return {action for commit in commits for action in re.findall(known, commit + "\n")}


def test_a_real_logger_flushes_by_the_clock_only() -> None:
    with MaximApi() as api:
        logger = api.logger()
        assert isinstance(logger, Logger)
        logger.trace({"id": "t"}).end()
        assert api.posts == []
        api.flush()
        assert len(api.posts) == 1
