"""Check what a release needs, and make README.md readable on a package index.

    python .github/prepare_release.py vX.Y.Z

On a package index a relative link leads nowhere. The one setting is the address of the repository, `Source` under
`[project.urls]` in pyproject.toml; without it nothing is released.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

_LINK = re.compile(r"(?P<start>!?\[[^\]]*\]\()(?P<target>(?![a-z]+:|#)[^)\s]+)(?=\))")


def with_absolute_links(text: str, source: str, tag: str) -> str:
    """Return Markdown whose relative links and pictures lead to *tag* in the repository at the URL *source*."""

    def absolute(match: re.Match[str]) -> str:
        kind = "raw" if match["start"].startswith("!") else "blob"
        return f"{match['start']}{source.rstrip('/')}/{kind}/{tag}/{match['target']}"

    return _LINK.sub(absolute, text)


def problems(tag: str, project: dict[str, object], changelog: str) -> list[str]:
    """Return what keeps *tag* from being released."""
    version = project["version"]
    found: list[str] = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, and the version in pyproject.toml is {version}")
    if f"\n## [{version}]" not in changelog:
        found.append(f"CHANGELOG.md has no heading '## [{version}]': move what is under Unreleased there")
    urls = project.get("urls")
    if not isinstance(urls, dict) or not urls.get("Source"):
        found.append("pyproject.toml has no Source under [project.urls]: links of the README would lead nowhere")
    return found


def main(root: Path, tag: str) -> None:
    """Rewrite README.md below *root* for the release *tag*, or exit with what is missing."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if found := problems(tag, project, (root / "CHANGELOG.md").read_text(encoding="utf-8")):
        sys.exit("not released:\n" + "\n".join(f"- {problem}" for problem in found))
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(with_absolute_links(text, project["urls"]["Source"], tag), encoding="utf-8")


if __name__ == "__main__":
    main(Path(__file__).parents[1], sys.argv[1])
