"""Every colour of text on every ground of the page, computed from its style sheet: no browser is needed."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = files("maxim_gemini.testing._report").joinpath("page.css").read_text(encoding="utf-8")
COLOURS = {name: pair for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", CSS)}
TEXTS = sorted(set(re.findall(r"(?<![\w-])color: var\(--([\w-]+)\)", CSS)))
GROUNDS = ("page", "panel", "sunken", "hover", "chosen", "bad-soft", "open-soft")
SCHEMES = ("light", "dark")


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb, as WCAG 2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


def test_the_style_sheet_is_understood() -> None:
    assert {"ink", "muted", "accent", "bad", "open"} <= set(TEXTS)
    assert set(TEXTS) | set(GROUNDS) <= set(COLOURS)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("text", TEXTS)
def test_text_has_contrast_on_every_ground(text: str, scheme: str) -> None:
    at = SCHEMES.index(scheme)
    found = {ground: round(contrast(COLOURS[text][at], COLOURS[ground][at]), 2) for ground in GROUNDS}
    assert min(found.values()) >= 4.5, found


def test_no_text_is_made_fainter() -> None:
    faint = re.findall(r"([^{}]+)\{[^}]*opacity: (?!1)[^}]*\}", CSS)
    assert [rule.strip() for rule in faint] == [".bar.trace", ".bar .chunk"]
