from __future__ import annotations

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from maxim_gemini.testing._cassette.yaml_format import WIDTH, Attachment, dump
from maxim_gemini.testing._cassette.yaml_reader import OurLoader, load

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
prose = st.lists(
    st.sampled_from(["no", "a b", " indented", "ends ", "", "x: y", "- z", "# c", "1e3", "é", "\t", "|", "..."])
)
lines = prose.map("\n".join)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | text | lines | st.binary(max_size=20)
attachments = st.builds(Attachment, text.filter(bool), st.sampled_from(["file", "base64", "base64url"]))
keys = (text | st.sampled_from(["yes", "null", "a b", "x-y", "1", "$ref", "text", "@type"])).filter(bool)
values = st.recursive(
    scalars | attachments | st.lists(numbers, min_size=9, max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
mappings = st.dictionaries(keys, values, min_size=1, max_size=4)


@given(mappings, st.sampled_from([0, 2, 4]))
@example({"a": "x\n\n", "b": "x\n", "c": "x\n\ny", "d": "\nx"}, 0)
@example({"a": "true", "b": "null", "c": "False", "d": "No", "e": [["y", "on"]] * 20, "true": 1, "off": 2}, 2)
def test_reads_what_it_wrote(value: dict[str, object], indent: int) -> None:
    assert load(dump(value, indent).encode(), indent) == value


@given(mappings)
def test_any_yaml_parser_reads_it_too(value: dict[str, object]) -> None:
    assert yaml.load(dump(value) + "\n", Loader=OurLoader) == value


def test_is_written_for_people() -> None:
    value = {
        "role": "user",
        "answer": "yes",
        "parts": [{"text": "Two lines,\nthe second."}, {"text": "short"}],
        "usage": {"promptTokenCount": 4, "totalTokenCount": 6},
        "values": [round(n / 7, 6) for n in range(12)],
        "image": Attachment("a.3f2a9c51b0d47e68.png", "base64"),
        "spaces": "ends with a space \nso it is quoted",
        "中文": "さようなら: 再见",
    }
    assert dump(value).split("\n") == [
        "role: user",
        'answer: "yes"',
        "parts:",
        "  - text: |-",
        "      Two lines,",
        "      the second.",
        '  - {"text": "short"}',
        'usage: {"promptTokenCount": 4, "totalTokenCount": 6}',
        "values: [0.0, 0.142857, 0.285714, 0.428571, 0.571429, 0.714286, 0.857143, 1.0,",
        "  1.142857, 1.285714, 1.428571, 1.571429]",
        'image: !base64 "a.3f2a9c51b0d47e68.png"',
        r'spaces: "ends with a space \nso it is quoted"',
        '"中文": "さようなら: 再见"',
    ]


@given(st.dictionaries(text.filter(bool), st.lists(numbers, max_size=60) | st.dictionaries(text, numbers), min_size=1))
def test_no_container_is_wider_than_the_page(value: dict[str, object]) -> None:
    long_numbers = 8 * 25
    assert all(len(line) <= WIDTH + long_numbers for line in dump(value).split("\n"))
