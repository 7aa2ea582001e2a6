"""Functions for a model to call that note each run. No postponed annotations: google-genai before 1.26 reads them."""

import time
from collections.abc import Callable
from typing import Any

from support.functions import Speechless

Note = Callable[..., None]


class Quit(BaseException):
    """What no `except Exception` catches."""


class Desk:
    """An object whose method a model may call; google-genai copies it."""

    def __init__(self, note: Note) -> None:
        self.note = note

    def file(self, paper: str) -> int:
        """File a paper."""
        self.note("ran", "file", paper)
        return len(paper)

    def __deepcopy__(self, memo: Any) -> "Desk":
        return Desk(self.note)


def functions(note: Note) -> dict[str, Any]:
    """Return one function of each temper, by name."""

    def add(left: int, right: int) -> int:
        """Add two numbers."""
        note("ran", "add", left, right)
        return left + right

    def shout(text: str) -> dict[str, Any]:
        """Say it louder."""
        note("ran", "shout", text)
        return {"said": text.upper(), "to": [{"nobody": None}]}

    def fail(text: str) -> str:
        """Fail."""
        note("ran", "fail", text)
        raise ValueError(text)

    def mumble(text: str) -> str:
        """Fail, and say nothing."""
        note("ran", "mumble", text)
        raise Speechless

    def leave(text: str) -> str:
        """Leave everything."""
        note("ran", "leave", text)
        raise Quit(text)

    def strange(text: str) -> Any:
        """Return what JSON does not know."""
        note("ran", "strange", text)
        return {text, "set"}

    def slow(text: str) -> str:
        """Take a while."""
        time.sleep(0.0005)
        note("ran", "slow", text)
        return text

    async def wait(text: str) -> str:
        """Answer later."""
        note("ran", "wait", text)
        return text

    async def fail_later(text: str) -> str:
        """Fail later."""
        note("ran", "fail_later", text)
        raise ValueError(text)

    named = (add, shout, fail, mumble, leave, strange, slow, wait, fail_later, Desk(note).file)
    return {function.__name__: function for function in named}


NAMES = tuple(functions(lambda *_: None))

FAULTS = {
    "fail": "raises",
    "mumble": "raises what can't say what it is",
    "fail_later": "raises, async",
    "leave": "raises no Exception",
    "strange": "returns no JSON",
    "slow": "slow",
    "wait": "async",
}
"""What is wrong with those that do not simply return."""

PLAIN_NAMES = tuple(name for name in NAMES if name not in ("wait", "fail_later"))
"""Those that a sync client can run: it refuses all of a call's functions if one is async."""
