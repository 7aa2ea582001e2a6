"""The reference names all that there is, and nothing that there isn't."""

from __future__ import annotations

import re
import shlex

import pytest
from click import Command, Group
from support.checkout import ROOT, product_files
from support.markdown import blocks
from typer.main import get_command

from maxim_gemini import testing
from maxim_gemini.testing import exceptions, reply
from maxim_gemini.testing._cli.app import app
from maxim_gemini.testing._pytest import fixtures, marker, options

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def page(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> set[str]:
    """Return the words in code at the start of each row of the table under *heading*."""
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    first = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {word for cell in first for word in re.findall(r"`([^`]+)`", cell)}


class Declared:
    """What the plugin declares to pytest."""

    def __init__(self) -> None:
        self.options: set[str] = set()
        self.inis: set[str] = set()
        options.add_options(self)  # type: ignore[arg-type]  # as much of a parser as it needs

    def getgroup(self, *_: str) -> Declared:
        return self

    def addoption(self, name: str, **_: object) -> None:
        self.options.add(name)

    def addini(self, name: str, *_: object, **__: object) -> None:
        self.inis.add(name)


def test_every_option_of_pytest_is_described() -> None:
    assert {row.partition("=")[0] for row in rows(page("pytest"), "Command line")} == Declared().options


def test_every_ini_value_is_described() -> None:
    assert rows(page("pytest"), "Ini values") >= Declared().inis
    assert {name for name in rows(page("pytest"), "Ini values") if name.startswith("maxim_")} == Declared().inis


def test_every_keyword_of_the_marker_is_described() -> None:
    assert rows(page("pytest"), "Marker") == set(marker.NAMES)


def test_every_fixture_is_described() -> None:
    is_fixture = type(fixtures.maxim_gemini_config)
    there = {name for name, value in vars(fixtures).items() if isinstance(value, is_fixture)}
    there.remove("maxim_gemini_marked")  # runs by itself, for the marker
    assert rows(page("pytest"), "Fixtures") == there


def test_every_record_mode_is_described() -> None:
    text = (DOCS / "how-to" / "re-record.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == set(options.MODES)


def test_every_header_is_described() -> None:
    scope = (ROOT / "maxim_gemini" / "_core" / "headers.py").read_text(encoding="utf-8")
    there = set(re.findall(r'"(x-maxim-[a-z-]+\w)"', scope))
    assert there
    assert set(re.findall(r"^\| `(x-maxim-[\w-]+)`", page("headers"), re.MULTILINE)) == there


def test_every_variable_of_ours_is_described() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in product_files())
    there = set(re.findall(r'"(MAXIM_GEMINI_[A-Z_]+)"', code))
    assert {name for name in rows(page("pytest"), "Environment") if name.startswith("MAXIM_GEMINI")} == there


def test_every_error_is_in_the_tree() -> None:
    there = {name for name, value in vars(exceptions).items() if isinstance(value, type)}
    assert {name for name in there if name not in page("errors")} == set()


def test_every_public_name_of_the_test_kit_is_on_its_page() -> None:
    text = page("testing") + page("replies")
    assert [
        name for name in testing.__all__ if name.lower().replace("_", "") not in text.lower().replace("_", "")
    ] == []
    assert reply.__name__.rsplit(".", 1)[1] in text


def commands(group: Group, prefix: str) -> dict[str, Command]:
    found = dict[str, Command]()
    for name, command in group.commands.items():
        found |= commands(command, f"{prefix} {name}") if isinstance(command, Group) else {f"{prefix} {name}": command}
    return found


COMMANDS = commands(get_command(app), "maxim-gemini")  # type: ignore[arg-type]


def test_every_command_is_described() -> None:
    assert [name for name in COMMANDS if f"`{name}" not in page("command-line")] == []


SHELL = sorted(
    {
        line.strip()
        for path in PAGES
        for block in blocks(path)
        if block.language == "bash"
        for line in re.split(r"&&|\n|\|(?=\s)", block.text)
    }
)


@pytest.mark.parametrize("line", [line for line in SHELL if re.match(r"(\S+/)?maxim-gemini\b", line)])
def test_commands_in_the_documentation_are_understood(line: str) -> None:
    words = ["maxim-gemini", *shlex.split(line)[1:]]
    name = next(name for length in (3, 2) if (name := " ".join(words[:length])) in COMMANDS)
    command = COMMANDS[name]
    arguments = words[len(name.split()) :]
    if "--help" not in arguments:
        command.make_context(name, arguments, resilient_parsing=False)


@pytest.mark.parametrize("option", sorted({o for line in SHELL for o in re.findall(r"--maxim-gemini-[\w-]+", line)}))
def test_options_in_the_documentation_exist(option: str) -> None:
    assert option in Declared().options
