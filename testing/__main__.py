"""The command `maxim-gemini`, and `python -m maxim_gemini.testing`."""

from __future__ import annotations

import sys

_HINT = """\
maxim-gemini: the command line needs the extra "testing" ({missing} is not installed).
Install it with:  pip install "maxim-gemini[testing]"
"""


def main() -> int:
    """Run the command line and return its exit code: 0 for success, 1 for a failure, 2 for wrong arguments."""
    try:
        from maxim_gemini.testing._cli.app import run

        return run()
    except ModuleNotFoundError as missing:
        if (missing.name or "maxim_gemini").partition(".")[0] == "maxim_gemini":
            raise
        sys.stderr.write(_HINT.format(missing=missing.name))
        return 2


if __name__ == "__main__":
    sys.exit(main())
