"""Hypothesis strategies for requests to Gemini, and for its answers.

Answers are replies as made by `reply`, for `GeminiMock` and `GeminiServer`. Unusual ones are frequent: no candidates,
no content, no parts, unknown reasons and fields, thoughts, several candidates, events with counts only.

```python
@given(strategies.responses())
def test_never_crashes(answer):
    with GeminiMock(answer):
        my_application()
```
"""

from __future__ import annotations

from functools import cache
from operator import add
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import strategies as st

from maxim_gemini.testing import reply
from maxim_gemini.testing._replies.assembly import beside, combined, prompt_feedback
from maxim_gemini.testing._replies.failures import STATUSES
from maxim_gemini.testing._replies.model import InteractionSettings, Reply
from maxim_gemini.testing.reply import BLOCK_REASONS, FINISH_REASONS, HARM_CATEGORIES, INTERACTION_STATUSES

if TYPE_CHECKING:
    from google.genai import types

    from maxim_gemini.testing._json_types import JsonDict
    from maxim_gemini.testing._replies.request import Backend

__all__ = [
    "Turn",
    "configs",
    "contents",
    "conversations",
    "errors",
    "interaction_streams",
    "interactions",
    "responses",
    "streams",
]

NEW_REASON: Final = "A_REASON_OF_TOMORROW"
"""A finish reason that no SDK knows."""

NEW_STATUS: Final = "status_of_tomorrow"
"""A status of an interaction that no SDK knows."""

_SERVER_TOOLS: Final = (
    "file_search",
    "google_maps",
    "retrieval",
    "mcp_server_tool",
    "tool_search",
    "processing",
    "dance",
)
_NASTY_TEXTS: Final = (
    "",
    " ",
    "\n",
    "<b>&'\"",
    "data: {}\r\n\r\n",
    "[DONE]",
    '{"candidates": []}',
    "👩‍👩‍👧 e\u0301 \u2028\u2029",
    "\x00\x7f\ufeff",
    "\u0627\u202eab",
    "x" * 300,
)
_ODD_DELTAS: Final[tuple[JsonDict, ...]] = (
    *[{"type": "delta_of_tomorrow", "moves": 2}] * 4,
    {"text": "", "type": "text"},
    {"arguments": '{"a', "type": "arguments_delta"},
    {"signature": "", "type": "thought_signature"},
)
"""Deltas of an unknown kind, or of the kind of another step."""
_ODD_EVENTS: Final[tuple[JsonDict, ...]] = (
    {"event_type": "interaction.danced"},
    {"index": 99, "event_type": "step.stop"},
    {
        "index": 0,
        "event_type": "step.stop",
        "metadata": {"total_usage": {"total_tokens": 3, "total_input_tokens": 1, "total_output_tokens": 2}},
    },
    {"interaction_id": "v1_a", "status": NEW_STATUS, "event_type": "interaction.status_update"},
)
_SITE: Final = "https://example.com/"
_BYTES: Final = st.binary(min_size=1, max_size=24)


class Turn(NamedTuple):
    """A message of the user, and Gemini's reply."""

    message: Any
    reply: Reply


def contents() -> st.SearchStrategy[Any]:
    """Generate contents for `generate_content`: text, parts, contents, files, dicts, and lists of them."""
    from google.genai import types

    uri = "https://generativelanguage.googleapis.com/v1beta/files/file-1"
    uploaded = st.just(types.File(name="files/file-1", uri=uri, mime_type="text/plain"))
    single = st.one_of(_texts(min_size=1), _sent_parts(), _sent_parts().map(_as_dict), uploaded)
    content = st.builds(types.Content, role=st.sampled_from(["user", "model"]), parts=_few(_sent_parts()))
    dialogue = st.lists(st.one_of(content, content.map(_as_dict), _calls_and_results()), min_size=1, max_size=4)
    return st.one_of(single, content, _few(single), dialogue.map(_flattened))


