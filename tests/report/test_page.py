"""The page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.sample_traces import NASTY, chat_with_a_tool, failing, many, sample, traces, unfinished

from maxim_gemini.testing import _report as report
from maxim_gemini.testing._report import TestTraces

if TYPE_CHECKING:
    from support.chromium import Page

LISTED = "[...document.querySelectorAll('[data-row]')].filter((row) => row.checkVisibility()).length"
TITLE = "document.querySelector('#detail h2').textContent"
COUNTS = "[...document.querySelectorAll('[data-filter] span')].map((one) => one.textContent)"
DETAIL = "document.querySelector('#detail').innerText"


def test_it_asks_no_network(page: Page, sample_page: Path) -> None:
    assert page.requests == [sample_page.as_uri()]


def test_a_failed_trace_is_shown_first(page: Page) -> None:
    assert "429" in page.run(DETAIL)
    assert page.run("document.querySelector('[aria-current]').textContent").split()[0] == "generate_content"


def test_a_deep_link_opens_its_trace(chromium: Page, sample_page: Path) -> None:
    chromium.open(sample_page, "#tests/test_chat.py::test_weather%5BKyiv%5D/1")
    shown = chromium.run(DETAIL)
    for expected in (
        "tests/test_chat.py::test_weather[Kyiv]",
        "You are a terse weather clerk.",
        'get_weather(city="Kyiv", unit="C")',
        '"sky": "clear"',
        "The tool says clear and 21.",
        "a fine afternoon",
        "session Support chat",
        "total 176 tokens",
        "6 chunks, the first after 210 ms",
    ):
        assert expected in shown


def test_every_row_is_a_deep_link_that_works(page: Page) -> None:
    for link in page.run("[...document.querySelectorAll('#list a')].map((row) => row.getAttribute('href'))"):
        page.run(f"location.hash = {link!r}; new Promise((done) => setTimeout(done, 10))")
        assert page.run("document.querySelectorAll('#detail .sheet').length") == 1


def test_a_link_to_nothing_says_so(chromium: Page, sample_page: Path) -> None:
    chromium.open(sample_page, "#tests/test_gone.py::test_gone/1")
    assert "No such trace" in chromium.run(DETAIL)


def test_the_waterfall_shows_a_streams_chunks(chromium: Page, sample_page: Path) -> None:
    chromium.open(sample_page, "#tests/test_chat.py::test_weather%5BKyiv%5D/1")
    bars = "[...document.querySelectorAll('.waterfall .bar')]"
    assert chromium.run(f"{bars}.map((bar) => bar.querySelectorAll('.chunk').length)") == [0, 0, 0, 6]
    lefts, widths = (chromium.run(f"{bars}.map((bar) => parseFloat(bar.style.{side}))") for side in ("left", "width"))
    assert [round(left) for left in lefts] == [0, 1, 42, 59]
    assert [round(width) for width in widths] == [100, 40, 16, 40]


def test_what_was_logged_never_runs(page: Page) -> None:
    page.run("location.hash = [...document.querySelectorAll('a.trace')].at(-1).getAttribute('href')")
    page.run("new Promise((done) => setTimeout(done, 100))")
    assert page.run(TITLE) == NASTY
    page.keys("e")
    assert page.run("document.title") == "4 Gemini traces"
    assert page.run("document.querySelectorAll('main img, main script, nav script').length") == 0
    assert page.run("document.scripts.length") == len(sample()) + 1
    assert page.run("document.body.innerText.includes('{{ 7 * 7 }}')")


def test_search_looks_into_prompts_and_answers(page: Page) -> None:
    for words, found in (
        ("DNIPRO", 1),
        ("weather kyiv", 1),
        ("exhausted", 1),
        ("<script>", 1),
        ("nowhere", 0),
        ("", 5),
    ):
        page.keys("/")
        page.run("document.querySelector('#search').select()")
        page.type(words) if words else page.keys("Escape")
        assert page.run(LISTED) == found
        assert page.run("document.querySelector('#none').checkVisibility()") is (found == 0)
        page.run("document.activeElement.blur()")


def test_filters_keep_the_failed_and_the_incomplete(page: Page) -> None:
    found = []
    for key in ("f", "i", "a"):
        page.keys(key)
        found.append(page.run(LISTED))
    assert found == [2, 1, 5]
    assert page.run(COUNTS) == ["5", "2", "1"]


def test_keys_walk_through_what_is_listed(page: Page) -> None:
    page.keys("a", "k", "k", "k")
    seen = [page.run(TITLE)]
    for _ in range(5):
        page.keys("j")
        seen.append(page.run(TITLE))
    assert seen == ["Chat turn", "generate_content", "generate_content_stream", "test_nothing_logged", NASTY, NASTY]


def test_it_opens_on_the_first_failing_test_and_its_filter_knows_tests(chromium: Page, tmp_path: Path) -> None:
    """An error that a passing test provoked is no failure."""
    path = tmp_path / "provoked.html"
    tests = [
        TestTraces("a.py::test_provokes_an_error", "passed", 0.1, traces(failing)),
        TestTraces("a.py::test_good", "passed", 0.1, traces(chat_with_a_tool)),
        TestTraces("a.py::test_two_traces", "failed", 0.1, traces(chat_with_a_tool, unfinished), "it failed"),
        TestTraces("a.py::test_bare", "error", 0.1, [], "no setup"),
    ]
    report.write(path, tests)
    chromium.open(path)
    assert "a.py::test_two_traces" in chromium.run(DETAIL)
    assert chromium.run(COUNTS) == ["4", "2", "1"]
    chromium.keys("f")
    shown = "[...document.querySelectorAll('#list .test')].filter((one) => one.checkVisibility())"
    names = f"{shown}.map((one) => one.querySelector('b').textContent)"
    assert chromium.run(names) == ["test_two_traces", "test_bare"]
    assert "error" in chromium.run("document.querySelector('.test .mark.bad').textContent")


def test_it_opens_on_the_first_trace_where_no_test_failed(chromium: Page, tmp_path: Path) -> None:
    path = tmp_path / "good.html"
    report.write(
        path, [TestTraces("a.py::test_1", "passed", 0.1), TestTraces("a.py::test_2", "passed", 0.1, traces(failing))]
    )
    chromium.open(path)
    assert "a.py::test_1" in chromium.run(DETAIL)


@pytest.mark.parametrize(
    "link",
    [
        "#tests/test_chat.py::test_weather[Kyiv]/1",
        "#tests/test_chat.py::test_weather%5BKyiv%5D/1",
        "#tests%2Ftest_chat.py%3A%3Atest_weather%5bKyiv%5d/1",
        "#tests/test_chat.py::test_weather[Kyiv]",
    ],
)
def test_a_deep_link_may_be_escaped_or_not(chromium: Page, sample_page: Path, link: str) -> None:
    chromium.open(sample_page, link)
    assert "tests/test_chat.py::test_weather[Kyiv]" in chromium.run(DETAIL)


@pytest.mark.parametrize("name", ["100%", "%5B", "a#b?c", "ü €", "[a][b]", "\u202eevil"])
def test_a_deep_link_leads_to_ids_of_any_form(chromium: Page, tmp_path: Path, name: str) -> None:
    path = tmp_path / "ids.html"
    tests = [TestTraces(f"a.py::test[{one}]", "passed", 0.1) for one in ("other", name, "[")]
    report.write(path, tests)
    chromium.open(path)
    chromium.run("location.hash = document.querySelectorAll('#list a')[1].getAttribute('href')")
    chromium.run("new Promise((done) => setTimeout(done, 20))")
    assert f"a.py::test[{name}]" in chromium.run("document.querySelector('#detail .where .mono').textContent")


def test_the_failure_can_be_read_by_keyboard(chromium: Page, tmp_path: Path) -> None:
    path = tmp_path / "long.html"
    message = "\n".join(f"line {number}" for number in range(200))
    report.write(path, [TestTraces("a.py::test", "failed", 0.1, [], message), TestTraces("a.py::other", "passed", 0.1)])
    chromium.open(path)
    failure = "document.querySelector('pre.notice')"
    chromium.run(f"{failure}.focus()")
    assert chromium.run(f"document.activeElement === {failure} && {failure}.getAttribute('aria-label') !== ''")
    before = chromium.run(f"{failure}.scrollTop")
    chromium.keys("ArrowUp", "ArrowUp")
    chromium.run("new Promise((done) => setTimeout(done, 400))")
    assert chromium.run(f"{failure}.scrollTop") < before
    assert "a.py::test" in chromium.run(DETAIL)


CONTRASTS = (Path(__file__).parents[1] / "support" / "contrasts.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_distinguished_from_its_ground(page: Page, scheme: str) -> None:
    page.scheme(scheme)
    links = page.run("[...document.querySelectorAll('#list a[data-row]')].map((row) => row.getAttribute('href'))")
    for link in links:
        page.run(f"location.hash = {link!r}; new Promise((done) => setTimeout(done, 30))")
        page.keys("e")
        assert page.run(CONTRASTS) == []


def test_it_follows_the_systems_colours_until_set_otherwise(page: Page) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    page.scheme("light")
    light = page.run(colour)
    page.scheme("dark")
    dark = page.run(colour)
    page.keys("t")
    assert page.run(colour) == light != dark


def test_on_paper_every_listed_trace_is_whole(page: Page) -> None:
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run("document.querySelectorAll('#detail .sheet').length") == 5
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run("document.querySelectorAll('#detail .sheet').length") == 1
    assert page.pdf().startswith(b"%PDF")


def test_a_thousand_traces_open_at_once(chromium: Page, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    report.write(path, many(1000))
    chromium.open(path)
    # 0.2 s on an idle machine; what counts is that only what is looked at is built.
    assert chromium.run("performance.getEntriesByType('navigation')[0].duration") < 6000
    assert chromium.run("document.querySelectorAll('[data-row]').length") == 1000
    assert chromium.run("document.querySelectorAll('#detail .sheet').length") == 1
    assert chromium.run("document.querySelectorAll('*').length") < 15_000
    started = chromium.run("performance.now()")
    chromium.run("document.querySelector('#search').value = 'number[777]'")
    chromium.run("document.querySelector('#search').dispatchEvent(new Event('input'))")
    chromium.run("new Promise((done) => setTimeout(done, 61))")
    assert chromium.run(f"[{LISTED}, performance.now() - {started} < 6000]") == [1, True]


def test_an_empty_report_says_so(chromium: Page, tmp_path: Path) -> None:
    path = tmp_path / "empty.html"
    report.write(path, [])
    chromium.open(path)
    assert "No traces" in chromium.run(DETAIL)


def test_a_test_that_ran_twice_has_two_links(chromium: Page, tmp_path: Path) -> None:
    path = tmp_path / "twice.html"
    report.write(path, [TestTraces("a.py::test", "failed", 0.1), TestTraces("a.py::test", "passed", 0.1)])
    chromium.open(path)
    links = chromium.run("[...document.querySelectorAll('#list a')].map((row) => row.getAttribute('href'))")
    assert links == ["#a.py::test", "#a.py::test~2"]


def test_every_key_of_the_list_of_keys_is_real(page: Page) -> None:
    page.keys("?")
    assert page.run("document.querySelector('#keys').open")
    page.keys("Escape")
    assert not page.run("document.querySelector('#keys').open")
