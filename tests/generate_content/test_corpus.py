"""Every recorded answer, fed through the real SDK to a wrapped and to a bare client."""

from __future__ import annotations

import json
import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import pytest_asyncio
from google import genai
from google.genai import types
from maxim.logger.components.types import CommitLog
from maxim.logger.parsers.generation_parser import parse_result
from support.clients import closed
from support.corpus import Answer, answers, needs_corpus
from support.loopback import ReceivedRequest, Reply, loopback

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maxim_gemini.testing._logs.views import Generation

pytestmark = [
    needs_corpus,
    # The SDK warns of enumeration members that it does not know, wrapped or bare.
    pytest.mark.filterwarnings("ignore:.*is not a valid:UserWarning"),
]

KNOWS_PARTIAL_CALLS = "partial_args" in types.FunctionCall.model_fields

CASES = [pytest.param(number, id=f"{number}-{answer.id}") for number, answer in enumerate(answers())]


class Clients:
    """One bare client for each backend."""

    def __init__(self, url: str) -> None:
        options: Any = {"base_url": url, "client_args": {"verify": False}, "async_client_args": {"verify": False}}
        self.gemini = genai.Client(api_key="test-key", http_options=options)
        self.vertex = genai.Client(vertexai=True, api_key="test-key", http_options=options)

    def of(self, answer: Answer) -> genai.Client:
        return self.vertex if answer.backend == "vertex" else self.gemini


def answer_by_number(asked: ReceivedRequest, reply: Reply) -> None:
    number = int(asked.path.rpartition("/models/")[2].partition(":")[0].removeprefix("answer-"))
    answer = answers()[number]
    reply.whole(answer.body.encode(), answer.status, [("Content-Type", answer.content_type)])


@pytest.fixture(scope="module")
def url() -> Any:
    with loopback(answer_by_number) as server:
        yield server.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(url: str) -> AsyncIterator[Clients]:
    made = Clients(url)
    yield made
    await closed(made.gemini)
    await closed(made.vertex)


def said(number: int) -> dict[str, Any]:
    return {"model": f"answer-{number}", "contents": "Hi"}


class Outcome(NamedTuple):
    """What a call gave."""

    chunks: list[types.GenerateContentResponse]
    error: Exception | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and self._said() == other._said()

    def _said(self) -> Any:
        """Everything in a form that can be compared; headers differ in their date."""
        dumped = [chunk.model_dump(exclude={"sdk_http_response"}) for chunk in self.chunks]
        return dumped, type(self.error), str(self.error), vars(self.error or object).get("code")


def use(client: Any, number: int, answer: Answer) -> Outcome:
    chunks: list[types.GenerateContentResponse] = []
    try:
        if answer.method == "streamGenerateContent":
            chunks.extend(client.models.generate_content_stream(**said(number)))
        else:
            chunks.append(client.models.generate_content(**said(number)))
    except Exception as error:
        return Outcome(chunks, error)
    return Outcome(chunks)


async def use_async(client: Any, number: int, answer: Answer) -> Outcome:
    chunks: list[types.GenerateContentResponse] = []
    try:
        if answer.method == "streamGenerateContent":
            async for chunk in await client.aio.models.generate_content_stream(**said(number)):
                chunks.append(chunk)  # noqa: PERF401  # what came before an error counts
        else:
            chunks.append(await client.aio.models.generate_content(**said(number)))
    except Exception as error:
        return Outcome(chunks, error)
    return Outcome(chunks)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("number", CASES)
async def test_the_wrapped_client_gives_what_the_bare_one_gives_and_the_trace_says_it_all(
    number: int, clients: Clients
) -> None:
    answer = answers()[number]
    bare = clients.of(answer)
    logger, async_logger = FakeLogger(), FakeLogger()
    bare_outcomes = use(bare, number, answer), await use_async(bare, number, answer)

    assert use(MaximGeminiClient(bare, logger), number, answer) == bare_outcomes[0]
    assert await use_async(MaximGeminiClient(bare, async_logger), number, answer) == bare_outcomes[1]

    for log, expected in zip((logger, async_logger), bare_outcomes, strict=True):
        log.assert_complete()
        assert_readable_back(log.trace.generation, answer, expected.error)
        assert_on_the_wire_unchanged(log)
    if bare_outcomes[0] == bare_outcomes[1]:  # over aiohttp, errors of streams read differently
        assert logger.snapshot() == async_logger.snapshot()


