from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from maxim_gemini.testing._pytest.options import Settings, duration, is_ci


@pytest.mark.parametrize(
    ("text", "days"),
    [("90d", 90.0), ("90", 90.0), ("6m", 180.0), ("12w", 84.0), (" 36h ", 1.5), ("1y", 365), ("0d", 0.0)],
)
def test_an_age_is_a_number_and_a_unit(text: str, days: float) -> None:
    assert duration(text) == timedelta(days=days)


@pytest.mark.parametrize("text", ["", "ninety", "90x", "3M", "-3d", "1.5d", "9" * 30])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write a number and a unit: h .hours., d .days., w .weeks., m .months"):
        duration(text)


@pytest.mark.parametrize(("value", "ci"), [("true", True), ("1", True), ("yes", True), ("", False), ("False", False)])
def test_ci_is_what_the_variable_says(value: str, ci: bool) -> None:
    assert is_ci({"CI": value}) is ci
    assert not is_ci({})


@pytest.mark.parametrize(
    ("settings", "wanted", "mode"),
    [
        ({}, None, "none"),
        ({"usual": "once"}, None, "once"),
        ({"usual": "once"}, "all", "all"),
        ({"forced": "none", "usual": "once"}, "all", "none"),
        ({"usual": "once", "in_ci": True}, None, "none"),
        ({"in_ci": True}, "all", "none"),
        ({"in_ci": True, "allow_ci": True}, "all", "all"),
        ({"forced": "all", "in_ci": True, "allow_ci": True}, None, "all"),
    ],
)
def test_who_says_the_record_mode(settings: dict[str, Any], wanted: str | None, mode: str) -> None:
    assert Settings(**settings).mode(wanted) == mode
