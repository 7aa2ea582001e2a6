from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import freezegun
import pytest
import time_machine
from support.gemini import ASK, event
from support.loopback import SSE, ReceivedRequest, Reply, loopback

from maxim_gemini.testing import GeminiRecorder, _clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

THEN = "2020-01-01 12:00:00"


def frozen() -> Any:
    return freezegun.freeze_time(THEN)


def moved() -> Any:
    return time_machine.travel(THEN, tick=False)


CLOCKS = pytest.mark.parametrize("stopped", [frozen, moved])


@CLOCKS
def test_goes_on_where_a_test_has_stopped_the_clock(stopped: Callable[[], Any]) -> None:
    before = datetime.now(UTC)
    with stopped():
        assert time.time() == datetime(2020, 1, 1, 12, tzinfo=UTC).timestamp()
        start, now = _clock.monotonic(), _clock.now()
        while _clock.monotonic() == start:
            pass
    assert abs(now.timestamp() - before.timestamp()) < timedelta(minutes=1).total_seconds()


@CLOCKS
def test_a_recording_says_when_it_was_made(tmp_path: Path, stopped: Callable[[], Any]) -> None:
    def serve(request: ReceivedRequest, reply: Reply) -> None:
        reply.head(200, SSE)
        for word in ("a", "b"):
            pause.wait(0.05)
            reply.send(event(word))

    from threading import Event

    pause = Event()
    day = datetime.now(UTC).date()
    with loopback(serve) as server, stopped():
        with GeminiRecorder(tmp_path / "a.yaml", record="once", base_url=server.url) as recorder:
            for _ in recorder.client.models.generate_content_stream(**ASK):
                pass
        times = [chunk.at for chunk in recorder.cassette.interactions[0].response.chunks]
    assert 0.04 < times[0] < times[1] < 60
    recorded_at = datetime.fromisoformat(recorder.cassette.head.recorded_at)
    assert day <= recorded_at.date() <= day + timedelta(days=1)
