"""Play a cassette: the server on this machine sends recorded answers."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.delivery import Faults
from maxim_gemini.testing._http.exchange import COMPLETE, Response
from maxim_gemini.testing.exceptions import CassetteMiss

from .live_player import failure, relay
from .model import Disconnect, Pause
from .player import Player, RequestLog
from .render import Answer, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from .live_channel import Channel, InThread
    from .render import Heads
    from .request import GeminiRequest

Pace = Literal["instant", "recorded"]

_PACKED = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class CassettePlayer(Player):
    """Sends recorded answers: found by meaning, in recorded order, event by event."""

    def __init__(
        self, cassette: Cassette | str | PathLike[str], *, pace: Pace = "instant", log: RequestLog | None = None
    ) -> None:
        super().__init__(log)
        self._cassette = cassette if isinstance(cassette, Cassette) else Cassette.load(Path(cassette))
        self._pace: Pace = pace

    def __repr__(self) -> str:
        return f"<CassettePlayer {self._cassette.path.name}>"

    def _take(self, request: GeminiRequest, ordinal: int) -> Callable[[], Answer]:
        sent = Request(request.method, request.url, request.body or None, dict(request.headers))
        recorded = self._cassette.play(sent)
        if recorded is None:
            raise CassetteMiss(self._cassette.explain_miss(sent))
        answer = Answer(recorded.status, _unpacked(recorded), tuple(self._sent(recorded)))
        return lambda: answer

    def _refusal(self, request: GeminiRequest) -> Answer | None:
        refused = self._cassette.play_refusal(request.url)
        return None if refused is None else Answer(refused.status, _unpacked(refused), (refused.body,))

    async def hold(self, channel: Channel, request: GeminiRequest, in_thread: InThread) -> None:
        """Serve the recorded session that *request* opens."""
        self.log.add(request)
        replayed = self._cassette.replay_websocket(
            request.url,
            request.headers,
            pace=self._pace,
            faults=lambda _: Faults(),
            miss=CassetteMiss,
            is_remote=True,
        )
        if replayed is None:
            error = CassetteMiss(f"no session was recorded there in {self._cassette.path}: {request!r}")
            self.failed(error)
            await channel.close(failure(error))
        else:
            await relay(self, channel, request, replayed)

    def _sent(self, recorded: Response) -> Iterator[Sent]:
        """Yield the recorded body: in the recorded pieces and times, or event by event without pauses."""
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


def _unpacked(recorded: Response) -> Heads:
    """Return the headers of an answer that is sent decoded, in other pieces."""
    return tuple((name, value) for name, value in recorded.headers if name.lower() not in _PACKED)
