"""A file that somebody has edited is read as the YAML that it is, or refused with one error that names it."""

from __future__ import annotations

import os
import random
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from maxim_gemini.testing import cassettes
from maxim_gemini.testing._cassette import Cassette, yaml_format, yaml_reader
from maxim_gemini.testing._cassette.bodies import attached
from maxim_gemini.testing._cassette.yaml_reader import OurLoader
from maxim_gemini.testing.exceptions import CassetteBroken, CassetteError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EDITS = int(os.environ.get("MAXIM_GEMINI_EDITS") or 400)
"""How many; 4,000 take half a minute."""
TEXTS = [text for name in cassettes.names() if len(text := cassettes.path(name).read_text("utf-8")) < 12_000]
JUNK = (
    "=======",
    "garbage",
    "# comment",
    "    # comment",
    "-",
    "",
    "    x",
    "...",
    "---",
    "? a",
    "&a b",
    "*a",
    "<<: {}",
    "\ufeff",
    "'",
    '"',
)
ENDS = (" ", " # note", ",", "\t", ":", '"', "'", "]", "}", " |", " &a", "\x00", "\ud800")


def at_random(rnd: random.Random) -> str:
    """Return a cassette of which one line was edited."""
    lines = rnd.choice(TEXTS).split("\n")
    at = rnd.randrange(len(lines) - 2)
    line = lines[at]
    match rnd.randrange(9):
        case 0:
            lines[at] = line[rnd.choice([1, 2]) :] if line.startswith("  ") else " " + line
        case 1:
            lines[at] = " " * rnd.choice([1, 2]) + line
        case 2:
            del lines[at]
        case 3:
            lines.insert(at, line)
        case 4:
            lines.insert(at, rnd.choice(JUNK))
        case 5:
            lines[at], lines[at + 1] = lines[at + 1], line
        case 6:
            lines[at] += rnd.choice(ENDS)
        case 7:
            lines[at] = line.replace("  ", "\t", 1)
        case _:
            column = rnd.randrange(len(line) + 1)
            lines[at] = line[:column] + rnd.choice([*ENDS, "", "- ", "0", "true"]) + line[column + rnd.randrange(3) :]
    return "\n".join(lines)


def as_yaml(text: str) -> Any:
    try:
        document: Any = yaml.load(text, Loader=OurLoader)
        return [(item["request"], item["response"]) for item in document["interactions"]]
    except Exception as error:
        return f"no YAML: {error}"


def as_cassette(path: Path) -> Any:
    try:
        cassette = Cassette.load(path)
        for interaction in cassette.interactions:
            assert interaction.response.status
        return [tuple(interaction.values) for interaction in cassette.interactions]
    except CassetteError as error:
        return "refused" if str(error).startswith(str(path)) else f"refused without the file's name: {error}"


