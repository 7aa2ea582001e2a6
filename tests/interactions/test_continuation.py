"""An answer in several remote calls that breaks off: the caller keeps what there was, and so does the trace."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import errors
from support.interaction_calls import CONTENT, Interactions, SyncCalls, events, interaction, output

if TYPE_CHECKING:
    from google import genai
    from support.loopback import Reply

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

FIRST = interaction(1, output("Once "), status="requires_continuation", continuation_token="t1")
REFUSAL = {"error": {"message": "No more.", "code": "invalid_request"}}


async def interrupted(
    calls: SyncCalls, client: Any, **request: Any
) -> tuple[list[Any], errors.ContinuationInterruptedError]:
    """Return the events that came, if it is a stream, and the error that *client* raises."""
    events = list[Any]()
    with pytest.raises(errors.ContinuationInterruptedError) as raised:  # noqa: PT012
        answer = await calls.create(client, **request)
        while True:
            events.append((await calls.next(answer)).model_dump(mode="json"))
    return events, raised.value


def carried(error: errors.ContinuationInterruptedError) -> list[Any]:
    """Return what the caller can go on with."""
    partial = error.partial_interaction
    whole = None if partial is None else partial.model_dump(mode="json", exclude_none=True)
    return [str(error), repr(error.__cause__), error.continuation_token, error.continuation_ids, whole]


async def test_a_hop_that_is_refused_leaves_the_partial_interaction(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    both = list[Any]()
    for one in (raw, client):
        served.answers(FIRST)
        served.answers(REFUSAL, status=400)
        _, error = await interrupted(calls, one)
        both.append(carried(error))
    assert both[0] == both[1]
    *_, token, ids, partial = both[1]
    assert (token, ids, partial["steps"][-1]["content"][0]["text"]) == ("t1", ["v1_1"], "Once ")

    first, second = logger.generations
    assert (first.text, first.error, first.usage["total_tokens"]) == ("Once ", None, 12)
    assert second.error is not None
    assert ("No more." in second.error.message, second.error.code) == (True, "400")
    assert logger.trace.output == "Once "
    logger.assert_complete()


async def test_a_stream_whose_next_hop_is_refused_keeps_what_came(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    first = events("Once ", status="requires_continuation")
    first[-1]["interaction"]["continuation_token"] = "t1"
    both = list[Any]()
    for one in (raw, client):
        served.streams(first)
        served.answers(REFUSAL, status=400)
        seen, error = await interrupted(calls, one, stream=True)
        both.append([seen, carried(error)])
    assert both[0] == both[1]
    assert len(both[1][0]) == len(first)

    made, refused = logger.generations
    assert (made.text, made.error) == ("Once ", None)
    assert refused.error is not None
    assert refused.error.code == "400"
    assert logger.trace.output == "Once "
    logger.assert_complete()


async def test_time_that_runs_out_between_two_hops_is_an_error_of_the_trace(
    calls: SyncCalls, served: Interactions, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    def slowly(reply: Reply) -> None:
        """Take longer than the whole call may, and for no part of it longer than a part may."""
        body = json.dumps(FIRST).encode()
        reply.head(200, CONTENT)
        for at in range(0, len(body), 40):
            reply.send(body[at : at + 40])
            time.sleep(1.5 * 40 / len(body))

    both = list[Any]()
    for one in (raw, client):
        served.answers_by(slowly)
        _, error = await interrupted(calls, one, timeout=1.2)
        both.append(carried(error))
    assert [one[2:] for one in both] == [["t1", ["v1_1"], both[0][-1]]] * 2
    assert "TimeoutError" in both[1][1]
    assert len(served.requests) == 2

    assert (logger.generation.text, logger.generation.error) == ("Once ", None)
    (noted,) = logger.trace.noted_errors
    assert noted.message.startswith("Automatic continuation was interrupted after 1 completed hop(s)")
    assert logger.trace.output == "Once "
    logger.assert_complete()
