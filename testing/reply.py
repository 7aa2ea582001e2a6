"""Functions that make Gemini's replies, for mocks, the server on this machine and the strategies.

```python
from maxim_gemini.testing import reply

reply.text("Paris.")
reply.stream("Pa", "ris.") + reply.usage(prompt=7, candidates=2)
reply.text("Let me see.") + reply.function_call("weather", city="Paris")
reply.error(429)
```

Add replies with `+`. Fields that you leave out are filled in as real servers do: token counts, ids, finish reason,
signatures, in the style of the requested backend and model family. Replies that no real server sends are refused; to
send them, use `raw`.
"""

from __future__ import annotations

import base64
import binascii
import re
import wave
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, pi, sin
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final, Literal

from maxim_gemini.testing._replies import assembly
from maxim_gemini.testing._replies.assembly import (
    beside,
    checked_json,
    checked_text,
    combined,
    event,
    only_events,
    prompt_feedback,
)
from maxim_gemini.testing._replies.model import (
    AfterAudio,
    Candidate,
    Disconnect,
    Document,
    Event,
    Failure,
    Gate,
    Hangup,
    Hold,
    InteractionEvent,
    InteractionSettings,
    InteractionStep,
    Interruption,
    Json,
    KeepAlive,
    LiveMessage,
    LiveSession,
    Pause,
    Refusal,
    Reply,
    Schema,
    Transcription,
    Turn,
    Verbatim,
)
from maxim_gemini.testing._replies.reading import parse
from maxim_gemini.testing.exceptions import ScriptError

if TYPE_CHECKING:
    from maxim_gemini.testing._json_types import JsonDict

__all__ = [
    "Gate",
    "Reply",
    "after_audio",
    "audio",
    "blob",
    "blocked",
    "cancel_calls",
    "candidates",
    "citations",
    "close",
    "code",
    "code_result",
    "disconnect",
    "embedding",
    "empty",
    "error",
    "event",
    "finish",
    "function_call",
    "go_away",
    "google_search",
    "grounding",
    "hold",
    "image",
    "input_transcription",
    "interaction",
    "interaction_event",
    "interrupted",
    "keep_alive",
    "live",
    "live_message",
    "logprobs",
    "max_tokens",
    "output_transcription",
    "parse",
    "part",
    "partial_call",
    "raw",
    "resource",
    "response",
    "resumption",
    "safety_ratings",
    "server_tool",
    "speech",
    "stall",
    "step",
    "stopped",
    "stream",
    "text",
    "thought",
    "token_count",
    "url_context",
    "usage",
    "wait",
]

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
"""The finish reasons that servers send."""

BLOCK_REASONS: Final = frozenset(
    ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"]
)
"""The reasons for which a prompt is blocked."""

HARM_CATEGORIES: Final = (
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)
"""The harm categories of safety ratings, in the order of real servers."""

PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""

INTERACTION_STATUSES: Final = (
    "in_progress", "queued", "requires_action", "completed", "failed", "cancelled", "incomplete", "budget_exceeded",
    "idle", "requires_continuation",
)  # fmt: skip
"""The statuses of an interaction."""

