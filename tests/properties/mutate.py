"""Break the wrapper in small ways and see whether its tests notice; run by `tox -e mutation`.

mutmut makes the mutants and picks the tests that reach each. A sample is tried, drawn with a fixed seed. What runs
while modules are imported is left out, since mutmut switches a mutant on only afterwards; so are the tests that count
what the wrapper does, since mutmut does some of it.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULT = Path(__file__).with_name("mutation.json")
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
    tests/wrapper/test_wrapping.py::test_everything_that_the_sdk_offers_is_ours_or_passed_on
    --ignore
    tests/wrapper/test_work.py
pytest_add_cli_args_test_selection=
    tests/wrapper
    tests/properties/test_transparency.py
"""


def main(sample: int) -> None:
    """Try *sample* mutants in a copy of the checkout, and write down how many were noticed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        _mutmut(copy, "maxim_gemini._streams.*")  # the others are made, too, and their tests found
        names = sorted(name for name in _codes(copy) if not AT_IMPORT.search(name))
        tried = random.Random(2026).sample(names, min(sample, len(names)))
        _mutmut(copy, *tried)
        codes = {name: code for name, code in _codes(copy).items() if name in tried and code is not None}
        survivors = sorted(name for name, code in codes.items() if code not in KILLED)
        shown = {name: _difference(copy, name) for name in survivors}
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "mutants": len(names),
        "tried": len(codes),
        "killed": len(codes) - len(survivors),
        "survivors": shown,
    }
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{result['killed']} of {result['tried']} mutants killed ({len(names)} in all)")
    for name, difference in shown.items():
        print(f"\n{name}\n{difference}")


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


def _difference(folder: Path, name: str) -> str:
    command = [sys.executable, "-m", "mutmut", "show", name]
    shown = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True).stdout
    return "\n".join(line for line in shown.splitlines() if re.match(r"[-+](?![-+])", line))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
