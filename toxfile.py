"""Let tox find the interpreters that pyenv has installed, not only the one that it has switched on, and no others.

uv looks for interpreters on `PATH`; pyenv puts only shims there, which fail for every version that is not selected.
One that is not installed is skipped: looking for it on the network takes long where there is none.
"""

from __future__ import annotations

import os
from pathlib import Path

_pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
_installed = sorted(_pyenv.glob("versions/3.*/bin"))
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, _installed)])
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
