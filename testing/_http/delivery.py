"""Deliver answers: from memory piece by piece, or from the network while they are recorded.

A recorded answer is cut into pieces, delayed, and damaged as the test needs it: torn bytes, pauses, a broken
connection. Pure except for the clock, and independent of HTTP libraries.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, cycle, pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, Self, get_args

from maxim_gemini.testing._clock import monotonic

from . import wire
from .exchange import COMPLETE, Chunk, Response

if TYPE_CHECKING:
    from .websocket import Close

LEFT_BY_READER: Final = "closed by the reader"
"""The end of an answer whose reader closed it, dropped it, or was cancelled."""

Breakage = Literal["disconnect", "reset", "timeout"]
"""The ways in which a connection fails, for all HTTP libraries."""

_READERS_OWN: Final = frozenset({LEFT_BY_READER, "CancelledError", "GeneratorExit", "KeyboardInterrupt"})
_RESETS: Final = frozenset({"ReadError", "ClientOSError", "ClientConnectionResetError", "ConnectionResetError"})
_FRAMING: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})

Headers = tuple[tuple[str, str], ...]
Decoder = Callable[[Headers, Iterable[Chunk]], tuple[Chunk, ...]]

Pace = Literal["instant", "recorded"] | float
"""The speed of a replay: `instant`, `recorded`, or a factor by which recorded times are multiplied."""

Chunking = Literal["events", "recorded", "whole", "torn"] | Sequence[int]
"""Where a body is cut: after each event, as recorded, nowhere, at awkward places, or at these sizes in bytes."""

TORN: Final = (1, 2, 3, 5, 7, 11, 13, 1, 17, 19, 23)
"""Sizes in bytes at which prefixes, escapes, multi-byte characters and line ends are cut."""

DISCONNECTED: Final = "disconnected on demand"


async def sleep(seconds: float) -> None:
    """Wait *seconds* of real time, in any event loop: a test may have frozen the clock of its loop."""
    import anyio.lowlevel  # not with this module: a block of a whole process loads no library
    import anyio.to_thread

    if not seconds:
        return await anyio.lowlevel.checkpoint()
    over = threading.Event()
    try:
        await anyio.to_thread.run_sync(over.wait, seconds, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
    finally:
        over.set()  # or the thread of a wait that was cancelled would go on


def text_of(header: bytes) -> str:
    """Return the text of a header or a reason: decoded from UTF-8, as today's servers write it, or from Latin-1."""
    try:
        return header.decode("utf-8")
    except UnicodeDecodeError:
        return header.decode("latin-1")


class Piece(NamedTuple):
    """Bytes that arrive together, *wait* seconds after the piece before."""

    data: bytes
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer from memory, cut into pieces."""

    status: int
    headers: Headers
    pieces: Iterable[Piece]
    reason: str = ""
    ended: str = COMPLETE
    overrun: Callable[[], NoReturn] | None = None
    """Called if more is read than was recorded, because reading stopped earlier then."""

    @classmethod
    def of(cls, response: Response) -> Delivery:
        """Deliver *response* at once, in its own pieces."""
        pieces = tuple(Piece(chunk.data) for chunk in response.chunks)
        return cls(response.status, response.headers, pieces, response.reason, response.ended)

    @property
    def headers_sent(self) -> Headers:
        """The headers, without those of an encoding: the body is decoded."""
        return tuple((name, value) for name, value in self.headers if name.lower() not in _FRAMING)

    def breakage(self) -> Breakage | None:
        """Return the way in which the connection fails at the end, or `None`; raise if the recording ends earlier."""
        if self.ended == COMPLETE:
            return None
        if self.ended in _READERS_OWN:
            return self.overrun() if self.overrun else None
        if "Timeout" in self.ended:
            return "timeout"
        return "reset" if self.ended in _RESETS else "disconnect"


class Live:
    """A request to the network. Its answer is recorded while it is read, and passed to *keep* at its end.

    The HTTP edge calls `head` once, `piece` for each read, and `end`; only the first `end` counts.
    """

    def __init__(self, keep: Callable[[Response], None]) -> None:
        self._keep = keep
        self._sent_at = monotonic()
        self._head: tuple[int, Headers, str] | None = None
        self._decode: Decoder | None = None
        self._pieces: list[Chunk] = []
        self._ended = False
        self._lock = threading.Lock()

    def head(self, status: int, headers: Iterable[tuple[str, str]], reason: str, decode: Decoder | None = None) -> None:
        """Record the head of the answer; *decode* decodes a body that is encoded."""
        self._head = (status, tuple(headers), reason)
        self._decode = decode

    def piece(self, data: bytes) -> None:
        """Record the next bytes of the body."""
        if data:
            self._pieces.append(Chunk(bytes(data), monotonic() - self._sent_at))

    def end(self, how: str = COMPLETE) -> None:
        """Record the end of the answer: complete, left by its reader, or the name of an error."""
        with self._lock:
            first, self._ended = not self._ended, True
        if first and self._head is not None:
            self._keep(self._response(*self._head, how))

    def end_with(self, error: BaseException) -> None:
        """Record *error* as the end; an error of the reader itself counts as leaving."""
        name = type(error).__name__
        self.end(LEFT_BY_READER if name in _READERS_OWN else name)

    def _response(self, status: int, headers: Headers, reason: str, ended: str) -> Response:
        chunks = self._decode(headers, self._pieces) if self._decode else tuple(self._pieces)
        packed = {name.lower() for name, _ in headers} & {"content-encoding", "transfer-encoding"}
        dropped = _FRAMING if packed else frozenset[str]()
        kept = tuple((name, value) for name, value in headers if name.lower() not in dropped)
        if ended == LEFT_BY_READER and self._was_whole(headers, chunks):
            ended = COMPLETE
        return Response(status, kept, chunks, reason, ended)

    def _was_whole(self, headers: Headers, chunks: tuple[Chunk, ...]) -> bool:
        """Return whether the whole body was read: many readers stop before the end is signalled."""
        named = {name.lower(): value for name, value in headers}
        if "content-encoding" not in named and named.get("content-length") == str(sum(len(c.data) for c in chunks)):
            return True
        is_stream = named.get("content-type", "").lower().startswith("text/event-stream")
        return is_stream and wire.is_done(b"".join(chunk.data for chunk in chunks))


# Cut, paced and damaged


@dataclass(slots=True)
class Faults:
    """The faults of one answer."""

    disconnect_after: int | None = None
    """Number of events before the connection breaks."""
    disconnect_bytes: int = 0
    """Bytes of the next event that still arrive."""
    stall: dict[int, float] = field(default_factory=dict[int, float])
    """Seconds of a pause before an event, by the event's index."""
    corrupt: frozenset[int] = frozenset()
    """Indexes of events with damaged JSON."""
    close: Close | None = None
    """The close of a websocket at that point; `None`: the connection breaks without one."""
    torn: Iterable[int] | None = None
    """Sizes in bytes of the pieces, repeated as needed."""


