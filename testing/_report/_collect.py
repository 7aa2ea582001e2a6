"""Collect the traces of a logger for the report, with problems, errors, and times in seconds."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Final

from maxim_gemini.testing._json_types import is_object, sequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maxim_gemini.testing._json_types import JsonDict
    from maxim_gemini.testing._logs.completeness import Problem
    from maxim_gemini.testing._logs.received import Received
    from maxim_gemini.testing._logs.views import Trace

_TIMES: Final = ("started_at", "ended_at")
_SHOWN: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_LARGEST: Final = 256 * 1024
"""Size in bytes up to which a picture is shown in the page; larger ones are only described."""


def traces_of(received: Received) -> list[JsonDict]:
    """Return every trace in *received* (a `FakeLogger`, for example) as JSON-able data for `TestTraces`.

    Entities outside of any trace come last, in a trace with the name `Outside any trace`.
    """
    problems = received.problems()
    pictures = {
        one.id: f"data:{one.mime_type};base64,{base64.b64encode(one.content).decode()}"
        for view in (*received.traces, *received.spans, *received.generations, *received.tool_calls)
        for one in view.attachments
        if one.content is not None and one.mime_type in _SHOWN and len(one.content) <= _LARGEST
    }
    traces = [_shown(trace, problems, pictures) for trace in received.traces]
    traces.sort(key=lambda trace: trace.get("started_at", 0.0))
    orphans = [_prepared(orphan, pictures) for orphan in received.as_dict().get("orphans", ())]
    shown = {problem for trace in traces for problem in trace["problems"]}
    left = [str(problem) for problem in problems if str(problem) not in shown]
    if orphans or left:
        stray = {"kind": "trace", "id": "stray", "name": "Outside any trace", "session": None}
        traces.append({**stray, "children": orphans, "problems": left})
    return traces


def _shown(trace: Trace, problems: list[Problem], pictures: Mapping[str, str]) -> JsonDict:
    try:
        return _trace(trace, problems, pictures)
    except Exception as error:  # metadata of any shape may stand where the wrapper writes its own
        reason = f"this trace can't be shown: {type(error).__name__}: {error}"
        return {
            "kind": "trace",
            "id": trace.id,
            "name": trace.name,
            "session": None,
            "children": [],
            "problems": [reason],
        }


def _trace(trace: Trace, problems: list[Problem], pictures: Mapping[str, str]) -> JsonDict:
    data = _prepared(trace.as_dict(), pictures)
    ids = {(node["kind"], node["id"]) for node in _walk(data)}
    data["problems"] = [str(problem) for problem in problems if (problem.kind, problem.id) in ids]
    parent = trace.parent
    session = {"id": parent.id, "name": parent.name} if parent is not None and parent.kind == "session" else None
    return data | {"session": session}


def _prepared(node: JsonDict, pictures: Mapping[str, str]) -> JsonDict:
    """Add the fields that the page shows to *node* and all entities in it."""
    result = node.get("result")
    if is_object(result):
        choices = sequence(result.get("choices"))
        reason = choices[0].get("finish_reason") if choices else None
        node |= {"usage": result.get("usage"), "finish_reason": reason, "error": result.get("error")}
    if node.get("error"):
        node["errors"] = [node.pop("error"), *node.get("errors", ())]
    node |= _chunks(node)
    for attachment in node.get("attachments", ()):
        if attachment["id"] in pictures:
            attachment["data_url"] = pictures[attachment["id"]]
    for key in _TIMES:
        if isinstance(node.get(key), str):
            node[key] = datetime.fromisoformat(node[key]).timestamp()
    for child in node.get("children", ()):
        _prepared(child, pictures)
    return node


def _chunks(node: JsonDict) -> JsonDict:
    """Return the arrival times of a stream's chunks, in seconds after the request."""
    metrics = node.get("metrics", {})
    first = metrics.get("time_to_first_chunk_ms")
    times = [at / 1000 for at in node.get("metadata", {}).get("chunk_times_ms", ())] or None
    known = {
        "chunks": times,
        "first_chunk": None if first is None else first / 1000,
        "chunk_count": metrics.get("chunks"),
    }
    return {key: value for key, value in known.items() if value is not None}


def _walk(node: JsonDict) -> Iterator[JsonDict]:
    yield node
    for child in node.get("children", ()):
        yield from _walk(child)
