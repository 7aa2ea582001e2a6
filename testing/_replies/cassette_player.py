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
from .player import Player, RequestLog
from .render import Answer, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from .request import GeminiRequest

Pace = Literal["instant", "recorded"]

_PACKED = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class CassettePlayer(Player):
    """Answers with what was recorded: by meaning, in recorded order, event by event."""

    def __init__(
        self, cassette: Cassette | str | PathLike[str], *, pace: Pace = "instant", log: RequestLog | None = None
    ) -> None:
        super().__init__(log)
        self._cassette = cassette if isinstance(cassette, Cassette) else Cassette.load(Path(cassette))
        self._pace = pace

    def __repr__(self) -> str:
        return f"<CassettePlayer {self._cassette.path.name}>"

    def _take(self, request: GeminiRequest, ordinal: int) -> Callable[[], Answer]:
        sent = Request(request.method, request.url, request.body or None, dict(request.headers))
        recorded = self._cassette.play(sent)
        if recorded is None:
            raise CassetteMiss(self._cassette.explain_miss(sent))
        headers = tuple((name, value) for name, value in recorded.headers if name.lower() not in _PACKED)
        answer = Answer(recorded.status, headers, tuple(self._sent(recorded)))
        return lambda: answer

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
