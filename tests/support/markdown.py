"""The code blocks and links of a Markdown page, as a reader of its source sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w+-]*)(?P<info>.*)$")
_NOTE = re.compile(r"^ *<!-- *(?P<key>[a-z-]+)(?:: *(?P<value>.*?))? *-->$")
_TITLE = re.compile(r'title="([^"]+)"')
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+(?:\([^()]*\))?)(?: +\"[^\"]*\")?\)")
_HTML_LINK = re.compile(r'(?:src|href)="([^"]+)"')
_HEADING = re.compile(r"^#{1,6} +(.*?)(?: *\{ *#([\w-]+)[^}]*\})?$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code."""

    page: Path
    line: int
    """Of its first line of code, from 1."""
    language: str
    text: str
    title: str | None = None
    notes: dict[str, str] = field(default_factory=dict[str, str])
    """What the comments above it say to the tests: `<!-- key: value -->`."""


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of *page*, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    collected: list[Block] = []
    notes: dict[str, str] = {}
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if note := _NOTE.match(line):
            notes[note["key"]] = note["value"] or ""
        elif opened := _FENCE.match(line):
            start = number
            while number < len(lines) and lines[number].strip() != opened["fence"]:
                number += 1
            code = "\n".join(text.removeprefix(opened["indent"]) for text in lines[start:number])
            title = _TITLE.search(opened["info"])
            collected.append(
                Block(page, start + 1, opened["language"], code + "\n", title[1] if title else None, notes)
            )
            number += 1
            notes = {}
        elif line.strip():
            notes = {}
    return collected


def prose(page: Path) -> str:
    """Return *page* without its code: fenced blocks, code spans and comments are blanked, lines stay."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for block in blocks(page):
        size = block.text.count("\n")
        lines[block.line - 2 : block.line + size] = [""] * (size + 2)
    text = re.sub(r"<!--.*?-->", "", "\n".join(lines), flags=re.DOTALL)
    return re.sub(r"`[^`\n]+`", "code", text)


def links(page: Path) -> list[str]:
    """Return the targets of the links and pictures of *page*."""
    text = prose(page)
    return [match["target"] for match in _LINK.finditer(text)] + _HTML_LINK.findall(text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of *page*: its headings, as GitHub and the documentation site spell them."""
    lines = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL).splitlines()
    anchors: set[str] = set()
    fenced = False
    for line in lines:
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (heading := _HEADING.match(line)):
            anchors.add(heading[2] or _slug(heading[1]))
    return anchors


def _slug(heading: str) -> str:
    plain = re.sub(r"[`*]|!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain.lower()).strip())
