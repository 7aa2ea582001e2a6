"""The bundled cassettes, one YAML file for each flow; the head of each has its source."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
"""The folder of the cassettes."""


def names() -> list[str]:
    """Return the names of the bundled cassettes, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path(name: str) -> Path:
    """Return the file of the bundled cassette *name*.

    Raises:
        CassetteNotFound: there is none with that name; the message has similar names.
    """
    if name in names():
        return FOLDER / f"{name}.yaml"
    from difflib import get_close_matches

    from maxim_gemini.testing.exceptions import CassetteNotFound

    near = get_close_matches(name, names(), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`maxim-gemini cassettes list` shows all"
    raise CassetteNotFound(f"no bundled cassette is called {name!r}: {hint}")
