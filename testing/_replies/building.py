"""The vocabulary: functions that say one thing each; their replies add up with `+`."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any, Final, Literal

from maxim_gemini.testing.exceptions import ScriptError

from .failures import check_code
from .model import Candidate, Disconnect, Document, Event, Failure, Gate, Hold, Json, Pause, Reply, Verbatim

FINISH_REASONS: Final = frozenset(
    [
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MALFORMED_FUNCTION_CALL",
        "IMAGE_SAFETY",
        "UNEXPECTED_TOOL_CALL",
        "IMAGE_PROHIBITED_CONTENT",
        "NO_IMAGE",
        "IMAGE_RECITATION",
        "IMAGE_OTHER",
        "MODEL_ARMOR",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    ]
)
"""The finish reasons that servers are known to send."""

BLOCK_REASONS: Final = frozenset(
    ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"]
)
"""The reasons for which a prompt is known to be blocked."""

HARM_CATEGORIES: Final = (
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)
"""The categories in which safety is rated, in the order of real servers."""

PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""

_CUT_OFF: Final = frozenset({"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "IMAGE_SAFETY"})


def text(text: str, *, signature: str | bytes | None = None) -> Reply:
    """Say *text*. In a stream it is cut as the asked model family cuts; `stream` says where."""
    return _loose({"text": _checked_text(text), **_signed(signature)})


def stream(*pieces: str) -> Reply:
    """Say *pieces*, each in an event of its own; a plain request gets them joined."""
    if not pieces:
        raise ScriptError("reply.stream() without pieces says nothing: give it the text of each event")
    return Reply(tuple(Event((Candidate(parts=({"text": _checked_text(piece)},)),)) for piece in pieces))


def thought(text: str, *, signature: str | bytes | None = None) -> Reply:
    """Show a thought, as models do that are asked to include them."""
    return _loose({"text": _checked_text(text), "thought": True, **_signed(signature)})


def function_call(
    name: str,
    args: Json | None = None,
    /,
    *,
    call_id: str | None = None,
    signature: str | bytes | None = None,
    **more: Any,
) -> Reply:
    """Call the function *name* with *args*, or with keyword arguments; `a + b` is a parallel call."""
    if args is not None and not isinstance(args, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ScriptError(f"the arguments of {name!r} are an object, not {args!r}: give a mapping or keyword arguments")
    call = {"name": name, "args": _checked_json({**(args or {}), **more}), **({"id": call_id} if call_id else {})}
    return _loose({"functionCall": call, **_signed(signature)})


def partial_call(name: str, /, *, signature: str | bytes | None = None, **args: str) -> Reply:
    """Call *name* with text arguments that arrive piece by piece, as Vertex streams them when it is asked to."""
    opening: dict[str, Any] = {"functionCall": {"name": name, "willContinue": True}, **_signed(signature)}
    pieces = [piece for key, value in args.items() for piece in _partial(key, value)]
    calls: list[Json] = [opening, *({"functionCall": piece} for piece in [*pieces, {}])]
    return Reply(tuple(Event((Candidate(parts=(call,)),)) for call in calls))


def _partial(key: str, value: str) -> list[dict[str, Any]]:
    path = f"$.{key}"
    said = {"jsonPath": path, "stringValue": value, "willContinue": True}
    return [
        {"partialArgs": [said], "willContinue": True},
        {"partialArgs": [{"jsonPath": path, "stringValue": ""}], "willContinue": True},
    ]


def image(data: bytes = PIXEL, mime_type: str = "image/png", *, signature: str | bytes | None = None) -> Reply:
    """Send a picture; a PNG of one pixel, if no *data* are given."""
    return blob(data, mime_type, signature=signature)


def audio(data: bytes = bytes(480), mime_type: str = "audio/L16;codec=pcm;rate=24000") -> Reply:
    """Send sound; ten milliseconds of silence, if no *data* are given."""
    return blob(data, mime_type)


def blob(data: bytes, mime_type: str, *, signature: str | bytes | None = None) -> Reply:
    """Send *data* inline."""
    if not data or "/" not in mime_type:
        raise ScriptError(f"inline data need bytes and a MIME type, not {data[:20]!r} and {mime_type!r}")
    inline = {"mimeType": mime_type, "data": base64.b64encode(data).decode()}
    return _loose({"inlineData": inline, **_signed(signature)})


def code(
    code: str, *, language: str = "PYTHON", code_id: str | None = None, signature: str | bytes | None = None
) -> Reply:
    """Show the code that the model is about to run."""
    said = {"language": language, "code": _checked_text(code), **({"id": code_id} if code_id else {})}
    return _loose({"executableCode": said, **_signed(signature)})


def code_result(
    output: str | None, *, outcome: str = "OUTCOME_OK", code_id: str | None = None, signature: str | bytes | None = None
) -> Reply:
    """Show what the code gave."""
    said = {
        "outcome": outcome,
        **({} if output is None else {"output": output}),
        **({"id": code_id} if code_id else {}),
    }
    return _loose({"codeExecutionResult": said, **_signed(signature)})


def part(fields: Json) -> Reply:
    """Send a part of any other kind, in the wire's own words: `{"toolCall": {...}}`, `{"fileData": {...}}`."""
    if not fields:
        raise ScriptError("a part without fields says nothing: use reply.empty() for a content without parts")
    return _loose(_checked_json(fields))