def deliver(
    response: Response,
    *,
    pace: Pace = "instant",
    chunking: Chunking = "events",
    faults: Faults | None = None,
    overrun: Callable[[], NoReturn] | None = None,
) -> Delivery:
    """Cut *response* into pieces, and apply *faults* to them."""
    faults = faults or Faults()
    events = events_of(response)
    body, broken = _broken_off([damaged(e) if i in faults.corrupt else e for i, e in enumerate(events)], faults)
    starts = [0, *accumulate(map(len, events))]
    silences = {starts[index]: seconds for index, seconds in faults.stall.items() if index < len(events)}
    blocks = [0, *accumulate(map(len, _blocks_of(response)))]
    ends = _ends(faults.torn if faults.torn is not None else chunking, response.chunks, blocks)
    cuts = {*takewhile(lambda end: end < len(body), ends), len(body)}
    pieces = _pieces(body, sorted(cuts | silences.keys()), silences, _Clock(response.chunks, pace))
    ended = DISCONNECTED if broken else response.ended
    return Delivery(response.status, response.headers, pieces, response.reason, ended, overrun)


def check(pace: Pace, chunking: Chunking) -> None:
    """Raise `ValueError` if *pace* or *chunking* is wrong."""
    is_factor = isinstance(pace, int | float) and pace >= 0  # pyright: ignore[reportUnnecessaryIsInstance]
    if pace not in ("instant", "recorded") and not is_factor:
        raise ValueError(f"pace must be 'instant', 'recorded', or a factor such as 0.5, got {pace!r}")
    if isinstance(chunking, str):
        if chunking not in get_args(get_args(Chunking)[0]):
            raise _no_chunking(chunking)
    elif not isinstance(chunking, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _no_chunking(chunking)
    elif not chunking or min(chunking) < 1:
        raise ValueError(f"chunking must be sizes of at least 1 byte, got {list(chunking)}")


def events_of(response: Response) -> list[bytes]:
    """Return the events of the body; if it is no stream, the whole body as one event.

    A comment, such as one that keeps the connection open, belongs to the event after it.
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
    """Return whether *response* is a stream of server-sent events; a failed streaming call returns plain JSON."""
    return response.status == 200 and response.header("content-type").lower().startswith("text/event-stream")


def _broken_off(events: list[bytes], faults: Faults) -> tuple[bytes, bool]:
    whole = b"".join(events)
    if faults.disconnect_after is None or faults.disconnect_after > len(events):
        return whole, False
    delivered = len(b"".join(events[: faults.disconnect_after])) + faults.disconnect_bytes
    return whole[:delivered], True


def damaged(event: bytes) -> bytes:
    """Return *event* with JSON that can't be read."""
    # As long as before, so that the times of the recorded bytes still fit; the line ends stay, the JSON does not.
    text = event.rstrip()
    data = max(text.rfind(b"\ndata:"), text.rfind(b"\rdata:")) + 1
    intact = (data + len(text)) // 2
    return text[:intact] + b"#" * (len(text) - intact) + event[len(text) :]


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
    return ValueError(f"chunking must be 'events', 'recorded', 'whole', 'torn', or sizes in bytes, got {chunking!r}")


class _Clock:
    """The arrival times of a recording, at the requested pace."""

    def __init__(self, chunks: tuple[Chunk, ...], pace: Pace) -> None:
        self._ends = list(accumulate(len(chunk.data) for chunk in chunks))
        self._times = [chunk.at for chunk in chunks]
        self._factor = factor(pace)

    def at(self, end: int) -> float:
        """Return the seconds after the request at which the byte before *end* arrived."""
        return self._times[bisect_left(self._ends, end)] * self._factor if self._factor else 0.0


def factor(pace: Pace) -> float:
    """Return the factor for recorded times."""
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
    """A fault of replayed answers. As a context manager, it ends with the block."""

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
        """End the fault: later answers are not affected."""
        self._left = 0

    def apply(self, faults: Faults, events: int) -> None:
        """Add this fault to the *faults* of an answer, if that has enough *events*."""
        if events < self._least_events:
            return
        with self._lock:
            left = self._left
            self._left = left and left - 1
        if left is None or left > 0:
            for name, value in self._changes.items():
                before = getattr(faults, name)
                setattr(faults, name, before | value if isinstance(value, dict | frozenset) else value)
