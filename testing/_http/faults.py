"""What a test does to an answer on its way to the client: pace, torn bytes, silence, damage, a broken connection.

Pure: a recorded answer and the wishes in, a delivery out.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, cycle, pairwise, takewhile
from typing import Any, Final, Literal, NoReturn, Self, get_args

from . import wire
from .delivery import Delivery, Piece
from .exchange import Chunk, Faults, Response

Pace = Literal["instant", "recorded"] | float
"""How fast pieces follow each other: at once, as recorded, or as recorded times a factor."""

Chunking = Literal["events", "recorded", "whole", "torn"] | Sequence[int]
"""Where a body is cut: after each event, as when it was recorded, nowhere, everywhere, or to pieces of these sizes."""

TORN: Final = (1, 2, 3, 5, 7, 11, 13, 1, 17, 19, 23)
"""Sizes in bytes that cut through prefixes, escapes, characters of several bytes and line ends."""

DISCONNECTED: Final = "disconnected on demand"


def deliver(
    response: Response,
    *,
    pace: Pace = "instant",
    chunking: Chunking = "events",
    faults: Faults | None = None,
    overrun: Callable[[], NoReturn] | None = None,
) -> Delivery:
    """Cut *response* into the pieces in which it arrives, with what *faults* do to them."""
    faults = faults or Faults()
    events = events_of(response)
    body, broken = _broken_off([_damaged(e) if i in faults.corrupt else e for i, e in enumerate(events)], faults)
    starts = [0, *accumulate(map(len, events))]
    silences = {starts[index]: seconds for index, seconds in faults.stall.items() if index < len(events)}
    blocks = [0, *accumulate(map(len, _blocks_of(response)))]
    cuts = _cuts(faults.torn if faults.torn is not None else chunking, response.chunks, blocks, len(body))
    pieces = _pieces(body, sorted(cuts | silences.keys()), silences, _Clock(response.chunks, pace))
    ended = DISCONNECTED if broken else response.ended
    return Delivery(response.status, response.headers, pieces, response.reason, ended, overrun)


def check(pace: Pace, chunking: Chunking) -> None:
    """Raise `ValueError` where the one or the other makes no sense."""
    is_factor = isinstance(pace, int | float) and pace >= 0  # pyright: ignore[reportUnnecessaryIsInstance]
    if pace not in ("instant", "recorded") and not is_factor:
        raise ValueError(f"pace={pace!r}: say 'instant', 'recorded', or a factor such as 0.5")
    if isinstance(chunking, str):
        if chunking not in get_args(get_args(Chunking)[0]):
            raise _no_chunking(chunking)
    elif not isinstance(chunking, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _no_chunking(chunking)
    elif not chunking or min(chunking) < 1:
        raise ValueError(f"sizes of pieces are at least 1 byte, not {list(chunking)}")


def events_of(response: Response) -> list[bytes]:
    """Return the body's events, or the whole body as the only one where it is no stream.

    A comment, such as one that keeps the connection alive, belongs to the event after it.
    """
    events: list[bytes] = []
    silent = b""
    for block in _blocks_of(response):
        silent += block
        if wire.is_event(block):
            events.append(silent)
            silent = b""
    return [*events[:-1], events[-1] + silent] if events else [silent] if silent else []


def _blocks_of(response: Response) -> list[bytes]:
    body = response.body
    return wire.split_events(body) if is_stream(response) else [body] if body else []


def is_stream(response: Response) -> bool:
    """Say whether *response* is a stream of server-sent events (of a failed call it is plain JSON)."""
    return response.status == 200 and response.header("content-type").lower().startswith("text/event-stream")


def _broken_off(events: list[bytes], faults: Faults) -> tuple[bytes, bool]:
    whole = b"".join(events)
    if faults.disconnect_after is None or faults.disconnect_after > len(events):
        return whole, False
    delivered = len(b"".join(events[: faults.disconnect_after])) + faults.disconnect_bytes
    return whole[:delivered], True


def _damaged(event: bytes) -> bytes:
    # As long as before, so that the times of the recorded bytes still fit; the line ends stay, the JSON does not.
    text = event.rstrip()
    data = max(text.rfind(b"\ndata:"), text.rfind(b"\rdata:")) + 1
    intact = (data + len(text)) // 2
    return text[:intact] + b"#" * (len(text) - intact) + event[len(text) :]


def _cuts(chunking: Chunking | Iterable[int], chunks: tuple[Chunk, ...], blocks: list[int], size: int) -> set[int]:
    return {*takewhile(lambda end: end < size, _ends(chunking, chunks, blocks)), size}


def _ends(chunking: Chunking | Iterable[int], chunks: tuple[Chunk, ...], blocks: list[int]) -> Iterable[int]:
    match chunking:
        case "events":
            return blocks
        case "recorded":
            return accumulate(len(chunk.data) for chunk in chunks)
        case "whole":
            return ()
        case "torn":
            return accumulate(cycle(TORN))
        case _:
            return accumulate(cycle(chunking))


def _no_chunking(chunking: object) -> ValueError:
    return ValueError(f"chunking={chunking!r}: say 'events', 'recorded', 'whole', 'torn', or sizes in bytes")


class _Clock:
    """When each byte of the recording arrived, in the pace asked for."""

    def __init__(self, chunks: tuple[Chunk, ...], pace: Pace) -> None:
        self._ends = list(accumulate(len(chunk.data) for chunk in chunks))
        self._times = [chunk.at for chunk in chunks]
        self._factor = _factor(pace)

    def at(self, end: int) -> float:
        """Return the seconds after the request at which the byte before *end* arrived."""
        return self._times[bisect_left(self._ends, end)] * self._factor if self._factor else 0.0


def _factor(pace: Pace) -> float:
    return {"instant": 0.0, "recorded": 1.0}[pace] if isinstance(pace, str) else float(pace)


def _pieces(body: bytes, cuts: list[int], silences: dict[int, float], clock: _Clock) -> tuple[Piece, ...]:
    now = 0.0
    pieces: list[Piece] = []
    for start, end in pairwise([0, *(cut for cut in cuts if 0 < cut <= len(body))]):
        at = clock.at(end)
        pieces.append(Piece(body[start:end], max(0.0, at - now) + silences.get(start, 0.0)))
        now = at
    return tuple(pieces)


class Fault:
    """A fault that replayed answers have as long as it is in force."""

    def __init__(self, *, least_events: int, times: int | None, **changes: Any) -> None:
        self._least_events = least_events
        self._left = times
        self._changes = changes
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let later answers pass unharmed."""
        self._left = 0

    def apply(self, faults: Faults, events: int) -> None:
        """Add this fault to *faults* of an answer with so many *events*, if it concerns it."""
        if events >= self._least_events and self._takes_one():
            for name, value in self._changes.items():
                before = getattr(faults, name)
                setattr(faults, name, before | value if isinstance(value, dict | frozenset) else value)

    def _takes_one(self) -> bool:
        with self._lock:
            left = self._left
            self._left = left and left - 1
            return left is None or left > 0