def empty(role: str | None = "model") -> Reply:
    """Say nothing: a content without parts; without *role*, too, it is an empty object."""
    return Reply((Event((Candidate(parts=(), role=role),), loose=True),))


def event(*replies: Reply) -> Reply:
    """Say all of *replies* at once, in one event."""
    joined = Event()
    for reply in replies:
        for said in _only_events(reply):
            joined = joined + said
    return replace(_sum(replies), steps=(joined,))


def exactly(*replies: Reply) -> Reply:
    """Say *replies* as they stand: nothing is counted, signed, cut or finished for them."""
    return replace(_sum(replies), exact=True)


def candidates(*replies: Reply) -> Reply:
    """Give several candidates, one for each of *replies*."""
    if len(replies) < 2:
        raise ScriptError(f"several candidates are at least two, not {len(replies)}")
    rows = [_only_events(reply) for reply in replies]
    events: list[Event] = []
    for place in range(max(map(len, rows))):
        joined = Event()
        for index, row in enumerate(rows):
            if place < len(row):
                joined = joined + _renumbered(row[place], index, final=place == len(row) - 1)
        events.append(joined)
    return replace(_sum(replies), steps=tuple(events))


def _renumbered(event: Event, index: int, *, final: bool) -> Event:
    ends = {"finishReason": "STOP"} if final else {}
    numbered = [replace(c, index=index, fields={**ends, **c.fields}) for c in event.candidates]
    return replace(event, candidates=tuple(numbered), loose=False)


def candidate(index: int, reply: Reply) -> Reply:
    """Let *reply* be said by the candidate of that *index*."""
    return replace(
        reply,
        steps=tuple(
            replace(step, candidates=tuple(replace(c, index=index) for c in step.candidates), loose=False)
            if isinstance(step, Event)
            else step
            for step in reply.steps
        ),
    )


def finish(reason: str = "STOP", message: str | None = None) -> Reply:
    """End the candidate: completes the event before it, or is an end without content."""
    if reason not in FINISH_REASONS:
        known = ", ".join(sorted(FINISH_REASONS))
        raise ScriptError(f"no server sends the finish reason {reason!r}: take one of {known}; reply.raw sends any")
    return beside(finishReason=reason, **({} if message is None else {"finishMessage": message}))


def max_tokens(text: str | None = None) -> Reply:
    """Break off at the token limit: after *text*, or after thinking alone."""
    said = empty() if text is None else Reply((Event((Candidate(parts=({"text": text},)),), loose=True),))
    return said + finish("MAX_TOKENS")


def stopped(reason: str = "SAFETY", text: str | None = None) -> Reply:
    """Stop the answer for *reason*: `SAFETY`, `RECITATION` ...; *text* is what was said before."""
    said = _loose({"text": text}) if text else empty(role=None)
    rated = safety_ratings({HARM_CATEGORIES[3]: "HIGH"}, blocked=True) if reason in _CUT_OFF else Reply(())
    return said + finish(reason) + rated


def blocked(reason: str = "SAFETY", message: str | None = None) -> Reply:
    """Block the prompt: no candidates."""
    if reason not in BLOCK_REASONS:
        raise ScriptError(f"no server blocks a prompt for {reason!r}: take one of {', '.join(sorted(BLOCK_REASONS))}")
    feedback: dict[str, Any] = {"blockReason": reason}
    if reason == "SAFETY":
        feedback["safetyRatings"] = _ratings({HARM_CATEGORIES[1]: "HIGH"}, blocked=False)
    if message is not None:
        feedback["blockReasonMessage"] = message
    return prompt_feedback(feedback)


def prompt_feedback(feedback: Json) -> Reply:
    """Say what is thought of the prompt, in the wire's own words."""
    return Reply((Event(fields={"promptFeedback": dict(feedback)}, completes=True),))


