"""What a policy hides of interactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google import genai
from support.planting import MARK

from maxim_gemini import MaximGeminiClient, Privacy
from maxim_gemini.testing import FakeLogger, GeminiMock, TextReceived, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "gemini-2.5-flash"
HIDING = {
    "no-content": Privacy(capture="no-content"),
    "mask": Privacy(mask=lambda text, where: text.replace(MARK, "*") if where else ""),
}


@pytest.fixture
def bare() -> Iterator[genai.Client]:
    with genai.Client(api_key="test-key") as client:
        yield client


@pytest.mark.parametrize("how", HIDING)
def test_what_is_hidden_is_nowhere(bare: genai.Client, how: str) -> None:
    seen = []
    for policy in (None, HIDING[how]):
        logger = FakeLogger()
        client = MaximGeminiClient(bare, logger, privacy=policy)
        search = reply.google_search(MARK, suggestions=MARK)
        with GeminiMock(
            reply.thought(MARK) + search + reply.text(MARK), reply.stream("a", MARK), reply.error(400, message=MARK)
        ):
            first = client.interactions.create(model=MODEL, input=MARK, system_instruction=MARK)
            list(client.interactions.create(model=MODEL, input=MARK, stream=True, previous_interaction_id=first.id))
            with pytest.raises(Exception, match="marked"):
                client.interactions.create(model=MODEL, input=MARK)
        logger.assert_complete()
        seen.append(logger)
    with pytest.raises(TextReceived):
        seen[0].assert_no_text(MARK)
    seen[1].assert_no_text(MARK)
    assert [one.usage for one in seen[1].generations] == [one.usage for one in seen[0].generations]
    assert [one.finish_reason for one in seen[1].generations] == [one.finish_reason for one in seen[0].generations]
