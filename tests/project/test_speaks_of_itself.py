"""No file says where, or by what, it was made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.checkout import ROOT, tracked_files

if TYPE_CHECKING:
    from pathlib import Path

BINARY = {".png", ".jpg", ".ico", ".gif", ".webp", ".wav", ".mp3", ".pdf"}
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.$~])/(?:work|root|home/\w+|Users/\w+)(?=/|\b)"),
    "a registry other than the public one": re.compile(
        r"(?i)(?:index-url|registry)\s*=\s*http|artifactory|pypi-mirror"
    ),
}
QUOTED_ELSEWHERE = {
    "tests/project/test_speaks_of_itself.py",  # it names them
}


def sentences(path: Path) -> list[str]:
    """Return what *path* says that it should not, with the line."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [
        f"{path.relative_to(ROOT)}:{number}: {what}: {found[0]!r}"
        for number, line in enumerate(lines, 1)
        for what, pattern in FORBIDDEN.items()
        if (found := pattern.search(line))
    ]


def test_no_file_speaks_of_the_place_where_it_was_made() -> None:
    files = [path for path in tracked_files() if path.suffix not in BINARY]
    assert files
    checked = [path for path in files if str(path.relative_to(ROOT)) not in QUOTED_ELSEWHERE]
    assert [line for path in checked for line in sentences(path)] == []


@pytest.mark.parametrize("text", ["cd /home/ann/venvs", "see /Users/ann/project", "index-url = http://host/simple"])
def test_what_is_forbidden_is_found(text: str, tmp_path: Path) -> None:
    assert any(pattern.search(text) for pattern in FORBIDDEN.values())


@pytest.mark.parametrize("text", ["/v1/models/x", "~/work/x", "src/work/main", "./tmp/x", "$ROOT/root/x"])
def test_what_is_allowed_is_not_found(text: str) -> None:
    assert not any(pattern.search(text) for pattern in FORBIDDEN.values())
