"""The tree for people."""

from __future__ import annotations

import io
import re
import sys
from typing import Any
from unittest import mock

import pytest
from rich.cells import cell_len
from support.maxim_flows import answer, attachments, by_id, call, failure, generation_config, nested, tools
from support.maxim_versions import since

from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing._logs import rendering

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def tree(*flows: Any, **options: Any) -> str:
    """Return what is printed of *flows*, of which each part takes a millisecond: the width of a duration counts."""
    logger = FakeLogger()
    for flow in flows:
        flow(logger)
    with mock.patch.object(rendering, "_duration", return_value="1 ms"):
        return logger.render(color=False, **options)


def test_a_chat_turn_with_tools() -> None:
    assert (
        tree(tools)
        == """\
Maxim received  1 session, 1 trace, 2 generations, 2 tool calls
Session Support  session-a  1 ms  plan=free
│  feedback  5 good
└─ Trace Chat turn  trace-b  1 ms
   ├─ Generation  gen-b1  google/gemini-2.5-flash  1 ms  12 → 5 tokens  STOP
   │     user      Weather?
   │     answer    get_weather(city="Paris"), get_news()
   ├─ Tool call get_weather  call-1  1 ms
   │     arguments {"city": "Paris"}
   │     result    {"celsius": 20}
   ├─ Tool call get_news  call-2  1 ms
   │     error     404 KeyError no news
   └─ Generation  gen-b2  google/gemini-2.5-flash  1 ms  12 → 5 tokens  STOP
         user      Weather?
         answer    20 °C"""
    )


@since(3, 14, 5, reason="a trace has no metrics")
def test_everything_that_can_be_logged_has_its_line() -> None:
    assert (
        tree(by_id)
        == """\
Maxim received  1 session, 1 trace, 1 generation, 1 tool call, 1 span, 1 retrieval
Session  session-d  1 ms  a=b
│  event     opened
│  feedback  1 meh
└─ Trace  trace-d  1 ms  x=y
   │  input     in
   │  output    out
   │  error     2 Odd odd
   │  metric    score = 0.25
   │  metadata  n = 1
   │            text = plain
   │            list = [1, {"a": null}]
   │  event     cached
   │  feedback  4 fine
   ├─ Generation second  gen-d  google/gemini-2.5-pro  1 ms  12 → 5 tokens  STOP
   │     user      Weather?
   │     user      and Rome?
   │     answer    Sunny.
   │     metadata  response = {"ok": true}
   │     evaluate  bias, clarity
   │               bias, clarity
   ├─ Tool call f  tool-d  1 ms
   │     arguments {"a": 1}
   │     result    "done"
   └─ Span work  span-d  1 ms
      │  event     half-way
      └─ Retrieval  retrieval-d  1 ms
            input     q
            output    ["one document"]"""
    )


def test_attachments_and_errors() -> None:
    text = tree(attachments, failure)
    assert "│  attached  plot.png  image/png  28 bytes\n" in text
    assert "      attached  application/pdf  https://example.com/a.pdf\n                text/plain  8 bytes\n" in text
    assert text.endswith("      error     429 RESOURCE_EXHAUSTED Resource exhausted")


def test_nothing_logged() -> None:
    assert tree() == "Maxim received  nothing"


def test_long_content_is_shortened_and_says_by_how_much() -> None:
    logger = FakeLogger()
    logger.trace({"id": "t", "input": "x" * 10_000}).end()
    line = logger.render(color=False, width=60).splitlines()[-1]
    assert 58 <= len(line) <= 60
    assert re.fullmatch(r" {3}input     x+… \+9,9\d\d", line)
    assert line.count("x") + int(line.rsplit("+", 1)[1].replace(",", "")) == 10_000


def test_a_long_history_shows_its_end() -> None:
    logger = FakeLogger()
    history = [{"role": "user", "content": f"message {number}"} for number in range(50)]
    logger.trace({"id": "t"}).generation(generation_config("g", *history)).result(answer())
    text = logger.render(color=False)
    assert "…         44 earlier messages not shown" in text
    assert "message 43" not in text
    assert "message 44" in text


def test_of_many_entities_the_first_are_shown_and_the_rest_counted() -> None:
    logger = FakeLogger()
    trace = logger.trace({"id": "t"})
    for number in range(1000):
        trace.tool_call({"id": f"call-{number}", "name": "f", "description": "", "args": ""}).result("")
    lines = logger.render(color=False).splitlines()
    assert len(lines) == 53
    assert lines[-1] == "└─ … 950 more"


def test_an_offender_is_shown_however_many_there_are() -> None:
    logger = FakeLogger()
    trace = logger.trace({"id": "t"})
    for number in range(1000):
        tool_call = trace.tool_call({"id": f"call-{number}", "name": "f", "description": "", "args": ""})
        if number != 777:
            tool_call.result("")
    trace.end()
    with pytest.raises(AssertionError) as caught:
        logger.assert_complete()
    assert "├─ ✗ Tool call f  call-777  open\n│     ✗ never ended\n└─ … 949 more" in str(caught.value)


