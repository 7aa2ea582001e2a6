"""What the strategies generate is taken by the real SDK: answers by its parser, requests by its writer."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import errors, types
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from maxim_gemini.testing import GeminiMock, reply, strategies
from maxim_gemini.testing._replies.assembly import beside
from maxim_gemini.testing.reply import FINISH_REASONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing._replies.model import Reply

MODELS = st.sampled_from(["gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-pro-preview"])

quick = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
pytestmark = [
    # google-genai says so of every value that it does not know.
    pytest.mark.filterwarnings("ignore:.* is not a valid :UserWarning"),
]


@pytest.fixture(scope="module")
def client() -> genai.Client:
    return genai.Client(api_key="any")


def asked(client: genai.Client, answer: Reply, model: str) -> types.GenerateContentResponse:
    with GeminiMock(answer):
        return client.models.generate_content(model=model, contents="hi")


def streamed(client: genai.Client, answer: Reply, model: str) -> list[types.GenerateContentResponse]:
    with GeminiMock(answer):
        return list(client.models.generate_content_stream(model=model, contents="hi"))


@quick
@given(answer=strategies.responses(), model=MODELS)
def test_the_sdk_reads_every_response(client: genai.Client, answer: Reply, model: str) -> None:
    response = asked(client, answer, model)
    said = {candidate.index for event in answer.events for candidate in event.candidates}
    assert len(response.candidates or []) == len(said)
    assert response.usage_metadata is not None


@quick
@given(answer=strategies.streams(), model=MODELS)
def test_the_sdk_reads_every_stream(client: genai.Client, answer: Reply, model: str) -> None:
    chunks = streamed(client, answer, model)
    assert len(chunks) >= len(answer.events)


@quick
@given(answer=strategies.errors())
def test_the_sdk_raises_every_error(client: genai.Client, answer: Reply) -> None:
    with GeminiMock(answer), pytest.raises(errors.APIError) as raised:
        client.models.generate_content(model="gemini-2.5-flash", contents="hi")
    assert raised.value.code == answer.failure.code  # type: ignore[union-attr]


@quick
@given(answer=strategies.streams(broken=True))
def test_broken_streams_raise_after_their_events(client: genai.Client, answer: Reply) -> None:
    chunks: list[Any] = []
    with GeminiMock(answer), pytest.raises(Exception) as raised:  # noqa: PT011
        chunks.extend(client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"))
    assert not isinstance(raised.value, AssertionError)


@quick
@given(contents=strategies.contents(), config=strategies.configs())
def test_the_sdk_sends_every_content_and_config(client: genai.Client, contents: Any, config: Any) -> None:
    with GeminiMock(reply.text("{}")) as mock:
        client.models.generate_content(model="gemini-2.5-flash", contents=contents, config=config)
        assert mock.requests[0].contents


@settings(quick, max_examples=12)
@given(turns=strategies.conversations())
def test_the_sdk_holds_every_conversation(client: genai.Client, turns: list[strategies.Turn]) -> None:
    with GeminiMock(*(turn.reply for turn in turns)) as mock:
        chat = client.chats.create(model="gemini-2.5-flash")
        for turn in turns:
            chat.send_message(turn.message)
        assert len(mock.requests) == len(turns)


def kinds_in(answer: Reply) -> Iterator[str]:
    for event in answer.events:
        if not event.candidates:
            yield "no candidates"
        for candidate in event.candidates:
            yield "no content" if candidate.parts is None else "parts" if candidate.parts else "no parts"
            yield f"candidate {candidate.index}"
            yield str(candidate.fields.get("finishReason"))
            for part in candidate.parts or ():
                yield "thought" if part.get("thought") else next(iter(part))
                if "fieldOfTomorrow" in part:
                    yield "unknown field"


def test_coverage_of_part_kinds_and_finish_reasons(record_property: Any) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=300, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(st.tuples(strategies.responses(), strategies.responses(), strategies.streams()))
    def generate(answers: tuple[Reply, ...]) -> None:
        seen.update({kind for answer in answers for kind in kinds_in(answer)})

    generate()
    print("\n" + json.dumps(dict(seen.most_common()), indent=1))
    record_property("coverage", dict(seen))
    parts = {"text", "thought", "functionCall", "inlineData", "fileData", "executableCode", "codeExecutionResult"}
    shapes = {"no candidates", "no content", "no parts", "candidate 1", "unknown field"}
    assert parts | shapes | {strategies.NEW_REASON} <= set(seen)
    assert len(FINISH_REASONS & set(seen)) >= 10


@pytest.mark.parametrize("reason", sorted({*FINISH_REASONS, strategies.NEW_REASON}))
def test_the_sdk_reads_every_finish_reason(client: genai.Client, reason: str) -> None:
    response = asked(client, reply.text("a") + beside(finishReason=reason), "gemini-2.5-flash")
    assert response.candidates
    assert response.candidates[0].finish_reason == reason
