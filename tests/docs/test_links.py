"""Links of the README and the documentation lead somewhere. (`tox -e docs` looks at the built pages, too.)"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from support.checkout import ROOT
from support.markdown import anchors, links

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def problem(page: Path, target: str) -> str | None:
    """Return what is wrong with a link on *page*, `None` where it leads somewhere or out of the project."""
    url = urlsplit(target)
    if url.scheme or url.netloc:
        return None if url.scheme in {"https", "mailto"} else f"{target}: not https"
    file = (page.parent / unquote(url.path)).resolve() if url.path else page
    if not file.exists():
        return f"{target}: no such file"
    from_code = url.fragment.startswith("maxim_gemini.")  # made from docstrings: the strict build checks those
    if url.fragment and file.suffix == ".md" and not from_code and url.fragment not in anchors(file):
        return f"{target}: no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert [fault for target in links(page) if (fault := problem(page, target))] == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading\n[a](nope.md) [b](#a-heading) [c](#nope) ![d](http://insecure/x.png)\n")
    assert [bool(problem(page, target)) for target in links(page)] == [True, False, True, True]


def test_every_page_is_in_the_navigation() -> None:
    named = str(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in named] == []