def test_several_choices_are_numbered_and_an_empty_one_says_why() -> None:
    logger = FakeLogger()
    result = answer("one")
    result["choices"].append({"index": 1, "message": {"role": "assistant", "content": None}, "finish_reason": "SAFETY"})
    logger.trace({"id": "t"}).generation(generation_config("g")).result(result)
    assert "answer 1  one\n" in logger.render(color=False)
    assert logger.render(color=False).endswith("answer 2  nothing (SAFETY)")


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    logger = FakeLogger()
    logger.trace({"id": "t", "input": "\x1b[31mred\x07 and\tmore [bold]no markup[/bold]"}).end()
    assert logger.render(color=False).endswith(r"input     \u001b[31mred\u0007 and more [bold]no markup[/bold]")
    assert ESCAPE.sub("", logger.render(color=True)) == logger.render(color=False)


@pytest.mark.parametrize("flow", [tools, nested, by_id], ids=lambda flow: flow.__name__)
def test_colour_changes_nothing_but_colour(flow: Any) -> None:
    logger = FakeLogger()
    flow(logger)
    coloured = logger.render(color=True)
    assert ESCAPE.search(coloured)
    assert ESCAPE.sub("", coloured) == logger.render(color=False)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colour_unless_it_requests_none(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = FakeLogger()
    logger.trace({"id": "t"}).end()
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert not ESCAPE.search(str(logger))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", _Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert ESCAPE.search(str(logger))
    monkeypatch.setenv("TERM", "dumb")
    assert not ESCAPE.search(str(logger))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not ESCAPE.search(str(logger))


def test_colour_can_be_requested_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = FakeLogger()
    logger.trace({"id": "t"}).end()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ESCAPE.search(str(logger))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not ESCAPE.search(str(logger))


def test_a_duration_is_given_in_the_unit_that_fits() -> None:
    from datetime import UTC, datetime, timedelta

    begin = datetime(2026, 1, 1, tzinfo=UTC)
    logger = FakeLogger()
    for number, seconds in enumerate((0.25, 2.5, 125)):
        trace = logger.trace({"id": f"t{number}", "start_timestamp": begin + timedelta(hours=number)})
        trace.end()
        trace.set_end_timestamp(begin + timedelta(hours=number, seconds=seconds))
    assert [line.split("  ")[-1] for line in logger.render(color=False).splitlines()[1:]] == [
        "250 ms",
        "2.50 s",
        "2 min 5 s",
    ]


def test_a_call_with_odd_arguments_is_shown_as_it_came() -> None:
    logger = FakeLogger()
    logger.trace({"id": "t"}).generation(generation_config("g")).result(answer("Look:", call(arguments="[1]")))
    assert "answer    Look: get_weather([1])" in logger.render(color=False)


def test_a_generated_id_is_shown_by_its_beginning() -> None:
    logger = FakeLogger()
    logger.trace({"id": "0123456789abcdef0123456789abcdef"}).end()
    logger.trace({"id": "request-of-the-application"}).end()
    shown = [line.split()[1] for line in logger.render(color=False).splitlines()[1:]]
    assert shown == ["01234567…", "request-of-the-application"]


WIDTHS = (20, 40, 60, 80, 120)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("flow", [tools, nested, by_id, attachments, failure], ids=lambda flow: flow.__name__)
def test_no_line_is_wider_than_the_terminal(flow: Any, width: int) -> None:
    logger = FakeLogger()
    flow(logger)
    plain = logger.render(color=False, width=width)
    assert max(cell_len(line) for line in plain.splitlines()) <= width
    assert ESCAPE.sub("", logger.render(color=True, width=width)) == plain


@pytest.mark.parametrize("width", WIDTHS)
def test_wide_characters_count_for_two_columns(width: int) -> None:
    logger = FakeLogger()
    trace = logger.trace({"id": "t", "name": "旅行の計画", "input": "東京の天気は" * 40, "tags": {"都市": "東京"}})
    trace.generation(generation_config("g", {"role": "user", "content": "🌦️ é " * 90})).result(answer("晴れ" * 90))
    lines = logger.render(color=False, width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert max(map(cell_len, lines)) >= width - 2


def test_facts_for_which_a_line_has_no_room_go_on_below_it() -> None:
    assert (
        tree(tools, width=40)
        == """\
Maxim received  1 session, 1 trace
  2 generations, 2 tool calls
Session Support  session-a  1 ms
│    plan=free
│  feedback  5 good
└─ Trace Chat turn  trace-b  1 ms
   ├─ Generation  gen-b1
   │       google/gemini-2.5-flash  1 ms
   │       12 → 5 tokens  STOP
   │     user      Weather?
   │     answer    get_weather(city… +21
   ├─ Tool call get_weather  call-1
   │       1 ms
   │     arguments {"city": "Paris"}
   │     result    {"celsius": 20}
   ├─ Tool call get_news  call-2  1 ms
   │     error     404 KeyError no news
   └─ Generation  gen-b2
           google/gemini-2.5-flash  1 ms
           12 → 5 tokens  STOP
         user      Weather?
         answer    20 °C"""
    )


def test_names_and_tags_are_made_visible_too() -> None:
    logger = FakeLogger()
    logger.trace({"id": "t", "name": "\x1b]0;title\x07", "tags": {"a": "\x1b[31m"}}).end()
    assert "\x1b" not in logger.render(color=False)


def test_a_tree_deeper_than_the_terminal_is_wide_stays_within_it() -> None:
    logger = FakeLogger()
    parent: Any = logger.trace({"id": "t"})
    for depth in range(30):
        parent = parent.span({"id": f"span-{depth}", "name": "work"})
    assert max(map(len, logger.render(color=False, width=40).splitlines())) <= 40
