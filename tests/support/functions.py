"""Functions for a model to call. No postponed annotations here: google-genai before 1.26 takes them for text."""

import threading


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


async def add_async(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def divide(left: int, right: int) -> int:
    """Divide two numbers."""
    return left // right


class Speechless(Exception):
    """An error that can't say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def fail_silently(left: int, right: int) -> int:
    """Fail, and say nothing."""
    raise Speechless


def stamp(mark: bytes = b"abc") -> None:
    """Leave a mark."""


class Counter:
    """An object whose method a model may call."""

    def __init__(self) -> None:
        self.total = 0

    def count(self, by: int) -> int:
        """Count on."""
        self.total += by
        return self.total


class LockedCounter(Counter):
    """One that can't be copied, as google-genai would like to."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