def safety_ratings(probabilities: Mapping[str, str] | None = None, *, blocked: bool = False) -> Reply:
    """Rate the candidate's safety: *probabilities* by harm category, `NEGLIGIBLE` where they say nothing."""
    return beside(safetyRatings=_ratings(probabilities or {}, blocked=blocked))


def _ratings(probabilities: Mapping[str, str], *, blocked: bool) -> list[dict[str, Any]]:
    categories = [*HARM_CATEGORIES, *(name for name in probabilities if name not in HARM_CATEGORIES)]
    return [
        {
            "category": category,
            "probability": probabilities.get(category, "NEGLIGIBLE"),
            **({"blocked": True} if blocked and category in probabilities else {}),
        }
        for category in categories
    ]


def grounding(
    *sources: tuple[str, str], queries: Sequence[str] = (), text: str = "", metadata: Json | None = None
) -> Reply:
    """Ground the answer: *sources* are (URI, title) pairs, *queries* what was searched, *text* the supported piece.

    *metadata* are the wire's own words instead.
    """
    if metadata is not None:
        return beside(groundingMetadata=dict(metadata))
    said: dict[str, Any] = {}
    if queries:
        said["searchEntryPoint"] = {"renderedContent": f"<div>{', '.join(queries)}</div>"}
    said["groundingChunks"] = [{"web": {"uri": uri, "title": title}} for uri, title in sources]
    said["groundingSupports"] = [
        {"segment": {"endIndex": len(text.encode()), "text": text}, "groundingChunkIndices": list(range(len(sources)))}
    ]
    if queries:
        said["webSearchQueries"] = list(queries)
    return beside(groundingMetadata=said)


def url_context(*urls: str, metadata: Json | None = None) -> Reply:
    """Say that *urls* were read; *metadata* are the wire's own words instead."""
    read = [{"retrievedUrl": url, "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"} for url in urls]
    return beside(urlContextMetadata=dict(metadata) if metadata is not None else {"urlMetadata": read})


def citations(*sources: Json) -> Reply:
    """Cite *sources*: `{"startIndex": 0, "endIndex": 9, "uri": "https://..."}`."""
    return beside(citationMetadata={"citationSources": [dict(source) for source in sources]})


def logprobs(*tokens: tuple[str, float], result: Json | None = None) -> Reply:
    """Give the log probability of each token; *result* is the wire's own words instead."""
    if result is not None:
        return beside(logprobsResult=dict(result))
    chosen = [
        {"token": token, "logProbability": value, "tokenId": 1000 + at} for at, (token, value) in enumerate(tokens)
    ]
    return beside(
        logprobsResult={"topCandidates": [{"candidates": [one]} for one in chosen], "chosenCandidates": chosen}
    )


def average_logprobs(value: float) -> Reply:
    """Give the candidate's average log probability."""
    return beside(avgLogprobs=value)


def index(value: int = 0) -> Reply:
    """Say the candidate's index, where `exactly` says nothing of itself."""
    return beside(index=value)


def beside(**fields: Any) -> Reply:
    """Put any other *fields* beside the candidate's content, in the wire's own words."""
    return Reply((Event((Candidate(fields=fields),), completes=True),))


def usage(
    prompt: int | None = None,
    candidates: int | None = None,
    thoughts: int | None = None,
    *,
    tool_use: int | None = None,
    cached: int | None = None,
    total: int | None = None,
    prompt_details: Mapping[str, int] | None = None,
    candidates_details: Mapping[str, int] | None = None,
    tool_use_details: Mapping[str, int] | None = None,
    cached_details: Mapping[str, int] | None = None,
    service_tier: str | None = None,
    traffic_type: str | None = None,
    **more: Any,
) -> Reply:
    """Say how many tokens it took; what is left out is counted. Details are tokens by modality: `{"TEXT": 7}`.

    *more* are the wire's own words.
    """
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "totalTokenCount": total,
        "cachedContentTokenCount": cached,
        "trafficType": traffic_type,
        "promptTokensDetails": _details(prompt_details),
        "cacheTokensDetails": _details(cached_details),
        "candidatesTokensDetails": _details(candidates_details),
        "toolUsePromptTokenCount": tool_use,
        "toolUsePromptTokensDetails": _details(tool_use_details),
        "thoughtsTokenCount": thoughts,
        "serviceTier": service_tier,
        **more,
    }
    said = {name: value for name, value in counts.items() if value is not None}
    negative = next((name for name, value in said.items() if isinstance(value, int) and value < 0), None)
    if negative:
        raise ScriptError(f"{negative} can't be {said[negative]}: counts are 0 or more")
    return Reply((Event(usage=said, completes=True),))


