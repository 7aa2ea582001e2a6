"""Function calls whose arguments come in pieces."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from google.genai import types

from maxim_gemini._generate_content.partial_args import PartialCall

pytestmark = pytest.mark.skipif(
    "partial_args" not in types.FunctionCall.model_fields, reason="this google-genai has no partial calls"
)


def piece(*args: dict[str, Any], **fields: Any) -> types.FunctionCall:
    """Return one piece of a call; its *args* are such as `{"jsonPath": "$.city", "stringValue": "Par"}`."""
    return types.FunctionCall.model_validate({"partialArgs": list(args), **fields})


def put_together(*pieces: types.FunctionCall) -> types.FunctionCall:
    first, *others = pieces
    call = PartialCall(first)
    for one in others:
        call.add(one)
    return call.whole()


def text(path: str | None, value: str) -> dict[str, Any]:
    return {"jsonPath": path, "stringValue": value}


@pytest.mark.parametrize(
    ("args", "whole"),
    [
        ([text("$.city", "Par"), text("$.city", "is")], {"city": "Paris"}),
        ([text("$.city", ""), text("$.land", "France")], {"city": "", "land": "France"}),
        ([text("$.a.b.c", "x"), text("$.a.b.d", "y")], {"a": {"b": {"c": "x", "d": "y"}}}),
        ([text("$['the city']['at.sea']", "Nice")], {"the city": {"at.sea": "Nice"}}),
        ([text("$['']", "nameless")], {"": "nameless"}),
        ([text("$.a[0]", "x"), text("$.a[0]", "y"), text("$.a[1]", "z")], {"a": ["xy", "z"]}),
        ([text("$.a[2]", "x"), text("$.a[0]", "y")], {"a": ["y", None, "x"]}),
        ([text("$.a[0][1].b", "x"), text("$.a[0][1].c", "y")], {"a": [[None, {"b": "x", "c": "y"}]]}),
        ([text("$.a[10]", "x")], {"a": [None] * 10 + ["x"]}),
        ([{"jsonPath": "$.n", "numberValue": 0}], {"n": 0}),
        ([{"jsonPath": "$.n", "numberValue": 1}, {"jsonPath": "$.n", "numberValue": 2.5}], {"n": 2.5}),
        ([{"jsonPath": "$.b", "boolValue": True}, {"jsonPath": "$.c", "boolValue": False}], {"b": True, "c": False}),
        ([{"jsonPath": "$.none", "nullValue": "NULL_VALUE"}], {"none": None}),
        ([text("$.a", "x"), {"jsonPath": "$.a", "numberValue": 1}, text("$.a", "y")], {"a": "y"}),
        ([text('$["the city"]["at.sea"]', "Nice")], {"the city": {"at.sea": "Nice"}}),
        ([text("$.a[100000000]", "x"), text("$.a[0]", "y")], {"a": {"100000000": "x", "0": "y"}}),
        ([text(f"$.a[{10**30}].b", "x")], {"a": {str(10**30): {"b": "x"}}}),
        ([text("$.a[0]", "x"), text("$.a.b", "y")], {"a": {"0": "x", "b": "y"}}),
        ([text("$.a", "x"), text("$.a.b", "y")], {"a": {"b": "y"}}),
        ([text("$", "x"), text(None, "y"), text("", "z")], {}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_each_piece_is_put_where_its_path_leads(args: list[dict[str, Any]], whole: dict[str, Any]) -> None:
    assert put_together(piece(*args)).args == whole
    assert put_together(piece(), *map(piece, args)).args == whole


def test_arguments_that_come_whole_are_kept_beside_those_in_pieces() -> None:
    first = piece(text("$.city", "Par"), args={"nights": 3})
    assert put_together(first, piece(text("$.city", "is"), args={"guests": 2})).args == {
        "nights": 3,
        "city": "Paris",
        "guests": 2,
    }
    assert first.args == {"nights": 3}


def test_the_name_and_the_id_are_those_that_came_first() -> None:
    for pieces in (
        [piece(name="book", id="x1"), piece()],
        [piece(name="book"), piece(id="x1"), piece(id="x2")],
        [piece(name="book", id="x1"), piece(id="x2")],
    ):
        whole = put_together(*pieces)
        assert (whole.name, whole.id, whole.args) == ("book", "x1", {})


def test_pieces_are_added_to_arguments_that_came_whole_without_changing_these() -> None:
    first = piece(args={"places": ["a", {"name": "b"}], "city": "Par"})
    more = piece(text("$.places[1].name", "c"), text("$.places[2]", "d"), text("$.city", "is"))
    assert put_together(first, more).args == {"places": ["a", {"name": "bc"}, "d"], "city": "Paris"}
    assert first.args == {"places": ["a", {"name": "b"}], "city": "Par"}


def test_a_path_may_be_as_deep_as_it_likes() -> None:
    args: Any = put_together(piece(text("$" + ".a" * 100_000, "x"))).args
    depth = 0
    while isinstance(args, dict):
        (key, args), depth = next(iter(args.items())), depth + 1
    assert (depth, args) == (100, "x")
    assert key == ".a" * 99_901


def test_a_text_of_very_many_pieces_is_put_together_at_the_end() -> None:
    pieces = [piece(text("$.text", "0123456789" * 10)) for _ in range(50_000)]
    start = time.process_time()
    assert put_together(*pieces).args == {"text": "0123456789" * 500_000}
    assert time.process_time() - start < 20  # a second; where each piece copies the text before it, minutes


@pytest.mark.parametrize("count", [1, 200])
def test_places_far_apart_take_no_room_for_what_is_between_them(count: int) -> None:
    places = [number * 10**7 for number in range(1, count + 1)]
    tracemalloc.start()
    try:
        args = put_together(*(piece(text(f"$.a[{place}]", "x")) for place in places)).args
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert args == {"a": {str(place): "x" for place in places}}
    assert peak < 2_000_000