def configs(backend: Backend = "gemini") -> st.SearchStrategy[types.GenerateContentConfig]:
    """Generate configs for `generate_content` that *backend* accepts."""
    from google.genai import types

    names = st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True)
    vertex = {"labels": st.dictionaries(names, names, max_size=2)} if backend == "vertex" else {}
    category = st.sampled_from([types.HarmCategory(name) for name in HARM_CATEGORIES])
    threshold = st.sampled_from([types.HarmBlockThreshold.BLOCK_NONE, types.HarmBlockThreshold.BLOCK_LOW_AND_ABOVE])
    safety = st.builds(types.SafetySetting, category=category, threshold=threshold)
    mode = st.sampled_from([types.FunctionCallingConfigMode(name) for name in ("AUTO", "ANY", "NONE")])
    calling = st.builds(types.FunctionCallingConfig, mode=mode)
    return st.builds(
        _config,
        temperature=_maybe(st.floats(0, 2)),
        top_p=_maybe(st.floats(0, 1)),
        top_k=_maybe(st.integers(1, 40)),
        candidate_count=_maybe(st.integers(1, 8)),
        max_output_tokens=_maybe(st.integers(1, 65536)),
        stop_sequences=_maybe(st.lists(_texts(min_size=1), min_size=1, max_size=5)),
        seed=_maybe(st.integers(0, 2**31 - 1)),
        presence_penalty=_maybe(st.floats(-2, 2)),
        frequency_penalty=_maybe(st.floats(-2, 2)),
        system_instruction=_maybe(st.one_of(_texts(min_size=1), _sent_texts(), _few(_texts(min_size=1)))),
        safety_settings=_maybe(st.lists(safety, max_size=4)),
        tools=_maybe(st.lists(_tools(), min_size=1, max_size=3)),
        tool_config=_maybe(st.builds(types.ToolConfig, function_calling_config=calling)),
        response_mime_type=_maybe(st.sampled_from(["text/plain", "application/json"])),
        response_schema=_maybe(_schemas()),
        response_modalities=_maybe(st.sampled_from([["TEXT"], ["TEXT", "IMAGE"], ["AUDIO"]])),
        thinking_config=_maybe(st.builds(types.ThinkingConfig, include_thoughts=st.booleans())),
        cached_content=_maybe(names.map("cachedContents/{}".format)),
        **{name: _maybe(strategy) for name, strategy in vertex.items()},
    )


def responses() -> st.SearchStrategy[Reply]:
    """Generate answers to a plain request."""
    several = st.lists(_candidates(), min_size=2, max_size=3).map(lambda each: reply.candidates(*each))
    answers = st.one_of(_candidates(), _candidates(), several, several, _hollow(), _blocked())
    return st.builds(add, answers, _rest())


def streams(*, broken: bool = False) -> st.SearchStrategy[Reply]:
    """Generate answers to a streaming request; with *broken*, they end in an error or break off."""
    event = st.one_of(
        _parts().map(reply.event),
        _parts().map(reply.event),
        _hollow().map(reply.event),
        st.builds(reply.event, _parts(), _parts()),
        st.integers(0, 99).map(lambda count: reply.event(reply.usage(prompt=count))),
    )
    events = st.lists(event, min_size=1, max_size=6).map(combined)
    whole = st.one_of(
        st.builds(add, events, _ends()),
        st.tuples(events, _ends(), _rest()).map(combined),
        st.lists(_texts(), min_size=1, max_size=8).map(lambda pieces: reply.stream(*pieces)),
        _blocked(),
    )
    return st.builds(add, events, st.one_of(errors(), st.just(reply.disconnect()))) if broken else whole


def errors() -> st.SearchStrategy[Reply]:
    """Generate errors."""
    code = st.sampled_from(sorted(STATUSES))
    message = st.one_of(st.none(), _texts())
    detail = st.fixed_dictionaries({"@type": st.just("type.googleapis.com/google.rpc.DebugInfo"), "detail": _texts()})
    return st.one_of(
        code.map(reply.error),
        st.builds(reply.error, code, message, details=_maybe(st.lists(detail, max_size=2))),
        st.builds(reply.error, st.just(429), retry_after=st.sampled_from([0.0, 0.5, 23.0])),
    )


def interactions() -> st.SearchStrategy[Reply]:
    """Generate answers to a plain request for an interaction."""
    return st.builds(add, _few(_steps()).map(combined), _interaction_settings())