def _details(counts: Mapping[str, int] | None) -> list[dict[str, Any]] | None:
    if counts is None:
        return None
    return [{"modality": modality, "tokenCount": tokens} for modality, tokens in counts.items()]


def response(
    *,
    model_version: str | None = None,
    response_id: str | None = None,
    create_time: str | None = None,
    backend: Literal["gemini", "vertex"] | None = None,
    **more: Any,
) -> Reply:
    """Say who answers: model version, response id, time (RFC 3339), in whose style; *more* are the wire's own words."""
    said = {"modelVersion": model_version, "createTime": create_time, "responseId": response_id, **more}
    return Reply((), identity={name: value for name, value in said.items() if value is not None}, wire=backend)


def error(
    code: int,
    message: str | None = None,
    *,
    status: str | None = None,
    details: Sequence[Json] | None = None,
    retry_after: float | None = None,
) -> Reply:
    """Fail with the HTTP status *code*, in the words of real servers; after `reply.stream(...)`, in mid-stream.

    *retry_after* is the delay in seconds that the error's details advise.
    """
    said = list(details) if details is not None else None
    if retry_after is not None:
        delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}
        said = [*(said or []), delay]
    return Reply((Failure(check_code(code), message, status, None if said is None else tuple(said)),))


def raw(*said: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Send what no real server would: bytes or text as they are, or JSON values as events; a plain answer is one."""
    heads = tuple((headers or {}).items())
    if len(said) == 1 and isinstance(said[0], bytes | str):
        body = said[0].encode() if isinstance(said[0], str) else said[0]
        return Reply((Verbatim(body, status=status, headers=heads),))
    return Reply((Verbatim(events=tuple(said), status=status, headers=heads),))


def embedding(*vectors: Sequence[float]) -> Reply:
    """Answer a request for embeddings with *vectors*, one for each content."""
    if not vectors or not all(vectors):
        raise ScriptError("an embedding is one or more numbers: reply.embedding([0.1, 0.2])")
    return Reply((Document("embedding", [list(vector) for vector in vectors]),))


def token_count(total: int, *, cached: int | None = None) -> Reply:
    """Answer a request for the count of tokens."""
    said = {"totalTokens": total, **({} if cached is None else {"cachedContentTokenCount": cached})}
    return Reply((Document("tokens", {**said, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]}),))


def resource(value: Json | None, **headers: str) -> Reply:
    """Answer any other method with *value*: a file, a cache, a list of models."""
    return Reply(
        (Document("resource", value, tuple((name.replace("_", "-"), said) for name, said in headers.items())),)
    )


def wait(seconds: float) -> Reply:
    """Send nothing for *seconds*."""
    if not seconds >= 0:
        raise ScriptError(f"a wait is 0 seconds or more, not {seconds!r}")
    return Reply((Pause(seconds),))


def stall() -> Reply:
    """Send nothing more, and keep the connection open until the client gives up."""
    return Reply((Pause(inf),))


def hold(gate: Gate) -> Reply:
    """Send nothing more until the test opens *gate*."""
    return Reply((Hold(gate),))


def disconnect() -> Reply:
    """Break the connection: before the answer, between events, or in the middle of a plain answer."""
    return Reply((Disconnect(),))


def _sum(replies: Sequence[Reply]) -> Reply:
    joined = Reply(())
    for reply in replies:
        joined = joined + reply
    return joined


def _only_events(reply: Reply) -> tuple[Event, ...]:
    other = [step for step in reply.steps if not isinstance(step, Event)]
    if other:
        raise ScriptError(f"{reply!r} holds more than content: it can't be a part of an event or a candidate")
    return reply.events


def _loose(part: Json) -> Reply:
    return Reply((Event((Candidate(parts=(dict(part),)),), loose=True),))


def _checked_text(text: str) -> str:
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ScriptError(f"text is a str, not {text!r}")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ScriptError(f"no server sends half a surrogate pair: {text[:80]!r}")
    return text


def _checked_json(value: Any) -> Any:
    """Return *value*; raise `ScriptError` where JSON can't say it."""
    match value:
        case Mapping():
            return {str(key): _checked_json(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple():
            return [_checked_json(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case float() if not math.isfinite(value):
            raise ScriptError(f"JSON has no number for {value}: send it as a string")
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ScriptError(f"JSON can't say {value!r}: give objects, lists, text, numbers, booleans or None")


def _signed(signature: str | bytes | None) -> dict[str, str]:
    if signature is None:
        return {}
    if isinstance(signature, bytes):
        return {"thoughtSignature": base64.b64encode(signature).decode()}
    try:
        base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise ScriptError(f"a signature is standard base64 or bytes, not {signature[:40]!r}") from None
    return {"thoughtSignature": signature}
