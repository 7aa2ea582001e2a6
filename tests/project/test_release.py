"""A release is refused where its links would lead nowhere, or its version is not in the changelog."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.checkout import ROOT, project

if TYPE_CHECKING:
    from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("prepare_release", ROOT / ".github" / "prepare_release.py")
assert _SPEC is not None
assert _SPEC.loader is not None
prepare_release: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(prepare_release)

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-12-01\n"
SOURCE = "https://example.org/team/maxim-gemini"


def checkout(folder: Path, source: str = SOURCE, version: str = "1.2.0") -> Path:
    urls = f'[project.urls]\nSource = "{source}"\n' if source else ""
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\nversion = "{version}"\n{urls}')
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    readme = "See [docs](docs/index.md), ![tree](docs/tree.svg), [Maxim](https://m.ai), [up](#top).\n"
    (folder / "README.md").write_text(readme)
    return folder


def test_links_and_pictures_lead_to_the_released_version(tmp_path: Path) -> None:
    prepare_release.main(checkout(tmp_path), "v1.2.0")
    assert (tmp_path / "README.md").read_text() == (
        f"See [docs]({SOURCE}/blob/v1.2.0/docs/index.md), ![tree]({SOURCE}/raw/v1.2.0/docs/tree.svg), "
        "[Maxim](https://m.ai), [up](#top).\n"
    )


@pytest.mark.parametrize(
    ("tag", "options", "problem"),
    [
        ("v1.2.0", {"source": ""}, "no Source under"),
        ("v1.3.0", {}, "the tag is v1.3.0, and the version in pyproject.toml is 1.2.0"),
        ("v1.4.0", {"version": "1.4.0"}, r"no heading '## \[1.4.0\]'"),
    ],
)
def test_what_is_missing_refuses_the_release(tmp_path: Path, tag: str, options: dict[str, str], problem: str) -> None:
    before = (checkout(tmp_path, **options) / "README.md").read_text()
    with pytest.raises(SystemExit, match=problem):
        prepare_release.main(tmp_path, tag)
    assert (tmp_path / "README.md").read_text() == before


def test_no_relative_link_of_the_readme_is_left() -> None:
    text = prepare_release.with_absolute_links((ROOT / "README.md").read_text(encoding="utf-8"), SOURCE, "v1")
    assert [link for link in re.findall(r"\]\(([^)]*)\)", text) if not link.startswith(("https://", "#"))] == []


def test_the_version_is_the_newest_of_the_changelog_or_not_released_yet() -> None:
    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert released[:1] in ([], [project()["project"]["version"]])
