from __future__ import annotations

from typing import Any

import pytest

from maxim_gemini.testing._pytest.marker import NAMES, Choices, from_config, from_marker
from maxim_gemini.testing._pytest.options import MARKER_DECLARATION


def marked(*args: Any, **kwargs: Any) -> pytest.Mark:
    return pytest.Mark("maxim_gemini", args, kwargs, _ispytest=True)


def test_the_marker_says_what_the_test_chooses() -> None:
    assert from_marker(marked("chat", strict=True)) == Choices(cassette="chat", strict=True)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (
            marked(casette="chat"),
            r"@pytest\.mark\.maxim_gemini has no 'casette'; did you mean 'cassette'\? It takes",
        ),
        (marked(zzz=1), r"@pytest\.mark\.maxim_gemini has no 'zzz'\. It takes cassette, record, "),
        (marked("chat", "none"), r"@pytest\.mark\.maxim_gemini takes one name .* but got 2: \('chat', 'none'\)"),
        (marked("chat", cassette="tool"), r"@pytest\.mark\.maxim_gemini got cassette twice: 'chat' and 'tool'"),
        (marked(7), r"@pytest\.mark\.maxim_gemini: cassette must be a str, got 7"),
        (marked(strict="no"), r"@pytest\.mark\.maxim_gemini: strict must be a bool, got 'no'"),
    ],
)
def test_a_slip_is_a_type_error_that_names_the_marker(mark: pytest.Mark, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        from_marker(mark)


def test_a_wrong_value_is_an_error_that_names_the_marker() -> None:
    with pytest.raises(ValueError, match=r"maxim_gemini: unknown record mode 'onse'; choose from none, once, new_ep"):
        from_marker(marked(record="onse"))
    with pytest.raises(ValueError, match=r"maxim_gemini: '\.\./x' is not a cassette name"):
        from_marker(marked("../x"))


def test_the_config_fixture_is_read_as_the_marker_is() -> None:
    assert from_config({"pace": "recorded"}) == Choices(pace="recorded")
    with pytest.raises(TypeError, match=r"the fixture maxim_gemini_config has no 'pase'; did you mean 'pace'\?"):
        from_config({"pase": "recorded"})
    with pytest.raises(TypeError, match=r"the fixture maxim_gemini_config must return a mapping"):
        from_config("recorded")


def test_the_closest_marker_wins_and_any_marker_wins_over_the_config(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest
        from maxim_gemini.testing._pytest.marker import Choices, choices_of

        pytestmark = pytest.mark.maxim_gemini(strict=False, pace=2.0)

        @pytest.mark.maxim_gemini("chat", pace=1.0)
        def test_choices(request):
            assert choices_of(request.node, {"pace": 9.0, "description": "said once"}) == Choices(
                cassette="chat", strict=False, pace=1.0, description="said once"
            )
        """
    )
    suite.runpytest_inprocess().assert_outcomes(passed=1)


def test_the_declaration_names_every_keyword() -> None:
    assert [name for name in NAMES if f"{name}=None" not in MARKER_DECLARATION] == []
