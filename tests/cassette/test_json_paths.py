from __future__ import annotations

from typing import Any

import pytest

from maxim_gemini.testing._cassette import json_paths

VALUE = {"a": {"b": 1, "c": [{"d": 1, "e": 2}, {"d": 3}]}, "f.g": 4}


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("a", {"f.g": 4}),
        ("$.a.b", {"a": {"c": [{"d": 1, "e": 2}, {"d": 3}]}, "f.g": 4}),
        ("a.c[].d", {"a": {"b": 1, "c": [{"e": 2}, {}]}, "f.g": 4}),
        ("a.c[*].e", {"a": {"b": 1, "c": [{"d": 1}, {"d": 3}]}, "f.g": 4}),
        ("a.c[0]", {"a": {"b": 1, "c": [{"d": 3}]}, "f.g": 4}),
        ("a.c[-1].d", {"a": {"b": 1, "c": [{"d": 1, "e": 2}, {}]}, "f.g": 4}),
        ("a.c[-1]", {"a": {"b": 1, "c": [{"d": 1, "e": 2}]}, "f.g": 4}),
        ("a.c[]", {"a": {"b": 1, "c": []}, "f.g": 4}),
        ("a.c[7].d", VALUE),
        ("a.nothing.at.all", VALUE),
        ("a[].b", VALUE),
    ],
)
def test_what_is_at_a_path_is_left_out(path: str, left: Any) -> None:
    before = repr(VALUE)
    assert json_paths.without(VALUE, json_paths.parsed(path)) == left
    assert repr(VALUE) == before


@pytest.mark.parametrize("path", ["", "$", "a..b", "a[", "a]", "a[x]", "a[1", ".", "a."])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not a JSON path: write names and dots"):
        json_paths.parsed(path)
