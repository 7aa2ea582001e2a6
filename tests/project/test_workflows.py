"""What GitHub runs is what tox runs."""

from __future__ import annotations

import configparser
import re
from typing import Any

import pytest
import yaml
from support.checkout import ROOT, project

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def workflow(name: str) -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def tox() -> configparser.ConfigParser:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "tox.ini", encoding="utf-8")
    return settings


def environments() -> set[str]:
    """Return tox's environments, with the braces written out."""
    names = set[str]()
    for line in tox()["tox"]["env_list"].split():
        head, braces, tail = line.partition("{")
        names |= {head + name for name in tail.rstrip("}").split(",")} if braces else {head}
    return names


def ignored(setting: str) -> set[str]:
    """Return the rooms of tests that a setting of tox's leaves out."""
    options = tox()["tests"][setting]
    inherited = [ignored(name) for name in re.findall(r"{\[tests\](\w+)}", options)]
    return {*re.findall(r"--ignore=tests/(\w+)", options)}.union(*inherited)


def test_every_environment_of_tox_is_a_job() -> None:
    jobs = workflow("ci")["jobs"]
    matrices = [jobs[name]["strategy"]["matrix"] for name in ("checks", "tests")]
    assert {env for matrix in matrices for env in matrix["env"]} | {"coverage"} == environments()
    assert jobs["coverage"]["steps"][-1]["run"].endswith("-e coverage")


def test_a_merge_requires_every_job() -> None:
    jobs = workflow("ci")["jobs"]
    assert {*jobs["all-green"]["needs"]} == {*jobs} - {"all-green"}


def test_every_supported_python_is_tested() -> None:
    classifiers = project()["project"]["classifiers"]
    versions = {text.rsplit(" ", 1)[1] for text in classifiers if re.search(r":: 3\.\d+$", text)}
    assert {f"py{version.replace('.', '')}" for version in versions} <= environments()


def test_on_python_3_12_every_room_is_tested_once() -> None:
    rooms = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    beside_genai_2, beside_genai_3 = rooms - ignored("sdk"), rooms - ignored("between")
    assert beside_genai_2 & beside_genai_3 == set()
    assert rooms - beside_genai_2 - beside_genai_3 == ignored("oldest") | {"cli"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_gets_no_right_that_it_does_not_name(path: Any) -> None:
    loaded = workflow(path.stem)
    assert loaded["permissions"] == {}
    for job in loaded["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_hash_and_names_its_version(path: Any) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert uses
    assert [line for line in uses if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d[\w.]*", line)] == []


def test_a_release_keeps_no_token() -> None:
    publish = workflow("release")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
