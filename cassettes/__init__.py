"""The bundled recordings, one YAML file per flow; each says in its head where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
"""Where the recordings lie."""


def names() -> list[str]:
    """Return the names of the bundled recordings, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path(name: str) -> Path:
    """Return the file of the bundled recording *name*.

    Raises:
        CassetteNotFound: there is none of that name; the message has the nearest ones.
    """
    if name in names():
        return FOLDER / f"{name}.yaml"
    from difflib import get_close_matches

    from maxim_gemini.testing.exceptions import CassetteNotFound

    near = get_close_matches(name, names(), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`maxim-gemini cassettes list` shows those that there are"
    raise CassetteNotFound(f"no bundled cassette is called {name!r}: {hint}")