def interaction_streams(*, broken: bool = False) -> st.SearchStrategy[Reply]:
    """Generate streams of an interaction; with *broken*, they end in an error event or break off."""
    pieces = st.lists(_texts(), min_size=1, max_size=8).map(lambda texts: reply.stream(*texts))
    ahead = st.integers(0, 3).map(reply.keep_alive)
    odd_deltas = st.lists(st.sampled_from(_ODD_DELTAS), min_size=1, max_size=4).map(
        lambda deltas: reply.step({"type": "model_output", "content": []}, deltas=deltas)
    )
    odd_events = st.sampled_from(_ODD_EVENTS).map(reply.interaction_event)
    steps = _few(st.one_of(_steps(), pieces, *[odd_deltas, odd_events] * 3)).map(combined)
    stream = st.tuples(ahead, steps, _interaction_settings()).map(combined)
    begun = st.builds(add, st.just(reply.event()), stream)
    return st.builds(add, begun, st.one_of(errors(), st.just(reply.disconnect()))) if broken else stream


def conversations(*, streaming: bool = False) -> st.SearchStrategy[list[Turn]]:
    """Generate chats of one to four turns: messages of the user and replies; with *streaming*, replies are streams."""
    message = st.one_of(_texts(min_size=1), _sent_parts(), _few(st.one_of(_texts(min_size=1), _sent_parts())))
    answer = streams() if streaming else responses()
    return st.lists(st.builds(Turn, message, answer), min_size=1, max_size=4)


def _config(**options: Any) -> types.GenerateContentConfig:
    from google.genai import types

    return types.GenerateContentConfig(**{name: value for name, value in options.items() if value is not None})


@cache
def _texts(min_size: int = 0) -> st.SearchStrategy[str]:
    nasty = st.sampled_from([text for text in _NASTY_TEXTS if len(text.strip()) >= min_size])
    return st.one_of(nasty, st.text(min_size=min_size, max_size=40).filter(lambda text: len(text.strip()) >= min_size))


@cache
def _json(leaves: int = 6) -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | _texts()
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts(), inner, max_size=3),
        max_leaves=leaves,
    )


@cache
def _names() -> st.SearchStrategy[str]:
    return st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,12}", fullmatch=True)


@cache
def _candidates() -> st.SearchStrategy[Reply]:
    """Generate the content of one candidate, and its end."""
    content = st.lists(_parts(), min_size=1, max_size=4).map(combined)
    return st.one_of(content, st.builds(add, content, _ends()), st.builds(add, content, _ends()))


@cache
def _parts() -> st.SearchStrategy[Reply]:
    """Generate replies of one part each, of every kind; unknown kinds, too."""
    signature = _maybe(_BYTES)
    args = st.dictionaries(_texts(), _json(), max_size=3)
    return st.one_of(
        st.builds(reply.text, _texts(), signature=signature),
        st.builds(reply.thought, _texts(), signature=signature),
        st.builds(reply.function_call, _names(), args, call_id=_maybe(_names()), signature=signature),
        st.builds(reply.blob, _BYTES, st.sampled_from(["image/png", "audio/L16;codec=pcm;rate=24000", "x/y"])),
        st.builds(reply.code, _texts(), code_id=_maybe(_names()), signature=signature),
        st.builds(reply.code_result, _maybe(_texts()), outcome=_outcomes(), code_id=_maybe(_names())),
        _texts().map(lambda name: reply.part({"fileData": {"fileUri": f"{_SITE}{name}", "mimeType": "text/plain"}})),
        st.fixed_dictionaries({"text": _texts(), "fieldOfTomorrow": _json()}).map(reply.part),
        st.just(reply.empty()),
    )


def _outcomes() -> st.SearchStrategy[str]:
    return st.sampled_from(["OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED"])


@cache
def _ends() -> st.SearchStrategy[Reply]:
    """Generate the end of a candidate: a reason, known or not, and other fields beside the content."""
    unknown = [*[NEW_REASON] * 4, "FINISH_REASON_UNSPECIFIED"]
    reason = st.sampled_from([*sorted(FINISH_REASONS), *unknown]).map(lambda name: beside(finishReason=name))
    message = _maybe(_texts()).map(lambda text: Reply(()) if text is None else beside(finishMessage=text))
    others = st.one_of(
        st.just(Reply(())),
        st.builds(reply.safety_ratings, st.just({HARM_CATEGORIES[0]: "HIGH"}), blocked=st.booleans()),
        _texts().map(lambda text: reply.grounding(("https://example.com", text), queries=[text])),
        st.just(reply.grounding(metadata={})),
        st.just(reply.url_context("https://example.com")),
        st.just(reply.citations({"startIndex": 0, "endIndex": 9, "uri": "https://example.com"})),
        _texts().map(lambda text: reply.logprobs((text, -0.5))),
        st.floats(-10, 0).map(lambda value: beside(avgLogprobs=value)),
        _json().map(lambda value: beside(fieldOfTomorrow=value)),
    )
    return st.tuples(reason, message, others).map(combined)


