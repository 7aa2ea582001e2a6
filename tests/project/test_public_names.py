from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.checkout import ROOT

if TYPE_CHECKING:
    from types import ModuleType

PUBLIC = ["maxim_gemini", "maxim_gemini.testing"]

LOOK = """
import importlib, sys
package = importlib.import_module(sys.argv[1])
helpers = {"TYPE_CHECKING", "Any", "annotations", "import_module", "importlib"}
public = {name for name in dir(package) if not name.startswith("_")} - helpers
print(sorted(public - set(package.__all__)), sorted(set(package.__all__) - set(dir(package))))
"""


@pytest.fixture(params=PUBLIC)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_every_public_name_can_be_imported(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None, name


def test_all_is_sorted_and_holds_each_name_once(package: ModuleType) -> None:
    assert list(package.__all__) == sorted(set(package.__all__))


@pytest.mark.parametrize("name", PUBLIC)
def test_all_equals_the_public_names(name: str) -> None:
    """Asked in a fresh interpreter: here, submodules that tests import have become attributes of their package."""
    ran = subprocess.run([sys.executable, "-c", LOOK, name], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] []"


@pytest.mark.parametrize("name", PUBLIC)
def test_star_import_gives_the_public_names(name: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"from {name} import *", namespace)
    assert set(importlib.import_module(name).__all__) <= set(namespace)


@pytest.mark.parametrize("name", PUBLIC)
def test_an_unknown_name_is_an_attribute_error_that_names_it(name: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = importlib.import_module(name).no_such_name


def test_public_names_say_where_they_are_from(package: ModuleType) -> None:
    for name in package.__all__:
        named = getattr(package, name)
        if isinstance(named, type):
            assert named.__module__.startswith("maxim_gemini"), named
            assert named.__doc__, f"{name} has no docstring"


def test_every_public_name_is_in_the_file_of_calls_that_must_type_check(package: ModuleType) -> None:
    calls = (ROOT / "tests" / "typing" / "api_calls.py").read_text(encoding="utf-8")
    assert [name for name in package.__all__ if calls.count(name) < 2] == []


def test_without_the_extra_a_public_name_says_what_to_install() -> None:
    script = (
        "import sys\nsys.modules['vcr'] = None\n"
        "try:\n    from maxim_gemini.testing import GeminiRecorder\nexcept ImportError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.startswith("maxim_gemini.testing.GeminiRecorder needs vcr, which is not installed: pip install ")
    assert run.stdout.rstrip().endswith('pip install "maxim-gemini[testing]"')


def test_the_public_names_and_their_signatures_are_those_of_the_file() -> None:
    """A change of the file is a change that users notice: it belongs into the changelog."""
    from project.public_surface import FILE, surface

    assert surface() == FILE.read_text(encoding="utf-8"), "python tests/project/public_surface.py writes it anew"
