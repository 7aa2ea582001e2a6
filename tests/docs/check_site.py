"""Check every link of the built documentation: `python check_site.py site`. Exit code 1 where one leads nowhere."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class PageLinks(HTMLParser):
    """The links of a page, and the anchors that others can link to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what *tag* links to and what it is called."""
        for name, value in attrs:
            if value and (name, tag) in {("href", "a"), ("src", "img"), ("href", "link"), ("src", "script")}:
                self.links.add(value)
            elif value and name in {"id", "name"}:
                self.anchors.add(value)


def broken(site: Path) -> list[str]:
    """Return the links that lead nowhere, with their pages."""
    html = [path for path in site.rglob("*.html") if path.name != "404.html"]
    pages = {path: PageLinks(path.read_text(encoding="utf-8")) for path in html}
    return [
        f"{page.relative_to(site)}: {link}"
        for page, found in pages.items()
        for link in sorted(found.links)
        if not _leads_somewhere(site, page, link, pages)
    ]


def _leads_somewhere(site: Path, page: Path, link: str, pages: dict[Path, PageLinks]) -> bool:
    url = urlsplit(link)
    if url.scheme or url.netloc or not (url.path or url.fragment):
        return True
    target = (site if url.path.startswith("/") else page.parent) / unquote(url.path).lstrip("/") if url.path else page
    target = target.resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    return not url.fragment or target not in pages or unquote(url.fragment) in pages[target].anchors


def main(site: Path) -> int:
    """Print the broken links of *site*."""
    lines = broken(site.resolve())
    print(*lines or ["every link leads somewhere"], sep="\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