@cache
def _hollow() -> st.SearchStrategy[Reply]:
    """Generate answers without content: no candidates, no content, no parts."""
    return st.one_of(
        st.just(reply.event()),
        st.builds(reply.usage, st.integers(0, 99)),
        st.just(beside(index=0)),
        st.just(reply.empty()),
        st.just(reply.empty(role=None)),
        st.builds(reply.finish, st.just("MALFORMED_FUNCTION_CALL"), _texts()),
        st.builds(reply.stopped, st.sampled_from(["SAFETY", "RECITATION", "PROHIBITED_CONTENT"])),
        st.just(reply.max_tokens()),
    )


def _blocked() -> st.SearchStrategy[Reply]:
    reason = st.sampled_from(sorted(BLOCK_REASONS))
    unknown = prompt_feedback({"blockReason": NEW_REASON})
    return st.one_of(st.builds(reply.blocked, reason, _maybe(_texts())), st.just(unknown))


@cache
def _rest() -> st.SearchStrategy[Reply]:
    """Generate token counts and names for an answer, or nothing."""
    named = st.builds(reply.response, model_version=_maybe(_names()), response_id=_maybe(_names()))
    unknown = _json().map(lambda value: reply.response(fieldOfTomorrow=value))
    return st.one_of(st.just(Reply(())), _counts(), named, unknown)


@cache
def _steps() -> st.SearchStrategy[Reply]:
    """Generate steps of an interaction, of every kind, also empty and unknown ones."""
    signature = _maybe(_BYTES)
    args = st.dictionaries(_texts(), _json(), max_size=3)
    hollow: list[JsonDict] = [
        {"type": "model_output"},
        {"content": [], "type": "model_output"},
        {"content": [{"type": "hologram", "depth": 3}], "type": "model_output"},
        {"content": [{"text": "", "annotations": [], "type": "text"}], "type": "model_output"},
        {"type": "thought"},
        {"summary": [], "type": "thought"},
        {"id": "c1", "type": "function_call", "name": "f"},
        {"content": [{"text": "again", "type": "text"}], "type": "user_input"},
        {"type": "step_of_tomorrow"},
    ]
    return st.one_of(
        st.builds(reply.text, _texts(), signature=signature),
        st.builds(reply.thought, _texts(), signature=signature),
        st.builds(reply.function_call, _names(), args, call_id=_maybe(_names()), signature=signature),
        st.builds(reply.blob, _BYTES, st.sampled_from(["image/png", "audio/wav", "video/mp4", "application/pdf"])),
        st.builds(reply.code, _texts(), code_id=_maybe(_names())),
        st.builds(reply.code_result, _texts(), outcome=_outcomes(), code_id=_maybe(_names())),
        st.lists(_texts(), max_size=3).map(lambda queries: reply.google_search(*queries)),
        _texts().map(lambda text: reply.grounding(("https://example.com", text), queries=[text], text=text)),
        st.just(reply.url_context("https://example.com")),
        st.sampled_from([*_SERVER_TOOLS, *["mcp_server_tool"] * 3]).flatmap(_server_tools),
        st.just(reply.server_tool("dance", {"moves": 2}, ["bow"])),
        st.sampled_from(hollow).map(reply.step),
        _json().map(lambda value: reply.step({"type": "step_of_tomorrow", "fieldOfTomorrow": value})),
    )


def _server_tools(kind: str) -> st.SearchStrategy[Reply]:
    """Generate the call and the result of a tool; those of an MCP server have names and a text."""
    if kind != "mcp_server_tool":
        empty: list[dict[str, Any]] = [{}]
        return st.booleans().map(lambda failed: reply.server_tool(kind, {}, empty, is_error=failed))
    return _texts().map(lambda text: reply.server_tool(kind, {"query": text}, text, name="find", server_name="library"))


