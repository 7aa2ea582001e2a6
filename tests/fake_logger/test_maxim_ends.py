"""FakeLogger shows what a real logger sends."""

from __future__ import annotations

import pytest
from support.maxim_ends import MaximEnd, Wire, in_memory, over_the_wire
from support.maxim_flows import COMPLETE, Flow, attachments, one_answer
from support.maxim_versions import MAXIM

from maxim_gemini.testing import FakeLogger

# Before maxim-py 3.14.12, an uploaded file has no MIME type.
SAME = [flow for flow in COMPLETE if flow is not attachments or MAXIM >= (3, 14, 12)]


@pytest.mark.parametrize("flow", SAME, ids=lambda flow: flow.__name__)
def test_both_ends_show_the_same(flow: Flow) -> None:
    with in_memory() as fake, over_the_wire() as wire:
        flow(fake.logger)
        flow(wire.logger)
        assert fake.received().snapshot() == wire.received().snapshot()


@pytest.mark.parametrize("flow", COMPLETE, ids=lambda flow: flow.__name__)
def test_a_complete_flow_is_complete_at_both_ends(flow: Flow) -> None:
    with in_memory() as fake, over_the_wire() as wire:
        for end in (fake, wire):
            flow(end.logger)
            end.received().assert_complete()


def test_the_texts_on_the_wire_are_equal() -> None:
    with in_memory() as fake, over_the_wire() as wire:
        for end in (fake, wire):
            trace = end.logger.trace({"id": "t", "name": "n"})
            trace.add_metadata({"a": 1, "b": {"c": [None, True]}})
            trace.set_input("in")
        fake_lines = [commit.line for commit in fake.received().commits[1:]]
        assert fake_lines == [commit.line for commit in wire.received().commits[1:]]


def test_fake_loggers_and_a_real_one_given_the_same_show_the_same() -> None:
    wire = Wire()
    for flow in SAME:
        logger = FakeLogger()
        with wire.beside(logger, flow.__name__):
            flow(logger)
    wire.check()


@pytest.mark.parametrize("number", [0, 2])
def test_a_difference_would_be_seen(number: int) -> None:
    wire = Wire()
    for name in ("first", "second", "third"):
        logger = FakeLogger()
        with wire.beside(logger, name):
            one_answer(logger)
    wire.given[number].commits.pop(1)
    with pytest.raises(AssertionError, match=wire.given[number].test):
        wire.check()


def test_the_fixture_runs_a_test_at_both_ends(maxim_end: MaximEnd) -> None:
    one_answer(maxim_end.logger)
    received = maxim_end.received()
    assert received.trace.output == "Sunny."
    assert received.snapshot()["traces"][0]["children"][0]["id"] == "generation-1"
    received.assert_complete()
