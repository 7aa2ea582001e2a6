"""Edits of a text, whoever wants them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from maxim_gemini.testing._cassette.edits import Edit, applied, ordered

edits = st.builds(lambda start, size: Edit(start, start + size, "#"), st.integers(0, 25), st.integers(1, 5))


@given(st.lists(edits, max_size=6))
def test_all_that_some_edit_covers_is_replaced_and_nothing_else(wanted: list[Edit]) -> None:
    text = "".join(chr(ord("A") + at) for at in range(30))
    covered = {at for edit in wanted for at in range(edit.start, edit.end)}
    kept = ordered(wanted)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    assert applied(text, kept).replace("#", "") == "".join(text[at] for at in range(30) if at not in covered)


def test_two_that_overlap_become_one() -> None:
    assert ordered([Edit(4, 8, "b"), Edit(2, 6, "a"), Edit(8, 9, "c")]) == [Edit(2, 8, "a"), Edit(8, 9, "c")]