@cache
def _interaction_settings() -> st.SearchStrategy[Reply]:
    """Generate the settings of an interaction; half of the time, usual ones."""
    status = st.sampled_from([*INTERACTION_STATUSES, *[NEW_STATUS] * 6]).map(lambda name: {"status": name})
    less = st.sampled_from(["usage", "usage", "model", "object", "created"]).map(lambda name: {name: None})
    more = _json().map(lambda value: {"fieldOfTomorrow": value})
    errors = _texts().map(lambda text: {"errors": [{"code": "internal", "message": text}]})
    fields = st.one_of(status, less, more, errors).map(lambda each: Reply((), interaction=InteractionSettings(each)))
    older = st.just(reply.interaction(schema="outputs"))
    return st.one_of(st.just(Reply(())), st.just(Reply(())), fields, fields, older, _counts())


def _counts() -> st.SearchStrategy[Reply]:
    count = _maybe(st.integers(0, 9999))
    return st.builds(reply.usage, count, count, count, tool_use=count, cached=count, total=count)


def _sent_texts() -> st.SearchStrategy[types.Part]:
    from google.genai import types

    return _texts(min_size=1).map(lambda text: types.Part(text=text))


def _sent_parts() -> st.SearchStrategy[types.Part]:
    """Generate the parts that a user sends."""
    from google.genai import types

    mime_types = st.sampled_from(["image/png", "audio/mp3", "video/mp4", "application/pdf", "text/csv"])
    return st.one_of(
        _sent_texts(),
        st.tuples(_BYTES, mime_types).map(lambda blob: types.Part.from_bytes(data=blob[0], mime_type=blob[1])),
        mime_types.map(lambda mime: types.Part.from_uri(file_uri="gs://bucket/object", mime_type=mime)),
    )


def _calls_and_results() -> st.SearchStrategy[list[types.Content]]:
    """Generate a function call and its result, as in a history."""
    from google.genai import types

    def exchange(name: str, args: JsonDict, result: object, call_id: str | None) -> list[types.Content]:
        call = types.Part(function_call=types.FunctionCall(id=call_id, name=name, args=args))
        answer = types.FunctionResponse(id=call_id, name=name, response={"result": result})
        return [
            types.Content(role="model", parts=[call]),
            types.Content(role="user", parts=[types.Part(function_response=answer)]),
        ]

    args = st.dictionaries(_names(), _json(), max_size=3)
    return st.builds(exchange, _names(), args, _json(), _maybe(_names()))


def _tools() -> st.SearchStrategy[types.Tool]:
    from google.genai import types

    declaration = st.builds(
        types.FunctionDeclaration, name=_names(), description=_maybe(_texts()), parameters=_maybe(_object_schemas())
    )
    return st.one_of(
        st.builds(types.Tool, function_declarations=st.lists(declaration, min_size=1, max_size=3)),
        st.just(types.Tool(google_search=types.GoogleSearch())),
        st.just(types.Tool(code_execution=types.ToolCodeExecution())),
    )


def _schemas() -> st.SearchStrategy[types.Schema]:
    from google.genai import types

    kinds = st.sampled_from([types.Type.STRING, types.Type.INTEGER, types.Type.NUMBER, types.Type.BOOLEAN])
    leaf = kinds.map(lambda kind: types.Schema(type=kind))
    array = leaf.map(lambda items: types.Schema(type=types.Type.ARRAY, items=items))
    return st.one_of(leaf, array, _object_schemas())


def _object_schemas() -> st.SearchStrategy[types.Schema]:
    from google.genai import types

    leaf = st.sampled_from([types.Schema(type=types.Type.STRING), types.Schema(type=types.Type.INTEGER)])
    properties = st.dictionaries(_names(), leaf, min_size=1, max_size=3)
    return properties.map(lambda each: types.Schema(type=types.Type.OBJECT, properties=each, required=[*each][:1]))


def _as_dict(model: Any) -> JsonDict:
    return model.model_dump(exclude_none=True)  # type: ignore[no-any-return]


def _flattened(items: list[Any]) -> list[Any]:
    flat: list[Any] = []
    for item in items:
        flat.extend(item if isinstance(item, list) else [item])  # pyright: ignore[reportUnknownArgumentType]
    return flat


def _few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=1, max_size=3)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy
