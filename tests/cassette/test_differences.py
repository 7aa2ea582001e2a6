from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.traffic import ADDRESS, sent_request
from vcr.request import Request

from maxim_gemini.testing._cassette.differences import between, describe, differences, nearest
from maxim_gemini.testing._cassette.matching import meaning_of

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def lines(recorded: Any, sent: Any) -> list[str]:
    return [str(difference) for difference in differences(recorded, sent)]


@pytest.mark.parametrize(
    ("recorded", "sent", "expected"),
    [
        (
            {"contents": [{"parts": [{"text": "Hi"}]}]},
            {"contents": [{"parts": [{"text": "Hello"}]}]},
            ["contents[0].parts[0].text: recorded 'Hi' != sent 'Hello'"],
        ),
        ({"a": 1}, {"a": 1, "b": [2]}, ["b: not recorded, sent [2]"]),
        ({"a": 1, "b": {"c": None}}, {"a": 1}, ['b: recorded {"c": null}, not sent']),
        ([1, 2], [1, 3, 4], ["[1]: recorded 2 != sent 3", "[2]: not recorded, sent 4"]),
        ({"a": 1}, {"a": True}, ["a: recorded 1 != sent true"]),
        ({"a b": 1}, {"a b": "1"}, ["[\"a b\"]: recorded 1 != sent '1'"]),
        (1, 2, ["body: recorded 1 != sent 2"]),
        (b"abc", b"abcd", ["body: recorded 3 bytes != sent 4 bytes"]),
        ({"a": {"b": 1}}, {"a": [1]}, ['a: recorded {"b": 1} != sent [1]']),
    ],
)
def test_names_the_place_and_both_sides(recorded: Any, sent: Any, expected: list[str]) -> None:
    assert lines(recorded, sent) == expected


def test_shows_long_texts_where_they_part() -> None:
    same = "The quick brown fox jumps over the lazy dog. " * 5
    found = lines(
        {"text": f"{same}Then it sleeps."}, {"text": f"{same}Then it barks at the moon, for hours and hours on end."}
    )
    assert found == [
        "text: recorded …'e lazy dog. Then it sleeps.' != "
        "sent …'e lazy dog. Then it barks at the moon, for hours and hours o'…"
    ]


@given(values, values)
def test_there_is_a_difference_exactly_where_values_differ(recorded: Any, sent: Any) -> None:
    import json

    assert bool(lines(recorded, sent)) == (json.dumps(recorded, sort_keys=True) != json.dumps(sent, sort_keys=True))


def test_compares_addresses_too() -> None:
    recorded = meaning_of(sent_request("hi"))
    sent = meaning_of(sent_request("hi", uri=f"{ADDRESS}-lite:streamGenerateContent?alt=sse"))
    assert [str(difference) for difference in between(recorded, sent)] == [
        "path: recorded '/models/gemini-2.5-flash:generateContent' != "
        "sent '/models/gemini-2.5-flash-lite:streamGenerateContent'",
        "query.alt: not recorded, sent 'sse'",
    ]


def test_compares_requests_without_a_body() -> None:
    recorded, sent = (Request("GET", f"{ADDRESS}?{query}", None, {}) for query in ("pageSize=1", "pageSize=2"))
    assert describe(between(meaning_of(recorded), meaning_of(sent))) == ["query.pageSize: recorded '1' != sent '2'"]


def test_finds_the_nearest() -> None:
    meanings = [meaning_of(sent_request(text)) for text in ("What is the weather in Rome?", "Write a poem", "Say hi")]
    assert nearest(meaning_of(sent_request("What is the weather in Paris?")), meanings) == 0
    assert nearest(meaning_of(sent_request("Say hi", temperature=0.5)), meanings) == 2
    assert nearest(meaning_of(sent_request("Say hi")), []) is None


def test_many_differences_are_counted() -> None:
    assert describe(differences(list(range(20)), [n + 1 for n in range(20)]))[-1] == "and 12 more"


def test_differences_are_also_shown_as_changes() -> None:
    changes = differences({"a": 1, "b": "Hi", "c": [1]}, {"b": "Hello", "c": [1, b"x"]})
    assert [difference.as_change() for difference in changes] == [
        "a: removed 1",
        "b: 'Hi' -> 'Hello'",
        "c[1]: added 1 bytes",
    ]
