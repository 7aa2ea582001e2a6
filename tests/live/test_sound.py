"""The sound of a live session in Maxim: as WAV, of both sides, bounded."""

from __future__ import annotations

import gc
import io
import tracemalloc
import wave
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from google.genai import types
from support.live import Gemini, Wait
from support.talk import DONE, MODEL, speak, spoken, turn

from maxim_gemini import MaximGeminiAsyncLive, MaximGeminiClient
from maxim_gemini._live.sound import MODEL_RATE, USER_RATE, Sound
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini.testing import Generation

SECOND = b"\3\0" * 24_000


class Wave(NamedTuple):
    rate: int
    samples: bytes


def waves(generation: Generation, side: str) -> list[Wave]:
    """Return the sound that is attached to one side."""
    attached = [one.content for one in generation.attachments if one.tags["attach-to"] == side]
    return [_wave(content) for content in attached if content]


def _wave(content: bytes) -> Wave:
    with wave.open(io.BytesIO(content)) as file:
        return Wave(file.getframerate(), file.readframes(file.getnframes()))


async def one_turn(live: Any, **more: Any) -> None:
    async with live.connect(model=MODEL, **more) as session:
        await speak(session, 3)
        await turn(session)


async def test_both_sides_are_attached_whole(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    gemini.script = [Wait(), spoken("One", SECOND), spoken("Two", SECOND), DONE]
    await one_turn(client.aio.live)
    assert waves(logger.generation, "output") == [Wave(24_000, SECOND * 2)]
    assert waves(logger.generation, "input") == [Wave(16_000, b"\2\0" * 48_000)]
    assert float(logger.generation.metadata["input_audio_seconds"]) == 3.0
    assert float(logger.generation.metadata["output_audio_seconds"]) == 2.0


async def test_two_rates_are_two_files(client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger) -> None:
    slower: Any = spoken("Two", b"\4\0" * 80)
    slower["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["mimeType"] = "audio/pcm;rate=8000"
    gemini.script = [Wait(2), spoken("One", SECOND), slower, DONE]
    async with client.aio.live.connect(model=MODEL) as session:
        await speak(session)
        await session.send_realtime_input(audio=types.Blob(data=b"\5\0" * 441, mime_type="audio/pcm;rate=44100"))
        await turn(session)
    assert waves(logger.generation, "output") == [Wave(24_000, SECOND), Wave(8_000, b"\4\0" * 80)]
    assert [one.rate for one in waves(logger.generation, "input")] == [16_000, 44_100]
    assert float(logger.generation.metadata["input_audio_seconds"]) == 0.11


LIMITS = {"argument of connect": "call", "argument of the wrapper": "wrapper", "environment": "environment"}


@pytest.mark.parametrize("where", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("limit", [0, 1.5])
async def test_the_limit_holds_for_each_side_of_a_turn(
    raw: genai.Client, gemini: Gemini, logger: FakeLogger, monkeypatch: pytest.MonkeyPatch, where: str, limit: float
) -> None:
    monkeypatch.setenv("MAXIM_GEMINI_AUDIO_SECONDS", str(limit) if where == "environment" else "2.5")
    gemini.script = [Wait(), spoken("One", SECOND), spoken("Two", SECOND), DONE]
    given: Any = {"audio_seconds": limit}
    live = MaximGeminiAsyncLive(raw.aio.live, logger, **(given if where == "wrapper" else {}))
    await one_turn(live, **(given if where == "call" else {}))
    seconds = [
        len(one.samples) / 2 / one.rate for side in ("input", "output") for one in waves(logger.generation, side)
    ]
    assert seconds == ([limit, limit] if limit else [])
    assert logger.generation.metadata["output_audio_is_cut"] in (True, "True", "true")
    assert float(logger.generation.metadata["output_audio_seconds"]) == 2.0


async def test_a_limit_that_is_no_number_is_a_warning(
    client: MaximGeminiClient, gemini: Gemini, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MAXIM_GEMINI_AUDIO_SECONDS", "a minute")
    gemini.script = [Wait(), spoken("One", SECOND), DONE]
    await one_turn(client.aio.live)
    await one_turn(client.aio.live)
    assert [record.getMessage()[:50] for record in caplog.records] == [
        "MAXIM_GEMINI_AUDIO_SECONDS='a minute' is ignored, "
    ]


def test_the_user_is_heard_last_and_the_model_first() -> None:
    user, model = Sound(1, 10, newest=True), Sound(1, 10)
    for number in range(5):
        user.add("audio/pcm", bytes([number, 0]) * 4)
        model.add("audio/pcm", bytes([number, 0]) * 4)
    (last,), (first,) = user.attachments("user"), model.attachments("model")
    assert (last.data or b"")[::2] == bytes([2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
    assert (first.data or b"")[::2] == bytes([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    assert user.seconds == model.seconds == 2.0


def test_one_huge_piece_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    for newest in (True, False):
        sound = Sound(60, USER_RATE, newest=newest)
        sound.add("audio/pcm;rate=16000", bytes(2 * 16_000 * 100))
        (kept,) = sound.attachments("x")
        assert len(kept.data or b"") == 2 * 16_000 * 60


@pytest.mark.parametrize("newest", [True, False])
def test_compressed_sound_is_bounded_by_its_size(newest: bool) -> None:
    sound = Sound(60, MODEL_RATE, newest=newest)
    for _ in range(20):
        sound.add("audio/ogg", bytes(500_000))
    (kept,) = sound.attachments("x")
    assert 4_000_000 < len(kept.data or b"") <= 5 * 1024 * 1024
    assert kept.mime_type == "audio/ogg"


async def test_nothing_of_a_turn_is_kept_when_it_has_ended(raw: genai.Client, gemini: Gemini) -> None:
    class Forgetful(FakeLogger):
        """Keeps none of what it is given."""

        def __init__(self) -> None:
            super().__init__()
            self.writer.commit = lambda log: None  # type: ignore[method-assign]

    turns = 12
    gemini.script = [step for _ in range(turns) for step in (Wait(), *[spoken("la", SECOND)] * 4, DONE)]
    logger = Forgetful()
    client = MaximGeminiClient(raw, logger)
    sizes: list[int] = []
    tracemalloc.start()
    async with client.aio.live.connect(model=MODEL) as session:
        for _ in range(turns):
            await speak(session, 3)
            await turn(session)
            logger.writer.settle()
            gemini.received[0].clear()
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(sizes[2:]) - min(sizes[2:]) < len(SECOND)  # a turn has eight seconds of sound