# What the raw JSON says, worked out without our code.


def raw_objects(answer: Answer) -> list[dict[str, Any]]:
    if answer.content_type.startswith("text/event-stream") and answer.body.lstrip().startswith("data:"):
        events = answer.body.replace("\r\n", "\n").split("\n\n")
        return [json.loads(event.removeprefix("data:")) for event in events if event.strip()]
    return [json.loads(answer.body)]


def raw_candidates(objects: list[dict[str, Any]], index: int = 0) -> list[dict[str, Any]]:
    return [
        candidate
        for one in objects
        for place, candidate in enumerate(one.get("candidates") or [])
        if candidate.get("index", place) == index
    ]


def raw_parts(candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for one in candidates for part in (one.get("content") or {}).get("parts") or []]


def raw_text(parts: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))


def raw_calls(parts: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Whole calls as they are; one in pieces has a name first, then such as `$.city` = "Par", `$.city` = "is"."""
    calls: list[tuple[str, Any]] = []
    for part in parts:
        call = part.get("functionCall", {})
        if "name" in call:
            calls.append((call["name"], dict(call.get("args") or {})))
        for piece in call.get("partialArgs", ()):
            name = piece["jsonPath"].removeprefix("$.")
            calls[-1][1][name] = calls[-1][1].get(name, "") + piece.get("stringValue", "")
    return calls


def raw_reason(objects: list[dict[str, Any]]) -> str | None:
    reasons = [one["finishReason"] for one in raw_candidates(objects) if "finishReason" in one]
    blocks = [one["promptFeedback"]["blockReason"] for one in objects if "blockReason" in one.get("promptFeedback", {})]
    last: str | None = (reasons or blocks or [None])[-1]
    return last


def raw_usage(objects: list[dict[str, Any]]) -> dict[str, int]:
    given = [one["usageMetadata"] for one in objects if "usageMetadata" in one]
    counts = given[-1] if given else {}
    if not any(name in counts for name in ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")):
        return {}
    prompt = counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0)
    completion = counts.get("candidatesTokenCount", 0) + counts.get("thoughtsTokenCount", 0)
    total = counts.get("totalTokenCount", prompt + completion)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def assert_readable_back(generation: Generation, answer: Answer, error: BaseException | None) -> None:
    if error is not None:
        assert generation.error is not None
        assert generation.error.message == getattr(error, "message", str(error))
        assert generation.error.type == getattr(error, "status", type(error).__name__)
        assert generation.error.code == str(getattr(error, "code", ""))
        return
    objects = raw_objects(answer)
    parts = raw_parts(raw_candidates(objects))
    assert (generation.text or "") == raw_text(parts)
    assert generation.finish_reason == raw_reason(objects)
    if KNOWS_PARTIAL_CALLS or not any("partialArgs" in part.get("functionCall", {}) for part in parts):
        assert [(one.name, one.arguments) for one in generation.tool_calls] == raw_calls(parts)
    counted = {name: count for name, count in generation.usage.items() if not name.endswith("_details")}
    assert counted == raw_usage(objects)
    blocked = any("blockReason" in one.get("promptFeedback", {}) for one in objects)
    assert len(generation.choices) == (len(raw_indices(objects)) or int(blocked))
    for choice in generation.choices:
        assert (choice["message"]["content"] or "") == raw_text(raw_parts(raw_candidates(objects, choice["index"])))


def raw_indices(objects: list[dict[str, Any]]) -> set[int]:
    return {
        candidate.get("index", place) for one in objects for place, candidate in enumerate(one.get("candidates") or [])
    }


def assert_on_the_wire_unchanged(logger: FakeLogger) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for log in logger.logs:
            assert_survives(log)
    for generation in logger.generations:
        result = generation.result
        assert result is not None
        if "error" not in result:
            before = deepcopy(result)
            parsed = parse_result(result)
            assert result == before
            assert parsed == {name: value for name, value in before.items() if name != "model"} or "model" in parsed


def assert_survives(log: CommitLog) -> None:
    kept = deepcopy(log.data) if log.action != "upload-attachment" else None
    copy = CommitLog(log.entity, log.entity_id, log.action, deepcopy(log.data))
    copy.serialize()
    if kept is not None:
        assert copy.data == kept


def test_every_kind_of_answer_is_here() -> None:
    assert len(answers()) >= 168
    assert {answer.method for answer in answers()} == {"generateContent", "streamGenerateContent"}
