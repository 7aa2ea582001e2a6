"""Raw sound becomes a file that plays."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import pytest
from support.script import response
from support.sides import MODEL

from maxim_gemini._core.values import Attachment
from maxim_gemini._core.wav import as_wav, joined, pcm_format, wav

if TYPE_CHECKING:
    from support.script import Gemini
    from support.sides import Sync

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

L16 = "audio/L16;codec=pcm;rate=24000"


@pytest.mark.parametrize(
    ("mime_type", "expected"),
    [
        (L16, (24_000, 1)),
        ("audio/pcm;rate=16000", (16_000, 1)),
        ("audio/pcm; rate=8000; channels=2", (8_000, 2)),
        ("Audio/PCM", (24_000, 1)),
        ('audio/l16;rate="22050"', (22_050, 1)),
        ("audio/pcm;rate=fast", (24_000, 1)),
        ("audio/L16;codec=opus", None),
        ("audio/wav", None),
        ("audio/mpeg", None),
        ("image/png;rate=24000", None),
        ("", None),
        (None, None),
    ],
)
def test_the_mime_type_names_the_format(mime_type: str | None, expected: tuple[int, int] | None) -> None:
    assert pcm_format(mime_type) == expected


def test_a_rate_that_is_not_named_can_be_given() -> None:
    assert pcm_format("audio/pcm", default_rate=16_000) == (16_000, 1)


@pytest.mark.parametrize(("rate", "channels"), [(24_000, 1), (16_000, 2)])
def test_a_wav_file_holds_the_very_samples(rate: int, channels: int) -> None:
    pcm = bytes(range(40))
    with wave.open(io.BytesIO(wav(pcm, rate, channels))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (rate, channels, 2)
        assert file.readframes(file.getnframes()) == pcm


def test_a_piece_that_breaks_off_within_a_sample_is_no_broken_file() -> None:
    whole = wav(b"\1\2\3", 24_000)
    assert len(whole) % 2 == 0
    assert int.from_bytes(whole[4:8], "little") == len(whole) - 8
    with wave.open(io.BytesIO(whole)) as file:
        assert file.readframes(9)[:2] == b"\1\2"


def test_what_is_a_file_already_is_left_alone() -> None:
    whole = Attachment("audio/pcm;rate=24000", data=wav(b"\1\2", 24_000))
    assert as_wav(whole) is whole
    assert as_wav(linked := Attachment(L16, uri="https://example.com/a")) is linked


def test_pieces_in_a_row_are_one_sound() -> None:
    image, piece, other = (
        Attachment("image/png", data=b"i"),
        Attachment(L16, data=b"ab"),
        Attachment("audio/pcm", data=b"c"),
    )
    given = [
        (piece, "output"),
        (piece, "output"),
        (piece, "thoughts"),
        (other, "output"),
        (image, "output"),
        (piece, "output"),
    ]
    assert [(one.data, side) for one, side in joined(given, 100)] == [
        (b"abab", "output"),
        (b"ab", "thoughts"),
        (b"c", "output"),
        (b"i", "output"),
        (b"ab", "output"),
    ]


def test_a_sound_beyond_the_limit_is_several_files() -> None:
    given = [(Attachment(L16, data=b"ab"), "output")] * 5
    assert [one.data for one, _ in joined(given, 4)] == [b"abab", b"abab", b"ab"]


async def test_spoken_answers_are_attachments_that_play(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response({"inlineData": {"data": "AQIDBA==", "mimeType": L16}}))
    await side.generate(client)
    (attachment,) = logger.generation.attachments
    assert attachment.mime_type == "audio/x-wav"  # as maxim-py names what begins as a WAV file
    with wave.open(io.BytesIO(attachment.content or b"")) as file:
        assert (file.getframerate(), file.readframes(9)) == (24_000, b"\1\2\3\4")


async def test_a_chat_attaches_a_spoken_answer_once_and_whole(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """Its history sends every piece again, and equal pieces, such as silence, belong to the sound."""
    silence = {"inlineData": {"data": "AAAAAA==", "mimeType": L16}}
    gemini.streams(
        response(silence), response(silence), response({"inlineData": {"data": "AQIDBA==", "mimeType": L16}})
    )
    gemini.says(response("ok"))
    chat = side.chats(client).create(model=MODEL)
    await side.read(await side.open_turn(chat, "Say it"))
    await side.send(chat, "Thanks")
    first, second = logger.generations
    (attachment,) = first.attachments
    with wave.open(io.BytesIO(attachment.content or b"")) as file:
        assert file.readframes(99) == bytes(8) + b"\1\2\3\4"
    assert list(second.attachments) == []
