"""A cassette as a player: the loopback server gives recorded answers."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.exchange import COMPLETE, Response
from maxim_gemini.testing.exceptions import CassetteMiss

from .model import Disconnect, Pause
from .render import Answer, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from .request import GeminiRequest

Pace = Literal["instant", "recorded"]

_PACKED = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class CassettePlayer:
    """Answers with what was recorded: by meaning, in recorded order, event by event."""

    def __init__(self, cassette: Cassette | str | PathLike[str], *, pace: Pace = "instant") -> None:
        self.requests: list[GeminiRequest] = []
        self.misses: list[str] = []
        self._cassette = cassette if isinstance(cassette, Cassette) else Cassette.load(Path(cassette))
        self._pace = pace

    def __repr__(self) -> str:
        return f"<CassettePlayer {self._cassette.path.name}>"

    def answer(self, request: GeminiRequest) -> Answer:
        """Return the recorded answer to *request*; raise `CassetteMiss` where there is none."""
        self.requests.append(request)
        asked = Request(request.method, request.url, request.body or None, dict(request.headers))
        recorded = self._cassette.play(asked)
        if recorded is None:
            self.misses.append(self._cassette.explain_miss(asked))
            raise CassetteMiss(self.misses[-1])
        headers = tuple((name, value) for name, value in recorded.headers if name.lower() not in _PACKED)
        return Answer(recorded.status, headers, tuple(self._sent(recorded)))

    def check(self) -> None:
        """Raise `CassetteMiss` where something was asked that is not recorded."""
        if self.misses:
            raise CassetteMiss("\n".join(self.misses))

    def _sent(self, recorded: Response) -> Iterator[Sent]:
        """Yield the recorded body: in recorded pieces and times, or event by event at once."""
        if self._pace == "recorded":
            now = 0.0
            for chunk in recorded.chunks:
                yield Pause(max(0.0, chunk.at - now))
                yield chunk.data
                now = chunk.at
        elif "event-stream" in recorded.header("content-type"):
            yield from wire.split_events(recorded.body)
        else:
            yield recorded.body
        if "Timeout" in recorded.ended:
            yield Pause(inf)
        elif recorded.ended != COMPLETE:
            yield Disconnect()
