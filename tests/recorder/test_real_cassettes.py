"""Traffic that others recorded with google-genai 1 and 2 replays through a wrapped client on the SDK that is here."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING

import pytest
from google.genai import __version__ as sdk
from support.corpus import cassettes, needs_corpus
from support.replaying import Call, Seen, call_of, see

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._recorder.recorder import GeminiRecorder

if TYPE_CHECKING:
    from pathlib import Path

    from support.tables import Tally

pytestmark = needs_corpus


def calls(path: Path) -> list[Call]:
    interactions = Cassette.load(path).interactions
    return [call for interaction in interactions if (call := call_of(interaction.request))]


PATHS = [path for path in cassettes() if calls(path)]


async def replay(path: Path, *, is_wrapped: bool, is_async: bool) -> tuple[list[Seen], GeminiRecorder]:
    async with GeminiRecorder(path) as recorder:
        client = recorder.client if is_wrapped else recorder.bare_client
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [await see(client, call, is_async=is_async) for call in calls(path)], recorder


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_replays_through_a_wrapped_client(path: Path, is_async: bool, replayed_cassettes: Tally) -> None:
    try:
        [call.arguments() for call in calls(path)]
    except ValueError as error:
        pytest.skip(f"google-genai {sdk} has no words for this call: {error}".replace("\n", " ")[:160])
    bare, _ = asyncio.run(replay(path, is_wrapped=False, is_async=is_async))
    wrapped, recorder = asyncio.run(replay(path, is_wrapped=True, is_async=is_async))
    assert wrapped == bare
    assert all(seen.answers or seen.error for seen in wrapped)
    recorder.logger.assert_complete()
    assert len(recorder.logger.generations) == len(wrapped)
    assert recorder.outcome.replayed == len(wrapped)
    side = "async" if is_async else "sync"
    replayed_cassettes.add(side, "files")
    for call, seen in zip(calls(path), wrapped, strict=True):
        replayed_cassettes.add(side, "streams" if call.is_stream else "plain answers")
        replayed_cassettes.add(side, "chunks", len(seen.answers))
        replayed_cassettes.add(side, "errors", bool(seen.error))