_CUT_OFF: Final = frozenset({"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "IMAGE_SAFETY"})


def text(text: str, *, signature: str | bytes | None = None) -> Reply:
    """Answer with *text*. A stream cuts it as the requested model family does; `stream` sets the cuts itself."""
    return assembly.part({"text": checked_text(text), **_signed(signature)})


def stream(*pieces: str) -> Reply:
    """Answer with *pieces*, each in a separate event; a plain request gets them joined."""
    if not pieces:
        raise ScriptError("reply.stream() needs at least one piece: give it the text of each event")
    return assembly.pieces(*pieces)


def thought(text: str, *, signature: str | bytes | None = None) -> Reply:
    """Add a thought, as models do if the config includes thoughts."""
    return assembly.part({"text": checked_text(text), "thought": True, **_signed(signature)})


def function_call(
    name: str,
    args: Json | None = None,
    /,
    *,
    call_id: str | None = None,
    signature: str | bytes | None = None,
    **more: Any,
) -> Reply:
    """Call the function *name* with *args*, or with keyword arguments. Two calls added with `+` are parallel."""
    if args is not None and not isinstance(args, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ScriptError(f"the arguments of {name!r} must be a mapping or keyword arguments, got {args!r}")
    call = {"name": name, "args": checked_json({**(args or {}), **more}), **({"id": call_id} if call_id else {})}
    return assembly.part({"functionCall": call, **_signed(signature)})


def partial_call(name: str, /, *, signature: str | bytes | None = None, **args: str) -> Reply:
    """Call *name* with text arguments that arrive piece by piece, as Vertex streams them on request."""
    opening: JsonDict = {"functionCall": {"name": name, "willContinue": True}, **_signed(signature)}
    pieces = [piece for key, value in args.items() for piece in _partial(key, value)]
    calls: list[Json] = [opening, *({"functionCall": piece} for piece in [*pieces, {}])]
    return Reply(tuple(Event((Candidate(parts=(call,)),)) for call in calls))


def _partial(key: str, value: str) -> list[JsonDict]:
    path = f"$.{key}"
    piece = {"jsonPath": path, "stringValue": value, "willContinue": True}
    return [
        {"partialArgs": [piece], "willContinue": True},
        {"partialArgs": [{"jsonPath": path, "stringValue": ""}], "willContinue": True},
    ]


def image(data: bytes = PIXEL, mime_type: str = "image/png", *, signature: str | bytes | None = None) -> Reply:
    """Send a picture: *data*, or a PNG of one pixel."""
    return blob(data, mime_type, signature=signature)


def audio(data: bytes = bytes(480), mime_type: str = "audio/L16;codec=pcm;rate=24000") -> Reply:
    """Send sound: *data*, or ten milliseconds of silence."""
    return blob(data, mime_type)


def blob(data: bytes, mime_type: str, *, signature: str | bytes | None = None) -> Reply:
    """Send *data* inline, with their MIME type."""
    if not data or "/" not in mime_type:
        raise ScriptError(f"inline data must be bytes with a MIME type, got {data[:20]!r} and {mime_type!r}")
    inline = {"mimeType": mime_type, "data": base64.b64encode(data).decode()}
    return assembly.part({"inlineData": inline, **_signed(signature)})


def code(
    code: str, *, language: str = "PYTHON", code_id: str | None = None, signature: str | bytes | None = None
) -> Reply:
    """Send code that the model runs on the server."""
    fields = {"language": language, "code": checked_text(code), **({"id": code_id} if code_id else {})}
    return assembly.part({"executableCode": fields, **_signed(signature)})


def code_result(
    output: str | None, *, outcome: str = "OUTCOME_OK", code_id: str | None = None, signature: str | bytes | None = None
) -> Reply:
    """Send the result of code that ran on the server."""
    fields = {
        "outcome": outcome,
        **({} if output is None else {"output": output}),
        **({"id": code_id} if code_id else {}),
    }
    return assembly.part({"codeExecutionResult": fields, **_signed(signature)})


def part(fields: Json) -> Reply:
    """Send a part of any other kind, as JSON of the wire: `{"toolCall": {...}}`, `{"fileData": {...}}`."""
    if not fields:
        raise ScriptError("a part without fields has no content: use reply.empty() for a content without parts")
    return assembly.part(checked_json(fields))


def empty(role: str | None = "model") -> Reply:
    """Answer with a content without parts; without *role*, it is an empty object."""
    return Reply((Event((Candidate(parts=(), role=role),), loose=True),))


def candidates(*replies: Reply) -> Reply:
    """Answer with several candidates, one for each of *replies*."""
    if len(replies) < 2:
        raise ScriptError(f"candidates() needs at least two replies, got {len(replies)}")
    rows = [only_events(reply) for reply in replies]
    events: list[Event] = []
    for position in range(max(map(len, rows))):
        joined = Event()
        for index, row in enumerate(rows):
            if position < len(row):
                ends = {"finishReason": "STOP"} if position == len(row) - 1 else {}
                numbered = [replace(c, index=index, fields={**ends, **c.fields}) for c in row[position].candidates]
                joined = joined + replace(row[position], candidates=tuple(numbered), loose=False)
        events.append(joined)
    return replace(combined(replies), steps=tuple(events))


def finish(reason: str = "STOP", message: str | None = None) -> Reply:
    """End the candidate with *reason*: in the event before it, or in an event without content."""
    if reason not in FINISH_REASONS:
        known = ", ".join(sorted(FINISH_REASONS))
        raise ScriptError(f"unknown finish reason {reason!r}: choose from {known}; reply.raw sends any")
    return beside(finishReason=reason, **({} if message is None else {"finishMessage": message}))


def max_tokens(text: str | None = None) -> Reply:
    """Stop at the token limit, after *text* or, without text, after thinking."""
    return (empty() if text is None else assembly.part({"text": text})) + finish("MAX_TOKENS")


def stopped(reason: str = "SAFETY", text: str | None = None) -> Reply:
    """Stop the answer for *reason*: `SAFETY`, `RECITATION` ...; *text* comes before it."""
    content = assembly.part({"text": text}) if text else empty(role=None)
    rated = safety_ratings({HARM_CATEGORIES[3]: "HIGH"}, blocked=True) if reason in _CUT_OFF else Reply(())
    return content + finish(reason) + rated


def blocked(reason: str = "SAFETY", message: str | None = None) -> Reply:
    """Block the prompt: the answer has no candidates."""
    if reason not in BLOCK_REASONS:
        raise ScriptError(f"unknown block reason {reason!r}: choose from {', '.join(sorted(BLOCK_REASONS))}")
    feedback: JsonDict = {"blockReason": reason}
    if reason == "SAFETY":
        feedback["safetyRatings"] = _ratings({HARM_CATEGORIES[1]: "HIGH"}, blocked=False)
    if message is not None:
        feedback["blockReasonMessage"] = message
    return prompt_feedback(feedback)


def safety_ratings(probabilities: Mapping[str, str] | None = None, *, blocked: bool = False) -> Reply:
    """Add safety ratings: *probabilities* by harm category; all others are `NEGLIGIBLE`."""
    return beside(safetyRatings=_ratings(probabilities or {}, blocked=blocked))


def _ratings(probabilities: Mapping[str, str], *, blocked: bool) -> list[JsonDict]:
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
    """Add grounding: *sources* are pairs of URI and title, *queries* the searches, *text* the supported piece of text.

    *metadata*, as JSON of the wire, replace all of these.
    """
    if metadata is not None:
        return beside(groundingMetadata=dict(metadata))
    fields: JsonDict = {}
    if queries:
        fields["searchEntryPoint"] = {"renderedContent": f"<div>{', '.join(queries)}</div>"}
    fields["groundingChunks"] = [{"web": {"uri": uri, "title": title}} for uri, title in sources]
    fields["groundingSupports"] = [
        {"segment": {"endIndex": len(text.encode()), "text": text}, "groundingChunkIndices": list(range(len(sources)))}
    ]
    if queries:
        fields["webSearchQueries"] = list(queries)
    return beside(groundingMetadata=fields)


def url_context(*urls: str, metadata: Json | None = None) -> Reply:
    """Add the *urls* that were read. *metadata*, as JSON of the wire, replace them."""
    read = [{"retrievedUrl": url, "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"} for url in urls]
    return beside(urlContextMetadata=dict(metadata) if metadata is not None else {"urlMetadata": read})


def citations(*sources: Json) -> Reply:
    """Add citations of *sources*, such as `{"startIndex": 0, "endIndex": 9, "uri": "https://..."}`."""
    return beside(citationMetadata={"citationSources": [dict(source) for source in sources]})


def logprobs(*tokens: tuple[str, float], result: Json | None = None) -> Reply:
    """Add the log probability of each token. *result*, as JSON of the wire, replaces them."""
    if result is not None:
        return beside(logprobsResult=dict(result))
    chosen = [
        {"token": token, "logProbability": value, "tokenId": 1000 + at} for at, (token, value) in enumerate(tokens)
    ]
    return beside(
        logprobsResult={"topCandidates": [{"candidates": [one]} for one in chosen], "chosenCandidates": chosen}
    )


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
    """Set token counts; those that you leave out are estimated. Details are tokens by modality: `{"TEXT": 7}`.

    *more* are further fields, by their names on the wire.
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
    given = {name: value for name, value in counts.items() if value is not None}
    negative = next((name for name, value in given.items() if isinstance(value, int) and value < 0), None)
    if negative:
        raise ScriptError(f"{negative} must be 0 or more, got {given[negative]}")
    return Reply((Event(usage=given, completes=True),))


def _details(counts: Mapping[str, int] | None) -> list[JsonDict] | None:
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
    """Set the model version, the response id, the time (RFC 3339), the style, and *more* fields by their wire names."""
    fields = {"modelVersion": model_version, "createTime": create_time, "responseId": response_id, **more}
    return assembly.described(backend, {name: value for name, value in fields.items() if value is not None})


def error(
    code: int,
    message: str | None = None,
    *,
    status: str | None = None,
    details: Sequence[Json] | None = None,
    retry_after: float | None = None,
) -> Reply:
    """Fail with the HTTP status *code*, with the message of real servers. After `reply.stream(...)` it ends the stream.

    *retry_after* is the delay before a retry, in seconds, in the details of the error.
    """
    if retry_after is not None:
        delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}
        details = [*(details or ()), delay]
    return assembly.failure(code, message, status=status, details=details)


def raw(*contents: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Send anything, unchanged: bytes or text as the body, or JSON values as events; a plain answer has one."""
    heads = tuple((headers or {}).items())
    if len(contents) == 1 and isinstance(contents[0], bytes | str):
        body = contents[0].encode() if isinstance(contents[0], str) else contents[0]
        return Reply((Verbatim(body, status=status, headers=heads),))
    return Reply((Verbatim(events=contents, status=status, headers=heads),))


def embedding(*vectors: Sequence[float]) -> Reply:
    """Answer a request for embeddings with *vectors*, one for each content."""
    if not vectors or not all(vectors):
        raise ScriptError("an embedding must have one or more numbers: reply.embedding([0.1, 0.2])")
    return Reply((Document("embedding", [list(vector) for vector in vectors]),))


def token_count(total: int, *, cached: int | None = None) -> Reply:
    """Answer a request to count tokens."""
    counts = {"totalTokens": total, **({} if cached is None else {"cachedContentTokenCount": cached})}
    return Reply((Document("tokens", {**counts, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]}),))


def resource(value: Json | None, **headers: str) -> Reply:
    """Answer any other method with *value*, as JSON of the wire: a file, a cache, a list of models."""
    named = tuple((name.replace("_", "-"), header) for name, header in headers.items())
    return Reply((Document("resource", value, named),))


def wait(seconds: float) -> Reply:
    """Pause for *seconds*."""
    if not seconds >= 0:
        raise ScriptError(f"seconds must be 0 or more, got {seconds!r}")
    return Reply((Pause(seconds),))


def stall() -> Reply:
    """Stop sending, but keep the connection open until the client gives up."""
    return Reply((Pause(inf),))


def hold(gate: Gate) -> Reply:
    """Wait until the test opens *gate*."""
    return Reply((Hold(gate),))


def disconnect() -> Reply:
    """Break the connection: before the answer, between events, or in the middle of a plain answer."""
    return Reply((Disconnect(),))


def interaction(
    *,
    status: str | None = None,
    interaction_id: str | None = None,
    polls: int | None = None,
    continuation_token: str | None = None,
    errors: Sequence[Json] | None = None,
    schema: Schema = "steps",
    **fields: Any,
) -> Reply:
    """Set fields of an interaction. *fields* are further ones by their names on the wire; `None` leaves a field out.

    *polls* is how many polls find a background interaction still in progress. With a *continuation_token* the next
    request continues this answer. *errors*, each `{"code": ..., "message": ...}`, make the interaction a failed one.
    The *schema* `outputs` is the one until May 2026.
    """
    if status is not None and status not in INTERACTION_STATUSES:
        raise ScriptError(f"unknown status of an interaction {status!r}: choose from {', '.join(INTERACTION_STATUSES)}")
    if polls is not None and polls < 0:
        raise ScriptError(f"polls must be 0 or more, got {polls}")
    named = {"id": interaction_id, "status": status, "continuation_token": continuation_token}
    named["errors"] = [dict(error) for error in errors] if errors is not None else None  # type: ignore[assignment]
    own = {name: value for name, value in named.items() if value is not None}
    return Reply((), interaction=InteractionSettings({**own, **fields}, polls, schema))


def step(fields: Json, *, deltas: Sequence[Json] | None = None) -> Reply:
    """Add a step of any kind, as JSON of the wire: `{"type": "processing_call", "id": "a1"}`.

    *deltas* set the deltas of its stream; without them, it is cut as by real servers.
    """
    if "type" not in fields:
        raise ScriptError(f"a step must have a type, got {dict(fields)!r}")
    return Reply((InteractionStep(dict(fields), None if deltas is None else tuple(map(dict, deltas))),))


def google_search(*queries: str, suggestions: str | None = None) -> Reply:
    """Search the web for *queries*; *suggestions* is the HTML that an application has to show.

    Only for interactions. `grounding` adds sources, and is for `generate_content`, too.
    """
    shown = suggestions if suggestions is not None else f"<div>{', '.join(queries)}</div>"
    arguments = {"queries": list(queries)}
    return server_tool("google_search", arguments, [{"search_suggestions": shown}], search_type="web_search")


def server_tool(
    kind: str, arguments: Json | None = None, result: object = None, *, is_error: bool = False, **named: str
) -> Reply:
    """Run a tool on the server: `file_search`, `google_maps`, `retrieval`, `mcp_server_tool`, `tool_search` ...

    ```python
    reply.server_tool("mcp_server_tool", {"query": "whales"}, "12 hits", name="find", server_name="library")
    ```

    *named* are further fields of the call; `name` and `server_name` are also in the result.
    """
    if not kind or kind.endswith(("_call", "_result")):
        raise ScriptError(f"the kind of a server tool must not be empty nor end with _call or _result, got {kind!r}")
    both: JsonDict = {name: named[name] for name in ("name", "server_name") if name in named}
    call: JsonDict = {"id": None, "type": f"{kind}_call", **both}
    call |= {} if arguments is None else {"arguments": dict(arguments)}
    answer: JsonDict = {"call_id": None, "type": f"{kind}_result", **both}
    answer |= ({} if result is None else {"result": result}) | ({"is_error": True} if is_error else {})
    return Reply((InteractionStep({**call, **named}), InteractionStep(answer)))


def keep_alive(count: int = 1) -> Reply:
    """Send *count* comments that keep a stream open, as the Interactions API does while a model thinks."""
    return Reply((KeepAlive(),) * count)


def interaction_event(fields: Json) -> Reply:
    """Add an event to an interaction's stream, as JSON of the wire; a plain answer leaves it out.

    An event of a kind with which streams begin or end replaces the usual one.
    """
    return Reply((InteractionEvent(dict(fields)),))


# Live sessions


def live(*turns: Turn, session_id: str | None = None) -> Reply:
    """Answer a live session with *turns*, in order.

    ```python
    reply.live(
        reply.function_call("weather", city="Paris"),      # to the first question
        reply.speech("It is sunny in Paris."),             # to the function's result
    )
    ```

    A turn begins when the user has sent a whole message, the results of all functions, or the end of the sound;
    with `after_audio` it begins while sound is still sent. It ends with `turnComplete` and the token counts. A turn may
    be a function of the request, whose `messages` are those sent so far.
    """
    for turn in turns:
        if not isinstance(turn, Reply) and not callable(turn):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ScriptError(f"a turn must be a Reply or a function, got {turn!r}: write reply.text({turn!r})")
    return Reply((LiveSession(turns, {} if session_id is None else {"sessionId": session_id}),))


def speech(
    text: str | None = None,
    *,
    seconds: float | None = None,
    wav: str | PathLike[str] | None = None,
    tone: float = 440.0,
    rate: int = 24_000,
) -> Reply:
    """Speak *text*: send sound in pieces of 40 ms and, if the client asks for it, the transcription between them.

    The sound is a *tone* in hertz for *seconds* (by default as long as it takes to say the text), or the file *wav*
    (PCM, 16 bit, mono).
    """
    if wav is None:
        length = int((seconds or 0.06 * len(text or "") or 0.4) * rate)
        samples = (int(8000 * sin(2 * pi * tone * at / rate)) for at in range(length))
        pcm = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    else:
        pcm, rate = _samples(wav)
    size = 2 * rate // 25
    pieces = [blob(pcm[at : at + size], f"audio/pcm;rate={rate}").steps[0] for at in range(0, len(pcm), size)]
    words = [word for word in re.findall(r"\s*\S+\s*$|\s*\S+", text or "") if word]
    steps: list[Any] = []
    for index, piece in enumerate(pieces):
        due = len(words) * index // len(pieces), len(words) * (index + 1) // len(pieces)
        steps += [piece, *(Transcription(word, is_input=False, if_requested=True) for word in words[slice(*due)])]
    return Reply(tuple(steps))


def _samples(path: str | PathLike[str]) -> tuple[bytes, int]:
    with wave.open(fspath(path)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise ScriptError(
                f"{fspath(path)} must be mono with 16 bits, got {file.getnchannels()} channels of "
                f"{8 * file.getsampwidth()} bits"
            )
        return file.readframes(file.getnframes()), file.getframerate()


def input_transcription(text: str) -> Reply:
    """Send a transcription of the user's speech."""
    return Reply((Transcription(checked_text(text), is_input=True, if_requested=False),))


def output_transcription(text: str) -> Reply:
    """Send a transcription of the model's speech; `speech` already does."""
    return Reply((Transcription(checked_text(text), is_input=False, if_requested=False),))


def after_audio(seconds: float) -> Reply:
    """Begin a live turn when the user has spoken for *seconds*, without waiting for the end of the sound."""
    if not seconds > 0:
        raise ScriptError(f"seconds must be more than 0, got {seconds!r}")
    return Reply((AfterAudio(seconds),))


def interrupted() -> Reply:
    """Wait until the user speaks or writes, and then break off the turn, as live servers do."""
    return Reply((Interruption(),))


def live_message(fields: Json) -> Reply:
    """Send any message of a live server, as JSON of the wire: `{"voiceActivity": {...}}`."""
    if not fields:
        raise ScriptError("a message without fields has no content: {'serverContent': {...}}")
    return Reply((LiveMessage(checked_json(fields)),))


def cancel_calls(*call_ids: str) -> Reply:
    """Cancel function calls of a live session, by id."""
    return live_message({"toolCallCancellation": {"ids": list(call_ids)}})


def go_away(seconds: float) -> Reply:
    """Announce that the server will close a live connection in *seconds*."""
    return live_message({"goAway": {"timeLeft": f"{seconds:g}s"}})


def resumption(handle: str | None = None, *, resumable: bool = True) -> Reply:
    """Send the *handle* with which a live session can be resumed."""
    named = {"newHandle": handle} if handle else {}
    return live_message({"sessionResumptionUpdate": {**named, **({"resumable": True} if resumable else {})}})


def refuse(code: int, message: str | None = None, *, status: str | None = None) -> Reply:
    """Refuse the handshake of a websocket with the HTTP status *code*: no connection is opened.

    The reply is chosen before the client has sent a message, so a rule with a model or a text does not match yet.
    """
    if not 400 <= code <= 599:
        raise ScriptError(f"a handshake is refused with a status from 400 to 599, got {code!r}")
    return Reply((Refusal(Failure(code, message, status)),))


def close(code: int = 1000, reason: str = "") -> Reply:
    """Close the websocket of a live session."""
    if not (code in range(1000, 1015) and code not in (1004, 1005, 1006)) and code not in range(3000, 5000):
        raise ScriptError(f"no server closes with the code {code}: reply.disconnect() breaks the connection")
    return Reply((Hangup(code, reason),))


def _signed(signature: str | bytes | None) -> dict[str, str]:
    if signature is None:
        return {}
    if isinstance(signature, bytes):
        return {"thoughtSignature": base64.b64encode(signature).decode()}
    try:
        base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise ScriptError(f"a signature must be standard base64 or bytes, got {signature[:40]!r}") from None
    return {"thoughtSignature": signature}