def test_any_edit_of_a_line_is_read_as_yaml_reads_it_or_refused(tmp_path: Path) -> None:
    rnd = random.Random(7)
    path = tmp_path / "a.yaml"
    read = 0
    for _ in range(EDITS):
        text = at_random(rnd)
        path.write_text(text, "utf-8", errors="surrogatepass")
        found, expected = as_cassette(path), as_yaml(text)
        if found == "refused":
            continue
        read += 1
        if text.startswith(yaml_format.SIGNATURE):  # else it is read as another tool's
            expected = [tuple(attached(part, lambda _: b"") for part in pair) for pair in expected]
            assert repr(found) == repr(expected), text
    assert read > EDITS / 4


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("method: POST", "method: POST  # why", 1),
        lambda text: text.replace("    body:\n", "    body:\n\n", 1),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace("# seal ", "# "),
    ],
)  # fmt: skip
def test_a_harmless_edit_changes_nothing(tmp_path: Path, edit: Callable[[str], str]) -> None:
    (tmp_path / "a.yaml").write_text(edit(cassettes.path("chat_stream").read_text("utf-8")), "utf-8")
    edited, whole = Cassette.load(tmp_path / "a.yaml"), Cassette.load(cassettes.path("chat_stream"))
    assert [i.values for i in edited.interactions] == [i.values for i in whole.interactions]


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "\n".join(map(str.rstrip, text.split("\n"))),
        lambda text: text.replace("    ", "\t"),
        lambda text: text.replace("\n", "\r\n", text.count("\n") // 2),
        lambda text: text.replace("- request:\n", "- request:\x85", 1),
        lambda text: text.replace("\n", "\n<<<<<<< HEAD\n", 10).replace("    body:", "=======\n    body:", 1),
        lambda text: text + text,
        lambda text: text + "---\n" + text,
        lambda text: text.replace('"', "'"),
        lambda text: "\n".join(line for number, line in enumerate(text.split("\n")) if number % 7),
        lambda text: text[: len(text) // 3] + text[len(text) * 2 // 3 :],
        lambda text: text.replace("- request:", "- <<: {}\n  request: &one", 1),
        lambda text: text.replace("- request:", "# - request:", 1),
        lambda text: text.replace("    method: POST", "    method: GET\n    method: POST", 1),
        lambda text: text.replace("interactions:\n", "interactions:\n" + text.partition("interactions:\n")[2], 1),
    ],
)  # fmt: skip
def test_an_edit_of_the_whole_file_is_read_as_yaml_reads_it_or_refused(
    tmp_path: Path, edit: Callable[[str], str]
) -> None:
    for text in map(edit, TEXTS[::4]):
        (tmp_path / "a.yaml").write_bytes(text.encode())
        if (found := as_cassette(tmp_path / "a.yaml")) != "refused":
            assert repr(found) == repr(
                [tuple(attached(part, lambda _: b"") for part in pair) for pair in as_yaml(text)]
            )


def test_an_edited_line_that_moves_a_body_out_of_its_answer_is_noticed(tmp_path: Path) -> None:
    text = cassettes.path("text").read_text("utf-8")
    (tmp_path / "a.yaml").write_text(text.replace("    body:\n      json:", "   body:\n      json:", 1), "utf-8")
    with pytest.raises(CassetteBroken, match=r"a\.yaml:\d+: "):
        Cassette.load(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "interactions",
    [
        b"- request:\n    uri: \xff\n  response:\n    body: x\n",
        b"- request:\n    method: POST\n    uri: https://h/p\n  more: x\n  response:\n    body: x\n",
        b"- request:\n    method: POST\n      uri: https://h/p\n  response:\n    body: x\n",
        b"- request:\n    method: POST\n  uri: https://h/p\n    body: x\n  response:\n    body: x\n",
        b"- request:\n    method: POST\n    uri: https://h/p\n    headers: [1, 2\n  response:\n    body: x\n",
    ],
)
def test_what_is_no_interaction_under_a_seal_that_fits_is_refused(tmp_path: Path, interactions: bytes) -> None:
    above = yaml_format.START + b"metadata: {}\ninteractions:\n" + interactions
    (tmp_path / "a.yaml").write_bytes(above + yaml_format.seal(above))
    with pytest.raises(CassetteBroken, match=r"a\.yaml:.* this interaction can't be read: "):
        Cassette.load(tmp_path / "a.yaml")


def test_requests_without_answers_under_a_seal_that_fits_take_no_more_memory_than_the_file() -> None:
    above = yaml_format.START + b"metadata: {}\ninteractions:\n" + b"- request:\n    uri: https://h/p\n" * 3_000
    sealed = above + yaml_format.seal(above)
    tracemalloc.start()
    try:
        assert len(yaml_reader.read(sealed).blocks) == 3_000
        assert tracemalloc.get_traced_memory()[1] < 20 * len(sealed)
    finally:
        tracemalloc.stop()


def test_a_file_of_another_layout_whose_seal_fits_is_still_read_or_refused(tmp_path: Path) -> None:
    """Whoever writes a seal by hand can't make more of the reader than an error."""
    rnd = random.Random(8)
    for _ in range(EDITS // 4):
        above = at_random(rnd).rpartition("... #")[0].encode(errors="surrogatepass")
        (tmp_path / "a.yaml").write_bytes(above + yaml_format.seal(above))
        as_cassette(tmp_path / "a.yaml")
