"""Function calls whose arguments come in pieces."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from maxim_gemini._partial_args import PartialCall

pytestmark = pytest.mark.skipif(
    "partial_args" not in types.FunctionCall.model_fields, reason="this google-genai has no partial calls"
)


def piece(*args: dict[str, Any], **said: Any) -> types.FunctionCall:
    """Return one piece of a call; its *args* are such as `{"jsonPath": "$.city", "stringValue": "Par"}`."""
    return types.FunctionCall.model_validate({"partialArgs": list(args), **said})


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
