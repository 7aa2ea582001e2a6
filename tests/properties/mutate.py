"""Break the wrapper in small ways and see whether its tests notice; run by `tox -e mutation`.

    python tests/properties/mutate.py          try a sample of 300 mutants; a number: so many
    python tests/properties/mutate.py again    try those that survived the last time, after a test was written

mutmut makes the mutants and picks the tests that reach each. A sample is tried, drawn with a fixed seed. What runs
while modules are imported is left out, since mutmut switches a mutant on only afterwards; so are the tests that count
what the wrapper does, since mutmut does some of it, and one in which mutmut loses its own context variable.
"""

from __future__ import annotations

import ast
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

ROOT = Path(__file__).parents[2]
WRAPPER = ROOT / "maxim_gemini"
RESULT = Path(__file__).with_name("mutation.json")
SURVIVORS = Path(__file__).with_name("survivors.json")
"""Mutants that may survive, with the reason, by function and by what is changed in it; kept by hand."""

KILLED = {1, 3, 24, -24, 36, 152, 255}  # failed, interrupted, or ran for ever
AT_IMPORT = re.compile(r"maxim_gemini\.__init__\.|x___getattr__|__init_subclass__|ǁPassedǁ|x___dir__")
SETTINGS = """
[mutmut]
source_paths=
    maxim_gemini
do_not_mutate=
    maxim_gemini/testing/*
    maxim_gemini/__init__.py
pytest_add_cli_args=
    -p
    no:cacheprovider
    -p
    no:xdist
    -q
    --deselect
    tests/core/test_proxy.py::test_everything_that_the_sdk_offers_is_ours_or_passed_on
    --deselect
    tests/generate_content/test_opaque.py::test_an_error_below_comes_out_and_is_the_generations
    --ignore
    tests/core/test_work.py
pytest_add_cli_args_test_selection=
    tests/core
    tests/generate_content
    tests/properties/test_transparency.py
"""


def main(sample: int) -> None:
    """Try *sample* mutants in a copy of the checkout, and write down how many were noticed."""
    with _copy_with_mutants() as copy:
        names = all_mutants(copy)
        _mutmut(copy, *random.Random(2026).sample(names, min(sample, len(names))))
        write_down(copy)


def again() -> None:
    """Try the mutants that survived the last time for no known reason, and correct what was written down then."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    with _copy_with_mutants() as copy:
        names = [name for name in all_mutants(copy) if name in result["unexplained"]]
        if names:
            _mutmut(copy, *names)
        newly_explained, unexplained = _judged(_survivors(copy, names))
    explained = Counter(result["explained"]) + newly_explained
    survived = explained.total() + len(unexplained)
    _write(result | {"killed": result["tried"] - survived, "explained": explained, "unexplained": unexplained})


@contextmanager
def _copy_with_mutants() -> Generator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        _mutmut(copy, "maxim_gemini._generate_content.parameters.*")  # the others are made, too, and their tests found
        yield copy


def all_mutants(copy: Path) -> list[str]:
    """Return the names of all mutants that can be switched on."""
    return sorted(name for name in _codes(copy) if not AT_IMPORT.search(name))


def write_down(copy: Path) -> None:
    """Write down what became of the mutants that were tried in *copy*, and print those that nobody has explained."""
    names = all_mutants(copy)
    codes = _codes(copy)
    tried = [name for name in names if codes[name] is not None]
    survivors = _survivors(copy, tried)
    explained, unexplained = _judged(survivors)
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "mutants": len(names),
        "tried": len(tried),
        "killed": len(tried) - len(survivors),
        "explained": explained,
        "unexplained": unexplained,
    }
    _write(result)


def _judged(survivors: dict[str, str]) -> tuple[Counter[str], dict[str, str]]:
    """Return how often each reason explains a survivor, and the survivors that none explains."""
    reasons = {name: reason_for(name, changed) for name, changed in survivors.items()}
    explained = Counter(reason for reason in reasons.values() if reason is not None)
    return explained, {name: survivors[name] for name, reason in reasons.items() if reason is None}


def _survivors(copy: Path, names: Iterable[str]) -> dict[str, str]:
    """Return what those of *names* that survived change."""
    codes = _codes(copy)
    return {name: difference(copy, name) for name in names if codes[name] not in KILLED}


def _write(result: dict[str, Any]) -> None:
    """Write *result* down, and print the mutants that nobody has explained."""
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, changed in result["unexplained"].items():
        print(f"{name}\n{changed}\n")
    left = len(result["unexplained"])
    print(f"{result['killed']} of {result['tried']} mutants killed, {left} survive for no known reason")


def reason_for(name: str, changed: str) -> str | None:
    """Return why the mutant *name* may survive."""
    where = name.rpartition("__mutmut_")[0]
    known = [one["reason"] for one in json.loads(SURVIVORS.read_text(encoding="utf-8")) if _is(one, where, changed)]
    return known[0] if known else ("it only says a warning in other words" if _is_wording(changed) else None)


def _is(known: dict[str, str], where: str, changed: str) -> bool:
    return (known["where"], known["mutation"]) == (where, changed)


def _is_wording(changed: str) -> bool:
    """Say whether a mutant only changes the text of a warning."""
    removed, _, added = changed.partition("\n")
    return any(
        re.fullmatch(re.escape(removed[1:]).replace(re.escape(f'"{text}"'), r'(?:"[^"]*"|None)'), added[1:])
        for text in _warnings()
        if f'"{text}"' in removed
    )


@cache
def _warnings() -> frozenset[str]:
    """Return the texts that the wrapper warns with: what it attempts, and what it says by itself."""
    calls = [node for path in WRAPPER.glob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    said = [
        node.args
        for node in calls
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("attempt", "warn")
    ]
    return frozenset(str(one.value) for args in said for one in args if isinstance(one, ast.Constant))


def _copied(folder: Path) -> Path:
    for name in ("tests", "pyproject.toml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    shutil.copytree(ROOT / "maxim_gemini", folder / "maxim_gemini", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "setup.cfg").write_text(SETTINGS)
    return folder


def _mutmut(folder: Path, *names: str) -> None:
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", os.environ.get("MAXIM_GEMINI_CORES", "1")]
    done = subprocess.run([*command, *names], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:  # survivors are no failure
        sys.exit(f"mutmut could not run the tests:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _codes(folder: Path) -> dict[str, int | None]:
    metas = (folder / "mutants" / "maxim_gemini").glob("*.py.meta")
    return {name: code for meta in metas for name, code in json.loads(meta.read_text())["exit_code_by_key"].items()}


def difference(folder: Path, name: str) -> str:
    """Return the lines that the mutant *name* takes away and puts in."""
    command = [sys.executable, "-m", "mutmut", "show", name]
    shown = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True).stdout
    return "\n".join(line.rstrip() for line in shown.splitlines() if re.match(r"[-+](?![-+])", line))


if __name__ == "__main__":
    if sys.argv[1:] == ["again"]:
        again()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
